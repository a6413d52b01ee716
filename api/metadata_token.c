#include "api/metadata_token.h"

#include <endian.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define MAC_LEN 32
#define RAW_LEN (8 + MAC_LEN) /* expiry, big-endian, and the HMAC-SHA256 */

long metadata_token_ttl(const char *header)
{
	size_t n = header ? strlen(header) : 0;
	long ttl;

	if (n == 0 || n > 5 || strspn(header, "0123456789") != n)
		return -1;
	ttl = strtol(header, NULL, 10);
	return ttl >= 1 && ttl <= METADATA_TTL_MAX ? ttl : -1;
}

/* HMAC over "expiry (8 bytes) instance-id". */
static void sign(const struct metadata_key *key, const char *instance, uint64_t expires_be,
		 unsigned char mac[MAC_LEN])
{
	unsigned char text[8 + 64] = {0};
	size_t n = strnlen(instance, 64);
	unsigned len = MAC_LEN;

	memcpy(text, &expires_be, 8);
	memcpy(text + 8, instance, n);
	if (!HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), text, 8 + n, mac, &len))
		abort(); /* only without memory */
}

void metadata_token_make(const struct metadata_key *key, const char *instance, int64_t expires_s,
			 char out[METADATA_TOKEN_LEN])
{
	unsigned char raw[RAW_LEN];
	uint64_t expires_be = htobe64((uint64_t)expires_s);

	memcpy(raw, &expires_be, 8);
	sign(key, instance, expires_be, raw + 8);
	EVP_EncodeBlock((unsigned char *)out, raw, RAW_LEN);
}

int64_t metadata_token_check(const struct metadata_key *key, const char *instance, const char *token,
			     int64_t now_s)
{
	unsigned char raw[RAW_LEN + 2], mac[MAC_LEN];
	uint64_t expires_be;
	int64_t expires;

	if (!token || strlen(token) != METADATA_TOKEN_LEN - 1 ||
	    EVP_DecodeBlock(raw, (const unsigned char *)token, METADATA_TOKEN_LEN - 1) != RAW_LEN + 2)
		return -1;
	memcpy(&expires_be, raw, 8);
	sign(key, instance, expires_be, mac);
	expires = (int64_t)be64toh(expires_be);
	if (CRYPTO_memcmp(mac, raw + 8, MAC_LEN) != 0 || expires <= now_s)
		return -1;
	return expires - now_s;
}
