/* Images: frozen base layers, imported from files that nobody trusts. */
#ifndef MC_STORAGED_IMAGE_H
#define MC_STORAGED_IMAGE_H

#include <jansson.h>

#include "storaged/storage.h"

/* Each returns MC_IPC_OK with *ret (a new reference) where it has one, a documented
 * outcome with *err, or -1 and *err. docs/ipc.md has the documents. */

/* source: a qcow2 file directly inside import_dir; sha256: what it must have, or
 * NULL. Idempotent: the same content again is the same image. */
int image_put(struct storage *storage, const char *id, const char *source, const char *sha256,
	      json_t **ret, mc_err **err);
int image_get(struct storage *storage, const char *id, json_t **ret, mc_err **err);
int image_list(struct storage *storage, json_t **ret, mc_err **err);

/* Gone at once; its layer goes when no volume stands on it. An absent image is fine. */
int image_delete(struct storage *storage, const char *id, mc_err **err);

/* Is path a plain name directly below dir (both absolute)? The name, else NULL. */
const char *image_source_name(const char *dir, const char *path);

#endif
