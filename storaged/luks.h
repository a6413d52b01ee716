/* The LUKS header of an encrypted layer (LUKS1 On-Disk Format Specification 1.2.3), made by libcryptsetup.
 * `qemu-img create` could make one too, but measures how many rounds of PBKDF2 it does in a second, twice, and
 * throws the result away: 2.4 s of processor for each layer. Our passphrase is 256 random bits, which no
 * number of rounds makes harder to guess, so there are as few as LUKS allows. */
#ifndef MC_STORAGED_LUKS_H
#define MC_STORAGED_LUKS_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define LUKS_ROOM 0x1f9000  /* what QEMU keeps for the header and eight key slots */
#define LUKS_BYTES 262144   /* of these are written: the header and the first slot */

/* A header for AES-256 (XTS, 512 bits of key) with a new volume key, in the first slot under the secret.
 * Fills LUKS_BYTES bytes. 0, or -1 and *err. */
int luks_make(const char *secret, size_t n, uint8_t *ret, mc_err **err);

#endif
