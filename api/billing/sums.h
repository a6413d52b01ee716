/* Bills summed by keys. */
#ifndef MC_API_BILLING_SUMS_H
#define MC_API_BILLING_SUMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "api/billing/bill.h"
#include "api/billing/dimension.h"

#define SUMS_KEYS 3

struct sum {
	char *key;                  /* its parts, with a newline behind each */
	int64_t cost;
	money_wide quantity;        /* in 1e-9 of the unit */
	const char *unit;           /* NULL: of several */
	int64_t rate;               /* nano-units an hour of what is open */
	bool open, unpriced;
	UT_hash_handle hh;
};

struct sums {
	struct sum *by_key;
};

/* By what: a dimension or (tag not NULL) a tag. */
struct sums_key {
	const struct dimension *dimension;
	const char *tag;
};

/* Add the item under the values of n keys (at most SUMS_KEYS). */
void sums_add(struct sums *s, const struct sums_key *keys, size_t n, const struct prices *prices, const struct bill_item *item);
void sums_free(struct sums *s);

/* The dearest first; equals by their keys. */
void sums_sort(struct sums *s);
/* By their keys. */
void sums_sort_by_key(struct sums *s);
/* The parts of a key as JSON texts. */
json_t *sum_keys(const struct sum *s);

/* What the item's quantity costs a priced unit long (an hour, a month), by the first price or the
 * brackets; 0 where it has no price. */
money_wide sums_price(const struct prices *prices, const struct bill_item *item);

/* What an item that is billed by time costs in so many ns by its first price or its brackets, whatever is free of it. */
int64_t sums_lasting(const struct prices *prices, const struct bill_item *item, int64_t ns);
/* What is open costs so much an hour by its first price or its brackets, whatever is free of it. */
int64_t sums_rate(const struct prices *prices, const struct bill_item *item);
/* How much of its priced units an item is, in billionths. */
money_wide sums_quantity(const struct bill_item *item);

#endif
