/* Volumes: what the API calls vol-…, each owning the writable layer on top of its chain. */
#ifndef MC_STORAGED_VOLUME_H
#define MC_STORAGED_VOLUME_H

#include <jansson.h>

#include "storaged/storage.h"

/* Each returns MC_IPC_OK with *ret (a new reference) where it has one, a documented
 * outcome with *err, or -1 and *err. docs/ipc.md has the documents. */

/* image: id, or NULL for an empty volume. Idempotent. */
int volume_put(struct storage *storage, const char *id, int64_t size_gib, const char *image,
	       json_t **ret, mc_err **err);
int volume_get(struct storage *storage, const char *id, json_t **ret, mc_err **err);
int volume_list(struct storage *storage, json_t **ret, mc_err **err);

/* Works on a full disk too. An absent volume is fine. */
int volume_delete(struct storage *storage, const char *id, mc_err **err);

#endif
