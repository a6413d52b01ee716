/* Event policies of Data Lifecycle Manager (EventSource, Actions: type EVENT_BASED_POLICY): a snapshot that another account shares
 * with the policy's is copied. The event is noted in the transaction that shares, in the policy's spec.events [{snapshot, at}], and
 * goes with the copies' rows, so that a kill neither loses nor doubles one. (Amazon EBS User Guide, "Automate cross-account snapshot
 * copies".) */
#ifndef MC_API_LIFECYCLE_EVENT_H
#define MC_API_LIFECYCLE_EVENT_H

#include "api/api.h"

struct call;

bool lifecycle_event_policy(const json_t *details);

/* Check PolicyDetails of such a policy: 0, or 1 after action_fail. */
int lifecycle_event_check(struct call *call, const json_t *details);

/* The snapshot (a row being written) has come to be shared with these accounts [text]. */
void lifecycle_event_shared(struct store_tx *tx, const struct resource *snapshot, const json_t *accounts);

/* Copy what was shared and is completed. *ret_pending: some are not yet. How many events went. */
int lifecycle_event_copy(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, bool *ret_pending);

/* Delete the copies whose time is over; as lifecycle_copy_retire(). */
int lifecycle_event_retire(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, int64_t *next);

#endif
