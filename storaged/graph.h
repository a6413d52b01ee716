/* Storaged's records: which layer stands on which, and who owns what.
 *
 * A layer is one qcow2 file in the store. `frozen` ones are shared and never
 * written again, a `ready` one is the writable top of one volume. `creating` and
 * `deleting` layers are half-made: storage_recover() finishes or removes them. */
#ifndef MC_STORAGED_GRAPH_H
#define MC_STORAGED_GRAPH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"

enum layer_state { LAYER_CREATING, LAYER_READY, LAYER_FROZEN, LAYER_DELETING, LAYER_STATE_MAX };
const char *layer_state_name(enum layer_state state);
/* LAYER_STATE_MAX for an unknown word. */
enum layer_state layer_state_parse(const char *word);

struct layer {
	char id[MC_ID_LEN];
	char parent[MC_ID_LEN]; /* "" for a base */
	enum layer_state state;
	int64_t virtual_bytes;
	int64_t allocated; /* bytes of clusters of its own, of a frozen one; -1: not measured (yet) */
	bool on_top; /* to begin it: the parent may be a volume's top, which is about to be frozen */
};

#define SHA256_LEN 65 /* in hex, and the NUL */

struct volume {
	char id[MC_ID_LEN];
	char source[MC_ID_LEN]; /* the image or snapshot it was made of, "" for an empty one */
	int64_t size_gib;
	int64_t growing_gib; /* its QEMU is about to grow it to this; 0: it is not */
	struct layer layer;
};

struct image {
	char id[MC_ID_LEN];
	char sha256[SHA256_LEN]; /* of the file it was made from */
	char *source;            /* its path; image_deinit() frees it */
	struct layer layer;
};

void image_deinit(struct image *image);

#define SNAPSHOT_OWNER_LEN 48

struct snapshot {
	char id[MC_ID_LEN];
	char volume[MC_ID_LEN];  /* it was taken of */
	int64_t size_gib;
	char owner[SNAPSHOT_OWNER_LEN]; /* whose; storaged/remainder.h. "": anybody's */
	bool whole;              /* a copy of an image, which bears what that has */
	int64_t seq;             /* grows with each that is taken; 0 before, below it those of older versions of storaged */
	int64_t bytes;           /* what it bears of its own layer: what was written since the snapshot before it */
	int64_t inherited;       /* what it bears of layers below, which deleted ones before it left (storaged/remainder.h) */
	struct layer layer;      /* what it keeps; while it is prepared, the volume's top */
	char overlay[MC_ID_LEN]; /* prepared: the layer that is to be the volume's top; else "" */
};

struct graph;

/* Open or create the database file, and beside it a ballast file that is given up when
 * the disk is full. NULL and *err. All functions below are thread-safe. */
struct graph *graph_open(const char *path, mc_err **err);
void graph_close(struct graph *graph);

/* Each of these: 0, or -1 and *err; the find functions 1 where there is no such row. */
int graph_volume_find(struct graph *graph, const char *id, struct volume *ret, mc_err **err);
int graph_image_find(struct graph *graph, const char *id, struct image *ret, mc_err **err);
int graph_layer_find(struct graph *graph, const char *id, struct layer *ret, mc_err **err);

/* A row in state creating. 1 when parent is given and is no frozen layer, or one that a merge changes. */
int graph_layer_begin(struct graph *graph, const struct layer *layer, mc_err **err);

/* The layer's file is whole: make it ready (frozen) and record the volume (image) in one step;
 * opener: who has the volume open from the first, NULL: nobody. */
int graph_volume_add(struct graph *graph, const struct volume *volume, const char *opener, mc_err **err);
int graph_image_add(struct graph *graph, const struct image *image, mc_err **err);

/* Drop the row and mark its layer deleting, if nothing else stands on that, in one
 * step. 0: *ret_layer is now the caller's to delete; 1: there is nothing to delete. */
int graph_volume_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err);
int graph_image_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err);
/* The same for a layer that lost its last child. */
int graph_layer_release(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err);

/* The file is gone: drop the row of a creating or deleting layer. *ret_parent is what it stood on to the end, which a
 * merge may have changed since it was read ("": nothing). */
int graph_layer_forget(struct graph *graph, const char *id, char ret_parent[MC_ID_LEN], mc_err **err);

/* The file of volume->layer, in state creating, is whole: it takes the place of the volume's layer, which is *ret_layer, the
 * caller's to delete (1: others have it). */
int graph_volume_move(struct graph *graph, const struct volume *volume, struct layer *ret_layer, mc_err **err);

/* Record size_gib and layer.virtual_bytes, which the file and its header have, and growing_gib. */
int graph_volume_resize(struct graph *graph, const struct volume *volume, mc_err **err);

/* The next frozen layer, in order of id, whose allocated bytes are to be measured; "" for the first. 1 where there is
 * none. *ret_moment is for graph_layer_measured(), which records nothing where a merge has begun since. */
int graph_layer_unmeasured(struct graph *graph, const char *after, char ret_id[MC_ID_LEN], uint64_t *ret_moment, mc_err **err);
int graph_layer_measured(struct graph *graph, const char *id, int64_t allocated, uint64_t moment, mc_err **err);
/* Calls for each that does not come down to a base: they stand on each other; fn as below. */
int graph_layers_baseless(struct graph *graph, int (*fn)(void *ctx, const char *id), void *ctx, mc_err **err);

/* Record that the layer has at least this size. */
int graph_layer_grown(struct graph *graph, const char *id, int64_t virtual_bytes, mc_err **err);

/* Note, or unnote, who writes to the volume; repeating is fine. */
int graph_volume_open(struct graph *graph, const char *id, const char *opener, mc_err **err);
int graph_volume_close(struct graph *graph, const char *id, const char *opener, mc_err **err);
/* Calls for each of them; fn as below. */
int graph_volume_openers(struct graph *graph, const char *id, int (*fn)(void *ctx, const char *opener), void *ctx,
			 mc_err **err);

/* A snapshot in preparation, its overlay's file being whole. */
int graph_snapshot_prepare(struct graph *graph, const struct snapshot *snapshot, mc_err **err);
/* The overlay becomes the volume's top, the old top frozen, in one step. Those that are taken, added and shared get their seq. */
int graph_snapshot_take(struct graph *graph, const struct snapshot *snapshot, mc_err **err);
/* The overlay is given up: *ret_layer is the caller's to delete. */
int graph_snapshot_abandon(struct graph *graph, const struct snapshot *snapshot, struct layer *ret_layer, mc_err **err);
/* A taken one, or one that was brought in, of a layer of its own, whose file is whole: it is frozen. */
int graph_snapshot_add(struct graph *graph, const struct snapshot *snapshot, mc_err **err);
/* A further one of the same frozen layer; 1 where that has gone meanwhile. */
int graph_snapshot_share(struct graph *graph, const struct snapshot *snapshot, mc_err **err);
/* What one that is deleted leaves to another. */
struct heir {
	char id[MC_ID_LEN];
	int64_t bytes;
};
/* As graph_volume_remove(), of one that was taken; the n heirs, who must be there, get theirs in the same
 * step. */
int graph_snapshot_remove(struct graph *graph, const char *id, const struct heir *heirs, size_t n, struct layer *ret_layer, mc_err **err);
/* Calls for each taken snapshot of this owner (or of nobody's; all where s has none), s too, on the layer or on those that stand on
 * it, in the order in which they were taken; fn as below. */
int graph_snapshots_above(struct graph *graph, const struct snapshot *s, const char *layer,
			  int (*fn)(void *ctx, const struct snapshot *snapshot), void *ctx, mc_err **err);
/* Is one of those on the layer itself that was taken before s, which need not be taken yet: 0 or 1, -1 and *err. */
int graph_snapshot_older(struct graph *graph, const struct snapshot *s, const char *layer, mc_err **err);
/* Was the layer made for an image, which may have gone: 0 or 1, -1 and *err. */
int graph_layer_of_image(struct graph *graph, const char *layer, mc_err **err);
int graph_snapshot_find(struct graph *graph, const char *id, struct snapshot *ret, mc_err **err);
/* The one in preparation of this volume; 1 where there is none. */
int graph_snapshot_prepared(struct graph *graph, const char *volume, struct snapshot *ret, mc_err **err);
int graph_snapshots(struct graph *graph, int (*fn)(void *ctx, const struct snapshot *snapshot), void *ctx,
		    mc_err **err);

/* Two or more layers of a chain becoming fewer. */
enum merge_kind {
	MERGE_COMMIT, /* the upper's data goes down into the lower, which takes its place; both are frozen */
	MERGE_PULL,   /* all above the lower, a base, goes up into the upper, a volume's top */
	MERGE_KIND_MAX
};
const char *merge_kind_name(enum merge_kind kind);

struct merge {
	enum merge_kind kind;
	char lower[MC_ID_LEN], upper[MC_ID_LEN];
	char volume[MC_ID_LEN]; /* whose QEMU does it, or whose top it is; "" for a commit without a QEMU */
	bool unwanted;
};

/* Find something to merge, with no QEMU in it or by the only QEMU that has it, and note that it is under
 * way, in one step. Chains of pull_at files and more are pulled. 1 where there is nothing. */
int graph_merge_begin_idle(struct graph *graph, int64_t pull_at, struct merge *ret, mc_err **err);
int graph_merge_begin_live(struct graph *graph, const char *volume, int64_t pull_at, struct merge *ret, mc_err **err);

/* Somebody waits for its end: a QEMU should stop it. */
int graph_merge_unwant(struct graph *graph, const struct merge *merge, mc_err **err);

/* Give it up, or record its result, after which *ret_layer is the caller's to delete (1: there is
 * nothing to delete). */
int graph_merge_end(struct graph *graph, const struct merge *merge, mc_err **err);
int graph_merge_finish(struct graph *graph, const struct merge *merge, struct layer *ret_layer, mc_err **err);
/* The one of this volume; the one that changes the layer or what it stands on; 1 where there is none. */
int graph_merge_of(struct graph *graph, const char *volume, struct merge *ret, mc_err **err);
int graph_merge_in_chain(struct graph *graph, const char *layer, struct merge *ret, mc_err **err);
int graph_merges(struct graph *graph, int (*fn)(void *ctx, const struct merge *merge), void *ctx, mc_err **err);

/* Somebody reads this frozen layer and what it stands on, or does no longer: they are not merged meanwhile, and
 * stay. 1 where there is no such frozen layer (any more). Forgotten when the graph is closed. */
int graph_read(struct graph *graph, const char *layer, mc_err **err);
int graph_read_end(struct graph *graph, const char *layer, mc_err **err);

/* How many files a volume's chain has. */
int graph_depth(struct graph *graph, const char *volume, int64_t *ret, mc_err **err);

/* Calls for each whole layer that stands directly on this one; fn as below. */
int graph_children(struct graph *graph, const char *layer, int (*fn)(void *ctx, const char *id), void *ctx, mc_err **err);
/* One that was written to a volume on its own. */
struct graph_block {
	const char *volume;
	int64_t index;
	const char *sha256; /* hex */
	int64_t written;    /* wall clock, ns; graph_block_put() sets it */
};
/* A second one of the same index takes the first one's place. */
int graph_block_put(struct graph *graph, const struct graph_block *block, mc_err **err);
/* In order of their index; fn as below. */
int graph_blocks(struct graph *graph, const char *volume, int (*fn)(void *ctx, const struct graph_block *block), void *ctx,
		 mc_err **err);

/* Calls for the layer and what it stands on, down to its base; fn as below. */
int graph_chain(struct graph *graph, const char *layer_id, int (*fn)(void *ctx, const struct layer *layer),
		void *ctx, mc_err **err);

/* Calls for every row, in order of id; non-zero from fn ends with -1. fn must not call graph. */
int graph_volumes(struct graph *graph, int (*fn)(void *ctx, const struct volume *volume), void *ctx,
		  mc_err **err);
int graph_images(struct graph *graph, int (*fn)(void *ctx, const struct image *image), void *ctx,
		 mc_err **err);
int graph_layers(struct graph *graph, int (*fn)(void *ctx, const struct layer *layer), void *ctx,
		 mc_err **err);

/* Documents that say who owns what, kept beside the layers (storaged/owners.h) so that the records can be made anew:
 * one for each volume, image, snapshot and layer, with its rows as they are. */

/* {table: [row, …]}, a new reference; 1 where this id has no rows. */
int graph_owner_doc(struct graph *graph, const char *id, json_t **ret, mc_err **err);
/* Calls for each id that has rows; and for each whose rows changed since graph_owner_written() of that seq.
 * fn must not call graph. */
int graph_owners(struct graph *graph, int (*fn)(void *ctx, int64_t seq, const char *id), void *ctx, mc_err **err);
int graph_owners_stale(struct graph *graph, int (*fn)(void *ctx, int64_t seq, const char *id), void *ctx, mc_err **err);
int graph_owner_written(struct graph *graph, int64_t seq, mc_err **err);

/* Fill empty records from the documents, {id: document}, and the files that there are, [{id, parent or null, bytes}];
 * found() is told what cannot be. 0 or -1 and *err: then they are as empty as before. */
typedef void graph_found(void *ctx, const char *id, const char *what);
int graph_rebuild(struct graph *graph, const json_t *docs, const json_t *files, graph_found *found, void *ctx, mc_err **err);

/* 1, 0, -1 and *err. */
int graph_is_empty(struct graph *graph, mc_err **err);
/* Is this file broken as a database? 1 and what SQLite says, allocated; 0 too where it cannot be told. */
int graph_damaged(const char *path, char **ret_problem);

/* Called after every change, under a lock: it must not call graph. */
void graph_on_change(struct graph *graph, void (*fn)(void *ctx), void *ctx);

/* Did the last failing call fail because the disk is full? */
bool graph_disk_full(struct graph *graph);

/* Give up the ballast for something else that has to be written on a full disk. False where it is given up already. */
bool graph_make_room(struct graph *graph);

/* Something was freed: the moment to take back the ballast that was given up. */
void graph_room_came(struct graph *graph);

#endif
