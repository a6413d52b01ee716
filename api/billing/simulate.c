#include "api/billing/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "api/billing/coverage.h"
#include "api/billing/meter.h"
#include "api/billing/rate.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_COUNT 3000 /* so many months of ns fit into 63 bits */
#define GROUPS_MAX 100
#define ACCOUNT "plan"

static const char *const options[] = { "on-demand", "reserved-1yr", "reserved-3yr", "savings-plan-1yr", "savings-plan-3yr", "spot" };
#define OPTIONS MC_ARRAY_SIZE(options)

/* --- the plan's form ------------------------------------------------------------- */

static bool check_money(const char *text)
{
	int64_t nano;

	return money_parse(text, &nano) == 0;
}

static bool check_month(const char *text)
{
	int month;

	return calendar_month_parse(text, &month) == 0;
}

#define VOLUME_FIELDS \
	{ .name = "type", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 32 }, \
	{ .name = "size", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = 65536 }, \
	{ .name = "iops", .type = MC_FIELD_INTEGER, .min = 1, .max = 1000000 }, \
	{ .name = "throughput", .type = MC_FIELD_INTEGER, .min = 1, .max = 100000 }

static const struct mc_field own_volume_fields[] = { VOLUME_FIELDS, { 0 } };
static const struct mc_field volume_fields[] = {
	VOLUME_FIELDS,
	{ .name = "name", .type = MC_FIELD_STRING, .max = 64 },
	{ .name = "count", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_COUNT },
	{ 0 },
};
static const struct mc_field instance_fields[] = {
	{ .name = "name", .type = MC_FIELD_STRING, .max = 64 },
	{ .name = "type", .type = MC_FIELD_STRING, .required = true, .min = 3, .max = 64 },
	{ .name = "count", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_COUNT },
	{ .name = "hours_per_day", .type = MC_FIELD_INTEGER, .min = 1, .max = 24 },
	{ .name = "days", .type = MC_FIELD_INTEGER, .min = 1, .max = 31 },
	{ .name = "public_ip", .type = MC_FIELD_BOOLEAN },
	{ .name = "volumes", .type = MC_FIELD_OBJECTS, .max = 40, .sub = own_volume_fields },
	{ 0 },
};
static const struct mc_field nat_fields[] = {
	{ .name = "count", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_COUNT },
	{ .name = "gb", .type = MC_FIELD_INTEGER, .max = 1LL << 30 },
	{ 0 },
};
static const struct mc_field reserved_fields[] = {
	{ .name = "type", .type = MC_FIELD_STRING, .required = true, .min = 3, .max = 64 },
	{ .name = "count", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = MAX_COUNT },
	{ .name = "option", .type = MC_FIELD_STRING, .max = 32 },
	{ 0 },
};
static const struct mc_field savings_fields[] = {
	{ .name = "commitment", .type = MC_FIELD_STRING, .required = true, .check = check_money },
	{ .name = "option", .type = MC_FIELD_STRING, .max = 32 },
	{ 0 },
};
static const struct mc_field plan_fields[] = {
	{ .name = "comment", .type = MC_FIELD_STRING },
	{ .name = "region", .type = MC_FIELD_STRING, .min = 1, .max = 32 },
	{ .name = "month", .type = MC_FIELD_STRING, .check = check_month },
	{ .name = "free_tier", .type = MC_FIELD_BOOLEAN },
	{ .name = "instances", .type = MC_FIELD_OBJECTS, .max = GROUPS_MAX, .sub = instance_fields },
	{ .name = "volumes", .type = MC_FIELD_OBJECTS, .max = GROUPS_MAX, .sub = volume_fields },
	{ .name = "nat_gateways", .type = MC_FIELD_OBJECTS, .max = GROUPS_MAX, .sub = nat_fields },
	{ .name = "snapshots_gb", .type = MC_FIELD_INTEGER, .min = 1, .max = 1LL << 30 },
	{ .name = "data_out_gb", .type = MC_FIELD_INTEGER, .min = 1, .max = 1LL << 30 },
	{ .name = "flow_logs_gb", .type = MC_FIELD_INTEGER, .min = 1, .max = 1LL << 30 },
	{ .name = "idle_addresses", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_COUNT },
	{ .name = "kms_keys", .type = MC_FIELD_INTEGER, .min = 1, .max = MAX_COUNT },
	{ .name = "reserved", .type = MC_FIELD_OBJECTS, .max = GROUPS_MAX, .sub = reserved_fields },
	{ .name = "savings_plan", .type = MC_FIELD_OBJECT, .sub = savings_fields },
	{ 0 },
};

/* --- lines -------------------------------------------------------------------------- */

struct sim {
	const json_t *plan;
	const struct prices *prices;
	const char *region;
	int64_t day;      /* the month's first */
	int month, days;
	struct rater *rater;
	json_t *lines;
	int64_t groups;   /* so far, for the rater */
	int64_t totals[OPTIONS], others; /* totals: -1: an option that has no price for something */
	mc_err **err;
};

static void put_money(json_t *doc, const char *key, int64_t nano)
{
	char text[MONEY_TEXT];

	money_format(nano, 9, text);
	json_object_set_new(doc, key, json_string(text));
}

static int rate(struct sim *s, const struct meter *m, const char *type, int64_t quantity, int64_t amount, int64_t *ret_cost)
{
	const struct rate_usage u = {
		.account = ACCOUNT, .region = s->region, .type = type, .meter = m, .quantity = quantity, .amount = amount, .day = s->day,
		.group = ++s->groups,
	};
	bool priced;

	if (rater_rate(s->rater, &u, NULL, NULL, ret_cost, &priced, s->err) < 0)
		return -1;
	return priced ? 0 : mc_err_set(s->err, 0, "the price list has no price for %s %s in %s", m->price, type, s->region);
}

static json_t *line_new(struct sim *s, const char *name, const struct meter *m, const char *type, int64_t quantity, int64_t amount)
{
	mc_autofree char *usage = meter_usage_type(m, type);
	mc_autofree char *full = mc_strf("%s%s", prices_region(s->prices, s->region)->prefix, usage);
	money_wide n = (money_wide)amount * (meter_unit_info(m->unit)->timed ? quantity : 1);
	char units[MONEY_TEXT];
	json_t *line;

	money_quotient(n, meter_denominator(m, s->month), 6, units);
	line = json_pack("{s:s, s:s, s:s, s:s, s:{}}", "name", name, "usage_type", full, "units", units, "unit",
			 meter_unit_info(m->unit)->name, "costs");
	json_array_append_new(s->lines, line);
	return json_object_get(line, "costs");
}

/* Something that costs the same whatever way instances are bought. */
static int add(struct sim *s, const char *name, const char *meter, const char *type, int64_t quantity, int64_t amount)
{
	const struct meter *m = meter_find(meter);
	int64_t cost;
	json_t *costs;

	if (quantity <= 0 || amount <= 0)
		return 0;
	if (rate(s, m, type, quantity, amount, &cost) < 0)
		return -1;
	costs = line_new(s, name, m, type, quantity, amount);
	for (size_t o = 0; o < OPTIONS; o++) {
		put_money(costs, options[o], cost);
		if (s->totals[o] >= 0)
			s->totals[o] += cost;
	}
	s->others += cost;
	return 0;
}

static int64_t month_ns(const struct sim *s)
{
	return s->days * CALENDAR_DAY;
}

static int add_volumes(struct sim *s, const char *name, const json_t *v, int64_t count)
{
	const char *type = mc_json_str(v, "type", "");
	bool gp3 = strcmp(type, "gp3") == 0, provisioned = gp3 || strncmp(type, "io", 2) == 0;

	/* Brackets are each volume's own: one after the other. */
	if (add(s, name, "volume", type, count * mc_json_int(v, "size", 0), month_ns(s)) < 0)
		return -1;
	if (provisioned && add(s, name, "volume-iops", type, mc_json_int(v, "iops", 0), count * month_ns(s)) < 0)
		return -1;
	return gp3 ? add(s, name, "volume-throughput", type, mc_json_int(v, "throughput", 0), count * month_ns(s)) : 0;
}

/* --- instances ------------------------------------------------------------------------ */

/* Instance-hours of the group in the month, in ns. */
static int64_t running_ns(const struct sim *s, const json_t *g)
{
	int64_t days = mc_json_int(g, "days", s->days);

	return (days < s->days ? days : s->days) * mc_json_int(g, "hours_per_day", 24) * CALENDAR_HOUR;
}

static int64_t price_by(const struct sim *s, const char *type, const char *option)
{
	const struct price *p = prices_find(s->prices, "instance", s->region, type, option, s->day);

	return p ? p->tiers[0].nano : -1;
}

/* Reservations and plans are paid for every hour of the month, whether something runs or not. */
static int64_t cost_by(const struct sim *s, const json_t *g, size_t option, int64_t on_demand)
{
	const char *type = mc_json_str(g, "type", "");
	int64_t count = mc_json_int(g, "count", 1), price = price_by(s, type, options[option]);
	int64_t ns = strcmp(options[option], "spot") == 0 ? running_ns(s, g) : month_ns(s);

	if (option == 0)
		return on_demand;
	return price < 0 ? -1 : money_round((money_wide)price * count * ns, CALENDAR_HOUR);
}

static int add_instances(struct sim *s, const json_t *g)
{
	const struct meter *m = meter_find("instance");
	const char *type = mc_json_str(g, "type", ""), *name = mc_json_str(g, "name", type);
	int64_t count = mc_json_int(g, "count", 1), ns = running_ns(s, g), on_demand;
	json_t *costs, *v;
	size_t i;

	if (rate(s, m, type, count, ns, &on_demand) < 0)
		return -1;
	costs = line_new(s, name, m, type, count, ns);
	for (size_t o = 0; o < OPTIONS; o++) {
		int64_t cost = cost_by(s, g, o, on_demand);

		if (cost >= 0)
			put_money(costs, options[o], cost);
		s->totals[o] = cost < 0 || s->totals[o] < 0 ? -1 : s->totals[o] + cost;
	}
	json_array_foreach(mc_json_arr(g, "volumes"), i, v)
		if (add_volumes(s, name, v, count) < 0)
			return -1;
	return mc_json_bool(g, "public_ip", false) ? add(s, name, "public-ipv4", "", count, ns) : 0;
}

static int add_all(struct sim *s)
{
	const json_t *plan = s->plan;
	int64_t gib = 1LL << 30;
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(plan, "instances"), i, one)
		if (add_instances(s, one) < 0)
			return -1;
	json_array_foreach(mc_json_arr(plan, "volumes"), i, one)
		if (add_volumes(s, mc_json_str(one, "name", "volumes"), one, mc_json_int(one, "count", 1)) < 0)
			return -1;
	json_array_foreach(mc_json_arr(plan, "nat_gateways"), i, one)
		if (add(s, "nat gateways", "nat-gateway", "", mc_json_int(one, "count", 1), month_ns(s)) < 0 ||
		    add(s, "nat gateways", "nat-gateway-bytes", "", 1, mc_json_int(one, "gb", 0) * gib) < 0)
			return -1;
	if (add(s, "snapshots", "snapshot", "", mc_json_int(plan, "snapshots_gb", 0) * gib, month_ns(s)) < 0 ||
	    add(s, "data out", "data-out", "", 1, mc_json_int(plan, "data_out_gb", 0) * gib) < 0 ||
	    add(s, "flow logs", "flow-log-bytes", "", 1, mc_json_int(plan, "flow_logs_gb", 0) * gib) < 0 ||
	    add(s, "idle addresses", "public-ipv4-idle", "", mc_json_int(plan, "idle_addresses", 0), month_ns(s)) < 0)
		return -1;
	return add(s, "keys", "kms-key", "", mc_json_int(plan, "kms_keys", 0), month_ns(s));
}

/* --- with the plan's own reservations ----------------------------------------------------- */

struct uses {
	struct coverage_use list[2 * GROUPS_MAX];
	const char *types[2 * GROUPS_MAX];
	size_t n;
};

static struct coverage_use *use_of(struct sim *s, struct uses *u, const char *type, const char *plan_option)
{
	struct coverage_use *use;

	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->types[i], type) == 0)
			return &u->list[i];
	use = &u->list[u->n];
	u->types[u->n++] = type;
	*use = (struct coverage_use){ .on_demand = price_by(s, type, "on-demand"), .plan_price = price_by(s, type, plan_option) };
	if (use->plan_price < 0)
		use->plan_price = 0;
	return use;
}

static int reserve(struct sim *s, struct uses *u, const char *plan_option)
{
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(s->plan, "reserved"), i, one) {
		const char *type = mc_json_str(one, "type", ""), *option = mc_json_str(one, "option", "reserved-1yr");
		struct coverage_use *use = use_of(s, u, type, plan_option);

		use->reserved += mc_json_int(one, "count", 0);
		use->reserved_price = price_by(s, type, option);
		if (use->reserved_price < 0 || use->on_demand < 0)
			return mc_err_set(s->err, 0, "the price list has no price for %s %s in %s", type, option, s->region);
	}
	return 0;
}

static void run_hour(struct sim *s, struct uses *u, int64_t day, int64_t hour, const char *plan_option)
{
	json_t *g;
	size_t i;

	for (i = 0; i < u->n; i++)
		u->list[i].running = 0;
	json_array_foreach(mc_json_arr(s->plan, "instances"), i, g)
		if (day < mc_json_int(g, "days", s->days) && hour < mc_json_int(g, "hours_per_day", 24))
			use_of(s, u, mc_json_str(g, "type", ""), plan_option)->running += mc_json_int(g, "count", 1);
}

static int add_planned(struct sim *s, json_t *out)
{
	const json_t *savings = mc_json_obj(s->plan, "savings_plan");
	const char *option = mc_json_str(savings, "option", "savings-plan-1yr");
	mc_autofree struct uses *u = mc_alloc(sizeof(*u));
	struct coverage sum = { 0 };
	int64_t commitment = 0;
	json_t *doc;

	if (!savings && !mc_json_arr(s->plan, "reserved"))
		return 0;
	money_parse(mc_json_str(savings, "commitment", "0"), &commitment);
	if (reserve(s, u, option) < 0)
		return -1;
	for (int64_t day = 0; day < s->days; day++)
		for (int64_t hour = 0; hour < 24; hour++) {
			run_hour(s, u, day, hour, option);
			coverage_hour(u->list, u->n, commitment, &sum);
		}
	doc = json_object();
	put_money(doc, "reserved", sum.reserved);
	put_money(doc, "savings_plan", sum.plan);
	put_money(doc, "on_demand", sum.on_demand);
	put_money(doc, "other", s->others);
	put_money(doc, "unused", sum.unused);
	put_money(doc, "total", sum.reserved + sum.plan + sum.on_demand + s->others);
	json_object_set_new(out, "planned", doc);
	return 0;
}

/* --- all of it ------------------------------------------------------------------------------ */

static json_t *report(struct sim *s)
{
	char month[CALENDAR_TEXT];
	json_t *out = json_object(), *totals = json_object(), *names = json_array();

	calendar_month_text(s->month, month);
	for (size_t o = 0; o < OPTIONS; o++) {
		json_array_append_new(names, json_string(options[o]));
		if (s->totals[o] >= 0)
			put_money(totals, options[o], s->totals[o]);
	}
	json_object_update_new(out, json_pack("{s:s, s:s, s:i, s:s, s:o, s:O, s:o}", "month", month, "region", s->region, "hours",
					      s->days * 24, "currency", prices_currency(s->prices), "options", names, "lines",
					      s->lines, "totals", totals));
	if (add_planned(s, out) == 0)
		return out;
	json_decref(out);
	return NULL;
}

json_t *simulate_plan(const json_t *plan, const struct prices *prices, const char *region, int64_t day, mc_err **err)
{
	struct rater_config config = { .prices = (struct prices *)prices, .free_tier = mc_json_bool(plan, "free_tier", false) };
	struct sim s = { .plan = plan, .prices = prices, .month = calendar_month(day), .err = err };
	json_t *out = NULL;

	if (mc_fields_check(plan_fields, plan, err) < 0)
		return NULL;
	s.region = mc_json_str(plan, "region", region);
	calendar_month_parse(mc_json_str(plan, "month", ""), &s.month);
	s.day = calendar_month_start(s.month);
	s.days = calendar_month_days(s.month);
	s.rater = rater_new(&config);
	s.lines = json_array();
	if (add_all(&s) == 0)
		out = report(&s);
	json_decref(s.lines);
	rater_free(s.rater);
	return out;
}
