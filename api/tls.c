#include "api/tls.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

#define FILE_MAX (256u << 10)

/* No question for a password at a terminal. */
static int no_password(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return -1;
}

static bool fit(const struct tls *t)
{
	BIO *a = BIO_new_mem_buf(t->certificate, -1), *b = BIO_new_mem_buf(t->key, -1);
	X509 *certificate = a ? PEM_read_bio_X509(a, NULL, no_password, NULL) : NULL;
	EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	bool good = certificate && key && X509_check_private_key(certificate, key) == 1;

	EVP_PKEY_free(key);
	X509_free(certificate);
	BIO_free(b);
	BIO_free(a);
	return good;
}

struct tls *tls_load(const char *certificate_file, const char *key_file, mc_err **err)
{
	struct tls *t = mc_alloc(sizeof(*t));

	t->certificate = mc_fs_read(certificate_file, FILE_MAX, NULL, err);
	t->key = t->certificate ? mc_fs_read(key_file, FILE_MAX, NULL, err) : NULL;
	if (t->key && fit(t))
		return t;
	if (t->key)
		mc_err_set(err, 0, "%s is no certificate, or %s is not its key", certificate_file, key_file);
	tls_free(t);
	return NULL;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	free(t->certificate);
	if (t->key)
		explicit_bzero(t->key, strlen(t->key));
	free(t->key);
	free(t);
}
