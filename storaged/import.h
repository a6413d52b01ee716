/* Bringing files from elsewhere into the store: as images, and as snapshots by tasks. */
#ifndef MC_STORAGED_IMPORT_H
#define MC_STORAGED_IMPORT_H

#include <jansson.h>

#include "storaged/qemu_img.h"
#include "storaged/storage.h"

/* Make the file of a layer in state creating from a foreign one that was looked into; copy: its target is
 * set here. MC_IPC_OK with the file frozen; MC_IPC_BAD_REQUEST, MC_IPC_NO_CAPACITY, MC_IPC_CONFLICT (cancelled) with *err;
 * -1 and *err. The caller abandons the layer unless it is OK. */
int import_layer(struct storage *storage, const struct layer *layer, struct qemu_img_copy *copy, mc_err **err);

struct import_wanted {
	const char *source, *format, *kms_key; /* kms_key NULL: in clear */
	const char *owner;                     /* whose snapshot, storaged/remainder.h; NULL: anybody's */
};
/* Have a snapshot of this id made of the file (storaged/exchange.h) of this format (storaged/foreign.h), or see
 * how far that is. Outcomes and documents as docs/ipc.md has them; MC_IPC_OK with *ret, or *err. */
int import_put(struct storage *storage, const char *id, const struct import_wanted *wanted, json_t **ret, mc_err **err);
int import_get(struct storage *storage, const char *id, json_t **ret, mc_err **err);

/* End it where it is under way, forget it in any case; the snapshot of a finished one stays. */
int import_delete(struct storage *storage, const char *id, mc_err **err);

/* What a task's report says: {id, state, percent, outcome?, message?}. New reference. */
struct task_report;
json_t *import_report(const char *id, const struct task_report *report);

#endif
