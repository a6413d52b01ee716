
#include "common/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crash.h"

static int fail(sqlite3 *db, mc_err **err, const char *what)
{
	return mc_err_set(err, 0, "database: %s: %s", what, sqlite3_errmsg(db));
}

int mc_db_exec(sqlite3 *db, const char *sql, mc_err **err)
{
	int r;

	MC_CRASH_POINT();
	r = sqlite3_exec(db, sql, NULL, NULL, NULL);
	return r == SQLITE_OK ? 0 : fail(db, err, sql);
}

static int bind_all(sqlite3_stmt *stmt, const char *types, va_list ap)
{
	int r = SQLITE_OK;

	for (int i = 1; *types && r == SQLITE_OK; types++, i++) {
		if (*types == 's') {
			const char *text = va_arg(ap, const char *);

			r = text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT)
				 : sqlite3_bind_null(stmt, i);
		} else if (*types == 'd') {
			r = sqlite3_bind_double(stmt, i, va_arg(ap, double));
		} else {
			r = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
		}
	}
	return r;
}

static int step_all(sqlite3 *db, sqlite3_stmt *stmt, int (*row)(sqlite3_stmt *, void *), void *ctx,
		    mc_err **err)
{
	int r;

	while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
		if (row && row(stmt, ctx) != 0)
			return -1;
	return r == SQLITE_DONE ? 0 : fail(db, err, sqlite3_sql(stmt));
}

int mc_db_run(sqlite3 *db, int (*row)(sqlite3_stmt *stmt, void *ctx), void *ctx, mc_err **err,
	      const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt;
	va_list ap;
	int r;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return fail(db, err, sql);
	va_start(ap, types);
	r = bind_all(stmt, types, ap);
	va_end(ap);
	r = r == SQLITE_OK ? step_all(db, stmt, row, ctx, err) : fail(db, err, sql);
	sqlite3_finalize(stmt);
	return r;
}

static int version_row(sqlite3_stmt *stmt, void *ctx)
{
	*(int *)ctx = sqlite3_column_int(stmt, 0);
	return 0;
}

static int user_version(sqlite3 *db, int *ret, mc_err **err)
{
	return mc_db_run(db, version_row, ret, err, "PRAGMA user_version", "");
}

/* The version is read again under the write lock: two starters must not both upgrade. */
static int upgrade_one(sqlite3 *db, const struct mc_db_upgrade *up, mc_err **err)
{
	char *pragma;
	int now, r;

	if (mc_db_exec(db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	r = user_version(db, &now, err);
	if (r == 0 && now < up->to) {
		pragma = sqlite3_mprintf("PRAGMA user_version=%d", up->to);
		r = mc_db_exec(db, up->sql, err) < 0 ? -1 : mc_db_exec(db, pragma, err);
		sqlite3_free(pragma);
	}
	if (r == 0)
		r = mc_db_exec(db, "COMMIT", err);
	if (r < 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int upgrade(sqlite3 *db, const struct mc_db_upgrade *upgrades, mc_err **err)
{
	int now, last = 0;

	if (user_version(db, &now, err) < 0)
		return -1;
	for (const struct mc_db_upgrade *u = upgrades; u->to; u++) {
		last = u->to;
		if (u->to > now && upgrade_one(db, u, err) < 0)
			return -1;
	}
	if (now > last)
		return mc_err_set(err, 0, "the database is of a newer minicloud (version %d, known is %d)",
				  now, last);
	return 0;
}

sqlite3 *mc_db_open(const char *path, const struct mc_db_upgrade *upgrades, mc_err **err)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
			    NULL) != SQLITE_OK) {
		mc_err_set(err, 0, "cannot open database %s: %s", path, sqlite3_errmsg(db));
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 10000);
	if (mc_db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON", err) < 0 ||
	    upgrade(db, upgrades, err) < 0) {
		mc_err_wrap(err, "%s", path);
		sqlite3_close(db);
		return NULL;
	}
	return db;
}

void mc_db_keep_room(sqlite3 *db, int64_t bytes)
{
	const char *log = sqlite3_filename_wal(sqlite3_db_filename(db, "main"));
	int persist = 1;
	struct stat st;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	if (!log || !*log || (stat(log, &st) == 0 && st.st_size >= bytes))
		return;
	/* Written, since it does not fit into the cache, and taken back: the log keeps its length. */
	if (mc_db_exec(db, "PRAGMA cache_size=10; BEGIN IMMEDIATE; CREATE TABLE room (x)", NULL) == 0)
		mc_db_run(db, NULL, NULL, NULL, "INSERT INTO room VALUES (zeroblob(?))", "i", bytes);
	if (!sqlite3_get_autocommit(db))
		mc_db_exec(db, "ROLLBACK", NULL);
	mc_db_exec(db, "PRAGMA cache_size=-2000", NULL);
}

void mc_db_close(sqlite3 *db)
{
	sqlite3_close(db);
}

const char *mc_db_text(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text ? (const char *)text : "";
}
