/* A month of a described fleet, without running it. */
#ifndef MC_API_BILLING_SIMULATE_H
#define MC_API_BILLING_SIMULATE_H

#include <jansson.h>
#include <stdint.h>

#include "api/billing/price.h"
#include "common/error.h"

/* A plan as docs/billing.md describes it. Its costs by each purchase option side by side, and with the
 * reservations and the savings plan it names. region and day (within a month) stand for what the plan
 * does not say. NULL and *err: what is wrong with the plan. New reference. */
json_t *simulate_plan(const json_t *plan, const struct prices *prices, const char *region, int64_t day, mc_err **err);

#endif
