/* A CiphertextBlob names its key, so that Decrypt needs no KeyId: a version byte, the 16 bytes of the
 * key's UUID, and what storaged made. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "api/kms.h"
#include "common/cleanup.h"
#include "common/fs.h"

#define VERSION 1
#define UUID 16
#define HEAD (1 + UUID)

/* Allocated bytes of base64 text; NULL where it is none. */
static unsigned char *decode(const char *text, size_t *ret_n)
{
	size_t n = strlen(text), cut = n >= 2 ? (text[n - 1] == '=') + (text[n - 2] == '=') : 0;
	mc_autofree unsigned char *bytes = mc_alloc(n + 1);
	int len = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);

	if (n == 0 || len < 0 || (size_t)len < cut)
		return NULL;
	*ret_n = (size_t)len - cut;
	return MC_STEAL(bytes);
}

static char *encode(const unsigned char *bytes, size_t n)
{
	char *text = mc_alloc(n / 3 * 4 + 5);

	EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
	return text;
}

static int uuid_bytes(const char *text, unsigned char out[UUID])
{
	char hex[2 * UUID + 1];
	size_t n = 0, len = 0;

	for (; *text && n < 2 * UUID; text++)
		if (*text != '-')
			hex[n++] = *text;
	hex[n] = '\0';
	return OPENSSL_hexstr2buf_ex(out, UUID, &len, hex, '\0') == 1 && len == UUID ? 0 : -1;
}

char *kms_blob_wrap(const char *key_id, const char *inner)
{
	size_t n = 0;
	mc_autofree unsigned char *bytes = decode(inner, &n);
	mc_autofree unsigned char *whole = bytes ? mc_alloc(HEAD + n) : NULL;

	if (!whole || uuid_bytes(key_id, whole + 1) < 0)
		return NULL;
	whole[0] = VERSION;
	memcpy(whole + HEAD, bytes, n);
	return encode(whole, HEAD + n);
}

int kms_blob_unwrap(const char *blob, char ret_key_id[MC_UUID_LEN], char **ret_inner)
{
	size_t n = 0;
	mc_autofree unsigned char *whole = decode(blob, &n);
	const unsigned char *u = whole ? whole + 1 : NULL;

	if (!whole || n <= HEAD || whole[0] != VERSION)
		return -1;
	snprintf(ret_key_id, MC_UUID_LEN, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
		 u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	*ret_inner = encode(whole + HEAD, n - HEAD);
	return 0;
}
