/* Cost Explorer (AWS Cost Explorer Service API reference): what was used and what it cost, by time,
 * dimension and tag; what is to come. Everything is read on a worker, from a snapshot of its own. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/forecast.h"
#include "api/billing/page_bill.h"
#include "api/billing/sums.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define PERIODS_MAX 1200 /* days in some three years */
#define LEVEL 80         /* of prediction intervals, per cent */

enum granularity { DAILY, MONTHLY, HOURLY };

/* --- requests -------------------------------------------------------------------- */

struct query {
	enum granularity granularity;
	int64_t from, to; /* days; hours for HOURLY */
	struct sums_key keys[SUMS_KEYS];
	size_t n_keys;
	const json_t *expression;
};

static int invalid(struct call *call, const char *message)
{
	return action_fail(call, API_NOT_FOUND, "ValidationException", message);
}

/* "2026-11-21" or, for hours, "2026-11-21T04:00:00Z". */
static int parse_moment(const char *text, enum granularity g, int64_t *ret)
{
	int64_t ns;

	if (g != HOURLY)
		return calendar_day_parse(text, ret);
	if (mc_clock_parse(text, &ns) < 0 || ns % CALENDAR_HOUR)
		return -1;
	*ret = ns / CALENDAR_HOUR;
	return 0;
}

static int parse_period(struct call *call, enum granularity g, int64_t *ret_from, int64_t *ret_to)
{
	const json_t *period = mc_json_obj(call->in, "TimePeriod");

	if (parse_moment(mc_json_str(period, "Start", ""), g, ret_from) < 0 || parse_moment(mc_json_str(period, "End", ""), g, ret_to) < 0)
		return invalid(call, g == HOURLY ? "Start and End must be whole hours as 2026-11-21T04:00:00Z."
						 : "Start and End must be days as 2026-11-21.");
	if (*ret_from >= *ret_to)
		return invalid(call, "Start date (and hour) should be before end date (and hour)");
	if (*ret_to - *ret_from > (g == HOURLY ? BILL_HOURS_MAX * 24 : PERIODS_MAX))
		return invalid(call, g == HOURLY ? "Hourly data is there for 14 days at a time." : "The time period is too long.");
	return 0;
}

static int parse_groups(struct call *call, struct query *q)
{
	json_t *group;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "GroupBy"), i, group) {
		const char *type = mc_json_str(group, "Type", ""), *key = mc_json_str(group, "Key", "");
		struct sums_key *k = &q->keys[q->n_keys];

		if (q->n_keys == 2)
			return invalid(call, "Number of GroupBy definitions must not be more than 2");
		if (strcmp(type, "TAG") == 0)
			k->tag = key;
		else if (strcmp(type, "DIMENSION") == 0)
			k->dimension = dimension_find(key);
		if (!k->tag && !k->dimension)
			return invalid(call, "Group Definition: the type must be DIMENSION or TAG, and the dimension one that bills have.");
		q->n_keys++;
	}
	return 0;
}

static const struct {
	const char *name;
	bool usage;
} metrics[] = {
	{ "BlendedCost", false }, { "UnblendedCost", false }, { "AmortizedCost", false }, { "NetUnblendedCost", false },
	{ "NetAmortizedCost", false }, { "UsageQuantity", true }, { "NormalizedUsageAmount", true },
};

/* Of accounts that share nothing and buy nothing in advance, all costs are the same. -1: unknown. */
static int metric_find(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(metrics); i++)
		if (strcmp(metrics[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int parse_metrics(struct call *call)
{
	json_t *name;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "Metrics"), i, name)
		if (metric_find(json_string_value(name)) < 0)
			return invalid(call, "Metrics: AmortizedCost, BlendedCost, NetAmortizedCost, NetUnblendedCost, NormalizedUsageAmount, "
					     "UnblendedCost and UsageQuantity are valid.");
	return i ? 0 : invalid(call, "Metrics must not be empty.");
}

static int parse_filter(struct call *call, struct query *q)
{
	const char *wrong;

	q->expression = mc_json_obj(call->in, "Filter");
	wrong = dimension_check(q->expression);
	return wrong ? invalid(call, wrong) : 0;
}

static enum granularity granularity(const struct call *call)
{
	const char *text = mc_json_str(call->in, "Granularity", "MONTHLY");

	return strcmp(text, "DAILY") == 0 ? DAILY : strcmp(text, "HOURLY") == 0 ? HOURLY : MONTHLY;
}

static int parse_query(struct call *call, struct query *q)
{
	*q = (struct query){ .granularity = granularity(call) };
	if (parse_period(call, q->granularity, &q->from, &q->to) || parse_groups(call, q) || parse_filter(call, q))
		return 1;
	return parse_metrics(call);
}

static int check_query(struct call *call)
{
	struct query q;

	return parse_query(call, &q);
}

/* --- periods ------------------------------------------------------------------------- */

static size_t period_of(const struct query *q, int64_t at)
{
	return (size_t)(q->granularity == MONTHLY ? calendar_month(at) - calendar_month(q->from) : at - q->from);
}

static size_t periods(const struct query *q)
{
	return period_of(q, q->to - 1) + 1;
}

static int64_t period_start(const struct query *q, size_t i)
{
	int64_t start = q->granularity == MONTHLY ? calendar_month_start(calendar_month(q->from) + (int)i) : q->from + (int64_t)i;

	return start < q->from ? q->from : start;
}

static int64_t period_end(const struct query *q, size_t i)
{
	int64_t end = q->granularity == MONTHLY ? calendar_month_start(calendar_month(q->from) + (int)i + 1) : q->from + (int64_t)i + 1;

	return end > q->to ? q->to : end;
}

static json_t *moment(const struct query *q, int64_t at)
{
	char text[MC_ISO8601_LEN];
	mc_autofree char *hour = NULL;

	if (q->granularity != HOURLY) {
		calendar_day_text(at, text);
		return json_string(text);
	}
	mc_clock_iso8601(at * CALENDAR_HOUR, text);
	hour = mc_strf("%.19sZ", text);
	return json_string(hour);
}

static json_t *period_view(const struct query *q, size_t i)
{
	return json_pack("{s:o, s:o}", "Start", moment(q, period_start(q, i)), "End", moment(q, period_end(q, i)));
}

/* --- GetCostAndUsage -------------------------------------------------------------------- */

struct adding {
	const struct query *q;
	struct bill *bill;
	struct sums *sums; /* by period */
};

static int add_at(struct adding *a, int64_t at, const struct bill_item *item)
{
	if (dimension_match(a->q->expression, a->bill->rating.prices, item))
		sums_add(&a->sums[period_of(a->q, at)], a->q->keys, a->q->n_keys, a->bill->rating.prices, item);
	return 0;
}

static int add_day(void *ctx, const struct bill_item *item)
{
	return add_at(ctx, item->day, item);
}

static int add_hour(void *ctx, int64_t hour, const struct bill_item *item)
{
	return add_at(ctx, hour, item);
}

static json_t *metric_view(const struct bill *b, bool usage, const struct sum *s)
{
	char amount[MONEY_TEXT];

	if (usage && s)
		money_quotient(s->quantity, MONEY_UNIT, 9, amount);
	else
		money_format(s && !usage ? s->cost : 0, 9, amount);
	return json_pack("{s:s, s:s}", "Amount", amount, "Unit", !usage ? prices_currency(b->rating.prices) : s && s->unit ? s->unit : "N/A");
}

static json_t *metrics_view(struct call *call, const struct bill *b, const struct sum *s)
{
	json_t *doc = json_object(), *name;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "Metrics"), i, name)
		json_object_set_new(doc, json_string_value(name), metric_view(b, metrics[metric_find(json_string_value(name))].usage, s));
	return doc;
}

/* A tag's group is named "team$red", "team$" where there is none. */
static json_t *keys_view(const struct query *q, const struct sum *s)
{
	json_t *keys = sum_keys(s);

	for (size_t i = 0; i < q->n_keys; i++)
		if (q->keys[i].tag) {
			mc_autofree char *text = mc_strf("%s$%s", q->keys[i].tag, mc_json_at(keys, i));

			json_array_set_new(keys, i, json_string(text));
		}
	return keys;
}

static json_t *result_view(struct call *call, const struct adding *a, size_t i)
{
	struct sums *sums = &a->sums[i];
	json_t *groups = json_array();
	int64_t end = period_end(a->q, i) * (a->q->granularity == HOURLY ? CALENDAR_HOUR : CALENDAR_DAY);

	sums_sort_by_key(sums);
	for (const struct sum *s = a->q->n_keys ? sums->by_key : NULL; s; s = s->hh.next)
		json_array_append_new(groups, json_pack("{s:o, s:o}", "Keys", keys_view(a->q, s), "Metrics", metrics_view(call, a->bill, s)));
	return json_pack("{s:o, s:o, s:o, s:b}", "TimePeriod", period_view(a->q, i), "Total",
			 a->q->n_keys ? json_object() : metrics_view(call, a->bill, sums->by_key), "Groups", groups, "Estimated",
			 end > a->bill->now.label);
}

static int read_query(struct call *call, struct adding *a)
{
	const struct query *q = a->q;
	const struct bill_query days = { .account = page_bill_account(call), .from = q->from, .to = q->to, .months = q->granularity == MONTHLY };
	json_t *results;
	int r = q->granularity == HOURLY ? bill_hours(a->bill, days.account, q->from, q->to, add_hour, a, &call->err)
					 : bill_each(a->bill, &days, add_day, a, &call->err);

	if (r < 0)
		return -1;
	results = json_array();
	for (size_t i = 0; i < periods(q); i++)
		json_array_append_new(results, result_view(call, a, i));
	call->out = json_pack("{s:o, s:[]}", "ResultsByTime", results, "DimensionValueAttributes");
	if (q->n_keys)
		json_object_set(call->out, "GroupDefinitions", mc_json_arr(call->in, "GroupBy"));
	return 0;
}

static int get_cost_and_usage(struct call *call)
{
	struct query q;
	struct bill b;
	struct adding a = { .q = &q, .bill = &b };
	int r;

	parse_query(call, &q);
	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	a.sums = mc_alloc(periods(&q) * sizeof(*a.sums));
	r = read_query(call, &a);
	for (size_t i = 0; i < periods(&q); i++)
		sums_free(&a.sums[i]);
	free(a.sums);
	bill_end(&b);
	return r;
}

/* --- GetCostForecast ----------------------------------------------------------------------- */

static int check_forecast(struct call *call)
{
	struct query q = { .granularity = granularity(call) };

	if (q.granularity == HOURLY)
		return invalid(call, "Granularity: DAILY or MONTHLY.");
	if (strcmp(mc_json_str(call->in, "Metric", ""), "USAGE_QUANTITY") == 0 ||
	    strcmp(mc_json_str(call->in, "Metric", ""), "NORMALIZED_USAGE_AMOUNT") == 0)
		return invalid(call, "Metric: one of the costs.");
	return parse_period(call, q.granularity, &q.from, &q.to) || parse_filter(call, &q);
}

/* Where what is still to come of a period begins. */
static int64_t still_from(const struct bill *b, const struct query *q, size_t i)
{
	int64_t begin = period_start(q, i) * CALENDAR_DAY;

	return begin < b->now.label ? b->now.label : begin;
}

static json_t *money_text(int64_t nano)
{
	char text[MONEY_TEXT];

	money_format(nano > 0 ? nano : 0, 9, text);
	return json_string(text);
}

static int forecast_view(struct call *call, struct bill *b, const struct query *q)
{
	json_t *list = json_array();
	bool bounds = json_object_get(call->in, "PredictionIntervalLevel") != NULL;
	int level = (int)mc_json_int(call->in, "PredictionIntervalLevel", LEVEL);
	int64_t total = 0;
	struct forecast f;

	if (forecast_read(b, page_bill_account(call), q->expression, false, &f, &call->err) < 0) {
		json_decref(list);
		return -1;
	}
	for (size_t i = 0; i < periods(q); i++) {
		int64_t from = still_from(b, q, i), to = period_end(q, i) * CALENDAR_DAY, ns = to - from, mean = forecast_mean(&f, from, to);
		json_t *one = json_pack("{s:o, s:o}", "TimePeriod", period_view(q, i), "MeanValue", money_text(mean));

		if (bounds) {
			json_object_set_new(one, "PredictionIntervalLowerBound", money_text(mean - forecast_margin(&f, ns, level)));
			json_object_set_new(one, "PredictionIntervalUpperBound", money_text(mean + forecast_margin(&f, ns, level)));
		}
		json_array_append_new(list, one);
		total += mean;
	}
	call->out = json_pack("{s:{s:o, s:s}, s:o}", "Total", "Amount", money_text(total), "Unit", prices_currency(b->rating.prices),
			      "ForecastResultsByTime", list);
	return 0;
}

static int get_cost_forecast(struct call *call)
{
	struct query q = { .granularity = granularity(call) };
	struct bill b;
	int r;

	parse_period(call, q.granularity, &q.from, &q.to);
	parse_filter(call, &q);
	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	if (q.from < calendar_day(b.now.label))
		r = invalid(call, "Start must not be in the past.");
	else
		r = forecast_view(call, &b, &q);
	bill_end(&b);
	return r;
}

/* --- GetDimensionValues, GetTags ----------------------------------------------------------------- */

struct listing {
	struct bill *bill;
	const json_t *expression;
	const struct dimension *dimension; /* or */
	const char *tag;                   /* values of this tag; NULL: all tags' keys */
	const char *search;
	json_t *found; /* {value: null} */
};

static void note(struct listing *l, const char *value)
{
	if (!l->search || strstr(value, l->search))
		json_object_set_new(l->found, value, json_null());
}

static void note_tags(struct listing *l, const struct bill_item *item)
{
	mc_auto_json json_t *tags = json_loads(item->tags, 0, NULL);
	const char *key;
	json_t *value;

	json_object_foreach(tags, key, value)
		note(l, key);
}

static int note_item(void *ctx, const struct bill_item *item)
{
	struct listing *l = ctx;
	char value[DIMENSION_TEXT];

	if (!dimension_match(l->expression, l->bill->rating.prices, item))
		return 0;
	if (l->dimension) {
		dimension_value(l->dimension, l->bill->rating.prices, item, value);
		note(l, value);
	} else if (l->tag) {
		dimension_tag(item, l->tag, value);
		note(l, value);
	} else {
		note_tags(l, item);
	}
	return 0;
}

/* A page of the values in their order; sets NextPageToken, ReturnSize, TotalSize. */
static json_t *page_of(struct call *call, const json_t *found)
{
	size_t from = strtoul(mc_json_str(call->in, "NextPageToken", "0"), NULL, 10), n = 0;
	size_t limit = (size_t)mc_json_int(call->in, "MaxResults", 1000), i = 0;
	mc_autofree char *sorted = json_dumps(found, JSON_SORT_KEYS);
	mc_auto_json json_t *all = json_loads(sorted, 0, NULL);
	json_t *page = json_array(), *unused;
	const char *value;

	json_object_foreach(all, value, unused)
		if (i++ >= from && n < limit) {
			json_array_append_new(page, json_string(value));
			n++;
		}
	call->out = json_pack("{s:I, s:I}", "ReturnSize", (json_int_t)n, "TotalSize", (json_int_t)i);
	if (from + n < i) {
		mc_autofree char *token = mc_strf("%zu", from + n);

		json_object_set_new(call->out, "NextPageToken", json_string(token));
	}
	return page;
}

static int check_listing(struct call *call)
{
	struct query q = { .granularity = DAILY };
	const char *dimension = mc_json_str(call->in, "Dimension", NULL), *token = mc_json_str(call->in, "NextPageToken", "0");

	if (dimension && !dimension_find(dimension))
		return invalid(call, "Bills do not have this dimension.");
	if (strspn(token, "0123456789") != strlen(token) || strlen(token) > 9)
		return action_fail(call, API_NOT_FOUND, "InvalidNextTokenException", "The pagination token is invalid.");
	return parse_period(call, DAILY, &q.from, &q.to) || parse_filter(call, &q);
}

static int list(struct call *call, struct listing *l)
{
	struct bill_query q = { .account = page_bill_account(call), .months = true };
	struct bill b;
	int r;

	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	l->bill = &b;
	l->search = mc_json_str(call->in, "SearchString", NULL);
	l->expression = mc_json_obj(call->in, "Filter");
	l->found = json_object();
	parse_period(call, DAILY, &q.from, &q.to);
	r = bill_each(&b, &q, note_item, l, &call->err);
	bill_end(&b);
	return r;
}

static int get_dimension_values(struct call *call)
{
	struct listing l = { .dimension = dimension_find(mc_json_str(call->in, "Dimension", "")) };
	mc_auto_json json_t *page = NULL;
	json_t *values, *value;
	size_t i;

	if (list(call, &l) < 0) {
		json_decref(l.found);
		return -1;
	}
	page = page_of(call, l.found);
	values = json_array();
	json_array_foreach(page, i, value)
		json_array_append_new(values, json_pack("{s:O, s:{}}", "Value", value, "Attributes"));
	json_object_set_new(call->out, "DimensionValues", values);
	json_decref(l.found);
	return 0;
}

static int get_tags(struct call *call)
{
	struct listing l = { .tag = mc_json_str(call->in, "TagKey", NULL) };
	json_t *page;

	if (list(call, &l) < 0) {
		json_decref(l.found);
		return -1;
	}
	page = page_of(call, l.found); /* makes the answer, too */
	json_object_set_new(call->out, "Tags", page);
	json_decref(l.found);
	return 0;
}

#define READS ACTION_BACKEND | ACTION_GLOBAL
const struct action actions_ce[] = {
	{ .service = "ce", .name = "GetCostAndUsage", .fn = check_query, .flags = READS, .backend = get_cost_and_usage },
	{ .service = "ce", .name = "GetCostAndUsageWithResources", .fn = check_query, .flags = READS, .backend = get_cost_and_usage },
	{ .service = "ce", .name = "GetCostForecast", .fn = check_forecast, .flags = READS, .backend = get_cost_forecast },
	{ .service = "ce", .name = "GetDimensionValues", .fn = check_listing, .flags = READS, .backend = get_dimension_values },
	{ .service = "ce", .name = "GetTags", .fn = check_listing, .flags = READS, .backend = get_tags },
	{ 0 },
};
