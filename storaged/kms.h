/* What the KMS does with keys, over IPC: bytes come and go in base64. docs/ipc.md has the documents.
 * Each returns MC_IPC_OK with *ret, a documented outcome with *err, or -1 and *err. */
#ifndef MC_STORAGED_KMS_H
#define MC_STORAGED_KMS_H

#include <jansson.h>

#include "storaged/vault.h"

#define KMS_TEXT_MAX 12288 /* of base64: 6144 bytes of ciphertext, AWS's bound, and some */
#define KMS_CONTEXT_MAX 16384

int kms_encrypt(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err);
int kms_decrypt(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err);
/* So many random bytes, encrypted and, with "plaintext": true, in clear. */
int kms_generate(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err);
/* Decrypt with the key and context named in body, encrypt with this one: nothing clear leaves here. */
int kms_reencrypt(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err);

#endif
