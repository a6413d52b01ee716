#include "storaged/kms.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"

/* Bytes that are wiped when they go out of scope. */
struct bytes {
	uint8_t *at;
	size_t n;
};

static void bytes_wipe(struct bytes *b)
{
	vault_wipe(b->at, b->n);
}
#define auto_bytes __attribute__((cleanup(bytes_wipe))) struct bytes

/* The member's base64, decoded; where it was clear text, also wiped in the message. MC_IPC_BAD_REQUEST. */
static int take(json_t *body, const char *member, bool clear, struct bytes *ret, mc_err **err)
{
	const json_t *value = json_object_get(body, member);
	const char *text = mc_json_str(body, member, "");
	size_t n = strlen(text), cut = n >= 2 ? (text[n - 1] == '=') + (text[n - 2] == '=') : 0;
	struct bytes b = {mc_alloc(n + 1), n};
	int len = EVP_DecodeBlock(b.at, (const unsigned char *)text, (int)n);

	if (clear && value)
		OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
	if (n == 0 || len < 0 || (size_t)len < cut) {
		bytes_wipe(&b);
		mc_err_set(err, 0, "%s: no base64", member);
		return MC_IPC_BAD_REQUEST;
	}
	*ret = (struct bytes){b.at, (size_t)len - cut};
	return MC_IPC_OK;
}

/* New reference. */
static json_t *encoded(const struct bytes *b)
{
	size_t room = b->n / 3 * 4 + 5;
	char *text = mc_alloc(room);
	json_t *value;

	EVP_EncodeBlock((unsigned char *)text, b->at, (int)b->n);
	value = json_string(text);
	vault_wipe(text, room);
	return value;
}

static int seal(struct vault *vault, const char *key, const json_t *body, const struct bytes *plain, json_t **ret, mc_err **err)
{
	const struct vault_text text = {plain->at, plain->n, mc_json_str(body, "context", "")};
	auto_bytes out = {NULL, plain->n + SEAL_OVERHEAD};
	int r = vault_encrypt(vault, key, &text, &out.at, err);

	if (r == MC_IPC_OK)
		*ret = json_pack("{s:o}", "ciphertext", encoded(&out));
	return r;
}

static int unseal(struct vault *vault, const char *key, const char *context, json_t *body, struct bytes *ret, mc_err **err)
{
	auto_bytes in = {NULL, 0};
	struct vault_text text = {.context = context};
	int r = take(body, "ciphertext", false, &in, err);

	if (r != MC_IPC_OK)
		return r;
	text.bytes = in.at;
	text.n = in.n;
	r = vault_decrypt(vault, key, &text, &ret->at, err);
	if (r == MC_IPC_OK)
		ret->n = in.n - SEAL_OVERHEAD;
	return r;
}

int kms_encrypt(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err)
{
	auto_bytes plain = {NULL, 0};
	int r = take(body, "plaintext", true, &plain, err);

	return r == MC_IPC_OK ? seal(vault, key, body, &plain, ret, err) : r;
}

int kms_decrypt(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err)
{
	auto_bytes plain = {NULL, 0};
	int r = unseal(vault, key, mc_json_str(body, "context", ""), body, &plain, err);

	if (r == MC_IPC_OK)
		*ret = json_pack("{s:o}", "plaintext", encoded(&plain));
	return r;
}

int kms_generate(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err)
{
	size_t n = (size_t)mc_json_int(body, "bytes", 32);
	auto_bytes plain = {mc_alloc(n), n};
	int r;

	mc_random_bytes(plain.at, n);
	r = seal(vault, key, body, &plain, ret, err);
	if (r == MC_IPC_OK && mc_json_bool(body, "plaintext", false))
		json_object_set_new(*ret, "plaintext", encoded(&plain));
	return r;
}

int kms_reencrypt(struct vault *vault, const char *key, json_t *body, json_t **ret, mc_err **err)
{
	auto_bytes plain = {NULL, 0};
	int r = unseal(vault, mc_json_str(body, "from", ""), mc_json_str(body, "from_context", ""), body, &plain, err);

	return r == MC_IPC_OK ? seal(vault, key, body, &plain, ret, err) : r;
}
