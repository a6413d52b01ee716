/* What actions and steps share about snapshots. */
#ifndef MC_API_SNAPSHOT_H
#define MC_API_SNAPSHOT_H

#include "api/action.h"

/* A snapshot of the caller's region that its account owns or was let use; NULL after action_fail. */
const struct resource *snapshot_usable(struct call *call, const char *id);

/* The same, completed. */
const struct resource *snapshot_completed(struct call *call, const char *id);

/* The caller's own one that is shown, else NULL after action_fail. */
const struct resource *snapshot_own(struct call *call, const char *id);

/* May this account make volumes of it? */
bool snapshot_allowed(const struct resource *r, const char *account);

/* May the caller see it? */
bool snapshot_shown(struct call *call, const struct resource *r);

/* A new row in state pending. Owned by the transaction. */
struct resource *snapshot_make(struct call *call, const struct resource *vol, const char *description);

/* The Snapshot of DescribeSnapshots. New reference. */
json_t *snapshot_view(struct call *call, const struct resource *r);

/* Is a snapshot of this volume still to be taken? */
bool snapshot_pending_of(struct store_tx *tx, const char *volume);

/* Have the point in time taken before the answer leaves: the second phase of actions that made the
 * snapshots whose ids call->job lists. Whatever it brings, the step goes on with it. */
int snapshot_backend(struct call *call);

#endif
