/* SSH key pairs: made, or read from one OpenSSH line. RFC 4253 6.6 and RFC 8709
 * (public keys), PROTOCOL.key of OpenSSH (private ed25519 keys). */
#ifndef MC_API_KEY_PAIR_H
#define MC_API_KEY_PAIR_H

#include <stddef.h>

#include "common/error.h"

struct key_pair {
	const char *type;    /* "rsa", "ed25519" (AWS's KeyType) */
	char *public_key;    /* one OpenSSH line without comment: "ssh-rsa AAAA..." */
	char *fingerprint;   /* as AWS shows it (EC2 User Guide, "Verify the fingerprint of your key pair") */
	char *private_key;   /* PEM text that `ssh -i` reads; NULL for a key that was read */
};

/* A new pair of this type; comment goes into ed25519's private file. 0, or -1 and *err. */
int key_pair_generate(const char *type, const char *comment, struct key_pair *ret, mc_err **err);

/* Read a public key: an OpenSSH line of type ssh-rsa or ssh-ed25519, its comment
 * ignored, white space around it allowed. 0, or 1 where it is none. */
int key_pair_read(const char *line, struct key_pair *ret);

/* Free what it holds; the private key is wiped. */
void key_pair_clear(struct key_pair *k);

#endif
