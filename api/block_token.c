#include "api/block_token.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"

#define PLAIN 48 /* number, expiry, seal: 64 characters of base64 */
#define SEAL 32

struct fields {
	uint64_t number, expires; /* big endian */
	unsigned char seal[SEAL];
};
_Static_assert(sizeof(struct fields) == PLAIN, "no padding");

static void seal(const struct call *call, const char *what, struct fields *f)
{
	mc_autofree char *text = mc_strf("%s %s %llx %llx %s", call->caller->account, call->caller->region,
					 (unsigned long long)f->number, (unsigned long long)f->expires, what);
	struct access_key key = { .id = "" };
	unsigned n = 0;

	store_default_key(call->api->store, &key);
	/* Fails only where libcrypto is broken or out of memory: never go on then. */
	if (!HMAC(EVP_sha256(), key.secret, (int)strlen(key.secret), (const unsigned char *)text, strlen(text), f->seal, &n) || n != SEAL)
		abort();
	OPENSSL_cleanse(&key, sizeof(key));
}

void block_token_make(const struct call *call, const char *what, int64_t number, int64_t expires, char out[BLOCK_TOKEN_LEN])
{
	struct fields f = { .number = htobe64((uint64_t)number), .expires = htobe64((uint64_t)expires) };

	seal(call, what, &f);
	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)&f, PLAIN);
}

int block_token_read(const struct call *call, const char *what, const char *token, int64_t *ret_number)
{
	struct fields f, right;

	if (strlen(token) != BLOCK_TOKEN_LEN - 1 ||
	    EVP_DecodeBlock((unsigned char *)&f, (const unsigned char *)token, BLOCK_TOKEN_LEN - 1) != PLAIN)
		return -1;
	right = f;
	seal(call, what, &right);
	if (CRYPTO_memcmp(&f, &right, sizeof(f)) != 0)
		return -1;
	if ((int64_t)be64toh(f.expires) < mc_clock_wall())
		return 1;
	*ret_number = (int64_t)be64toh(f.number);
	return 0;
}
