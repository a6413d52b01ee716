#include "api/metric/charges.h"

#include <stdlib.h>
#include <string.h>

#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/metric/metrics.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* CloudWatch User Guide, "Create a billing alarm": all accounts' charges are in this region. */
#define REGION "us-east-1"

/* {account: {service: nano-units}}, "" for all services. */
static void count(json_t *accounts, const char *account, const char *service, int64_t cost)
{
	json_t *of = json_object_get(accounts, account);

	if (!of) {
		of = json_object();
		json_object_set_new(accounts, account, of);
	}
	json_object_set_new(of, service, json_integer(mc_json_int(of, service, 0) + cost));
}

static int add(void *ctx, const struct bill_item *item)
{
	count(ctx, item->account, "", item->cost);
	count(ctx, item->account, item->meter->product, item->cost);
	return 0;
}

static int put(struct api *api, const char *account, const char *service, const char *currency, int64_t cost, int64_t at, mc_err **err)
{
	mc_auto_json json_t *dims = json_pack("{s:s}", "Currency", currency);
	mc_autofree char *text = NULL;
	struct metric_datum d = { .of = { account, REGION, "AWS/Billing", "EstimatedCharges", NULL }, .unit = "None", .at = at };
	int r;

	if (*service)
		json_object_set_new(dims, "ServiceName", json_string(service));
	text = json_dumps(dims, JSON_COMPACT | JSON_SORT_KEYS);
	d.of.dims = text;
	sample_add(&d.sample, (double)cost / MONEY_UNIT, 1);
	r = metrics_put(api->metrics, &d, 1, err);
	sample_deinit(&d.sample);
	return r < 0 ? -1 : 0;
}

static int put_all(struct api *api, json_t *accounts, const char *currency, int64_t at, mc_err **err)
{
	const char *account, *service;
	json_t *services, *cost;

	json_object_foreach(accounts, account, services)
		json_object_foreach(services, service, cost)
			if (put(api, account, service, currency, json_integer_value(cost), at, err) < 0)
				return -1;
	return 0;
}

int metric_charges_put(struct api *api, int64_t now, mc_err **err)
{
	mc_auto_json json_t *accounts = json_object();
	struct bill_query q = { .months = true };
	struct bill b;
	int r;

	if (billing_read(api->billing, &b, err) < 0)
		return -1;
	q.to = calendar_day(b.now.label) + 1;
	q.from = calendar_month_start(calendar_month(q.to - 1));
	r = bill_each(&b, &q, add, accounts, err);
	if (r == 0)
		r = put_all(api, accounts, prices_currency(b.rating.prices), now - now % 60, err);
	bill_end(&b);
	return r;
}
