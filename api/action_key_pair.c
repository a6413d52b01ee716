#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/describe.h"
#include "api/key_pair.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_NAME 255

static void cleanup_key_pair(struct key_pair *k)
{
	key_pair_clear(k);
}
#define auto_key_pair __attribute__((cleanup(cleanup_key_pair)))

static const char *const tag_types[] = { "key-pair", NULL };

/* --- describe ------------------------------------------------------------- */

static const struct filter key_filters[] = {
	{ "key-pair-id", "KeyPairId" }, { "fingerprint", "KeyFingerprint" }, { "key-name", "KeyName" }, { 0 },
};

static json_t *key_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "KeyPairId", NULL);
	char created[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, created);
	json_object_set_new(v, "CreateTime", json_string(created));
	if (mc_json_bool(call->in, "IncludePublicKey", false))
		json_object_set(v, "PublicKey", json_object_get(r->spec, "public_key"));
	return v;
}

static int describe_key_pairs(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_KEY_PAIR, .list = "KeyPairs", .ids = "KeyPairIds", .names = "KeyNames", .name_member = "KeyName",
		.name_not_found = "InvalidKeyPair.NotFound", .filters = key_filters, .view = key_view,
	};

	return describe_run(call, &d);
}

/* --- making ---------------------------------------------------------------- */

static const struct resource *key_by_name(struct call *call, const char *name)
{
	struct store_iter it = store_iter(call->tx, KIND_KEY_PAIR, call->caller->account, call->caller->region);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (strcmp(mc_json_str(r->doc, "KeyName", ""), name) == 0)
			return r;
	return NULL;
}

/* Names stand in the guests' authorized_keys: printable ASCII, no space at either end. */
static bool name_valid(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] < 0x20 || name[i] > 0x7e)
			return false;
	return n <= MAX_NAME && name[0] != ' ' && name[n - 1] != ' ';
}

/* A new name, and tags that fit: 0 or action_fail. */
static int check_new(struct call *call)
{
	const char *name = mc_json_str(call->in, "KeyName", "");

	if (!*name)
		return action_fail(call, API_MISSING_PARAMETER, "KeyName");
	if (!name_valid(name))
		return action_fail(call, API_INVALID_PARAMETER, "Value for parameter KeyName is invalid. Up to 255 ASCII characters, "
				   "without leading or trailing spaces.");
	if (key_by_name(call, name))
		return action_fail(call, API_KEY_PAIR_DUPLICATE, name);
	return action_check_tag_types(call, tag_types);
}

/* The row and the answer. 0 or action_fail. */
static int insert_key(struct call *call, const struct key_pair *k)
{
	struct resource *r = store_insert(call->tx, KIND_KEY_PAIR, call->caller->account, call->caller->region);
	const char *name = mc_json_str(call->in, "KeyName", "");
	mc_autofree char *line = mc_strf("%s %s", k->public_key, name);
	json_t *tags;

	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s}", "KeyName", name, "KeyType", k->type, "KeyFingerprint", k->fingerprint));
	json_object_set_new(r->spec, "public_key", json_string(line));
	if (action_apply_tags(call, "key-pair", r))
		return 1;
	call->out = json_pack("{s:s, s:s, s:s}", "KeyName", name, "KeyFingerprint", k->fingerprint, "KeyPairId", r->id);
	tags = resource_tag_list(r);
	if (tags)
		json_object_set_new(call->out, "Tags", tags);
	return 0;
}

/* --- create: an RSA key takes a while, so it is made without a transaction --- */

static int create_key_pair(struct call *call)
{
	const char *type = mc_json_str(call->in, "KeyType", "rsa"), *format = mc_json_str(call->in, "KeyFormat", "pem");

	if (check_new(call))
		return 1;
	if (strcmp(type, "rsa") != 0 && strcmp(type, "ed25519") != 0)
		return action_fail(call, API_INVALID_PARAMETER, "Value for parameter KeyType is invalid: rsa or ed25519.");
	if (strcmp(format, "pem") != 0)
		return action_fail(call, API_UNSUPPORTED, "Only the KeyFormat pem is supported by this cloud yet.");
	return 0;
}

static int create_key_pair_backend(struct call *call)
{
	const char *type = mc_json_str(call->in, "KeyType", "rsa");
	auto_key_pair struct key_pair k = { 0 };
	struct store_tx *tx;

	if (key_pair_generate(type, mc_json_str(call->in, "KeyName", ""), &k, &call->err) < 0)
		return -1;
	call->tx = store_write(call->api->store);
	/* Another request may have taken the name meanwhile. */
	if (check_new(call) || insert_key(call, &k)) {
		store_end(MC_STEAL(call->tx));
		return 1;
	}
	tx = MC_STEAL(call->tx);
	if (store_commit(tx, &call->err) < 0)
		return -1;
	json_object_set_new(call->out, "KeyMaterial", json_string(k.private_key));
	return 0;
}

/* --- import ----------------------------------------------------------------- */

/* The text of a base64 blob, NULL where it is none. Allocated. */
static char *blob_text(const char *blob)
{
	size_t n = strlen(blob);
	mc_autofree char *text = mc_alloc(n + 4);
	int len;

	if (n == 0 || n % 4 || n > 65536)
		return NULL;
	len = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)blob, (int)n);
	if (len < 2)
		return NULL;
	len -= (blob[n - 1] == '=') + (blob[n - 2] == '=');
	text[len] = '\0';
	return strlen(text) == (size_t)len ? MC_STEAL(text) : NULL;
}

static int import_key_pair(struct call *call)
{
	auto_key_pair struct key_pair k = { 0 };
	mc_autofree char *line = blob_text(mc_json_str(call->in, "PublicKeyMaterial", ""));

	if (check_new(call))
		return 1;
	if (!line || key_pair_read(line, &k) != 0)
		return action_fail(call, API_KEY_FORMAT);
	return insert_key(call, &k);
}

/* --- delete ----------------------------------------------------------------- */

/* Deleting what is not there succeeds, as at AWS. */
static int delete_key_pair(struct call *call)
{
	const char *name = mc_json_str(call->in, "KeyName", NULL), *id = mc_json_str(call->in, "KeyPairId", NULL);
	const struct kind_info *k = kind_info(KIND_KEY_PAIR);
	const struct resource *r;

	if (!name && !id)
		return action_fail(call, API_MISSING, "The request must contain either keyName or keyPairId");
	if (name && id)
		return action_fail(call, API_PARAMETER_COMBINATION, "The parameter keyName cannot be used with the parameter keyPairId");
	if (id && !mc_id_valid(k->prefix, id))
		return action_fail(call, API_MALFORMED_ID, k->malformed, id, k->prefix);
	r = id ? store_find(call->tx, KIND_KEY_PAIR, call->caller->account, call->caller->region, id) : key_by_name(call, name);
	call->out = json_pack("{s:b, s:s*}", "Return", 1, "KeyPairId", r ? r->id : id);
	if (r)
		store_delete(call->tx, r->id);
	return 0;
}

const struct action actions_key_pair[] = {
	{ .service = "ec2", .name = "DescribeKeyPairs", .fn = describe_key_pairs },
	{ .service = "ec2", .name = "CreateKeyPair", .fn = create_key_pair, .flags = ACTION_BACKEND, .backend = create_key_pair_backend },
	{ .service = "ec2", .name = "ImportKeyPair", .fn = import_key_pair, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteKeyPair", .fn = delete_key_pair, .flags = ACTION_WRITE },
	{ 0 },
};
