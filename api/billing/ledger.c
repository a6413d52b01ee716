#include "api/billing/ledger.h"

#include <stddef.h>

#include "api/billing/calendar.h"
#include "common/db.h"

struct cursor {
	int64_t day, group;
};

static int read_cursor(sqlite3_stmt *stmt, void *ctx)
{
	struct cursor *c = ctx;

	c->day = sqlite3_column_int64(stmt, 0);
	c->group = sqlite3_column_int64(stmt, 1);
	return 0;
}

int ledger_reopen(sqlite3 *db, int64_t day, int64_t group, mc_err **err)
{
	struct cursor c = { 0 };
	int64_t month = calendar_month(day);

	if (mc_db_run(db, read_cursor, &c, err, "SELECT day, grp FROM usage_final", "") < 0)
		return -1;
	if (day > c.day || (day == c.day && group > c.group))
		return 0;
	if (mc_db_run(db, NULL, NULL, err, "UPDATE usage_final SET day = ?, grp = 0", "i", calendar_month_start((int)month)) < 0 ||
	    mc_db_run(db, NULL, NULL, err, "DELETE FROM usage_month WHERE month >= ?", "i", month) < 0)
		return -1;
	return mc_db_run(db, NULL, NULL, err, "DELETE FROM usage_pool WHERE month >= ?", "i", month);
}
