#include "api/billing/dimension.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/json.h"

#define NESTING 8

struct dimension {
	const char *name;
	void (*value)(const struct prices *prices, const struct bill_item *item, char out[DIMENSION_TEXT]);
};

static void put(char out[DIMENSION_TEXT], const char *text)
{
	snprintf(out, DIMENSION_TEXT, "%s", text);
}

static bool is_instance(const struct bill_item *item)
{
	return strcmp(item->meter->price, "instance") == 0;
}

static void service(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, item->meter->service);
}

static void service_code(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, item->meter->product);
}

static void usage_type(const struct prices *p, const struct bill_item *item, char *out)
{
	mc_autofree char *text = meter_usage_type(item->meter, item->type);

	snprintf(out, DIMENSION_TEXT, "%s%s", prices_region(p, item->region)->prefix, text);
}

static void operation(const struct prices *p, const struct bill_item *item, char *out)
{
	mc_autofree char *text = meter_operation(item->meter, item->type);

	(void)p;
	put(out, text);
}

static void region(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, item->region);
}

static void zone(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, *item->az ? item->az : "NoAZ");
}

static void instance_type(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, is_instance(item) ? item->type : "NoInstanceType");
}

static void family(const struct prices *p, const struct bill_item *item, char *out)
{
	instance_type(p, item, out);
	out[strcspn(out, ".")] = '\0';
}

static void account(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, item->account);
}

static void resource(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, item->resource);
}

static void record_type(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p, (void)item;
	put(out, "Usage");
}

static void purchase(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, !is_instance(item) ? "NoPurchaseType" : strcmp(item->meter->option, "spot") == 0 ? "Spot Instances"
												  : "On Demand Instances");
}

static void platform(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, is_instance(item) ? "Linux/UNIX" : "NoOperatingSystem");
}

static void tenancy(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, is_instance(item) ? "Shared" : "NoTenancy");
}

static void meter(const struct prices *p, const struct bill_item *item, char *out)
{
	(void)p;
	put(out, item->meter->name);
}

static const struct dimension dimensions[] = {
	{ "SERVICE", service },
	{ "SERVICE_CODE", service_code },
	{ "USAGE_TYPE", usage_type },
	{ "OPERATION", operation },
	{ "REGION", region },
	{ "AZ", zone },
	{ "INSTANCE_TYPE", instance_type },
	{ "INSTANCE_TYPE_FAMILY", family },
	{ "LINKED_ACCOUNT", account },
	{ "LINKED_ACCOUNT_NAME", account },
	{ "RESOURCE_ID", resource },
	{ "RECORD_TYPE", record_type },
	{ "PURCHASE_TYPE", purchase },
	{ "OPERATING_SYSTEM", platform },
	{ "PLATFORM", platform },
	{ "TENANCY", tenancy },
	{ "METER", meter }, /* our own */
};

const struct dimension *dimension_find(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(dimensions); i++)
		if (strcmp(dimensions[i].name, name) == 0)
			return &dimensions[i];
	return NULL;
}

void dimension_value(const struct dimension *d, const struct prices *prices, const struct bill_item *item,
		     char out[DIMENSION_TEXT])
{
	d->value(prices, item, out);
}

void dimension_tag(const struct bill_item *item, const char *key, char out[DIMENSION_TEXT])
{
	mc_auto_json json_t *tags = strcmp(item->tags, "{}") == 0 ? NULL : json_loads(item->tags, 0, NULL);

	put(out, mc_json_str(tags, key, ""));
}

/* --- filters --------------------------------------------------------------------- */

/* "Absent" and the empty value stand for an item without the tag. */
static bool fits(const char *value, const char *wanted, const char *option, bool ignore_case)
{
	size_t n = strlen(wanted), len = strlen(value);
	int (*compare)(const char *, const char *, size_t) = ignore_case ? strncasecmp : strncmp;

	if (strcmp(option, "STARTS_WITH") == 0)
		return compare(value, wanted, n) == 0;
	if (strcmp(option, "ENDS_WITH") == 0)
		return len >= n && compare(value + len - n, wanted, n) == 0;
	if (strcmp(option, "CONTAINS") == 0)
		return (ignore_case ? strcasestr(value, wanted) : strstr(value, wanted)) != NULL;
	return len == n && compare(value, wanted, n) == 0;
}

static bool match_values(const json_t *clause, const char *value)
{
	const json_t *options = mc_json_arr(clause, "MatchOptions");
	bool ignore_case = mc_json_has_str(options, "CASE_INSENSITIVE");
	const char *how = "EQUALS";
	json_t *one;
	size_t i;

	json_array_foreach(options, i, one)
		if (strncmp(json_string_value(one), "CASE_", 5) != 0)
			how = json_string_value(one);
	if (strcmp(how, "ABSENT") == 0)
		return *value == '\0';
	json_array_foreach(mc_json_arr(clause, "Values"), i, one)
		if (fits(value, json_string_value(one), how, ignore_case))
			return true;
	return false;
}

static bool match(const json_t *e, const struct prices *prices, const struct bill_item *item, bool all)
{
	json_t *one;
	size_t i;

	json_array_foreach(e, i, one)
		if (dimension_match(one, prices, item) != all)
			return !all;
	return all;
}

bool dimension_match(const json_t *e, const struct prices *prices, const struct bill_item *item)
{
	const json_t *dim = mc_json_obj(e, "Dimensions"), *tag = mc_json_obj(e, "Tags");
	const struct dimension *d = dim ? dimension_find(mc_json_str(dim, "Key", "")) : NULL;
	char value[DIMENSION_TEXT];

	if (!e)
		return true;
	if (mc_json_arr(e, "And"))
		return match(mc_json_arr(e, "And"), prices, item, true);
	if (mc_json_arr(e, "Or"))
		return match(mc_json_arr(e, "Or"), prices, item, false);
	if (mc_json_obj(e, "Not"))
		return !dimension_match(mc_json_obj(e, "Not"), prices, item);
	if (tag) {
		dimension_tag(item, mc_json_str(tag, "Key", ""), value);
		return match_values(tag, value);
	}
	if (!d)
		return true;
	dimension_value(d, prices, item, value);
	return match_values(dim, value);
}

static const char *check_list(const json_t *list, unsigned depth);

static const char *check(const json_t *e, unsigned depth)
{
	const json_t *dim = mc_json_obj(e, "Dimensions");

	if (depth == 0)
		return "The filter is nested too deeply.";
	if (json_object_size(e) != 1)
		return "Expression has to have exactly one root operator.";
	if (mc_json_obj(e, "CostCategories"))
		return "Cost categories are not supported by this cloud yet.";
	if (dim && !dimension_find(mc_json_str(dim, "Key", "")))
		return "The filter names a dimension that bills do not have.";
	if (mc_json_obj(e, "Not"))
		return check(mc_json_obj(e, "Not"), depth - 1);
	return check_list(mc_json_arr(e, mc_json_arr(e, "And") ? "And" : "Or"), depth - 1);
}

static const char *check_list(const json_t *list, unsigned depth)
{
	const char *wrong = NULL;
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!wrong)
			wrong = check(one, depth);
	return wrong;
}

const char *dimension_check(const json_t *expression)
{
	return expression ? check(expression, NESTING) : NULL;
}
