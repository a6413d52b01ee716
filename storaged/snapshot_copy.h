/* Snapshots of what other snapshots and images hold: the data are shared, or copied where they are to be encrypted
 * under another key, which is done in the background (storaged/copying.h). */
#ifndef MC_STORAGED_SNAPSHOT_COPY_H
#define MC_STORAGED_SNAPSHOT_COPY_H

#include <jansson.h>

#include "storaged/qemu_img.h"
#include "storaged/storage.h"

/* The same data, of a snapshot or an image, under another id. kms_key NULL: encrypted as they are. owner: whose it is (storaged/remainder.h). *ret: the snapshot, or
 * {id, state: "copying", percent} while its data are being copied: the same call tells how far that is. Idempotent. An outcome;
 * -1 and *err. */
int snapshot_copy(struct storage *storage, const char *id, const char *source, const char *kms_key, const char *owner, json_t **ret,
		  mc_err **err);

/* Make the file of a layer that has begun, frozen, with what `from` shows, under this KMS key. Returns as layer_copy(); own:
 * as layer_copy_own(). */
int snapshot_copy_layer(struct storage *storage, const char *from, const struct layer *to, const char *kms_key, bool own,
			const struct qemu_img_watch *watch, mc_err **err);

#endif
