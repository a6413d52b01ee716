#include "storaged/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/core_names.h>
#include <stdbool.h>
#include <string.h>

#include "common/id.h"

#define VERSION 1
#define NONCE 12
#define LENGTH_MAX (1u << 20)

struct message_key {
	uint8_t key[SEAL_KEY], nonce[NONCE];
};

/* The key of one message, from the long one and the message's salt. */
static int derive(const uint8_t key[SEAL_KEY], const uint8_t salt[SEAL_SALT], struct message_key *ret)
{
	static char digest[] = "SHA256", info[] = "minicloud seal 1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, SEAL_KEY),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, SEAL_SALT),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int ok = ctx && EVP_KDF_derive(ctx, (unsigned char *)ret, sizeof(*ret), params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : -1;
}

static bool begin(EVP_CIPHER_CTX *ctx, const struct message_key *mk, const void *aad, size_t aad_len, int closing)
{
	int n;

	return ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, mk->key, mk->nonce, closing) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1;
}

int seal_close(const uint8_t key[SEAL_KEY], const void *aad, size_t aad_len, const void *plain, size_t n, uint8_t *out)
{
	uint8_t *salt = out + 1, *text = salt + SEAL_SALT, *tag = text + n;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct message_key mk;
	bool ok = n <= LENGTH_MAX && aad_len <= LENGTH_MAX;
	int len;

	out[0] = VERSION;
	mc_random_bytes(salt, SEAL_SALT);
	ok = ok && derive(key, salt, &mk) == 0 && begin(ctx, &mk, aad, aad_len, 1) &&
	     EVP_EncryptUpdate(ctx, text, &len, plain, (int)n) == 1 && EVP_EncryptFinal_ex(ctx, tag, &len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(&mk, sizeof(mk));
	return ok ? 0 : -1;
}

int seal_open(const uint8_t key[SEAL_KEY], const void *aad, size_t aad_len, const uint8_t *sealed, size_t n, void *out)
{
	const uint8_t *salt = sealed + 1, *text = salt + SEAL_SALT;
	size_t text_len = n - SEAL_OVERHEAD;
	uint8_t tag[SEAL_TAG], rest[EVP_MAX_BLOCK_LENGTH];
	EVP_CIPHER_CTX *ctx;
	struct message_key mk;
	bool ok;
	int len;

	if (n < SEAL_OVERHEAD || text_len > LENGTH_MAX || aad_len > LENGTH_MAX || sealed[0] != VERSION)
		return -1;
	memcpy(tag, text + text_len, sizeof(tag));
	ctx = EVP_CIPHER_CTX_new();
	ok = derive(key, salt, &mk) == 0 && begin(ctx, &mk, aad, aad_len, 0) &&
	     EVP_DecryptUpdate(ctx, out, &len, text, (int)text_len) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, tag) == 1 && EVP_DecryptFinal_ex(ctx, rest, &len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(&mk, sizeof(mk));
	if (!ok)
		OPENSSL_cleanse(out, text_len);
	return ok ? 0 : -1;
}
