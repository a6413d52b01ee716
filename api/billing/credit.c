#include "api/billing/credit.h"

#include <stdlib.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "api/billing/meter.h"
#include "api/billing/meter_clock.h"
#include "api/billing/usage.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_HOURS 24       /* of earning, in a balance or a surplus */
#define LAUNCH_CREDITS 30  /* a processor of a T2 */

/* EC2 User Guide, "CPU credit tables": credits an hour, in tenths. */
static const struct {
	const char *type;
	int tenths, processors;
} types[] = {
	{ "t2.nano", 30, 1 }, { "t2.micro", 60, 1 }, { "t2.small", 120, 1 }, { "t2.medium", 240, 2 }, { "t2.large", 360, 2 },
	{ "t2.xlarge", 540, 4 }, { "t2.2xlarge", 816, 8 },
	{ "t3.nano", 60, 2 }, { "t3.micro", 120, 2 }, { "t3.small", 240, 2 }, { "t3.medium", 240, 2 }, { "t3.large", 360, 2 },
	{ "t3.xlarge", 960, 4 }, { "t3.2xlarge", 1920, 8 },
	{ "t3a.nano", 60, 2 }, { "t3a.micro", 120, 2 }, { "t3a.small", 240, 2 }, { "t3a.medium", 240, 2 }, { "t3a.large", 360, 2 },
	{ "t3a.xlarge", 960, 4 }, { "t3a.2xlarge", 1920, 8 },
};

bool credit_rules(const char *type, const char *mode, struct credit_rules *ret)
{
	bool t2 = strncmp(type, "t2.", 3) == 0;

	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		ret->per_hour = CREDIT_NS / 10 * types[i].tenths;
		ret->max = ret->per_hour * MAX_HOURS;
		ret->processors = types[i].processors;
		ret->unlimited = mode ? strcmp(mode, "unlimited") == 0 : !t2;
		ret->launch = t2 && !ret->unlimited ? LAUNCH_CREDITS * types[i].processors * CREDIT_NS : 0;
		ret->kept = !t2;
		return true;
	}
	return false;
}

/* What is had more than used pays the surplus first; beyond a full balance it is lost. */
static void gain(struct credit_account *a, int64_t max, int64_t n)
{
	int64_t paid = n < a->surplus ? n : a->surplus;

	a->surplus -= paid;
	n -= paid;
	if (a->balance < max)
		a->balance = n < max - a->balance ? a->balance + n : max;
}

int64_t credit_advance(struct credit_account *a, const struct credit_rules *rules, int64_t passed, int64_t used)
{
	money_wide earned = (money_wide)passed * rules->per_hour + a->rest;
	int64_t net = (int64_t)(earned / CALENDAR_HOUR) - used, taken, bill = 0;

	a->rest = (int64_t)(earned % CALENDAR_HOUR);
	if (net >= 0) {
		gain(a, rules->max, net);
	} else {
		taken = -net < a->balance ? -net : a->balance;
		a->balance -= taken;
		if (rules->unlimited)
			a->surplus += -net - taken;
	}
	if (!rules->unlimited)
		bill = a->surplus; /* it was switched */
	else if (a->surplus > rules->max)
		bill = a->surplus - rules->max;
	a->surplus -= bill;
	return bill;
}

int64_t credit_quota(const struct credit_account *a, const struct credit_rules *rules, int64_t horizon)
{
	money_wide due = (money_wide)rules->per_hour * horizon / CALENDAR_HOUR + a->balance;
	money_wide quota = due * CREDIT_PERIOD_US / ((money_wide)horizon * rules->processors);

	return rules->unlimited || quota >= CREDIT_PERIOD_US ? 0 : (int64_t)quota;
}

int64_t credit_stop(struct credit_account *a, const struct credit_rules *rules)
{
	int64_t bill = a->surplus;

	a->surplus = 0;
	if (!rules->kept)
		a->balance = 0;
	return bill;
}

/* --- rows ---------------------------------------------------------------------------- */

struct row {
	char instance[MC_ID_LEN], account[16], region[32], az[48], type[32];
	char *tags;
	char launched[MC_ISO8601_LEN]; /* the run that `cpu` counts in; "" while it does not run */
	int64_t at, cpu;
	struct credit_account credits;
	int64_t quota; /* its QEMU may have been told; UNKNOWN: nobody knows */
	bool found;
};
#define UNKNOWN (-1)

static void row_deinit(struct row *r)
{
	free(r->tags);
}
#define auto_row __attribute__((cleanup(row_deinit))) struct row

static int read_row(sqlite3_stmt *stmt, void *ctx)
{
	struct row *r = ctx;

	snprintf(r->instance, sizeof(r->instance), "%s", mc_db_text(stmt, 0));
	snprintf(r->account, sizeof(r->account), "%s", mc_db_text(stmt, 1));
	snprintf(r->region, sizeof(r->region), "%s", mc_db_text(stmt, 2));
	snprintf(r->az, sizeof(r->az), "%s", mc_db_text(stmt, 3));
	snprintf(r->type, sizeof(r->type), "%s", mc_db_text(stmt, 4));
	free(r->tags);
	r->tags = mc_strdup(mc_db_text(stmt, 5));
	snprintf(r->launched, sizeof(r->launched), "%s", mc_db_text(stmt, 6));
	r->at = sqlite3_column_int64(stmt, 7);
	r->cpu = sqlite3_column_int64(stmt, 8);
	r->credits.balance = sqlite3_column_int64(stmt, 9);
	r->credits.surplus = sqlite3_column_int64(stmt, 10);
	r->credits.rest = sqlite3_column_int64(stmt, 11);
	r->quota = sqlite3_column_int64(stmt, 12);
	r->found = true;
	return 0;
}

static int write_row(sqlite3 *db, const struct row *r, mc_err **err)
{
	return mc_db_run(db, NULL, NULL, err, "INSERT OR REPLACE INTO credit VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", "sssssssiiiiii", r->instance,
			 r->account, r->region, r->az, r->type, r->tags, r->launched, r->at, r->cpu, r->credits.balance,
			 r->credits.surplus, r->credits.rest, r->quota);
}

static int bill(sqlite3 *db, const struct row *r, int64_t amount, const struct meter_clock *clock, mc_err **err)
{
	const struct usage_counted c = {
		.account = r->account, .region = r->region, .az = r->az, .resource = r->instance, .type = r->type, .tags = r->tags,
		.meter = meter_find("cpu-credits"),
	};

	return usage_count(db, &c, amount, meter_clock_now(clock).label, err);
}

/* --- running --------------------------------------------------------------------------- */

/* Who it is, as of now. */
static void identify(struct row *row, const struct resource *r)
{
	snprintf(row->instance, sizeof(row->instance), "%s", r->id);
	snprintf(row->account, sizeof(row->account), "%s", r->account);
	snprintf(row->region, sizeof(row->region), "%s", r->region);
	snprintf(row->az, sizeof(row->az), "%s", r->az ? r->az : "");
	snprintf(row->type, sizeof(row->type), "%s", mc_json_str(r->doc, "InstanceType", ""));
	free(row->tags);
	row->tags = meter_tags(r);
}

static int take_started(sqlite3_stmt *stmt, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
	return 0;
}

/* A run of which nothing was counted yet: since when its time is billed. */
static int begin_run(sqlite3 *db, struct row *row, const struct credit_rules *rules, const char *launched, int64_t now, mc_err **err)
{
	row->at = now;
	row->cpu = 0;
	row->quota = UNKNOWN;
	row->credits.balance += rules->launch;
	snprintf(row->launched, sizeof(row->launched), "%s", launched);
	return mc_db_run(db, take_started, &row->at, err,
			 "SELECT started FROM usage_open WHERE resource = ? AND meter IN ('instance', 'instance-spot')", "s", row->instance);
}

static int advance(sqlite3 *db, struct row *row, const struct credit_rules *rules, const struct meter_clock *clock,
		   const struct credit_reading *reading, struct credit_figures *ret, mc_err **err)
{
	int64_t now = meter_clock_now(clock).meter, used = reading->cpu >= row->cpu ? reading->cpu - row->cpu : reading->cpu;

	ret->used = used * clock->scale; /* what the meters see of it */
	ret->charged = credit_advance(&row->credits, rules, now > row->at ? now - row->at : 0, ret->used);
	ret->account = row->credits;
	row->at = now;
	row->cpu = reading->cpu;
	ret->quota = credit_quota(&row->credits, rules, reading->horizon * clock->scale);
	ret->tell = ret->quota || row->quota;
	if (ret->quota)
		row->quota = ret->quota;
	if (bill(db, row, ret->charged, clock, err) < 0 || write_row(db, row, err) < 0)
		return -1;
	return 1;
}

int credit_take(struct store_tx *tx, sqlite3 *db, const struct credit_reading *reading, struct credit_figures *ret, mc_err **err)
{
	const struct resource *r = store_get(tx, reading->instance);
	auto_row row = { .found = false };
	struct credit_rules rules;
	struct meter_clock clock;

	if (!r || r->kind != KIND_INSTANCE || r->state != INSTANCE_RUNNING ||
	    !credit_rules(mc_json_str(r->doc, "InstanceType", ""), mc_json_str(r->spec, "cpu_credits", NULL), &rules))
		return 0;
	if (meter_clock_load(&clock, db, err) <= 0)
		return mc_err_wrap(err, "the meters' clock");
	if (mc_db_run(db, read_row, &row, err, "SELECT * FROM credit WHERE instance = ?", "s", r->id) < 0)
		return -1;
	identify(&row, r);
	if (strcmp(row.launched, mc_json_str(r->doc, "LaunchTime", "")) != 0 &&
	    begin_run(db, &row, &rules, mc_json_str(r->doc, "LaunchTime", ""), meter_clock_now(&clock).meter, err) < 0)
		return -1;
	return advance(db, &row, &rules, &clock, reading, ret, err);
}

int credit_freed(sqlite3 *db, const char *instance, mc_err **err)
{
	return mc_db_run(db, NULL, NULL, err, "UPDATE credit SET quota = 0 WHERE instance = ?", "s", instance);
}

int credit_quota_at_start(sqlite3 *db, const struct resource *instance, int64_t horizon, int64_t *ret_quota, mc_err **err)
{
	auto_row row = { .found = false };
	struct credit_rules rules;
	struct meter_clock clock;

	*ret_quota = 0;
	if (!credit_rules(mc_json_str(instance->doc, "InstanceType", ""), mc_json_str(instance->spec, "cpu_credits", NULL), &rules) ||
	    rules.unlimited)
		return 0;
	if (meter_clock_load(&clock, db, err) <= 0)
		return mc_err_wrap(err, "the meters' clock");
	if (mc_db_run(db, read_row, &row, err, "SELECT * FROM credit WHERE instance = ?", "s", instance->id) < 0)
		return -1;
	if (strcmp(row.launched, mc_json_str(instance->doc, "LaunchTime", "")) != 0)
		row.credits.balance += rules.launch;
	*ret_quota = credit_quota(&row.credits, &rules, horizon * clock.scale);
	return 0;
}

/* --- not running any more ------------------------------------------------------------------ */

struct rows {
	struct store_tx *tx;
	struct row *list;
	size_t n;
};

/* Rows of instances that run are left alone, as are those that were settled. */
static int collect(sqlite3_stmt *stmt, void *ctx)
{
	struct rows *rows = ctx;
	const struct resource *r = store_get(rows->tx, mc_db_text(stmt, 0));
	struct row *list;

	if (r && (r->state == INSTANCE_RUNNING || *mc_db_text(stmt, 6) == '\0'))
		return 0;
	list = realloc(rows->list, (rows->n + 1) * sizeof(*list));
	if (!list)
		abort();
	rows->list = list;
	list[rows->n] = (struct row){ .found = false };
	return read_row(stmt, &list[rows->n++]);
}

static int settle(struct rows *rows, struct row *row, sqlite3 *db, const struct meter_clock *clock, mc_err **err)
{
	struct credit_rules rules = { .kept = true };

	credit_rules(row->type, NULL, &rules);
	if (bill(db, row, credit_stop(&row->credits, &rules), clock, err) < 0)
		return -1;
	row->launched[0] = '\0';
	if (store_get(rows->tx, row->instance))
		return write_row(db, row, err);
	return mc_db_run(db, NULL, NULL, err, "DELETE FROM credit WHERE instance = ?", "s", row->instance);
}

int credit_settle(struct store_tx *tx, sqlite3 *db, mc_err **err)
{
	struct rows rows = { .tx = tx };
	struct meter_clock clock;
	int r = meter_clock_load(&clock, db, err);

	if (r <= 0)
		return mc_err_wrap(err, "the meters' clock");
	r = mc_db_run(db, collect, &rows, err, "SELECT * FROM credit", "");
	for (size_t i = 0; i < rows.n; i++) {
		if (r == 0)
			r = settle(&rows, &rows.list[i], db, &clock, err);
		row_deinit(&rows.list[i]);
	}
	free(rows.list);
	return r;
}
