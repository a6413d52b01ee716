/* From usage to money.
 *
 * Days are rated in order, within a day groups in order (a group: one meter of one resource), within a
 * group its lines in order; each takes what the month has left of free amounts and tiers. A group's
 * day is rounded once: its lines are what the rounded sum grows by, so that they add up to it. */
#ifndef MC_API_BILLING_RATE_H
#define MC_API_BILLING_RATE_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/billing/meter.h"
#include "api/billing/money.h"
#include "api/billing/price.h"
#include "common/error.h"

struct rater;

struct rater_config {
	struct prices *prices;   /* referenced */
	bool free_tier;          /* grant what is free only in an account's first months */
	const json_t *accounts;  /* {account: day of its making}, borrowed; one that is not there is new */
};

struct rate_usage {
	const char *account, *region, *type;
	const struct meter *meter;
	int64_t quantity, amount; /* amount: ns, or a count */
	int64_t day, group;
};

/* What a piece of the amount costs, for --explain. */
struct rate_part {
	const char *free;       /* name of the free amount it is of, or NULL */
	int64_t quantity;       /* of the resource's quantity, what this is of; 1 of what is counted */
	money_wide amount;      /* quantity times ns, or a count */
	money_wide denominator; /* amounts in a priced unit */
	int64_t nano;           /* a unit */
	int64_t up_to;          /* of its tier; INT64_MAX: the last or only one */
};
typedef void rate_part_fn(void *ctx, const struct rate_part *part);

/* {account: day of its making} of the database; NULL and *err. New reference. */
json_t *rater_accounts(sqlite3 *db, mc_err **err);

struct rater *rater_new(const struct rater_config *config);
void rater_free(struct rater *r);

/* The cost in nano-units. part may be NULL. *ret_priced is false where the list has no price
 * for it (it costs nothing then). 0, or -1 and *err: too large for 128 bits. */
int rater_rate(struct rater *r, const struct rate_usage *u, rate_part_fn *part, void *ctx, int64_t *ret_cost,
	       bool *ret_priced, mc_err **err);

/* What was taken of free amounts and tiers in a month, in the database. */
int rater_load(struct rater *r, sqlite3 *db, int month, mc_err **err);
int rater_save(const struct rater *r, sqlite3 *db, mc_err **err);

#endif
