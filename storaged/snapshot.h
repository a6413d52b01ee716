/* Snapshots: frozen layers with a name, of volumes that are quiet or in use. */
#ifndef MC_STORAGED_SNAPSHOT_H
#define MC_STORAGED_SNAPSHOT_H

#include <jansson.h>

#include "storaged/storage.h"

/* Returns as in storaged/volume.h; docs/ipc.md has the documents and the order of calls. */

/* Of a closed volume: taken when it returns. Of an open one: prepared, its document has the path
 * that the QEMU must switch to before snapshot_take(). Of one that several QEMUs may have open: storaged/snapshot_shared.h.
 * Idempotent. owner: whose it is (storaged/remainder.h). */
int snapshot_put(struct storage *storage, const char *id, const char *volume, const char *owner, json_t **ret, mc_err **err);

/* The QEMU writes to the prepared path now: the old top is frozen. Idempotent. */
int snapshot_take(struct storage *storage, const char *id, json_t **ret, mc_err **err);

/* The QEMU did not switch and will not: forget the preparation. Absent is fine; MC_IPC_IN_USE where it has; MC_IPC_CONFLICT where it
 * is taken, which it is at the latest now where no QEMU has the volume's file. */
int snapshot_abandon(struct storage *storage, const char *id, mc_err **err);

int snapshot_get(struct storage *storage, const char *id, json_t **ret, mc_err **err);
int snapshot_list(struct storage *storage, json_t **ret, mc_err **err);

/* graph_snapshot_add(), graph_snapshot_share() with what it bears (storaged/remainder.h). */
int snapshot_add(struct storage *storage, struct snapshot *snapshot, mc_err **err);
int snapshot_share(struct storage *storage, struct snapshot *snapshot, mc_err **err);

/* One that was taken, for the other nouns of this room: MC_IPC_UNAVAILABLE before that. */
int snapshot_taken(struct storage *storage, const char *id, struct snapshot *ret, mc_err **err);

/* Its data stays as long as something stands on it; what others bear of it from now on is in their bytes: *ret {deleted: true,
 * heirs: [these]}, {} where there was no such snapshot. */
int snapshot_delete(struct storage *storage, const char *id, json_t **ret, mc_err **err);

/* Under the volume's lock, when nobody has it open: finish what is prepared of it, whether its
 * QEMU had switched or not: the overlay is empty or holds what was written since. 0 or -1. */
int snapshot_settle(struct storage *storage, const char *volume, mc_err **err);

#endif
