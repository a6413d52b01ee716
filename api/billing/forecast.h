/* What is to come, if nothing changes: what is open now goes on, what is counted goes on as in the last
 * week. What is free is not foreseen. */
#ifndef MC_API_BILLING_FORECAST_H
#define MC_API_BILLING_FORECAST_H

#include <jansson.h>
#include <stdint.h>

#include "api/billing/bill.h"

struct forecast {
	int64_t per_day;   /* billionths of money or of usage, of what is priced by the hour and of what is counted */
	int64_t per_month; /* of what is priced by the month, which is longer or shorter */
	int64_t spread;    /* standard deviation of the last days' totals */
};

/* expression filters as Cost Explorer's do; NULL: all. usage: of priced units, not of money. 0, or -1 and *err. */
int forecast_read(struct bill *b, const char *account, const json_t *expression, bool usage, struct forecast *ret, mc_err **err);

/* The mean from one label to another. 0 where that is no time. */
int64_t forecast_mean(const struct forecast *f, int64_t from, int64_t to);
/* How far from the mean the sum of so many ns lies with this probability (51 to 99 per cent). */
int64_t forecast_margin(const struct forecast *f, int64_t ns, int level);

#endif
