/* Who owns what, written down beside the layers: STORE/owners/ID.json for each volume, snapshot, image and layer has the
 * rows that the records have of it. With the headers of the layers, which say what stands on what, the
 * records can be made anew of them (storaged/repair.h). A thread writes them after each change of the
 * records; what was not written before the end of the process is written after the next start. */
#ifndef MC_STORAGED_OWNERS_H
#define MC_STORAGED_OWNERS_H

#include <jansson.h>

#include "storaged/graph.h"
#include "storaged/store.h"

struct owners;

/* Make the directory where it is missing. NULL and *err. Both must live on until owners_close(), which writes
 * what is left. */
struct owners *owners_open(const struct store *store, struct graph *graph, mc_err **err);
void owners_close(struct owners *owners); /* NULL is fine */

/* Begin to write by itself. 0 or -1 and *err. */
int owners_start(struct owners *owners, mc_err **err);

/* All changes until now are on the disk when it returns. 0 or -1 and *err. */
int owners_write(struct owners *owners, mc_err **err);

/* All documents that there are: {id: document}, new reference; those that cannot be read are told to found(). NULL and *err. */
json_t *owners_read(const struct owners *owners, graph_found *found, void *ctx, mc_err **err);

/* Tell found() which documents differ from the records, and are not about to be written. 0 or -1 and *err. */
int owners_check(struct owners *owners, graph_found *found, void *ctx, mc_err **err);

#endif
