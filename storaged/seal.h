/* Authenticated encryption under a 256-bit key: AES-256-GCM (NIST SP 800-38D), with a key of its own for each
 * message, derived by HKDF-SHA256 (RFC 5869) from a random salt, so that no number of messages under one key
 * brings nonces near to a collision. OpenSSL's libcrypto does both. */
#ifndef MC_STORAGED_SEAL_H
#define MC_STORAGED_SEAL_H

#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY 32
#define SEAL_SALT 32
#define SEAL_TAG 16
#define SEAL_OVERHEAD (1 + SEAL_SALT + SEAL_TAG) /* a version byte, the salt, the tag */

/* Write n + SEAL_OVERHEAD bytes to out. aad is what must be said again to open it, not kept in it.
 * 0, or -1 where libcrypto failed. */
int seal_close(const uint8_t key[SEAL_KEY], const void *aad, size_t aad_len, const void *plain, size_t n, uint8_t *out);

/* The reverse: n - SEAL_OVERHEAD bytes to out. 0; -1 where it was not sealed so (another key, other
 * aad, changed, cut off): then out is wiped. */
int seal_open(const uint8_t key[SEAL_KEY], const void *aad, size_t aad_len, const uint8_t *sealed, size_t n, void *out);

#endif
