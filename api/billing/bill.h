/* What the usage costs, as of now: days that are over from the ledger, the others rated as they are
 * read, with what is open taken as if it ended this moment. */
#ifndef MC_API_BILLING_BILL_H
#define MC_API_BILLING_BILL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/billing/meter.h"
#include "api/billing/meter_clock.h"
#include "api/billing/rate.h"
#include "common/error.h"

struct bill_item { /* a line on a day, or a part of it */
	int64_t day; /* of a month's sum: its first */
	int64_t line, group;
	const char *account, *region, *az, *resource, *type;
	const char *tags; /* JSON text */
	const struct meter *meter;
	int64_t quantity;
	int64_t amount;   /* ns, or a count */
	int64_t cost;     /* nano-units */
	bool priced;      /* false: the price list has none */
	bool open;        /* its meter runs now (of the last day it reaches into) */
};

/* Borrowed while it is called. Non-zero ends the reading. */
typedef int bill_item_fn(void *ctx, const struct bill_item *item);

struct bill_query {
	const char *account;  /* NULL: all */
	int64_t from, to;     /* days; `to` is not in it */
	bool months;          /* days of whole months come as the month's sum: several items of a line add up to it */
};

/* A snapshot of the database to read bills from: all its answers are of one moment. */
struct bill {
	sqlite3 *db;
	struct rater_config rating;
	json_t *accounts;
	struct meter_instant now; /* by the meters' clock */
	struct meter_clock clock;
};

/* db: a connection of one's own, closed by bill_end(), or by a failure. The accounts of rating are read
 * here. 0, or -1 and *err. */
int bill_begin(struct bill *b, sqlite3 *db, const struct rater_config *rating, mc_err **err);
void bill_end(struct bill *b);

/* fn for each item, days in order. Items without an amount are left out. 0, or -1 and *err. */
int bill_each(struct bill *b, const struct bill_query *q, bill_item_fn *fn, void *ctx, mc_err **err);

/* The same rated anew from the usage alone, each piece of price told: fn is called after the parts of
 * its item. Whole months are read before `from` so that tiers are where they were. */
int bill_explain(struct bill *b, const struct bill_query *q, bill_item_fn *fn, rate_part_fn *part, void *ctx, mc_err **err);

#define BILL_HOURS_MAX 14 /* days: Cost Explorer's own bound */

/* fn for each line of each hour in [from, to), hours since 1970: item->cost is the hour's part of the
 * day's, which the hours of a day add up to. */
int bill_hours(struct bill *b, const char *account, int64_t from, int64_t to,
	       int (*fn)(void *ctx, int64_t hour, const struct bill_item *item), void *ctx, mc_err **err);

#endif
