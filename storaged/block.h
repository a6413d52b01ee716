/* Blocks of snapshots, for reading, and of closed volumes, for writing: what the EBS direct APIs
 * move. A block is BLOCK_BYTES; its data travels on a connection of bytes (docs/ipc.md). */
#ifndef MC_STORAGED_BLOCK_H
#define MC_STORAGED_BLOCK_H

#include <jansson.h>

#include "common/ipc.h"
#include "storaged/storage.h"

struct block_range {
	int64_t from; /* the first block looked at */
	int64_t max;  /* the most that are listed, > 0 */
};

/* Which blocks hold data; with `first`, which differ by their layers from that snapshot's. *ret is
 * {size_gib, blocks: [[index, in first, in second]], next?}. MC_IPC_CONFLICT: they have nothing in common. */
int block_list(struct storage *storage, const char *snapshot, const char *first, const struct block_range *range, json_t **ret,
	       mc_err **err);

/* Send one block's bytes to who asked. */
int block_send(struct storage *storage, const char *snapshot, int64_t index, struct mc_ipc_upgrade *upgrade, mc_err **err);

/* Take one block's bytes, whose SHA-256 is sha256 (hex), into a volume that nobody has open; then a
 * line {outcome, message} goes back. What is answered "ok" is on the disk and counted. */
int block_receive(struct storage *storage, const char *volume, int64_t index, const char *sha256, struct mc_ipc_upgrade *upgrade,
		  mc_err **err);

/* What block_receive() has taken: {blocks, sha256: over their hashes in order of their index, written: ns}. */
int block_written(struct storage *storage, const char *volume, json_t **ret, mc_err **err);

#endif
