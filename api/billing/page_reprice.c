/* POST /v1/bill/reprice: what another price list would have billed, and rating anew by the list in force. */
#include <string.h>

#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/page_bill.h"
#include "api/billing/sums.h"
#include "common/cleanup.h"
#include "common/json.h"

/* {month: "2026-11", prices?: a list as deploy/prices.json, dry_run?: true} */
static int check_reprice(struct call *call)
{
	int month;

	if (calendar_month_parse(mc_json_str(call->in, "month", ""), &month) < 0)
		return action_fail(call, API_INVALID_PARAMETER, "month: as 2026-11");
	if (!mc_json_bool(call->in, "dry_run", true) && json_object_get(call->in, "prices"))
		return action_fail(call, API_INVALID_PARAMETER, "Only the price list in force can rate for good: change the file and reload it.");
	return 0;
}

struct comparison {
	struct bill *bill;
	const struct sums_key key;
	struct sums sums;
	int64_t total;
};

static int add(void *ctx, const struct bill_item *item)
{
	struct comparison *c = ctx;

	sums_add(&c->sums, &c->key, 1, c->bill->rating.prices, item);
	c->total += item->cost;
	return 0;
}

static void no_part(void *ctx, const struct rate_part *part)
{
	(void)ctx, (void)part;
}

static void put_money(json_t *doc, const char *key, int64_t nano)
{
	char text[MONEY_TEXT];

	money_format(nano, 9, text);
	json_object_set_new(doc, key, json_string(text));
}

static json_t *group_of(json_t *groups, const struct sum *s)
{
	mc_auto_json json_t *keys = sum_keys(s);
	const char *key = mc_json_at(keys, 0);
	json_t *doc = json_object_get(groups, key);

	if (!doc) {
		doc = json_pack("{s:s, s:s, s:s}", "key", key, "billed", "0.000000000", "repriced", "0.000000000");
		json_object_set_new(groups, key, doc);
	}
	return doc;
}

static json_t *comparison_view(const struct comparison *was, const struct comparison *would)
{
	mc_auto_json json_t *groups = json_object();
	json_t *list = json_array(), *out = json_object(), *one;
	const char *key;

	for (const struct sum *s = was->sums.by_key; s; s = s->hh.next)
		put_money(group_of(groups, s), "billed", s->cost);
	for (const struct sum *s = would->sums.by_key; s; s = s->hh.next)
		put_money(group_of(groups, s), "repriced", s->cost);
	json_object_foreach(groups, key, one)
		json_array_append(list, one);
	json_object_set_new(out, "groups", list);
	put_money(out, "billed", was->total);
	put_money(out, "repriced", would->total);
	put_money(out, "difference", would->total - was->total);
	return out;
}

static int compare(struct call *call, struct bill *b, struct prices *other)
{
	int month = 0;
	struct bill_query q = { .months = true };
	struct comparison was = { .bill = b, .key = { .dimension = dimension_find("USAGE_TYPE") } };
	struct comparison would = { .bill = b, .key = { .dimension = dimension_find("USAGE_TYPE") } };
	struct prices *own = b->rating.prices;
	int r;

	calendar_month_parse(mc_json_str(call->in, "month", ""), &month);
	q.from = calendar_month_start(month);
	q.to = calendar_month_start(month + 1);
	r = bill_each(b, &q, add, &was, &call->err);
	if (r == 0) {
		b->rating.prices = other;
		r = bill_explain(b, &q, add, no_part, &would, &call->err);
		b->rating.prices = own;
	}
	if (r == 0) {
		call->out = comparison_view(&was, &would);
		page_bill_clock(b, call->out);
	}
	sums_free(&was.sums);
	sums_free(&would.sums);
	return r;
}

static int dry_run(struct call *call)
{
	const json_t *list = json_object_get(call->in, "prices");
	mc_auto_err mc_err *wrong = NULL;
	struct prices *other = NULL;
	struct bill b;
	int r;

	if (list) {
		other = prices_parse(list, &wrong);
		if (!other)
			return action_fail(call, API_INVALID_PARAMETER, mc_err_msg(wrong));
	}
	r = billing_read(call->api->billing, &b, &call->err);
	if (r == 0) {
		r = compare(call, &b, other ? other : b.rating.prices);
		bill_end(&b);
	}
	prices_unref(other);
	return r;
}

static int reprice(struct call *call)
{
	int month = 0, r;

	if (mc_json_bool(call->in, "dry_run", true))
		return dry_run(call);
	r = dry_run(call); /* the answer says what will have changed */
	calendar_month_parse(mc_json_str(call->in, "month", ""), &month);
	return r ? r : billing_rate_anew(call->api->billing, month, &call->err);
}

const struct action page_reprice = {
	.service = "minicloud", .name = "reprice", .fn = check_reprice, .flags = ACTION_BACKEND, .backend = reprice,
};
