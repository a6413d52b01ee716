/* Merging of layers: chains stay short, the space of deleted snapshots comes back, and no volume or
 * snapshot ever reads other data for it. A layer that nobody names and that one layer stands on takes that
 * one's data and place (commit); a chain that is too long for other reasons has its volume's top
 * take all that lies above the base (pull). Either is done by qemu-img where no QEMU has the layers,
 * else by the QEMU that has them, which api asks for it. Nothing is given up before the end of the
 * work has been seen: until then, and after any crash, the headers go by the records. */
#ifndef MC_STORAGED_MERGE_H
#define MC_STORAGED_MERGE_H

#include <jansson.h>

#include "storaged/storage.h"

#define MERGE_DEPTH_MAX 16 /* files in a chain, the top included */
#define MERGE_PULL_AT 12   /* a chain of this many is made short */

/* Do one that needs no QEMU. 0: done; 1: there is none, or cancel_fd ended it; -1 and *err. */
int merge_idle(struct storage *storage, int cancel_fd, mc_err **err);

/* For the QEMU of an open volume; returns as in storaged/volume.h. *ret: {state: "none"}, or
 * {state: "begun" or "under way", kind, base, top, unwanted}. "begun" also where the headers say that it has come to its end and nobody
 * has seen that: a QEMU that was started meanwhile is to do it anew. */
int merge_live(struct storage *storage, const char *volume, json_t **ret, mc_err **err);

/* The QEMU does nothing to it any more; done: it has come to its end, and what it wrote to the disk.
 * *ret: {state: "done", "given up", "none", or "under way" where the headers say otherwise}. */
int merge_settle_live(struct storage *storage, const char *volume, bool done, json_t **ret, mc_err **err);

/* The same when the volume has been closed. 0 or -1 and *err. */
int merge_closed(struct storage *storage, const char *volume, mc_err **err);

/* Take back what was begun and no QEMU is busy with: at the start, and by the janitor. 0 or -1 and *err. */
int merge_recover(struct storage *storage, mc_err **err);

/* Somebody needs this layer and what it stands on: end the merges there and begin no other one until
 * merge_release(), which is to be called in any case. MC_IPC_OK when none is left, MC_IPC_UNAVAILABLE where
 * the QEMU of a volume other than `but` (NULL: of any) has to end it first; -1 and *err. */
int merge_hold(struct storage *storage, const char *layer, const char *but, mc_err **err);
void merge_release(struct storage *storage);

/* The same for a layer that no merge can begin on, since the records say that it is in use already. */
int merge_let_go(struct storage *storage, const char *layer, const char *but, mc_err **err);

/* For reading a frozen layer and what it stands on by a program of ours (a copy, an export, a block): neither
 * changes, and it stays, until merge_read_end(). Returns as merge_hold(); where it is not MC_IPC_OK
 * there is nothing to end. MC_IPC_UNAVAILABLE also where there is no such frozen layer any more: what it was of may have another one, so
 * whoever tries again looks that up again. */
int merge_read(struct storage *storage, const char *layer, mc_err **err);
void merge_read_end(struct storage *storage, const char *layer);

/* The volume's own QEMU is to end its merge, if it has one: MC_IPC_OK, or MC_IPC_UNAVAILABLE until it has. */
int merge_interrupt(struct storage *storage, const char *volume, mc_err **err);

/* Headers that a QEMU wrote have whole paths: give them relative names, so that the store can be moved.
 * For a volume that has been closed; one that cannot be changed now is left to another time. */
void merge_tidy(struct storage *storage, const struct layer *top);

/* MC_IPC_OK where another snapshot may make the volume's chain longer, else MC_IPC_UNAVAILABLE. */
int merge_check_depth(struct storage *storage, const char *volume, mc_err **err);

#endif
