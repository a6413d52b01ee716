/* Keys. The master key is a file that only we can read; under it lies the material of the KMS keys, under
 * each of those the data keys of encrypted layers, and whatever the KMS's callers have encrypted. What is
 * on a disk is sealed (storaged/seal.h); clear keys are in locked memory, on the stack while they are
 * used, and in memfds. Losing the master key loses everything under it.
 *
 * The functions return MC_IPC_OK, a documented outcome with *err, or -1 and *err. Thread-safe. */
#ifndef MC_STORAGED_VAULT_H
#define MC_STORAGED_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "storaged/seal.h"

struct vault;

/* Open the records, and the master key, which is made where nothing has been sealed under one yet.
 * A missing or wrong master key is no failure: then vault_trouble() says so and every key is
 * MC_IPC_UNAVAILABLE. NULL and *err. */
struct vault *vault_open(const char *database, const char *master_key, mc_err **err);
void vault_close(struct vault *vault);
/* What is wrong with the master key; NULL: nothing. Borrowed. */
const char *vault_trouble(const struct vault *vault);

/* A KMS key is named by its UUID. Its material is made when something is encrypted under it first. */
bool vault_key_id(const char *text);

/* Bytes of a caller's, with what they are bound to: a text, "" for nothing. */
struct vault_text {
	const uint8_t *bytes;
	size_t n;
	const char *context;
};
/* *ret: allocated, n + SEAL_OVERHEAD bytes. MC_IPC_NOT_FOUND: the key has been destroyed. */
int vault_encrypt(struct vault *vault, const char *key, const struct vault_text *plain, uint8_t **ret, mc_err **err);
/* *ret: n - SEAL_OVERHEAD bytes, to be freed with vault_wipe(). MC_IPC_BAD_REQUEST: not of this key and context. */
int vault_decrypt(struct vault *vault, const char *key, const struct vault_text *sealed, uint8_t **ret, mc_err **err);
/* See that the material has been replaced so many times: what it was opens what was sealed with it, and seals nothing new.
 * Once at a time, idempotent. */
int vault_rotate(struct vault *vault, const char *key, int64_t times, mc_err **err);
/* Destroy the material, that of before too, for ever. Idempotent. */
int vault_destroy(struct vault *vault, const char *key, mc_err **err);

/* Wipe and free. NULL is fine. */
void vault_wipe(void *bytes, size_t n);

/* --- data keys of layers: 256 random bits, as the 64 hex digits that LUKS takes for a passphrase */

#define VAULT_SECRET 64

/* A new one under a KMS key: its id, "dk-…". */
int vault_data_key_new(struct vault *vault, const char *kms_key, char ret_id[MC_ID_LEN], mc_err **err);
/* The KMS key that a data key lies under. MC_IPC_NOT_FOUND where there is no such data key. */
int vault_data_key_owner(struct vault *vault, const char *id, char ret_kms_key[MC_UUID_LEN], mc_err **err);
/* A sealed memfd with its VAULT_SECRET characters, CLOEXEC, the caller's to close. */
int vault_data_key_fd(struct vault *vault, const char *id, int *ret_fd, mc_err **err);
/* Its characters, without a NUL. Wipe them after use. */
int vault_data_key_secret(struct vault *vault, const char *id, char ret[VAULT_SECRET], mc_err **err);
/* --- which data key a layer is encrypted with; here and not in the records of layers, so that those can be lost */

/* A new data key for this layer; or the one of another layer, nothing where that has none. */
int vault_layer_new_key(struct vault *vault, const char *layer, const char *kms_key, mc_err **err);
int vault_layer_same_key(struct vault *vault, const char *layer, const char *other, mc_err **err);
/* *ret: its data key, "" for a layer that is not encrypted. 0, or -1 and *err. */
int vault_layer_key(struct vault *vault, const char *layer, char ret[MC_ID_LEN], mc_err **err);
/* The layer is gone: its key goes with the last layer that has it. 0, or -1 and *err. */
int vault_layer_forget(struct vault *vault, const char *layer, mc_err **err);
/* Calls for each layer that has a key, without a lock. 0, or -1 and *err. */
int vault_layers(struct vault *vault, void (*fn)(void *ctx, const char *layer), void *ctx, mc_err **err);

#endif
