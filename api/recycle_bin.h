/* The Recycle Bin: rules that keep what is deleted for a while (Amazon EBS User Guide, "Recycle Bin").
 * Rules of snapshots are doc {ResourceType, RetentionPeriod, Description, ResourceTags,
 * ExcludeResourceTags, LockConfiguration} and spec {identifier, tags, lock: "locked" or "pending_unlock",
 * lock_end ns}; a snapshot in the bin has spec.bin {entered, exit} ns of cloud_time(). */
#ifndef MC_API_RECYCLE_BIN_H
#define MC_API_RECYCLE_BIN_H

#include "api/api.h"

/* A completed snapshot is being deleted: is it kept, and until when? now: cloud_time(). */
bool recycle_bin_keeps(struct store_tx *tx, const struct resource *snapshot, int64_t now, int64_t *ret_exit);

/* Put it there. */
void recycle_bin_enter(struct store_tx *tx, struct resource *snapshot, int64_t now, int64_t exit);

/* When it leaves, for good. */
int64_t recycle_bin_exit(const struct resource *snapshot);

#endif
