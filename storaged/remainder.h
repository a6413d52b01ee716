/* Which snapshot bears which of the blocks that are stored.
 *
 * A snapshot refers to a block that it shows and that lies in its layer or in one below. Of the snapshots of one owner that refer to
 * a block, the one that was taken first bears it; what no snapshot refers to is its volumes' alone, and is borne by none. So one
 * that is taken bears what nobody bears yet, and nobody else's changes; one that is deleted leaves each of its blocks to the
 * first that was taken after it and shows that block still, which may be several, in several branches. Blocks of an image are
 * the image's, even when that has gone, unless the snapshot is a copy of an image. Owners are accounts in regions: what is copied
 * from one to the other is borne by both. (Amazon EBS User Guide, "How incremental snapshots work", "Delete an Amazon EBS
 * snapshot"; Amazon EBS pricing, example 7.)
 *
 * Whoever calls these, or graph_snapshot_take(), _add(), _share(), _remove() with what they said, holds STORAGE_BEARING. */
#ifndef MC_STORAGED_REMAINDER_H
#define MC_STORAGED_REMAINDER_H

#include "storaged/storage.h"

struct remainder {
	struct heir *heirs;
	size_t n;
};
void remainder_deinit(struct remainder *remainder);
#define auto_remainder __attribute__((cleanup(remainder_deinit))) struct remainder

/* Who inherits from this taken snapshot when it goes, and what: in the order in which they were taken. 0 or -1 and *err. */
int remainder_left(struct storage *storage, const struct snapshot *gone, struct remainder *ret, mc_err **err);

/* Set bytes and inherited of a snapshot that is about to be taken, added or shared (its layer's file is whole), or that was
 * taken. 0 or -1 and *err. */
int remainder_settle(struct storage *storage, struct snapshot *snapshot, mc_err **err);

#endif
