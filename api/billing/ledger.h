/* The days that are over: rated once, summed by month.
 *
 * A cursor (usage_final: day, group) goes through the days; rows of usage_day up to it bear their cost,
 * usage_month has their sums and usage_pool what they took of the month's tiers and free amounts. */
#ifndef MC_API_BILLING_LEDGER_H
#define MC_API_BILLING_LEDGER_H

#include <sqlite3.h>
#include <stdint.h>

#include "common/error.h"

/* Usage comes to this day and group: where that was rated already (the wall clock went back), its
 * month and the later ones will be rated anew. 0, or -1 and *err. */
int ledger_reopen(sqlite3 *db, int64_t day, int64_t group, mc_err **err);

#endif
