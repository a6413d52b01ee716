/* SQLite, the house way: WAL, synchronous=FULL, foreign keys, upgrades by user_version. */
#ifndef MC_COMMON_DB_H
#define MC_COMMON_DB_H

#include <sqlite3.h>
#include <stdint.h>

#include "common/error.h"

struct mc_db_upgrade {
	int to;          /* user_version after this row */
	const char *sql;
};

/* Open or create, and run the upgrades (rows ascending, ended by to == 0) above
 * the file's user_version, each in its own BEGIN IMMEDIATE. A file newer than the
 * last row is refused. NULL and *err on failure. */
sqlite3 *mc_db_open(const char *path, const struct mc_db_upgrade *upgrades, mc_err **err);

/* Run SQL without parameters. 0 or -1 and *err. */
int mc_db_exec(sqlite3 *db, const char *sql, mc_err **err);

/* Prepare, bind and step one statement. types: s (const char *, NULL is SQL NULL),
 * i (int64_t), d (double). row (may be NULL) is called for each row; non-zero from it stops with -1.
 * 0 or -1 and *err. Example: mc_db_run(db, NULL, NULL, err, "DELETE FROM t WHERE id=?", "s", id). */
int mc_db_run(sqlite3 *db, int (*row)(sqlite3_stmt *stmt, void *ctx), void *ctx, mc_err **err,
	      const char *sql, const char *types, ...);

/* Have the log beside the database take so many bytes of the disk from now on, closed or not: SQLite
 * writes its log from the beginning again after each thousand pages, so that transactions which do not make the database larger
 * succeed on a full disk, too. Where there is no room for it now it stays as it is. */
void mc_db_keep_room(sqlite3 *db, int64_t bytes);

void mc_db_close(sqlite3 *db);

/* A text column, "" for NULL. Valid until the next step. */
const char *mc_db_text(sqlite3_stmt *stmt, int column);

#endif
