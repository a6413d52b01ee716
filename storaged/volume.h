/* Volumes: what the API calls vol-…, each owning the writable layer on top of its chain. */
#ifndef MC_STORAGED_VOLUME_H
#define MC_STORAGED_VOLUME_H

#include <jansson.h>

#include "storaged/storage.h"

/* Each returns MC_IPC_OK with *ret (a new reference) where it has one, a documented
 * outcome with *err, or -1 and *err. docs/ipc.md has the documents. */

struct volume_wanted {
	int64_t size_gib;
	const char *source; /* what it stands on: an image's or a snapshot's id; NULL: empty */
	const char *kms_key; /* to be encrypted under it; NULL: as what it stands on is */
	bool shared; /* several QEMUs may have it open: a raw file, which stands on nothing */
	const char *opener; /* who opens it as soon as it is there; NULL: nobody */
};

/* Idempotent. *ret: the volume, or {id, state: "copying", percent} while all that it shows is being copied (what it is made of is
 * encrypted otherwise, or it is to be shared) or zeros are written (shared and encrypted): the same call tells how far that is. */
int volume_put(struct storage *storage, const char *id, const struct volume_wanted *wanted, json_t **ret, mc_err **err);
int volume_get(struct storage *storage, const char *id, json_t **ret, mc_err **err);
int volume_list(struct storage *storage, json_t **ret, mc_err **err);

/* Works on a full disk too. An absent volume is fine; an open one is MC_IPC_IN_USE. */
int volume_delete(struct storage *storage, const char *id, mc_err **err);

/* Make it this large; it never shrinks. An open one grows in its QEMU between two such calls: after
 * the first the document has growing_gib, and no snapshot begins until the second. */
int volume_grow(struct storage *storage, const char *id, int64_t size_gib, json_t **ret, mc_err **err);

/* Make it one that several QEMUs may have open, or that one alone may: its data is copied into a layer of the other kind, whose
 * chain is that alone. An open one is MC_IPC_IN_USE. Idempotent; *ret meanwhile as of volume_put(), and whoever opens it then has
 * MC_IPC_UNAVAILABLE. */
int volume_share(struct storage *storage, const char *id, bool shared, json_t **ret, mc_err **err);

/* From now on, or no longer, this instance's QEMU may write to the volume. What needs a
 * quiet volume is refused in between. Both idempotent; closing an absent volume is fine.
 * What is closed says {unused_key} when no open volume has its data key any more. */
int volume_open(struct storage *storage, const char *id, const char *opener, json_t **ret, mc_err **err);
int volume_close(struct storage *storage, const char *id, const char *opener, json_t **ret, mc_err **err);

/* MC_IPC_OK with *ret, or MC_IPC_NOT_FOUND, for the other nouns of this room. */
int volume_find(struct storage *storage, const char *id, struct volume *ret, mc_err **err);
/* Does anybody have it open? 1, 0, or -1 and *err. */
int volume_is_open(struct storage *storage, const char *id, mc_err **err);

#endif
