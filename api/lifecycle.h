/* Data Lifecycle Manager: policies that take snapshots of what has certain tags, and delete them again
 * (Amazon EBS User Guide, "Amazon Data Lifecycle Manager"). doc {PolicyDetails, Description,
 * ExecutionRoleArn}, spec {state, created, modified, tags, next: [ns of cloud_time(), by schedule],
 * events (api/lifecycle_event.h)}. A snapshot or an image
 * that a policy took has spec.dlm {policy, schedule, due, taken, target, unshared: the policy's shares are over}. */
#ifndef MC_API_LIFECYCLE_H
#define MC_API_LIFECYCLE_H

#include "api/api.h"

/* Set when each schedule is due next: from `now` on, of a policy being written. */
void lifecycle_plan(struct resource *policy, int64_t now);

bool lifecycle_enabled(const struct resource *policy);

/* Take snapshots or images for each schedule that is due, and note when it is due next, in one write transaction:
 * one that was missed while nobody was there is made up for once. How many were taken. */
int lifecycle_take(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now);

/* Delete what is to be kept no longer, deprecate what is, take shares back. *ret_next: when there will be more to do
 * (INT64_MAX: not by time), *ret_pending: some are still being taken. How many were changed. */
int lifecycle_retire(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, int64_t *ret_next,
		     bool *ret_pending);

/* When the first of its schedules is due; INT64_MAX: none is. */
int64_t lifecycle_due(const struct resource *policy);

#endif
