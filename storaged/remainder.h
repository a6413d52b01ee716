/* What a deleted snapshot leaves behind: blocks that a later one still shows. That one bears them from then on, the
 * first that stands on them, so that each is borne once. (Amazon EBS User Guide, "How incremental snapshots work",
 * "Delete an Amazon EBS snapshot".) */
#ifndef MC_STORAGED_REMAINDER_H
#define MC_STORAGED_REMAINDER_H

#include "storaged/storage.h"

/* Who inherits from this taken snapshot when it goes, and how many bytes that one shows of what it and those before
 * it leave: MC_IPC_OK, with ret->heir "" where there is nobody. MC_IPC_UNAVAILABLE while a QEMU's merge has to end; -1
 * and *err. */
int remainder_left(struct storage *storage, const struct snapshot *gone, struct remainder *ret, mc_err **err);

/* What a snapshot that is about to be taken shows of layers below its own that nobody bears any more; 0 where that
 * cannot be found out. */
int64_t remainder_found(struct storage *storage, const struct snapshot *snapshot);

#endif
