/* The pages that `minicloud bill` reads: GET /v1/bill and /v1/bill/explain (docs/billing.md). */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/explain.h"
#include "api/billing/forecast.h"
#include "api/billing/page_bill.h"
#include "api/billing/sums.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/metrics.h"

static const struct {
	const char *by, *dimension;
} groupings[] = {
	{ "service", "SERVICE" }, { "resource", "RESOURCE_ID" }, { "account", "LINKED_ACCOUNT" }, { "region", "REGION" },
	{ "zone", "AZ" }, { "type", "INSTANCE_TYPE" }, { "usage", "USAGE_TYPE" }, { "meter", "METER" },
};

/* "service", "tag:KEY"; false: no such thing. */
static bool grouping(const char *by, struct sums_key *ret)
{
	*ret = (struct sums_key){ .dimension = NULL };
	if (strncmp(by, "tag:", 4) == 0 && by[4]) {
		ret->tag = by + 4;
		return true;
	}
	for (size_t i = 0; i < MC_ARRAY_SIZE(groupings); i++)
		if (strcmp(groupings[i].by, by) == 0)
			ret->dimension = dimension_find(groupings[i].dimension);
	return ret->dimension != NULL;
}

static int check_bill(struct call *call)
{
	const char *month = mc_json_str(call->in, "month", NULL);
	struct sums_key key;
	int n;

	if (!grouping(mc_json_str(call->in, "by", "service"), &key))
		return action_fail(call, API_INVALID_PARAMETER,
				   "by: one of service, resource, account, region, zone, type, usage, meter, tag:KEY");
	if (month && calendar_month_parse(month, &n) < 0)
		return action_fail(call, API_INVALID_PARAMETER, "month: as 2026-11");
	return 0;
}

const char *page_bill_account(const struct call *call)
{
	/* The first account pays for all. */
	return strcmp(call->caller->account, call->api->config.account) == 0 ? NULL : call->caller->account;
}

/* --- GET /v1/bill ------------------------------------------------------------------ */

struct summing {
	struct bill *bill;
	struct sums_key key;
	struct sums sums;
	int64_t today, total, total_today, rate;
	const char *resource; /* NULL: all */
};

static int add(void *ctx, const struct bill_item *item)
{
	struct summing *s = ctx;

	if (s->resource && strcmp(s->resource, item->resource) != 0)
		return 0;
	sums_add(&s->sums, &s->key, 1, s->bill->rating.prices, item);
	s->total += item->cost;
	if (item->day == s->today)
		s->total_today += item->cost;
	if (item->open)
		s->rate += sums_rate(s->bill->rating.prices, item);
	return 0;
}

static void set_money(json_t *doc, const char *key, int64_t nano)
{
	char text[MONEY_TEXT];

	money_format(nano, 9, text);
	json_object_set_new(doc, key, json_string(text));
}

static json_t *sum_view(const struct sum *s)
{
	char quantity[MONEY_TEXT];
	json_t *doc = json_object();
	mc_auto_json json_t *keys = sum_keys(s);

	json_object_set(doc, "key", json_array_get(keys, 0));
	set_money(doc, "cost", s->cost);
	money_quotient(s->quantity, MONEY_UNIT, 6, quantity);
	if (s->unit)
		json_object_update_new(doc, json_pack("{s:s, s:s}", "quantity", quantity, "unit", s->unit));
	set_money(doc, "rate", s->rate);
	json_object_set_new(doc, "open", json_boolean(s->open));
	if (s->unpriced)
		json_object_set_new(doc, "unpriced", json_true());
	return doc;
}

void page_bill_clock(const struct bill *b, json_t *doc)
{
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(b->now.label, now);
	json_object_set_new(doc, "now", json_string(now));
	json_object_set_new(doc, "time_scale", json_integer(b->clock.scale));
	json_object_set_new(doc, "lead_seconds", json_integer(meter_clock_lead(&b->clock) / MC_SECOND));
	json_object_set_new(doc, "currency", json_string(prices_currency(b->rating.prices)));
}

static json_t *bill_view(struct summing *s, int month, const struct forecast *f)
{
	json_t *groups = json_array(), *doc = json_object();
	int64_t now = s->bill->now.label, end = calendar_month_start(month + 1) * CALENDAR_DAY;
	char text[CALENDAR_TEXT];

	sums_sort(&s->sums);
	for (const struct sum *one = s->sums.by_key; one; one = one->hh.next)
		json_array_append_new(groups, sum_view(one));
	calendar_month_text(month, text);
	json_object_set_new(doc, "month", json_string(text));
	page_bill_clock(s->bill, doc);
	json_object_set_new(doc, "groups", groups);
	set_money(doc, "total", s->total);
	set_money(doc, "today", s->total_today);
	set_money(doc, "rate", s->rate);
	set_money(doc, "forecast", s->total + (calendar_month(s->today) == month ? forecast_mean(f, now, end) : 0));
	return doc;
}

static int month_of(const struct call *call, const struct bill *b)
{
	int month = calendar_month(calendar_day(b->now.label));

	calendar_month_parse(mc_json_str(call->in, "month", ""), &month);
	return month;
}

static int read_bill(struct call *call, struct bill *b)
{
	int month = month_of(call, b);
	struct bill_query q = { .account = page_bill_account(call), .from = calendar_month_start(month),
				.to = calendar_month_start(month + 1), .months = true };
	struct summing s = { .bill = b, .today = calendar_day(b->now.label), .resource = mc_json_str(call->in, "resource", NULL) };
	mc_auto_json json_t *only = s.resource ? json_pack("{s:{s:s, s:[s]}}", "Dimensions", "Key", "RESOURCE_ID", "Values", s.resource) : NULL;
	struct forecast f = { 0 };
	int r;

	grouping(mc_json_str(call->in, "by", "service"), &s.key);
	r = bill_each(b, &q, add, &s, &call->err);
	if (r == 0)
		r = forecast_read(b, q.account, only, false, &f, &call->err);
	if (r == 0)
		call->out = bill_view(&s, month, &f);
	sums_free(&s.sums);
	return r;
}

static int make_bill(struct call *call)
{
	struct bill b;
	int r;

	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	r = read_bill(call, &b);
	bill_end(&b);
	return r;
}

/* --- GET /v1/bill/explain -------------------------------------------------------------- */

static int read_explanation(struct call *call, struct bill *b)
{
	int month = month_of(call, b);
	const struct bill_query q = { .account = page_bill_account(call), .from = calendar_month_start(month),
				      .to = calendar_month_start(month + 1) };
	const char *resource = mc_json_str(call->in, "resource", NULL);
	mc_auto_json json_t *filter = resource ? json_pack("{s:{s:s, s:[s]}}", "Dimensions", "Key", "RESOURCE_ID", "Values", resource) : NULL;
	json_t *lines = explain_bill(b, &q, filter, &call->err);
	mc_autofree char *text = lines ? explain_text(lines, prices_currency(b->rating.prices)) : NULL;

	if (!lines)
		return -1;
	call->out = json_pack("{s:o, s:s}", "lines", lines, "text", text);
	page_bill_clock(b, call->out);
	return 0;
}

static int explain(struct call *call)
{
	struct bill b;
	int r;

	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	r = read_explanation(call, &b);
	bill_end(&b);
	return r;
}

/* --- /metrics ------------------------------------------------------------------------------ */

struct scrape {
	struct bill *bill;
	struct sums_key keys[2], instance;
	struct sums sums, instances;
};

static int scrape(void *ctx, const struct bill_item *item)
{
	struct scrape *s = ctx;

	sums_add(&s->sums, s->keys, 2, s->bill->rating.prices, item);
	if (strncmp(item->resource, "i-", 2) == 0)
		sums_add(&s->instances, &s->instance, 1, s->bill->rating.prices, item);
	return 0;
}

/* A gauge of each sum: its cost, or its rate an hour. labels: the names of its keys. */
static void print_gauge(FILE *out, const struct scrape *s, const struct sums *sums, const char *name, const char *help, const char *const *labels,
			bool rate)
{
	mc_metrics_head(out, name, "gauge", help);
	for (const struct sum *one = sums->by_key; one; one = one->hh.next) {
		mc_auto_json json_t *keys = sum_keys(one);
		char money[MONEY_TEXT];

		money_format(rate ? one->rate : one->cost, 9, money);
		fprintf(out, "%s{", name);
		for (size_t i = 0; labels[i]; i++)
			fprintf(out, "%s=\"%s\",", labels[i], mc_json_at(keys, i));
		fprintf(out, "currency=\"%s\"} %s\n", prices_currency(s->bill->rating.prices), money);
	}
}

static void print_gauges(FILE *out, struct scrape *s)
{
	static const char *const of_service[] = { "account", "service", NULL }, *const of_instance[] = { "instance", NULL };

	sums_sort_by_key(&s->sums);
	sums_sort_by_key(&s->instances);
	print_gauge(out, s, &s->sums, "minicloud_cost_month", "Cost of this month so far.", of_service, false);
	print_gauge(out, s, &s->sums, "minicloud_cost_per_hour", "Cost of an hour, of what is there now.", of_service, true);
	print_gauge(out, s, &s->instances, "minicloud_instance_cost_month", "Cost of an instance this month so far.", of_instance, false);
	print_gauge(out, s, &s->instances, "minicloud_instance_cost_per_hour", "Cost of an instance an hour, now.", of_instance, true);
	mc_metrics_head(out, "minicloud_meter_time_scale", "gauge", "How much faster the meters run than time.");
	fprintf(out, "minicloud_meter_time_scale %lld\n", (long long)s->bill->clock.scale);
}

void page_bill_metrics(struct api *api, FILE *out)
{
	struct bill_query q = { .months = true };
	struct scrape s = { .keys = { { .dimension = dimension_find("LINKED_ACCOUNT") }, { .dimension = dimension_find("SERVICE") } },
			    .instance = { .dimension = dimension_find("RESOURCE_ID") } };
	struct bill b;

	if (!api->billing || billing_read(api->billing, &b, NULL) < 0)
		return;
	s.bill = &b;
	q.to = calendar_day(b.now.label) + 1;
	q.from = calendar_month_start(calendar_month(q.to - 1));
	if (bill_each(&b, &q, scrape, &s, NULL) == 0)
		print_gauges(out, &s);
	sums_free(&s.sums);
	sums_free(&s.instances);
	bill_end(&b);
}

const struct action page_bill = {
	.service = "minicloud", .name = "bill", .fn = check_bill, .flags = ACTION_BACKEND, .backend = make_bill,
};
const struct action page_bill_explain = {
	.service = "minicloud", .name = "explain", .fn = check_bill, .flags = ACTION_BACKEND, .backend = explain,
};
