/* A layer's file: made, opened by qemu-img, copied; in clear or encrypted, as the vault has it.
 *
 * All files of a chain have one data key, or none has one: what is to be encrypted otherwise than what it comes
 * from is copied whole. */
#ifndef MC_STORAGED_LAYER_H
#define MC_STORAGED_LAYER_H

#include <stdbool.h>

#include "storaged/qemu_img.h"
#include "storaged/storage.h"

/* Make the empty file of a layer that has begun (graph_layer_begin()) and whose key the vault has, if it is to
 * have one: on its parent, of its size, with the mode of a top. 0, an outcome with *err (MC_IPC_UNAVAILABLE, MC_IPC_NOT_FOUND: its key
 * cannot be had), or -1 and *err. */
int layer_make(struct storage *storage, const struct layer *layer, mc_err **err);

/* Make room in an encrypted raw layer, which QEMUs may have open, for what is to be of `bytes`: what is new reads as zeros. Until
 * the file is cut to that size (by a QEMU that grows its disk, or layer_cut()) it has a sector more, which tells that it is not
 * done. Repeating it writes all zeros again. Returns as layer_make(), or MC_IPC_NO_CAPACITY. */
int layer_extend(struct storage *storage, const struct layer *layer, int64_t bytes, mc_err **err);
int layer_cut(struct storage *storage, const char *layer, int64_t bytes, mc_err **err);

/* Is it raw and encrypted? 1, 0, or -1 and *err. */
int layer_is_sealed(struct storage *storage, const char *layer, mc_err **err);

/* What qemu-img is told to open it, with what it stands on or without. Returns as layer_make(); *ret is to be deinitialized. */
int layer_open(struct storage *storage, const char *layer, bool chain, struct qemu_img_file *ret, mc_err **err);

/* Make the file, with this mode, of a layer without a parent that shows what a frozen layer does, which does not
 * change meanwhile. watch NULL: to its end. Returns as layer_make(), or MC_IPC_NO_CAPACITY, or MC_IPC_CONFLICT where it was
 * cancelled. */
int layer_copy(struct storage *storage, const char *from, const struct layer *to, mode_t mode, const struct qemu_img_watch *watch,
	       mc_err **err);

/* The same of a layer that is nobody else's meanwhile: a top that nobody has open or merges, one in state creating. */
int layer_copy_own(struct storage *storage, const char *from, const struct layer *to, mode_t mode, const struct qemu_img_watch *watch,
		   mc_err **err);

/* Under which KMS key is the layer? *ret "" where it is not encrypted. 0, or -1 and *err. */
int layer_owner(struct storage *storage, const char *layer, char ret_kms_key[MC_UUID_LEN], mc_err **err);

#endif
