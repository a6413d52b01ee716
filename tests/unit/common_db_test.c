/* Room that the log beside a database keeps, so that commits need none of the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"

#define ROOM (6 << 20)
#define ROWS 200

static const struct mc_db_upgrade upgrades[] = { { 1, "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)" }, { 0, NULL } };

static off_t size_of(const char *dir, const char *name)
{
	mc_autofree char *path = mc_strf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static sqlite3 *open_in(const char *dir)
{
	mc_autofree char *path = mc_strf("%s/db", dir);
	sqlite3 *db = mc_db_open(path, upgrades, NULL);

	assert_non_null(db);
	return db;
}

static int count(sqlite3_stmt *stmt, void *ctx)
{
	*(int *)ctx = sqlite3_column_int(stmt, 0);
	return 0;
}

/* So many commits as fill the log several times over. */
static void change_often(sqlite3 *db)
{
	for (int i = 0; i < 20 * ROWS; i++)
		assert_int_equal(mc_db_run(db, NULL, NULL, NULL, "INSERT OR REPLACE INTO t VALUES (?, 'text')", "i", (int64_t)(i % ROWS)), 0);
}

static void test_keep_room(void **state)
{
	char dir[] = "/tmp/db-test-XXXXXX";
	static const char *const names[] = { "db", "db-wal", "db-shm" };
	int tables = 0;
	sqlite3 *db;

	(void)state;
	assert_non_null(mkdtemp(dir));
	db = open_in(dir);
	mc_db_exec(db, "PRAGMA synchronous=OFF", NULL);
	mc_db_keep_room(db, ROOM);
	off_t log = size_of(dir, "db-wal"), file = size_of(dir, "db");
	assert_true(log >= ROOM * 9 / 10);
	assert_int_equal(mc_db_run(db, count, &tables, NULL, "SELECT count(*) FROM sqlite_master WHERE name = 'room'", ""), 0);
	assert_int_equal(tables, 0);
	change_often(db);
	assert_int_equal(size_of(dir, "db-wal"), log);
	mc_db_close(db);
	assert_int_equal(size_of(dir, "db-wal"), log);
	assert_true(size_of(dir, "db") < file + (1 << 20));
	db = open_in(dir);
	mc_db_keep_room(db, log);
	assert_int_equal(size_of(dir, "db-wal"), log);
	assert_int_equal(mc_db_run(db, count, &tables, NULL, "SELECT count(*) FROM t", ""), 0);
	assert_int_equal(tables, ROWS);
	mc_db_close(db);
	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++) {
		mc_autofree char *path = mc_strf("%s/%s", dir, names[i]);

		unlink(path);
	}
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_keep_room) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
