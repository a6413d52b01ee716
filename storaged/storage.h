/* All of storaged's state in one place, and what keeps it true across crashes. */
#ifndef MC_STORAGED_STORAGE_H
#define MC_STORAGED_STORAGE_H

#include <stdatomic.h>

#include "common/keylock.h"
#include "storaged/config.h"
#include "storaged/graph.h"
#include "storaged/sandbox.h"
#include "storaged/store.h"
#include "storaged/vault.h"

struct janitor;
struct owners;
struct tasks;

/* The key of who reckons what snapshots bear, and records it (storaged/remainder.h). */
#define STORAGE_BEARING "bearing"

/* Merges that ended since the start. */
struct tally {
	_Atomic uint64_t committed, pulled, given_up;
};

struct storage {
	const struct storaged_config *config; /* borrowed */
	struct store store;
	struct graph *graph;
	struct owners *owners;
	struct vault *vault;
	struct mc_keylock *locks; /* by volume or image id; STORAGE_BEARING comes after those */
	struct sandbox *sandbox;
	struct offspring offspring; /* set by storage_lock() */
	struct tasks *tasks;        /* imports and exports under way */
	struct tally tally;
	struct janitor *janitor;    /* NULL: nothing is merged by itself */
};

/* Nobody else has the records from now on, and what an earlier process left running has ended: wait for that, or
 * fail. Before storage_open() or after it; storage_close() ends it. 0 or -1 and *err. */
int storage_lock(struct storage *storage, const struct storaged_config *config, bool wait, mc_err **err);

/* Open store and records. 0 or -1 and *err; close it in either case. */
int storage_open(struct storage *storage, const struct storaged_config *config, mc_err **err);
void storage_close(struct storage *storage);

/* storage_lock(), and remove what an earlier process left half-made. Call before serving. 0 or -1 and *err. */
int storage_recover(struct storage *storage, mc_err **err);

/* Remove the file and the row of a layer in state deleting, then those of its
 * ancestors on which nothing stands any more. 0 or -1 and *err; what is left over
 * is finished by storage_recover(). */
int storage_collect(struct storage *storage, const struct layer *layer, mc_err **err);

/* Throw away a layer whose creation failed; best effort, recover does the rest. */
void storage_abandon(struct storage *storage, const char *layer_id);

/* The header of a layer's file. 0 or -1 and *err. */
struct qcow2_header;
int storage_header(const struct storage *storage, const char *layer_id, struct qcow2_header *ret, mc_err **err);

/* MC_IPC_OK, or MC_IPC_NO_CAPACITY with *err when `bytes` more would eat into the reserve; -1 and *err. */
int storage_room(const struct storage *storage, uint64_t bytes, mc_err **err);

#endif
