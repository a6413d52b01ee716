#include "api/billing/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/billing/calendar.h"
#include "common/fs.h"

#define QUANTITY_UNIT 1000000000LL

static char *key_of(const struct sums_key *keys, size_t n, const struct prices *prices, const struct bill_item *item)
{
	char text[SUMS_KEYS * (DIMENSION_TEXT + 1) + 1] = "", value[DIMENSION_TEXT];
	size_t len = 0;

	for (size_t i = 0; i < n && i < SUMS_KEYS; i++) {
		if (keys[i].tag)
			dimension_tag(item, keys[i].tag, value);
		else
			dimension_value(keys[i].dimension, prices, item, value);
		for (char *c = value; *c; c++)
			if (*c == '\n')
				*c = ' ';
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", value);
	}
	return mc_strdup(text);
}

money_wide sums_quantity(const struct bill_item *item)
{
	money_wide n = (money_wide)item->amount * (meter_unit_info(item->meter->unit)->timed ? item->quantity : 1);
	money_wide unit = meter_denominator(item->meter, calendar_month(item->day)), whole = n / unit;

	return whole * QUANTITY_UNIT + money_round((n % unit) * QUANTITY_UNIT, unit);
}

/* The list's price of this much for an hour. */
static money_wide price_of(const struct price *p, int64_t quantity)
{
	money_wide nano = 0;
	int64_t below = 0;

	if (!p->by_quantity)
		return (money_wide)p->tiers[0].nano * quantity;
	for (size_t i = 0; i < p->n && below < quantity; i++) {
		int64_t top = p->tiers[i].up_to < quantity ? p->tiers[i].up_to : quantity;

		nano += (money_wide)p->tiers[i].nano * (top - below);
		below = top;
	}
	return nano;
}

money_wide sums_price(const struct prices *prices, const struct bill_item *item)
{
	const struct meter *m = item->meter;
	const struct price *p = prices_find(prices, m->price, item->region, item->type, m->option, item->day);

	return p ? price_of(p, item->quantity) : 0;
}

int64_t sums_lasting(const struct prices *prices, const struct bill_item *item, int64_t ns)
{
	return money_round(sums_price(prices, item) * ns, meter_denominator(item->meter, calendar_month(item->day)));
}

int64_t sums_rate(const struct prices *prices, const struct bill_item *item)
{
	return meter_unit_info(item->meter->unit)->timed ? sums_lasting(prices, item, CALENDAR_HOUR) : 0;
}

void sums_add(struct sums *s, const struct sums_key *keys, size_t n, const struct prices *prices, const struct bill_item *item)
{
	char *key = key_of(keys, n, prices, item);
	const char *unit = meter_unit_info(item->meter->unit)->name;
	struct sum *sum;

	HASH_FIND_STR(s->by_key, key, sum);
	if (sum) {
		free(key);
	} else {
		sum = mc_alloc(sizeof(*sum));
		sum->key = key;
		sum->unit = unit;
		HASH_ADD_KEYPTR(hh, s->by_key, sum->key, strlen(sum->key), sum);
	}
	if (sum->unit && strcmp(sum->unit, unit) != 0)
		sum->unit = NULL;
	sum->cost += item->cost;
	sum->quantity += sums_quantity(item);
	sum->unpriced |= !item->priced;
	if (!item->open)
		return;
	sum->open = true;
	sum->rate += sums_rate(prices, item);
}

void sums_free(struct sums *s)
{
	struct sum *sum, *tmp;

	HASH_ITER(hh, s->by_key, sum, tmp) {
		HASH_DEL(s->by_key, sum);
		free(sum->key);
		free(sum);
	}
}

static int by_cost(const struct sum *a, const struct sum *b)
{
	int d = (a->cost < b->cost) - (a->cost > b->cost);

	return d ? d : strcmp(a->key, b->key);
}

static int by_key(const struct sum *a, const struct sum *b)
{
	return strcmp(a->key, b->key);
}

void sums_sort(struct sums *s)
{
	HASH_SORT(s->by_key, by_cost);
}

void sums_sort_by_key(struct sums *s)
{
	HASH_SORT(s->by_key, by_key);
}

json_t *sum_keys(const struct sum *s)
{
	json_t *list = json_array();

	for (const char *at = s->key; *at;) {
		size_t n = strcspn(at, "\n");

		json_array_append_new(list, json_stringn(at, n));
		at += n + 1;
	}
	return list;
}
