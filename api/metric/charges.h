/* What the month has cost so far, as AWS/Billing EstimatedCharges. */
#ifndef MC_API_METRIC_CHARGES_H
#define MC_API_METRIC_CHARGES_H

#include <stdint.h>

#include "api/api.h"
#include "common/error.h"

/* Put every account's sums, by service and in all, at this time (s since 1970). 0, or -1 and *err. */
int metric_charges_put(struct api *api, int64_t now, mc_err **err);

#endif
