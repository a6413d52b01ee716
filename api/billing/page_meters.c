#include "api/billing/page_meters.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/page_bill.h"
#include "api/billing/sums.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define RETRY_MS 1000 /* how often a browser comes back for the next event */

/* The page itself, within the program. */
__asm__(".pushsection .rodata\n.global page_meters_html\npage_meters_html:\n.incbin \"api/billing/meters.html\"\n.byte 0\n.popsection\n");
extern const char page_meters_html[];

void page_meters_token(struct api *api, char out[33])
{
	struct access_key key;
	unsigned char md[EVP_MAX_MD_SIZE];
	mc_autofree char *text = NULL;

	store_default_key(api->store, &key);
	text = mc_strf("meters:%s", key.secret);
	EVP_Digest(text, strlen(text), md, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", md[i]);
}

/* --- the figures -------------------------------------------------------------------- */

struct figures {
	struct bill *bill;
	int64_t today, total, total_today, rate;
	json_t *by_resource; /* {id: {today, rate, billed}}, of instances' own meters */
};

/* For eyes only: a number of JSON. Money is summed in integers before. */
static double shown(int64_t nano)
{
	return (double)nano / 1e9;
}

static int add(void *ctx, const struct bill_item *item)
{
	struct figures *f = ctx;
	int64_t rate = item->open ? sums_rate(f->bill->rating.prices, item) : 0;
	json_t *of = json_object_get(f->by_resource, item->resource);

	f->total += item->cost;
	f->rate += rate;
	if (item->day != f->today)
		return 0;
	f->total_today += item->cost;
	if (!of) {
		of = json_pack("{s:i, s:i, s:b}", "today", 0, "rate", 0, "billed", 0);
		json_object_set_new(f->by_resource, item->resource, of);
	}
	json_object_set_new(of, "today", json_integer(mc_json_int(of, "today", 0) + item->cost));
	json_object_set_new(of, "rate", json_integer(mc_json_int(of, "rate", 0) + rate));
	if (item->open)
		json_object_set_new(of, "billed", json_true());
	return 0;
}

static json_t *instances_view(struct api *api, const struct figures *f)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_pass(tx, KIND_INSTANCE, NULL, NULL, NULL);
	const struct resource *r;
	json_t *list = json_array();

	while ((r = store_next(&it))) {
		const json_t *of = json_object_get(f->by_resource, r->id);

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:f, s:f}", "id", r->id, "name", mc_json_str(r->tags, "Name", ""),
			"type", mc_json_str(r->doc, "InstanceType", ""), "state", state_name(r), "billed", mc_json_bool(of, "billed", false),
			"rate", shown(mc_json_int(of, "rate", 0)), "today", shown(mc_json_int(of, "today", 0))));
	}
	store_end(tx);
	return list;
}

static json_t *figures_view(struct api *api, struct bill *b, mc_err **err)
{
	struct figures f = { .bill = b, .today = calendar_day(b->now.label), .by_resource = json_object() };
	struct bill_query q = { .months = true };
	json_t *doc = NULL;

	q.from = calendar_month_start(calendar_month(f.today));
	q.to = f.today + 1;
	if (bill_each(b, &q, add, &f, err) == 0) {
		doc = json_pack("{s:[s], s:f, s:f, s:f, s:o}", "billed_states", "running", "rate", shown(f.rate), "today", shown(f.total_today),
				"total", shown(f.total), "instances", instances_view(api, &f));
		page_bill_clock(b, doc);
	}
	json_decref(f.by_resource);
	return doc;
}

/* One event; the browser comes back for the next. */
static char *events_text(struct api *api)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = NULL;
	mc_autofree char *text = NULL;
	struct bill b;

	if (billing_read(api->billing, &b, &err) == 0) {
		doc = figures_view(api, &b, &err);
		bill_end(&b);
	}
	text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	return text ? mc_strf("retry: %d\ndata: %s\n\n", RETRY_MS, text) : mc_strf("retry: %d\n\n", RETRY_MS);
}

/* --- the door ------------------------------------------------------------------------- */

static bool has_token(struct gateway_request *req)
{
	char token[33];
	mc_autofree char *wanted = NULL;

	page_meters_token(req->api, token);
	wanted = mc_strf("token=%s", token);
	return strlen(req->query) == strlen(wanted) && CRYPTO_memcmp(req->query, wanted, strlen(wanted)) == 0;
}

bool page_meters(struct gateway_request *req, int *ret_status)
{
	bool page = strcmp(req->path, "/meters") == 0, events = strcmp(req->path, "/meters/events") == 0;

	if (strcmp(req->method, "GET") != 0 || (!page && !events))
		return false;
	*ret_status = has_token(req) ? 200 : 403;
	if (*ret_status != 200)
		return true;
	req->form_of_answer = GATEWAY_TEXT;
	req->plain = page ? mc_strdup(page_meters_html) : events_text(req->api);
	req->plain_type = page ? "text/html; charset=utf-8" : "text/event-stream";
	return true;
}
