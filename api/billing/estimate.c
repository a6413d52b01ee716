/* POST /v1/estimate: what a launch would cost an hour and a month, before it. The body is RunInstances'
 * request; the launch itself is run up to its commit, and dropped. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/page_bill.h"
#include "api/billing/sums.h"
#include "api/protocol/json.h"
#include "api/run_instances.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/json.h"

#define MONTH_HOURS 730 /* AWS Pricing Calculator's month */

static int check_request(struct call *call)
{
	const struct model_operation *op = model_operation(model_service("ec2"), "RunInstances");
	mc_autofree char *body = json_dumps(call->in, JSON_COMPACT);
	struct protocol_error e;

	if (protocol_json_decode(op, body, strlen(body), &call->job, &e) == 0)
		return 0;
	return action_fail(call, API_NOT_FOUND, e.code, e.message);
}

struct estimate {
	struct bill *bill;
	struct sums sums;
	json_t *lines;
	int64_t hour, month;
};

static void put_money(json_t *doc, const char *key, int64_t nano)
{
	char text[MONEY_TEXT];

	money_format(nano, 9, text);
	json_object_set_new(doc, key, json_string(text));
}

static int64_t month_of(const struct prices *prices, const struct bill_item *item)
{
	const struct meter_unit_info *u = meter_unit_info(item->meter->unit);

	return money_round(sums_price(prices, item) * (u->monthly ? 1 : MONTH_HOURS), u->divisor);
}

static void add_reading(struct estimate *e, const struct resource *r, const struct meter_reading *reading)
{
	const struct bill_item item = {
		.day = calendar_day(e->bill->now.label), .account = r->account, .region = r->region, .az = r->az ? r->az : "",
		.resource = r->id, .type = reading->type, .tags = "{}", .meter = reading->meter, .quantity = reading->quantity,
	};
	const struct prices *prices = e->bill->rating.prices;
	int64_t hour = sums_rate(prices, &item), month = month_of(prices, &item);
	char usage[DIMENSION_TEXT];
	json_t *line;

	dimension_value(dimension_find("USAGE_TYPE"), prices, &item, usage);
	line = json_pack("{s:s, s:s, s:I, s:s}", "kind", kind_info(r->kind)->name, "usage_type", usage, "quantity",
			 (json_int_t)reading->quantity, "unit", meter_unit_info(reading->meter->unit)->name);
	put_money(line, "hour", hour);
	put_money(line, "month", month);
	json_array_append_new(e->lines, line);
	e->hour += hour;
	e->month += month;
}

/* As it will be when all is up. */
static void settle(struct resource *r)
{
	if (r->kind == KIND_INSTANCE)
		r->state = INSTANCE_RUNNING;
	if (r->kind == KIND_VOLUME)
		r->state = VOLUME_IN_USE;
}

static void read_new(struct estimate *e, struct store_tx *tx)
{
	struct meter_reading readings[METER_READINGS_MAX];
	struct resource *r;

	for (size_t i = 0; (r = store_inserted(tx, i)); i++) {
		size_t n;

		settle(r);
		n = meter_read(r, readings);
		for (size_t k = 0; k < n; k++)
			add_reading(e, r, &readings[k]);
	}
}

static int launch_and_drop(struct call *call, struct estimate *e)
{
	const json_t *in = call->in;
	int r;

	call->in = call->job;
	call->tx = store_write(call->api->store);
	r = run_instances(call);
	if (r == 0)
		read_new(e, call->tx);
	store_end(call->tx);
	call->tx = NULL;
	call->in = in;
	json_decref(call->out);
	call->out = NULL;
	json_decref(call->waits);
	call->waits = NULL;
	return r;
}

static int make_estimate(struct call *call)
{
	struct bill b;
	struct estimate e = { .bill = &b };
	int r;

	if (billing_read(call->api->billing, &b, &call->err) < 0)
		return -1;
	e.lines = json_array();
	r = launch_and_drop(call, &e);
	if (r == 0) {
		call->out = json_pack("{s:O, s:i}", "lines", e.lines, "month_hours", MONTH_HOURS);
		put_money(call->out, "hour", e.hour);
		put_money(call->out, "month", e.month);
		page_bill_clock(&b, call->out);
	}
	json_decref(e.lines);
	bill_end(&b);
	return r;
}

const struct action page_estimate = {
	.service = "minicloud", .name = "estimate", .fn = check_request, .flags = ACTION_BACKEND, .backend = make_estimate,
};
