/* Snapshots of volumes that several QEMUs may have open: one raw file, which no layer can be put above. All of it is copied, in
 * the background (storaged/copying.h). Of an open one the file is cloned first (ioctl_ficlone(2)), where the store's file system can do
 * that: the kernel waits for the writes under way and holds up the next ones, so that the clone is of one point in time, whoever
 * writes. The clone is a layer in state creating, whose name follows from the snapshot's, and goes when it is copied. */
#ifndef MC_STORAGED_SNAPSHOT_SHARED_H
#define MC_STORAGED_SNAPSHOT_SHARED_H

#include <jansson.h>

#include "storaged/storage.h"

/* Is it of such a volume? *ret: {id, state: "copying", percent}; it stays NULL where it is there, or is none. Of an open one on a file
 * system without clones: MC_IPC_UNSUPPORTED. Not under the volume's lock. owner: as of snapshot_put(). An outcome, or -1 and *err. */
int snapshot_shared_put(struct storage *storage, const char *id, const char *volume, const char *owner, json_t **ret, mc_err **err);

/* End its making, and remove what is half-made. */
void snapshot_shared_end(struct storage *storage, const char *id);

#endif
