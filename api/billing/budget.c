#include "api/billing/budget.h"

#include <stdio.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "api/billing/dimension.h"
#include "api/billing/forecast.h"
#include "api/billing/sums.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

/* --- filters ------------------------------------------------------------------------- */

static const struct {
	const char *filter, *dimension;
} filters[] = {
	{ "Service", "SERVICE" }, { "LinkedAccount", "LINKED_ACCOUNT" }, { "AZ", "AZ" }, { "Region", "REGION" },
	{ "UsageType", "USAGE_TYPE" }, { "Operation", "OPERATION" }, { "PurchaseType", "PURCHASE_TYPE" },
	{ "InstanceType", "INSTANCE_TYPE" },
};

/* "user:team$red" */
static json_t *tag_clause(const char *value, const char **ret_wrong)
{
	const char *dollar = strchr(value, '$'), *key = strncmp(value, "user:", 5) == 0 ? value + 5 : value;
	mc_autofree char *name = dollar ? strndup(key, (size_t)(dollar - key)) : NULL;

	if (!name || dollar == key) {
		*ret_wrong = "TagKeyValue filters are user:Key$Value.";
		return NULL;
	}
	return json_pack("{s:{s:s, s:[s]}}", "Tags", "Key", name, "Values", dollar + 1);
}

static json_t *tags_expression(const json_t *values, const char **ret_wrong)
{
	json_t *any = json_array(), *value;
	size_t i;

	json_array_foreach(values, i, value) {
		json_t *clause = tag_clause(json_string_value(value), ret_wrong);

		if (clause)
			json_array_append_new(any, clause);
	}
	return json_pack("{s:o}", "Or", any);
}

static json_t *filter_expression(const char *name, const json_t *values, const char **ret_wrong)
{
	if (strcmp(name, "TagKeyValue") == 0)
		return tags_expression(values, ret_wrong);
	for (size_t i = 0; i < MC_ARRAY_SIZE(filters); i++)
		if (strcmp(filters[i].filter, name) == 0)
			return json_pack("{s:{s:s, s:O}}", "Dimensions", "Key", filters[i].dimension, "Values", values);
	*ret_wrong = "CostFilters names a filter that bills do not have.";
	return NULL;
}

json_t *budget_expression(const json_t *doc, const char **ret_wrong)
{
	json_t *own = mc_json_obj(doc, "FilterExpression"), *all, *values;
	const char *name;

	*ret_wrong = own ? dimension_check(own) : NULL;
	if (own)
		return json_incref(own);
	all = json_array();
	json_object_foreach(mc_json_obj(doc, "CostFilters"), name, values) {
		json_t *one = filter_expression(name, values, ret_wrong);

		if (one)
			json_array_append_new(all, one);
	}
	if (json_array_size(all))
		return json_pack("{s:o}", "And", all);
	json_decref(all);
	return NULL;
}

/* --- periods --------------------------------------------------------------------------- */

void budget_period(const char *unit, int64_t today, int64_t *ret_from, int64_t *ret_to, char out[BUDGET_PERIOD])
{
	int month = calendar_month(today), first = month, n = 1;
	char text[CALENDAR_TEXT];

	if (strcmp(unit, "DAILY") == 0) {
		*ret_from = today;
		*ret_to = today + 1;
		calendar_day_text(today, text);
		snprintf(out, BUDGET_PERIOD, "%s", text);
		return;
	}
	if (strcmp(unit, "QUARTERLY") == 0)
		first = month - month % 3, n = 3;
	else if (strcmp(unit, "ANNUALLY") == 0)
		first = month - month % 12, n = 12;
	*ret_from = calendar_month_start(first);
	*ret_to = calendar_month_start(first + n);
	calendar_month_text(first, text);
	if (n == 1)
		snprintf(out, BUDGET_PERIOD, "%.7s", text);
	else if (n == 3)
		snprintf(out, BUDGET_PERIOD, "%.4sQ%d", text, first % 12 / 3 + 1);
	else
		snprintf(out, BUDGET_PERIOD, "%.4s", text);
}

/* A moment of its TimePeriod; 0: none is given. */
static int64_t time_period(const json_t *doc, const char *which)
{
	int64_t at = 0;

	mc_clock_parse(mc_json_str(mc_json_obj(doc, "TimePeriod"), which, ""), &at);
	return at;
}

bool budget_is_over(const struct resource *budget, const struct bill *b)
{
	int64_t end = time_period(budget->doc, "End");

	return end && b->now.label >= end;
}

const char *budget_time_check(const json_t *doc)
{
	int64_t start = time_period(doc, "Start"), end = time_period(doc, "End");

	return start && end && start >= end ? "TimePeriod: the start must come before the end." : NULL;
}

/* What the TimePeriod has of these days: a budget may begin or end amidst one of its periods. */
static void cut_to_time_period(const json_t *doc, int64_t *from, int64_t *to)
{
	int64_t start = time_period(doc, "Start"), end = time_period(doc, "End");

	if (start && calendar_day(start) > *from)
		*from = calendar_day(start);
	if (end && calendar_day(end) < *to)
		*to = calendar_day(end);
}

/* --- what is spent ----------------------------------------------------------------------- */

struct spending {
	const struct prices *prices;
	const json_t *expression;
	bool usage;
	struct sums sums;
};

static int add(void *ctx, const struct bill_item *item)
{
	struct spending *s = ctx;

	if (dimension_match(s->expression, s->prices, item))
		sums_add(&s->sums, NULL, 0, s->prices, item);
	return 0;
}

static int64_t sum_of(const struct spending *s)
{
	const struct sum *sum = s->sums.by_key;

	return !sum ? 0 : s->usage ? (int64_t)sum->quantity : sum->cost;
}

int budget_spend(struct bill *b, const struct resource *budget, const char *account, struct budget_spend *ret, mc_err **err)
{
	const char *wrong = NULL;
	mc_auto_json json_t *expression = budget_expression(budget->doc, &wrong);
	struct spending s = { .prices = b->rating.prices, .expression = expression,
			      .usage = strcmp(mc_json_str(budget->doc, "BudgetType", ""), "USAGE") == 0 };
	struct bill_query q = { .account = account, .months = true };
	struct forecast f = { 0 };
	int64_t today = calendar_day(b->now.label), to;
	int r;

	memset(ret, 0, sizeof(*ret));
	money_parse(mc_json_str(mc_json_obj(budget->doc, "BudgetLimit"), "Amount", "0"), &ret->limit);
	budget_period(mc_json_str(budget->doc, "TimeUnit", "MONTHLY"), today, &q.from, &to, ret->period);
	cut_to_time_period(budget->doc, &q.from, &to);
	q.to = today < to ? today + 1 : to;
	r = bill_each(b, &q, add, &s, err);
	ret->actual = sum_of(&s);
	sums_free(&s.sums);
	if (r == 0) {
		r = forecast_read(b, account, expression, s.usage, &f, err);
		ret->forecast = ret->actual + forecast_mean(&f, q.from > today ? q.from * CALENDAR_DAY : b->now.label,
								    to * CALENDAR_DAY);
	}
	return r;
}

bool budget_passed(const struct budget_spend *s, const char *type, const char *operator, double threshold, bool percent)
{
	bool forecasted = strcmp(type, "FORECASTED") == 0;
	money_wide spent = forecasted ? s->forecast : s->actual;
	money_wide mark = (money_wide)(threshold * 1e9 + 0.5); /* the request's own number */

	spent *= percent ? (money_wide)100 * MONEY_UNIT : 1;
	mark *= percent ? s->limit : 1;
	if (strcmp(operator, "LESS_THAN") == 0)
		return spent < mark;
	return strcmp(operator, "EQUAL_TO") == 0 ? spent == mark : spent > mark;
}
