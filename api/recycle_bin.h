/* The Recycle Bin: rules that keep what is deleted for a while (Amazon EBS User Guide, "Recycle Bin").
 * Rules of snapshots and images are doc {ResourceType, RetentionPeriod, Description, ResourceTags,
 * ExcludeResourceTags, LockConfiguration} and spec {identifier, tags, lock: "locked" or "pending_unlock",
 * lock_end ns}; what is in the bin has spec.bin {entered, exit (ns of cloud_time()), was: its state before}. */
#ifndef MC_API_RECYCLE_BIN_H
#define MC_API_RECYCLE_BIN_H

#include "api/api.h"

/* A completed snapshot or an image is being deleted: is it kept, and until when? now: cloud_time(). */
bool recycle_bin_keeps(struct store_tx *tx, const struct resource *r, int64_t now, int64_t *ret_exit);

/* Put it there (edited), or give it back the state it came with. */
void recycle_bin_enter(struct store_tx *tx, struct resource *r, int64_t now, int64_t exit);
void recycle_bin_leave(struct store_tx *tx, struct resource *r);

/* When it leaves, for good. */
int64_t recycle_bin_exit(const struct resource *r);

#endif
