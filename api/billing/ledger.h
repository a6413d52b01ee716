/* The days that are over: rated once, summed by month.
 *
 * A cursor (usage_final: day, group) goes through the days; rows of usage_day up to it bear their cost,
 * usage_month has their sums and usage_pool what they took of the month's tiers and free amounts. */
#ifndef MC_API_BILLING_LEDGER_H
#define MC_API_BILLING_LEDGER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/billing/rate.h"
#include "common/error.h"

struct ledger_cursor {
	int64_t day, group; /* the last that is rated */
};

int ledger_cursor(sqlite3 *db, struct ledger_cursor *ret, mc_err **err);

/* Usage comes to this day and group: where that was rated already (the wall clock went back), its
 * month and the later ones will be rated anew. 0, or -1 and *err. */
int ledger_reopen(sqlite3 *db, int64_t day, int64_t group, mc_err **err);

/* Rate some of the days before `today`, and move the cursor; in the caller's SQL transaction. The accounts
 * of config are read here.
 * 1: there is more to do, 0: all is rated, -1 and *err. */
int ledger_advance(sqlite3 *db, const struct rater_config *config, int64_t today, mc_err **err);

#endif
