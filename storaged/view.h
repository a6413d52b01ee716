/* What somebody who reads a layer sees, and in which layer of its chain that lies: by the tables of the files alone, so that
 * neither a QEMU nor a key is needed. The store's layers have clusters of 64 KiB (QEMU's docs/interop/qcow2.txt). */
#ifndef MC_STORAGED_VIEW_H
#define MC_STORAGED_VIEW_H

#include "storaged/storage.h"

#define VIEW_LAYERS 64   /* longest chain; merge.h keeps them shorter */
#define VIEW_TABLE 8192  /* clusters that one L2 table speaks of */
#define VIEW_CLUSTER 65536

struct view_layer {
	struct layer layer;
	int fd;
	uint64_t clusters, *tables; /* the L2 tables' places in the file, 0: none; `n` of them */
	uint64_t n;
};

/* Layers from the top down. All zero: nothing is open. */
struct view {
	struct view_layer layers[VIEW_LAYERS];
	int n;
	uint64_t tables; /* how many L2 tables the top's size has */
};

/* Open the chain of a layer as it is now; a merge that ends meanwhile has it opened anew. A file that is being merged into may
 * be read: what it gains is what a layer above it shows. 0; -1 and *err: *ret is closed. */
int view_open(struct storage *storage, const char *top, struct view *ret, mc_err **err);
void view_close(struct view *view);
#define auto_view __attribute__((cleanup(view_close))) struct view

/* Does the chain still consist of these layers? 0 or -1 and *err. */
int view_is_current(struct storage *storage, const struct view *view, bool *ret, mc_err **err);

/* The number of the layer in the view, -1. */
int view_find(const struct view *view, const char *layer);

/* For each cluster of that table: which of the layers [0, to) has the data that are seen, -1 for zeros and what lies below those.
 * 0 or -1 and *err. */
int view_table(const struct view *view, uint64_t table, int to, int8_t ret[VIEW_TABLE], mc_err **err);
/* Has one of the layers [0, to) clusters there at all? */
bool view_any(const struct view *view, uint64_t table, int to);

#endif
