#include "api/billing/meter_clock.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/db.h"

#define SET_BY MC_SECOND /* a wall clock that is slewed is followed in steps of this */
#define LAST (MC_CLOCK_LAST * MC_SECOND)

static int64_t wall_less_boot(void)
{
	return mc_clock_wall() - mc_clock_boot();
}

void meter_clock_init(struct meter_clock *c, int64_t scale)
{
	snprintf(c->boot_id, sizeof(c->boot_id), "%s", mc_clock_boot_id());
	c->boot = mc_clock_boot();
	c->meter = 0;
	c->set = wall_less_boot();
	c->offset = c->boot + c->set;
	c->scale = scale;
}

static int read_row(sqlite3_stmt *stmt, void *ctx)
{
	struct meter_clock *c = ctx;

	snprintf(c->boot_id, sizeof(c->boot_id), "%s", mc_db_text(stmt, 0));
	c->boot = sqlite3_column_int64(stmt, 1);
	c->meter = sqlite3_column_int64(stmt, 2);
	c->offset = sqlite3_column_int64(stmt, 3);
	c->set = sqlite3_column_int64(stmt, 4);
	c->scale = sqlite3_column_int64(stmt, 5);
	return 0;
}

int meter_clock_load(struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	struct meter_clock read = { .scale = 0 };

	if (mc_db_run(db, read_row, &read, err, "SELECT boot_id, boot, meter, offset, set_by, scale FROM meter_clock", "") < 0)
		return -1;
	if (!read.scale)
		return 0;
	*c = read;
	return 1;
}

int meter_clock_save(const struct meter_clock *c, sqlite3 *db, mc_err **err)
{
	return mc_db_run(db, NULL, NULL, err, "INSERT OR REPLACE INTO meter_clock VALUES (1,?,?,?,?,?,?)", "siiiii",
			 c->boot_id, c->boot, c->meter, c->offset, c->set, c->scale);
}

bool meter_clock_same_boot(const struct meter_clock *c)
{
	return strcmp(c->boot_id, mc_clock_boot_id()) == 0;
}

/* A scale can run ahead of all dates: time then stands still at the last one. */
struct meter_instant meter_clock_now(const struct meter_clock *c)
{
	int64_t elapsed = mc_clock_boot() - c->boot, room = LAST - c->meter - (c->offset > 0 ? c->offset : 0);
	struct meter_instant now;

	if (elapsed < 0)
		elapsed = 0;
	if (__builtin_mul_overflow(elapsed, c->scale, &elapsed) || elapsed > room)
		elapsed = room > 0 ? room : 0;
	now.meter = c->meter + elapsed;
	now.label = now.meter + c->offset;
	return now;
}

bool meter_clock_was_set(const struct meter_clock *c)
{
	int64_t by = wall_less_boot() - c->set;

	return by >= SET_BY || by <= -SET_BY;
}

static void follow_wall(struct meter_clock *c)
{
	int64_t set = wall_less_boot();

	if (!meter_clock_was_set(c))
		return;
	c->offset += set - c->set;
	c->set = set;
}

void meter_clock_anchor(struct meter_clock *c, int64_t scale)
{
	c->meter = meter_clock_now(c).meter;
	c->boot = mc_clock_boot();
	c->scale = scale;
	follow_wall(c);
}

int64_t meter_clock_lead(const struct meter_clock *c)
{
	return meter_clock_now(c).label - (mc_clock_boot() + c->set);
}

void meter_clock_resume(struct meter_clock *c, int64_t scale)
{
	int64_t lead = c->meter + c->offset - (c->boot + c->set);

	snprintf(c->boot_id, sizeof(c->boot_id), "%s", mc_clock_boot_id());
	c->boot = mc_clock_boot();
	c->set = wall_less_boot();
	c->offset = c->boot + c->set + lead - c->meter;
	c->scale = scale;
}
