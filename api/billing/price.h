/* The price list (deploy/prices.json): what a unit costs, by meter, region, type, option and day. */
#ifndef MC_API_BILLING_PRICE_H
#define MC_API_BILLING_PRICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct price_tier {
	int64_t up_to; /* priced units; INT64_MAX: all that is left */
	int64_t nano;  /* a unit */
};

struct price {
	const char *meter, *region, *type, *option;
	int64_t from, until; /* days; the last one is not in it */
	bool by_quantity;    /* tiers of each resource's own quantity (gp3's first 3000 IOPS); else of the month's sum */
	struct price_tier *tiers;
	size_t n;            /* at least one */
};

struct price_free { /* an amount that costs nothing each month */
	const char *name;
	const json_t *meters, *types; /* of strings; types NULL: all */
	int64_t amount;      /* priced units */
	int64_t months;      /* of an account's life; 0: always */
};

struct price_region {
	const char *region, *location, *prefix, *like;
};

struct prices;

/* Read and check a list. NULL and *err naming the place that is wrong. */
struct prices *prices_load(const char *path, mc_err **err);
struct prices *prices_parse(const json_t *file, mc_err **err);
struct prices *prices_ref(struct prices *p);
void prices_unref(struct prices *p);

/* The row for that day; a region that has none is priced like the one it names, a type like its family
 * ("t3" for t3.micro), then like "". NULL: it has no price. */
const struct price *prices_find(const struct prices *p, const char *meter, const char *region, const char *type,
				const char *option, int64_t day);

const char *prices_currency(const struct prices *p);
/* Never NULL: an unknown region has empty texts. */
const struct price_region *prices_region(const struct prices *p, const char *region);
const struct price_region *prices_regions(const struct prices *p, size_t *ret_n);
const struct price_free *prices_free(const struct prices *p, size_t *ret_n);
bool price_free_covers(const struct price_free *f, const char *meter, const char *type);
/* All rows, by meter, region, type, option and day. */
const struct price *prices_rows(const struct prices *p, size_t *ret_n);

#endif
