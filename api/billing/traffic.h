/* Bytes that interfaces carried become usage. */
#ifndef MC_API_BILLING_TRAFFIC_H
#define MC_API_BILLING_TRAFFIC_H

#include "api/counters.h"

/* A counters_growth_fn; ctx is the store. What left for the internet is data transfer out of the
 * instance, or of the gateway that keeps the interface, or else of the interface. */
int traffic_count(void *ctx, sqlite3 *db, const struct counters_growth *growth, mc_err **err);

#endif
