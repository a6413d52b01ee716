/* AWS Price List (API reference): the price list in AWS's form. A product is what the list prices for one
 * meter, region and type; its attributes are those that clients filter by. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/meter.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define TERM "JRTCKXETXF" /* AWS's code of on-demand terms, and of an hour's rate */
#define RATE "6YS6EN2CT7"
#define PAGE 100

static int invalid(struct call *call, const char *code, const char *message)
{
	return action_fail(call, API_NOT_FOUND, code, message);
}

/* --- products ------------------------------------------------------------------------ */

static const char *family_of(const struct meter *m)
{
	static const struct {
		const char *meter, *family;
	} families[] = {
		{ "instance", "Compute Instance" }, { "volume", "Storage" }, { "volume-iops", "System Operation" },
		{ "volume-throughput", "Provisioned Throughput" }, { "snapshot", "Storage Snapshot" }, { "nat-gateway", "NAT Gateway" },
		{ "nat-gateway-bytes", "NAT Gateway" }, { "cpu-credits", "CPU Credits" }, { "data-out", "Data Transfer" },
		{ "public-ipv4", "VpcPublicIpv4" }, { "public-ipv4-idle", "VpcPublicIpv4" }, { "kms-key", "Encryption Key" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(families); i++)
		if (strcmp(families[i].meter, m->price) == 0)
			return families[i].family;
	return "Usage";
}

/* Sixteen capital letters and digits that follow from what it is. */
static void sku_of(const struct price *p, char out[17])
{
	static const char digits[] = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";
	mc_autofree char *text = mc_strf("%s|%s|%s", p->meter, p->region, p->type);
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	EVP_Digest(text, strlen(text), md, &n, EVP_sha256(), NULL);
	for (int i = 0; i < 16; i++)
		out[i] = digits[md[i] % (sizeof(digits) - 1)];
	out[16] = '\0';
}

static void set(json_t *doc, const char *key, const char *value)
{
	json_object_set_new(doc, key, json_string(value));
}

static void instance_attributes(struct api *api, json_t *a, const char *type)
{
	const json_t *t = json_object_get(api->types, type);
	mc_autofree char *vcpus = mc_strf("%lld", (long long)mc_json_int(t, "vcpus", 0));
	mc_autofree char *memory = mc_strf("%g GiB", (double)mc_json_int(t, "memory_mib", 0) / 1024);

	set(a, "instanceType", type);
	set(a, "operatingSystem", "Linux");
	set(a, "tenancy", "Shared");
	set(a, "preInstalledSw", "NA");
	set(a, "capacitystatus", "Used");
	set(a, "licenseModel", "No License required");
	set(a, "marketoption", "OnDemand");
	set(a, "currentGeneration", "Yes");
	if (t) {
		set(a, "vcpu", vcpus);
		set(a, "memory", memory);
	}
}

static json_t *attributes_of(struct api *api, const struct prices *prices, const struct price *p, const struct meter *m)
{
	const struct price_region *region = prices_region(prices, p->region);
	mc_autofree char *usage = meter_usage_type(m, p->type), *operation = meter_operation(m, p->type);
	mc_autofree char *full = mc_strf("%s%s", region->prefix, usage);
	json_t *a = json_object();

	set(a, "servicecode", m->product);
	set(a, "location", region->location);
	set(a, "locationType", "AWS Region");
	set(a, "regionCode", p->region);
	set(a, "usagetype", full);
	set(a, "operation", operation);
	if (strcmp(m->price, "instance") == 0)
		instance_attributes(api, a, p->type);
	else if (strncmp(m->price, "volume", 6) == 0)
		set(a, "volumeApiName", p->type);
	return a;
}

static json_t *dimension_of(const struct prices *prices, const struct price *p, const struct meter *m, size_t i, const char *rate_code)
{
	mc_autofree char *begin = mc_strf("%lld", i ? (long long)p->tiers[i - 1].up_to : 0LL);
	mc_autofree char *end = p->tiers[i].up_to == INT64_MAX ? mc_strdup("Inf") : mc_strf("%lld", (long long)p->tiers[i].up_to);
	const char *unit = meter_unit_info(m->unit)->name, *currency = prices_currency(prices);
	char nano[MONEY_TEXT];
	mc_autofree char *price = NULL, *description = NULL;

	money_format(p->tiers[i].nano, 9, nano);
	price = mc_strf("%s0", nano); /* ten decimals, as AWS has them */
	description = mc_strf("%s %s per %s%s%s", currency, nano, unit, *p->type ? " of " : "", p->type);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s}, s:[]}", "unit", unit, "beginRange", begin, "endRange", end, "description",
			 description, "rateCode", rate_code, "pricePerUnit", currency, price, "appliesTo");
}

static json_t *terms_of(const struct prices *prices, const struct price *p, const struct meter *m, const char *sku)
{
	mc_autofree char *offer = mc_strf("%s." TERM, sku);
	json_t *dimensions = json_object();
	char day[CALENDAR_TEXT];
	mc_autofree char *effective = NULL;

	for (size_t i = 0; i < p->n; i++) {
		mc_autofree char *rate = i ? mc_strf("%s." TERM "." RATE "%zu", sku, i) : mc_strf("%s." TERM "." RATE, sku);

		json_object_set_new(dimensions, rate, dimension_of(prices, p, m, i, rate));
	}
	calendar_day_text(p->from, day);
	effective = mc_strf("%sT00:00:00Z", day);
	return json_pack("{s:{s:{s:o, s:s, s:s, s:s, s:{}}}}", "OnDemand", offer, "priceDimensions", dimensions, "sku", sku, "effectiveDate",
			 effective, "offerTermCode", TERM, "termAttributes");
}

static json_t *product_of(struct api *api, const struct prices *prices, const struct price *p, const struct meter *m)
{
	char sku[17];

	sku_of(p, sku);
	return json_pack("{s:{s:s, s:o, s:s}, s:s, s:o, s:s}", "product", "productFamily", family_of(m), "attributes",
			 attributes_of(api, prices, p, m), "sku", sku, "serviceCode", m->product, "terms",
			 terms_of(prices, p, m, sku), "version", "1");
}

/* The meter that bills by this row on demand. */
static const struct meter *meter_of(const struct price *p)
{
	for (const struct meter *m = meters; m->name; m++)
		if (strcmp(m->price, p->meter) == 0 && strcmp(m->option, p->option) == 0)
			return m;
	return NULL;
}

/* --- walking -------------------------------------------------------------------------- */

struct walk {
	struct call *call;
	struct prices *prices;
	const char *service;
	int64_t today;
};

/* fn for each product of the service at today's prices, until it returns non-zero. */
static void walk_products(struct walk *w, int (*fn)(struct walk *w, const json_t *product, void *ctx), void *ctx)
{
	size_t n;
	const struct price *rows = prices_rows(w->prices, &n);

	for (size_t i = 0; i < n; i++) {
		const struct price *p = &rows[i];
		const struct meter *m = strcmp(p->option, "on-demand") == 0 ? meter_of(p) : NULL;
		mc_auto_json json_t *product = NULL;

		if (!m || strcmp(m->product, w->service) != 0 ||
		    prices_find(w->prices, p->meter, p->region, p->type, p->option, w->today) != p)
			continue;
		product = product_of(w->call->api, w->prices, p, m);
		if (fn(w, product, ctx) != 0)
			return;
	}
}

static int walk_begin(struct walk *w, struct call *call, struct bill *b)
{
	if (billing_read(call->api->billing, b, &call->err) < 0)
		return -1;
	*w = (struct walk){ .call = call, .prices = b->rating.prices, .service = mc_json_str(call->in, "ServiceCode", ""),
			    .today = calendar_day(b->now.label) };
	return 0;
}

static const char *field_of(const json_t *product, const char *field)
{
	const json_t *p = mc_json_obj(product, "product");

	if (strcasecmp(field, "productFamily") == 0)
		return mc_json_str(p, "productFamily", NULL);
	if (strcasecmp(field, "sku") == 0)
		return mc_json_str(p, "sku", NULL);
	if (strcasecmp(field, "ServiceCode") == 0)
		return mc_json_str(product, "serviceCode", NULL);
	return mc_json_str(mc_json_obj(p, "attributes"), field, NULL);
}

static bool fits(const struct call *call, const json_t *product)
{
	json_t *filter;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "Filters"), i, filter) {
		const char *value = field_of(product, mc_json_str(filter, "Field", ""));

		if (!value || strcasecmp(value, mc_json_str(filter, "Value", "")) != 0)
			return false;
	}
	return true;
}

/* --- services ---------------------------------------------------------------------------- */

static bool is_service(const char *code)
{
	for (const struct meter *m = meters; m->name; m++)
		if (strcmp(m->product, code) == 0)
			return true;
	return false;
}

static int note_attributes(struct walk *w, const json_t *product, void *ctx)
{
	const char *key;
	json_t *value;

	(void)w;
	json_object_foreach(mc_json_obj(mc_json_obj(product, "product"), "attributes"), key, value)
		json_object_set_new(ctx, key, json_null());
	json_object_set_new(ctx, "productFamily", json_null());
	return 0;
}

static json_t *service_view(struct walk *w, const char *code)
{
	mc_auto_json json_t *names = json_object();
	json_t *list = json_array(), *unused;
	const char *name;

	w->service = code;
	walk_products(w, note_attributes, names);
	json_object_foreach(names, name, unused)
		json_array_append_new(list, json_string(name));
	return json_pack("{s:s, s:o}", "ServiceCode", code, "AttributeNames", list);
}

static int check_service(struct call *call)
{
	const char *code = mc_json_str(call->in, "ServiceCode", NULL), *token = mc_json_str(call->in, "NextToken", "0");

	if (code && !is_service(code))
		return invalid(call, "InvalidParameterException", "The price list does not have this service.");
	if (strspn(token, "0123456789") != strlen(token) || strlen(token) > 9)
		return invalid(call, "InvalidNextTokenException", "The pagination token is invalid.");
	return 0;
}

static int describe_services(struct call *call)
{
	const char *code = mc_json_str(call->in, "ServiceCode", NULL);
	json_t *list;
	struct walk w;
	struct bill b;

	if (walk_begin(&w, call, &b) < 0)
		return -1;
	list = json_array();
	for (const struct meter *m = meters; m->name; m++) {
		bool first = true;

		for (const struct meter *before = meters; before != m; before++)
			first = first && strcmp(before->product, m->product) != 0;
		if (first && (!code || strcmp(code, m->product) == 0))
			json_array_append_new(list, service_view(&w, m->product));
	}
	bill_end(&b);
	call->out = json_pack("{s:o, s:s}", "Services", list, "FormatVersion", "aws_v1");
	return 0;
}

/* --- GetAttributeValues --------------------------------------------------------------------- */

static int note_value(struct walk *w, const json_t *product, void *ctx)
{
	const char *value = field_of(product, mc_json_str(w->call->in, "AttributeName", ""));

	if (value)
		json_object_set_new(ctx, value, json_null());
	return 0;
}

/* A page of a list by NextToken and MaxResults; the answer's token is set where more is left. Steals all. */
static json_t *page_of(struct call *call, json_t *all)
{
	size_t from = strtoul(mc_json_str(call->in, "NextToken", "0"), NULL, 10), limit = (size_t)mc_json_int(call->in, "MaxResults", PAGE);
	json_t *page = json_array(), *one;
	size_t i;

	json_array_foreach(all, i, one)
		if (i >= from && i < from + limit)
			json_array_append(page, one);
	if (from + limit < json_array_size(all)) {
		mc_autofree char *token = mc_strf("%zu", from + limit);

		json_object_set_new(call->out, "NextToken", json_string(token));
	}
	json_decref(all);
	return page;
}

static int get_attribute_values(struct call *call)
{
	mc_auto_json json_t *found = json_object();
	json_t *list, *unused;
	const char *value;
	struct walk w;
	struct bill b;

	if (walk_begin(&w, call, &b) < 0)
		return -1;
	walk_products(&w, note_value, found);
	bill_end(&b);
	list = json_array();
	json_object_foreach(found, value, unused)
		json_array_append_new(list, json_pack("{s:s}", "Value", value));
	call->out = json_object();
	json_object_set_new(call->out, "AttributeValues", page_of(call, list));
	return 0;
}

/* --- GetProducts ------------------------------------------------------------------------------- */

static int note_product(struct walk *w, const json_t *product, void *ctx)
{
	char *text = fits(w->call, product) ? json_dumps(product, JSON_COMPACT) : NULL;

	if (text)
		json_array_append_new(ctx, json_string(text));
	free(text);
	return 0;
}

static int get_products(struct call *call)
{
	json_t *list;
	struct walk w;
	struct bill b;

	if (walk_begin(&w, call, &b) < 0)
		return -1;
	list = json_array();
	walk_products(&w, note_product, list);
	bill_end(&b);
	call->out = json_pack("{s:s}", "FormatVersion", "aws_v1");
	json_object_set_new(call->out, "PriceList", page_of(call, list));
	return 0;
}

#define READS ACTION_BACKEND | ACTION_GLOBAL
const struct action actions_pricing[] = {
	{ .service = "pricing", .name = "DescribeServices", .fn = check_service, .flags = READS, .backend = describe_services },
	{ .service = "pricing", .name = "GetAttributeValues", .fn = check_service, .flags = READS, .backend = get_attribute_values },
	{ .service = "pricing", .name = "GetProducts", .fn = check_service, .flags = READS, .backend = get_products },
	{ 0 },
};
