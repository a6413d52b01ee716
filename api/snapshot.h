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

/* May everybody make volumes of it? Shared with all, and not hidden by api/public_access.h. */
bool snapshot_public(const struct resource *r);
/* May this account make volumes of it? */
bool snapshot_allowed(const struct resource *r, const char *account);

/* May the caller see it? */
bool snapshot_shown(struct call *call, const struct resource *r);

/* A new row in state pending. Owned by the transaction. */
struct resource *snapshot_make(struct call *call, const struct resource *vol, const char *description);
/* The same for a copy of what storaged has as `stored`, a snapshot or an image, of so many GiB. */
struct resource *snapshot_make_copy(struct call *call, const char *stored, int64_t gib, const char *description);

/* Do running instances, but for `except` (NULL: none), have this Multi-Attach volume? Then several QEMUs write to a file that no
 * one of them can bring to a moment. */
bool snapshot_of_shared(struct store_tx *tx, const struct resource *vol, const char *except);
/* action_refuse of such a one in a set: its moment would not be that of the others. */
int snapshot_refuse_shared(struct call *call, const char *volume);

/* Each lists all: the first one does the work for all, so that they are of one point in time. */
void snapshot_share_set(struct store_tx *tx, const json_t *ids);

/* Delete it, or put it into the recycle bin. One that is being taken of a volume is taken first: the guest's disk has begun to
 * move. The making of a copy ends. */
void snapshot_remove(struct api *api, struct store_tx *tx, const struct resource *r);

/* Whose it is to storaged (storaged/remainder.h): blocks are borne once by each account in each region. New reference. */
json_t *snapshot_owner(const struct resource *r);

/* What storaged says that it bears, in bytes. That only grows, while two answers may come in either order. */
void snapshot_bears(struct resource *edited, int64_t bytes);

/* The Snapshot of DescribeSnapshots. New reference. */
json_t *snapshot_view(struct call *call, const struct resource *r);

/* Is a snapshot of this volume still to be taken? */
bool snapshot_pending_of(struct store_tx *tx, const char *volume);

/* Have the point in time taken before the answer leaves: the second phase of actions that made the
 * snapshots whose ids call->job lists. Whatever it brings, the step goes on with it. */
int snapshot_backend(struct call *call);

/* The member's minutes of a time-based copy: 0 or action_fail (EBS User Guide, "Time-based copies"). */
int snapshot_check_duration(struct call *call, const char *member);
/* A copy's row says how it is made; minutes 0: as it comes. */
void snapshot_show_transfer(struct resource *r, int64_t minutes);
/* All of it is there: before its state says so. */
void snapshot_show_complete(struct resource *r);

#endif
