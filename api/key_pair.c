#include "api/key_pair.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"

#define RSA_BITS 2048
#define RSA_MIN_BITS 1024
#define RSA_MAX_BITS 16384
#define ED25519_LEN 32
#define MAX_LINE 8192

static void cleanup_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
#define auto_pkey __attribute__((cleanup(cleanup_pkey)))

/* --- SSH's wire ------------------------------------------------------------ */

struct buffer {
	unsigned char *data;
	size_t len;
};

static void cleanup_buffer(struct buffer *b)
{
	if (b->data)
		OPENSSL_clear_free(b->data, b->len);
}
#define auto_buffer __attribute__((cleanup(cleanup_buffer)))

static void put(struct buffer *b, const void *data, size_t n)
{
	b->data = OPENSSL_clear_realloc(b->data, b->len, b->len + n);
	if (!b->data)
		abort();
	memcpy(b->data + b->len, data, n);
	b->len += n;
}

static void put_u32(struct buffer *b, uint32_t v)
{
	unsigned char raw[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v };

	put(b, raw, sizeof(raw));
}

static void put_string(struct buffer *b, const void *data, size_t n)
{
	put_u32(b, (uint32_t)n);
	put(b, data, n);
}

static void put_mpint(struct buffer *b, const BIGNUM *n)
{
	unsigned char raw[RSA_MAX_BITS / 8 + 1] = { 0 };
	int len = BN_bn2bin(n, raw + 1);

	/* A leading zero keeps the number positive. */
	if (len > 0 && raw[1] & 0x80)
		put_string(b, raw, (size_t)len + 1);
	else
		put_string(b, raw + 1, (size_t)len);
}

/* The next string of what is left; NULL where it does not fit. */
static const unsigned char *take(const unsigned char **at, size_t *left, size_t *ret_len)
{
	const unsigned char *p = *at;
	size_t n;

	if (*left < 4)
		return NULL;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (n > *left - 4)
		return NULL;
	*at = p + 4 + n;
	*left -= 4 + n;
	*ret_len = n;
	return p + 4;
}

/* --- texts ---------------------------------------------------------------- */

static char *base64(const unsigned char *data, size_t n)
{
	char *text = mc_alloc(4 * ((n + 2) / 3) + 1);

	EVP_EncodeBlock((unsigned char *)text, data, (int)n);
	return text;
}

static char *colon_hex(const EVP_MD *md, const unsigned char *data, size_t n)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char *text;

	if (!EVP_Digest(data, n, digest, &len, md, NULL))
		return NULL;
	text = mc_alloc(3 * (size_t)len + 1);
	for (unsigned i = 0; i < len; i++)
		snprintf(text + 3 * i, 4, "%02x:", digest[i]);
	text[3 * len - 1] = '\0';
	return text;
}

static char *public_line(const char *type, const struct buffer *blob)
{
	mc_autofree char *text = base64(blob->data, blob->len);

	return mc_strf("%s %s", type, text);
}

static char *sha256_base64(const struct buffer *blob)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	EVP_Digest(blob->data, blob->len, digest, &len, EVP_sha256(), NULL);
	return base64(digest, len);
}

/* What was written into a memory BIO, as text. */
static char *bio_text(BIO *bio)
{
	char *data = NULL;
	long n = BIO_get_mem_data(bio, &data);

	return n > 0 ? strndup(data, (size_t)n) : NULL;
}

/* --- RSA ------------------------------------------------------------------ */

static int rsa_blob(EVP_PKEY *key, struct buffer *ret)
{
	BIGNUM *n = NULL, *e = NULL;
	int ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) &&
		 EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e);

	if (ok) {
		put_string(ret, "ssh-rsa", 7);
		put_mpint(ret, e);
		put_mpint(ret, n);
	}
	BN_free(n);
	BN_free(e);
	return ok ? 0 : -1;
}

/* AWS: SHA-1 of the private key as DER PKCS#8, for the keys it makes. */
static char *rsa_private_fingerprint(EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
	char *text = n > 0 ? colon_hex(EVP_sha1(), der, (size_t)n) : NULL;

	if (n > 0)
		OPENSSL_clear_free(der, (size_t)n);
	PKCS8_PRIV_KEY_INFO_free(info);
	return text;
}

/* AWS: MD5 of the public key as DER, for the keys it is given. */
static char *rsa_public_fingerprint(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	char *text = n > 0 ? colon_hex(EVP_md5(), der, (size_t)n) : NULL;

	OPENSSL_free(der);
	return text;
}

static char *rsa_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = bio && PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) ? bio_text(bio) : NULL;

	BIO_free(bio);
	return text;
}

static int rsa_generate(struct key_pair *ret)
{
	auto_pkey EVP_PKEY *key = EVP_RSA_gen(RSA_BITS);
	auto_buffer struct buffer blob = { 0 };

	if (!key || rsa_blob(key, &blob) < 0)
		return -1;
	ret->type = "rsa";
	ret->public_key = public_line("ssh-rsa", &blob);
	ret->fingerprint = rsa_private_fingerprint(key);
	ret->private_key = rsa_pem(key);
	return ret->fingerprint && ret->private_key ? 0 : -1;
}

static EVP_PKEY *rsa_from_numbers(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (bld && ctx && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e))
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *rsa_read_numbers(const unsigned char *at, size_t left)
{
	size_t n_len, e_len;
	const unsigned char *e_raw = take(&at, &left, &e_len), *n_raw = e_raw ? take(&at, &left, &n_len) : NULL;
	BIGNUM *e, *n;
	EVP_PKEY *key = NULL;

	if (!n_raw || left || e_len > 8 || n_len > RSA_MAX_BITS / 8 + 1)
		return NULL;
	e = BN_bin2bn(e_raw, (int)e_len, NULL);
	n = BN_bin2bn(n_raw, (int)n_len, NULL);
	if (e && n && BN_is_odd(e) && !BN_is_one(e) && BN_is_odd(n) && BN_num_bits(n) >= RSA_MIN_BITS)
		key = rsa_from_numbers(n, e);
	BN_free(e);
	BN_free(n);
	return key;
}

static int rsa_read(const unsigned char *at, size_t left, struct key_pair *ret)
{
	auto_pkey EVP_PKEY *key = rsa_read_numbers(at, left);
	auto_buffer struct buffer blob = { 0 };

	if (!key || rsa_blob(key, &blob) < 0)
		return 1;
	ret->type = "rsa";
	ret->public_key = public_line("ssh-rsa", &blob);
	ret->fingerprint = rsa_public_fingerprint(key);
	return ret->fingerprint ? 0 : 1;
}

/* --- ed25519 -------------------------------------------------------------- */

static void ed25519_blob(const unsigned char public_raw[ED25519_LEN], struct buffer *ret)
{
	put_string(ret, "ssh-ed25519", 11);
	put_string(ret, public_raw, ED25519_LEN);
}

static void ed25519_public(const unsigned char public_raw[ED25519_LEN], struct key_pair *ret)
{
	auto_buffer struct buffer blob = { 0 };

	ed25519_blob(public_raw, &blob);
	ret->type = "ed25519";
	ret->public_key = public_line("ssh-ed25519", &blob);
	ret->fingerprint = sha256_base64(&blob);
}

/* The unencrypted private section of an OpenSSH key file. */
static void ed25519_section(const unsigned char seed[ED25519_LEN], const unsigned char public_raw[ED25519_LEN],
			    const char *comment, struct buffer *ret)
{
	unsigned char both[2 * ED25519_LEN], check[4];

	memcpy(both, seed, ED25519_LEN);
	memcpy(both + ED25519_LEN, public_raw, ED25519_LEN);
	mc_random_bytes(check, sizeof(check));
	put(ret, check, sizeof(check)); /* twice, so that a wrong passphrase would show */
	put(ret, check, sizeof(check));
	ed25519_blob(public_raw, ret);
	put_string(ret, both, sizeof(both));
	put_string(ret, comment, strlen(comment));
	for (unsigned char pad = 1; ret->len % 8; pad++)
		put(ret, &pad, 1);
	OPENSSL_cleanse(both, sizeof(both));
}

static char *armoured(const struct buffer *file)
{
	mc_autofree char *text = base64(file->data, file->len);
	auto_buffer struct buffer out = { 0 };
	size_t n = strlen(text);

	put(&out, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36);
	for (size_t i = 0; i < n; i += 70) {
		put(&out, text + i, n - i < 70 ? n - i : 70);
		put(&out, "\n", 1);
	}
	put(&out, "-----END OPENSSH PRIVATE KEY-----\n", 34);
	OPENSSL_cleanse(text, n);
	return strndup((char *)out.data, out.len);
}

static char *ed25519_file(const unsigned char seed[ED25519_LEN], const unsigned char public_raw[ED25519_LEN],
			  const char *comment)
{
	auto_buffer struct buffer file = { 0 }, blob = { 0 }, section = { 0 };

	put(&file, "openssh-key-v1", 15); /* with its NUL */
	put_string(&file, "none", 4);     /* cipher */
	put_string(&file, "none", 4);     /* key derivation */
	put_string(&file, "", 0);
	put_u32(&file, 1);
	ed25519_blob(public_raw, &blob);
	put_string(&file, blob.data, blob.len);
	ed25519_section(seed, public_raw, comment, &section);
	put_string(&file, section.data, section.len);
	return armoured(&file);
}

static int ed25519_generate(const char *comment, struct key_pair *ret)
{
	auto_pkey EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned char seed[ED25519_LEN], public_raw[ED25519_LEN];
	size_t n = ED25519_LEN, m = ED25519_LEN;

	if (!key || !EVP_PKEY_get_raw_private_key(key, seed, &n) || !EVP_PKEY_get_raw_public_key(key, public_raw, &m))
		return -1;
	ed25519_public(public_raw, ret);
	ret->private_key = ed25519_file(seed, public_raw, comment);
	OPENSSL_cleanse(seed, sizeof(seed));
	return 0;
}

static int ed25519_read(const unsigned char *at, size_t left, struct key_pair *ret)
{
	size_t n;
	const unsigned char *raw = take(&at, &left, &n);

	if (!raw || left || n != ED25519_LEN)
		return 1;
	ed25519_public(raw, ret);
	return 0;
}

/* --- both ----------------------------------------------------------------- */

int key_pair_generate(const char *type, const char *comment, struct key_pair *ret, mc_err **err)
{
	struct key_pair k = { 0 };

	if ((strcmp(type, "ed25519") == 0 ? ed25519_generate(comment, &k) : rsa_generate(&k)) < 0) {
		key_pair_clear(&k);
		return mc_err_set(err, 0, "cannot make a key pair of type %s", type);
	}
	*ret = k;
	return 0;
}

/* The bytes of a line's base64 word. False where it is none. */
static bool decode_word(const char *word, size_t n, struct buffer *ret)
{
	mc_autofree char *text = strndup(word, n);
	mc_autofree unsigned char *raw = mc_alloc(n + 4);
	size_t padding = 0;
	int len;

	if (n == 0 || n % 4 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != n)
		return false;
	while (padding < 2 && text[n - 1 - padding] == '=')
		padding++;
	len = EVP_DecodeBlock(raw, (unsigned char *)text, (int)n);
	if (len < (int)padding)
		return false;
	put(ret, raw, (size_t)len - padding);
	return true;
}

static const struct {
	const char *word;
	int (*read)(const unsigned char *at, size_t left, struct key_pair *ret);
} readable[] = { { "ssh-rsa", rsa_read }, { "ssh-ed25519", ed25519_read } };

/* The blob repeats the type that the line begins with. */
static int read_blob(const char *type, size_t type_len, const struct buffer *blob, struct key_pair *ret)
{
	const unsigned char *at = blob->data;
	size_t left = blob->len, n;
	const unsigned char *inner = take(&at, &left, &n);

	if (!inner || n != type_len || memcmp(inner, type, n) != 0)
		return 1;
	for (size_t i = 0; i < MC_ARRAY_SIZE(readable); i++)
		if (strlen(readable[i].word) == n && memcmp(readable[i].word, inner, n) == 0)
			return readable[i].read(at, left, ret);
	return 1;
}

int key_pair_read(const char *line, struct key_pair *ret)
{
	const char *type = line + strspn(line, " \t\r\n");
	size_t type_len = strcspn(type, " \t\r\n");
	const char *word = type + type_len + strspn(type + type_len, " \t");
	size_t word_len = strcspn(word, " \t\r\n");
	const char *end = word + strcspn(word, "\r\n");
	auto_buffer struct buffer blob = { 0 };
	struct key_pair k = { 0 };

	if (strlen(line) > MAX_LINE || end[strspn(end, " \t\r\n")] != '\0' || !decode_word(word, word_len, &blob) ||
	    read_blob(type, type_len, &blob, &k) != 0) {
		key_pair_clear(&k);
		return 1;
	}
	*ret = k;
	return 0;
}

void key_pair_clear(struct key_pair *k)
{
	if (k->private_key)
		OPENSSL_cleanse(k->private_key, strlen(k->private_key));
	free(k->private_key);
	free(k->public_key);
	free(k->fingerprint);
	*k = (struct key_pair){ 0 };
}
