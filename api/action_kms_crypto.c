/* KMS: encrypting, decrypting, data keys. The keys are storaged's; what is to be encrypted and what
 * was decrypted passes through here and is wiped where it was kept. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "api/backend.h"
#include "api/kms.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define ALGORITHM "SYMMETRIC_DEFAULT"

static void wipe(const json_t *text)
{
	if (text)
		OPENSSL_cleanse((char *)json_string_value(text), json_string_length(text));
}

/* One text for one context, whatever the order of its members. New reference; "" for none. */
static json_t *context_text(const struct call *call, const char *member)
{
	const json_t *context = mc_json_obj(call->in, member);
	mc_autofree char *text = json_object_size(context) ? json_dumps(context, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	return json_string(text ? text : "");
}

static int invalid_ciphertext(struct call *call)
{
	return action_refuse(call, "InvalidCiphertextException", "%s", "");
}

static int check_algorithm(struct call *call, const char *member)
{
	if (strcmp(mc_json_str(call->in, member, ALGORITHM), ALGORITHM) == 0)
		return 0;
	return action_refuse(call, "InvalidKeyUsageException", "Algorithm %s and key spec " ALGORITHM " are incompatible.",
			     mc_json_str(call->in, member, ""));
}

/* What the second phase needs: {key, arn, from_arn?, verb, body}. body is taken over. 0, or DryRun's outcome. */
static int job(struct call *call, const struct resource *key, const char *verb, json_t *body)
{
	mc_autofree char *arn = kms_key_arn(key);

	if (kms_check_dry_run(call)) {
		json_decref(body);
		return 1;
	}
	call->job = json_pack("{s:s, s:s, s:s, s:o}", "key", kms_key_id(key), "arn", arn, "verb", verb, "body", body);
	return 0;
}

static int encrypt(struct call *call)
{
	const struct resource *key = check_algorithm(call, "EncryptionAlgorithm") ? NULL : kms_key_named(call, "KeyId", true, KMS_ENABLED);

	return key ? job(call, key, "encrypt", json_pack("{s:s, s:o}", "plaintext", mc_json_str(call->in, "Plaintext", ""), "context",
							 context_text(call, "EncryptionContext")))
		   : 1;
}

/* The key that a ciphertext is of; it is the one that was named, where one was. NULL after the outcome. */
static const struct resource *key_of_blob(struct call *call, const char *named, char **ret_inner)
{
	char uuid[MC_UUID_LEN];
	mc_autofree char *inner = NULL;
	const struct resource *key, *wanted = NULL;

	if (kms_blob_unwrap(mc_json_str(call->in, "CiphertextBlob", ""), uuid, &inner) < 0) {
		invalid_ciphertext(call);
		return NULL;
	}
	if (action_text(call, named) && !(wanted = kms_key_named(call, named, true, KMS_ANY)))
		return NULL;
	key = kms_key_find(call->tx, call->caller->account, call->caller->region, uuid);
	if (wanted && wanted != key) {
		action_refuse(call, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.");
		return NULL;
	}
	if (!key) {
		action_refuse(call, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not "
			      "exist in this region, or you are not allowed to access.");
		return NULL;
	}
	if (kms_check(call, key, KMS_ENABLED))
		return NULL;
	*ret_inner = MC_STEAL(inner);
	return key;
}

static int decrypt(struct call *call)
{
	mc_autofree char *inner = NULL;
	const struct resource *key = check_algorithm(call, "EncryptionAlgorithm") ? NULL : key_of_blob(call, "KeyId", &inner);

	return key ? job(call, key, "decrypt", json_pack("{s:s, s:o}", "ciphertext", inner, "context", context_text(call, "EncryptionContext")))
		   : 1;
}

static int reencrypt(struct call *call)
{
	mc_autofree char *inner = NULL, *arn = NULL;
	const struct resource *from = check_algorithm(call, "SourceEncryptionAlgorithm") || check_algorithm(call, "DestinationEncryptionAlgorithm")
					      ? NULL : key_of_blob(call, "SourceKeyId", &inner);
	const struct resource *to = from ? kms_key_named(call, "DestinationKeyId", true, KMS_ENABLED) : NULL;

	if (!to)
		return 1;
	if (job(call, to, "reencrypt", json_pack("{s:s, s:o, s:s, s:o}", "ciphertext", inner, "context",
						 context_text(call, "DestinationEncryptionContext"), "from", kms_key_id(from), "from_context",
						 context_text(call, "SourceEncryptionContext"))))
		return 1;
	arn = kms_key_arn(from);
	json_object_set_new(call->job, "from_arn", json_string(arn));
	return 0;
}

static int generate(struct call *call, bool clear)
{
	const char *spec = mc_json_str(call->in, "KeySpec", NULL);
	int64_t n = mc_json_int(call->in, "NumberOfBytes", 0);
	const struct resource *key;

	if (!spec == !n)
		return action_refuse(call, "ValidationException", "Please specify either number of bytes or key spec.");
	key = kms_key_named(call, "KeyId", true, KMS_ENABLED);
	if (!key)
		return 1;
	if (spec)
		n = strcmp(spec, "AES_128") == 0 ? 16 : 32;
	return job(call, key, "generate", json_pack("{s:I, s:b, s:o}", "bytes", (json_int_t)n, "plaintext", clear, "context",
						    context_text(call, "EncryptionContext")));
}

static int generate_data_key(struct call *call)
{
	return generate(call, true);
}

static int generate_data_key_without_plaintext(struct call *call)
{
	return generate(call, false);
}

static int generate_random(struct call *call)
{
	int64_t n = mc_json_int(call->in, "NumberOfBytes", 0);
	unsigned char bytes[1024];
	char text[sizeof(bytes) / 3 * 4 + 8];

	if (action_text(call, "CustomKeyStoreId"))
		return action_refuse(call, "CustomKeyStoreNotFoundException", "Custom key store %s does not exist", action_text(call,
				     "CustomKeyStoreId"));
	if (n < 1 || n > (int64_t)sizeof(bytes))
		return action_refuse(call, "ValidationException", "Please specify the number of bytes.");
	mc_random_bytes(bytes, (size_t)n);
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
	call->out = json_pack("{s:s}", "Plaintext", text);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(text, sizeof(text));
	return 0;
}

/* --- the second phase --------------------------------------------------------------------- */

static int refused(struct call *call, int outcome)
{
	if (outcome == MC_IPC_BAD_REQUEST)
		return invalid_ciphertext(call);
	if (outcome == MC_IPC_NOT_FOUND)
		return kms_refuse_unknown(call, mc_json_str(call->job, "arn", ""));
	if (outcome == MC_IPC_UNAVAILABLE)
		return action_fail(call, API_KMS_KEY_UNAVAILABLE, mc_err_msg(call->err));
	return -1;
}

static int answer(struct call *call, const json_t *got)
{
	const char *inner = mc_json_str(got, "ciphertext", NULL), *from = mc_json_str(call->job, "from_arn", NULL);
	mc_autofree char *blob = inner ? kms_blob_wrap(mc_json_str(call->job, "key", ""), inner) : NULL;

	if (inner && !blob)
		return mc_err_set(&call->err, 0, "storaged answered no ciphertext");
	call->out = json_pack("{s:s*, s:s*, s:s, s:s}", "CiphertextBlob", blob, "Plaintext", mc_json_str(got, "plaintext", NULL), "KeyId",
			      mc_json_str(call->job, "arn", ""), "EncryptionAlgorithm", ALGORITHM);
	if (strcmp(mc_json_str(call->job, "verb", ""), "generate") == 0)
		json_object_del(call->out, "EncryptionAlgorithm");
	if (!from)
		return 0;
	json_object_set_new(call->out, "SourceKeyId", json_string(from));
	json_object_set_new(call->out, "SourceEncryptionAlgorithm", json_string(ALGORITHM));
	json_object_set_new(call->out, "DestinationEncryptionAlgorithm", json_string(ALGORITHM));
	json_object_del(call->out, "EncryptionAlgorithm");
	return 0;
}

static int ask(struct call *call)
{
	json_t *body = mc_json_obj(call->job, "body");
	mc_auto_json json_t *got = NULL;
	int r, outcome = backend_call(call->api, BACKEND_STORAGED, "POST", body, &got, &call->err, "/v1/keys/%s/%s",
				      mc_json_str(call->job, "key", ""), mc_json_str(call->job, "verb", ""));

	wipe(json_object_get(body, "plaintext"));
	wipe(json_object_get(call->in, "Plaintext"));
	r = outcome == MC_IPC_OK ? answer(call, got) : refused(call, outcome);
	wipe(json_object_get(got, "plaintext"));
	return r;
}

const struct action actions_kms_crypto[] = {
	{ .service = "kms", .name = "Encrypt", .fn = encrypt, .flags = ACTION_BACKEND | ACTION_DRY_RUN, .backend = ask },
	{ .service = "kms", .name = "Decrypt", .fn = decrypt, .flags = ACTION_BACKEND | ACTION_DRY_RUN, .backend = ask },
	{ .service = "kms", .name = "ReEncrypt", .fn = reencrypt, .flags = ACTION_BACKEND | ACTION_DRY_RUN, .backend = ask },
	{ .service = "kms", .name = "GenerateDataKey", .fn = generate_data_key, .flags = ACTION_BACKEND | ACTION_DRY_RUN, .backend = ask },
	{ .service = "kms", .name = "GenerateDataKeyWithoutPlaintext", .fn = generate_data_key_without_plaintext, .flags = ACTION_BACKEND | ACTION_DRY_RUN,
	  .backend = ask },
	{ .service = "kms", .name = "GenerateRandom", .fn = generate_random },
	{ 0 },
};
