#include "api/billing/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "api/billing/calendar.h"
#include "api/billing/dimension.h"
#include "common/clock.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define KEY 512
#define SUMMANDS_MAX 12 /* of the sum at the end, in one line */
#define PARTS_MAX 64 /* of one item: its free amounts and tiers */

struct piece { /* parts of all days with the same price */
	char key[KEY];
	char *free;
	int64_t quantity, nano, up_to;
	money_wide amount, denominator;
	UT_hash_handle hh;
};

struct line {
	char key[KEY]; /* resource, usage type, quantity and tags apart */
	char *resource, *usage_type, *region;
	const struct meter *meter;
	struct piece *pieces;
	int64_t cost;
	bool unpriced;
	UT_hash_handle hh;
};

struct explaining {
	struct bill *bill;
	const json_t *expression;
	struct line *lines;
	struct rate_part parts[PARTS_MAX];
	size_t n;
};

static void lines_free(struct explaining *e)
{
	struct line *l, *next_line;
	struct piece *p, *next;

	HASH_ITER(hh, e->lines, l, next_line) {
		HASH_ITER(hh, l->pieces, p, next) {
			HASH_DEL(l->pieces, p);
			free(p->free);
			free(p);
		}
		HASH_DEL(e->lines, l);
		free(l->resource);
		free(l->usage_type);
		free(l->region);
		free(l);
	}
}

/* --- collecting ------------------------------------------------------------------ */

static void on_part(void *ctx, const struct rate_part *part)
{
	struct explaining *e = ctx;

	if (e->n < PARTS_MAX)
		e->parts[e->n++] = *part;
}

static struct line *line_of(struct explaining *e, const struct bill_item *item)
{
	char usage[DIMENSION_TEXT], key[KEY];
	struct line *l;

	dimension_value(dimension_find("USAGE_TYPE"), e->bill->rating.prices, item, usage);
	snprintf(key, sizeof(key), "%s\n%.300s", item->resource, usage);
	HASH_FIND_STR(e->lines, key, l);
	if (l)
		return l;
	l = mc_alloc(sizeof(*l));
	memcpy(l->key, key, sizeof(key));
	l->resource = mc_strdup(item->resource);
	l->usage_type = mc_strdup(usage);
	l->region = mc_strdup(item->region);
	l->meter = item->meter;
	HASH_ADD_STR(e->lines, key, l);
	return l;
}

/* Months have different lengths: their parts stay apart. */
static void add_part(struct line *l, const struct rate_part *part)
{
	char key[KEY], unit[MONEY_TEXT];
	struct piece *p;

	money_wide_text(part->denominator, unit);
	snprintf(key, sizeof(key), "%s %lld %lld %lld %s", part->free ? part->free : "-", (long long)part->quantity,
		 (long long)part->nano, (long long)part->up_to, unit);
	HASH_FIND_STR(l->pieces, key, p);
	if (!p) {
		p = mc_alloc(sizeof(*p));
		memcpy(p->key, key, sizeof(key));
		p->free = mc_strdup(part->free);
		p->quantity = part->quantity;
		p->nano = part->nano;
		p->up_to = part->up_to;
		p->denominator = part->denominator;
		HASH_ADD_STR(l->pieces, key, p);
	}
	p->amount += part->amount;
}

static int on_item(void *ctx, const struct bill_item *item)
{
	struct explaining *e = ctx;
	struct line *l;

	if (dimension_match(e->expression, e->bill->rating.prices, item)) {
		l = line_of(e, item);
		for (size_t i = 0; i < e->n; i++)
			add_part(l, &e->parts[i]);
		l->cost += item->cost;
		l->unpriced |= !item->priced;
	}
	e->n = 0;
	return 0;
}

/* --- telling ----------------------------------------------------------------------- */

static void set_text(json_t *doc, const char *key, const char *text)
{
	json_object_set_new(doc, key, json_string(text));
}

static void set_money(json_t *doc, const char *key, int64_t nano)
{
	char text[MONEY_TEXT];

	money_format(nano, 9, text);
	set_text(doc, key, text);
}

static void set_quotient(json_t *doc, const char *key, money_wide numerator, money_wide denominator)
{
	char text[MONEY_TEXT];

	money_quotient(numerator, denominator, 6, text);
	set_text(doc, key, text);
}

static json_t *piece_view(const struct meter *m, const struct piece *p, int64_t *ret_cost)
{
	const struct meter_unit_info *u = meter_unit_info(m->unit);
	json_t *doc = json_object();

	*ret_cost = money_round(p->amount * p->nano, p->denominator);
	json_object_set_new(doc, "quantity", json_integer(p->quantity));
	if (u->timed)
		set_quotient(doc, "seconds", p->amount, (money_wide)p->quantity * MC_SECOND);
	if (u->monthly)
		json_object_set_new(doc, "month_seconds", json_integer((json_int_t)(p->denominator / u->divisor / MC_SECOND)));
	set_quotient(doc, "units", p->amount, p->denominator);
	set_money(doc, "price", p->nano);
	set_money(doc, "cost", *ret_cost);
	if (p->free)
		set_text(doc, "free", p->free);
	if (p->up_to != INT64_MAX)
		json_object_set_new(doc, "up_to", json_integer(p->up_to));
	return doc;
}

static json_t *line_view(const struct line *l)
{
	json_t *parts = json_array(), *doc = json_object();
	int64_t sum = 0;

	for (const struct piece *p = l->pieces; p; p = p->hh.next) {
		int64_t cost;

		json_array_append_new(parts, piece_view(l->meter, p, &cost));
		sum += cost;
	}
	set_text(doc, "resource", l->resource);
	set_text(doc, "service", l->meter->service);
	set_text(doc, "usage_type", l->usage_type);
	set_text(doc, "region", l->region);
	set_text(doc, "unit", meter_unit_info(l->meter->unit)->name);
	json_object_set_new(doc, "parts", parts);
	if (l->unpriced)
		json_object_set_new(doc, "unpriced", json_true());
	set_money(doc, "rounding", l->cost - sum);
	set_money(doc, "cost", l->cost);
	return doc;
}

static int by_key(const struct line *a, const struct line *b)
{
	return strcmp(a->key, b->key);
}

json_t *explain_bill(struct bill *b, const struct bill_query *q, const json_t *expression, mc_err **err)
{
	struct explaining *e = mc_alloc(sizeof(*e));
	json_t *list = NULL;

	e->bill = b;
	e->expression = expression;
	if (bill_explain(b, q, on_item, on_part, e, err) == 0) {
		list = json_array();
		HASH_SORT(e->lines, by_key);
		for (const struct line *l = e->lines; l; l = l->hh.next)
			json_array_append_new(list, line_view(l));
	}
	lines_free(e);
	free(e);
	return list;
}

/* --- for people ----------------------------------------------------------------------- */

static const char *without_zeros(const char *number, char out[MONEY_TEXT])
{
	size_t n;

	snprintf(out, MONEY_TEXT, "%s", number);
	n = strlen(out);
	while (strchr(out, '.') && n > 0 && (out[n - 1] == '0' || out[n - 1] == '.')) {
		bool point = out[--n] == '.';

		out[n] = '\0';
		if (point)
			break;
	}
	return out;
}

static void print_part(FILE *f, const json_t *line, const json_t *part)
{
	char seconds[MONEY_TEXT], price[MONEY_TEXT];
	const char *unit = mc_json_str(line, "unit", "");
	int64_t month = mc_json_int(part, "month_seconds", 0), up_to = mc_json_int(part, "up_to", 0);

	fputs("    ", f);
	if (mc_json_str(part, "seconds", NULL)) {
		fprintf(f, "%lld x %s s", (long long)mc_json_int(part, "quantity", 1),
			without_zeros(mc_json_str(part, "seconds", ""), seconds));
		if (month)
			fprintf(f, " / %lld s", (long long)month);
		fputs(" = ", f);
	}
	fprintf(f, "%s %s", mc_json_str(part, "units", ""), unit);
	if (mc_json_str(part, "free", NULL))
		fprintf(f, " free (%s)\n", mc_json_str(part, "free", ""));
	else
		fprintf(f, " x %s = %s%s\n", without_zeros(mc_json_str(part, "price", ""), price), mc_json_str(part, "cost", ""),
			up_to ? " (tier)" : "");
}

static void print_line(FILE *f, const json_t *line)
{
	const char *rounding = mc_json_str(line, "rounding", "0");
	json_t *part;
	size_t i;

	fprintf(f, "%s  %s\n", mc_json_str(line, "resource", ""), mc_json_str(line, "usage_type", ""));
	json_array_foreach(mc_json_arr(line, "parts"), i, part)
		print_part(f, line, part);
	if (strspn(rounding, "-0.") != strlen(rounding))
		fprintf(f, "    rounding of each day = %s\n", rounding);
	if (mc_json_bool(line, "unpriced", false))
		fputs("    the price list has no price for this\n", f);
}

/* "18.34 + 0.4 = 18.74", where it fits on a line. */
static void print_sum(FILE *f, const json_t *explanation, int64_t sum)
{
	char text[MONEY_TEXT], trimmed[MONEY_TEXT];
	json_t *line;
	size_t i;

	if (json_array_size(explanation) > 1 && json_array_size(explanation) <= SUMMANDS_MAX)
		json_array_foreach(explanation, i, line)
			fprintf(f, "%s%s%s", i ? " + " : "", without_zeros(mc_json_str(line, "cost", "0"), trimmed),
				i + 1 == json_array_size(explanation) ? " = " : "");
	money_format(sum, 9, text);
	fprintf(f, "%s", without_zeros(text, trimmed));
}

char *explain_text(const json_t *explanation, const char *currency)
{
	char *text = NULL, rounded[MONEY_TEXT];
	size_t len = 0, i;
	FILE *f = open_memstream(&text, &len);
	int64_t sum = 0;
	json_t *line;

	json_array_foreach(explanation, i, line) {
		int64_t nano = 0;

		print_line(f, line);
		money_parse(mc_json_str(line, "cost", "0"), &nano);
		sum += nano;
	}
	print_sum(f, explanation, sum);
	money_format(sum, 2, rounded);
	fprintf(f, " = %s %s\n", rounded, currency);
	fclose(f);
	return text;
}
