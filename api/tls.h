/* The certificate that the API shows where it speaks TLS: the operator's. */
#ifndef MC_API_TLS_H
#define MC_API_TLS_H

#include "common/error.h"

struct tls {
	char *certificate, *key; /* PEM; the certificate first, then those that lead to its root */
};

/* Read both files; the key is the first certificate's. NULL and *err. */
struct tls *tls_load(const char *certificate_file, const char *key_file, mc_err **err);
void tls_free(struct tls *tls);

#endif
