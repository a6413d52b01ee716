#include "api/kms.h"

#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define ALIAS "alias/"

const char *kms_key_id(const struct resource *key)
{
	return mc_json_str(key->spec, "key_id", "");
}

char *kms_key_arn(const struct resource *key)
{
	return mc_strf("arn:aws:kms:%s:%s:key/%s", key->region, key->account, kms_key_id(key));
}

static bool is_named(const struct resource *key, const char *name)
{
	if (strncmp(name, ALIAS, strlen(ALIAS)) == 0)
		return json_object_get(mc_json_obj(key->spec, "aliases"), name);
	return strcmp(kms_key_id(key), name) == 0;
}

/* "key/UUID" and "alias/NAME" of this place's ARNs become "UUID" and "alias/NAME"; NULL: of another place. */
static const char *local_name(const char *text, const char *account, const char *region)
{
	mc_autofree char *prefix = mc_strf("arn:aws:kms:%s:%s:", region, account);

	if (strncmp(text, "arn:", 4) != 0)
		return text;
	if (strncmp(text, prefix, strlen(prefix)) != 0)
		return NULL;
	text += strlen(prefix);
	return strncmp(text, "key/", 4) == 0 ? text + 4 : text;
}

const struct resource *kms_key_find(struct store_tx *tx, const char *account, const char *region, const char *text)
{
	const char *name = local_name(text, account, region);
	struct store_iter it = store_iter(tx, KIND_KMS_KEY, account, region);
	const struct resource *key;

	while (name && (key = store_next(&it)))
		if (is_named(key, name))
			return key;
	return NULL;
}

const struct resource *kms_key_by_id(struct store_tx *tx, const char *region, const char *key_id)
{
	struct store_iter it = store_iter(tx, KIND_KMS_KEY, NULL, region);
	const struct resource *key;

	while ((key = store_next(&it)))
		if (strcmp(kms_key_id(key), key_id) == 0)
			return key;
	return NULL;
}

/* --- making ------------------------------------------------------------------------------- */

struct resource *kms_key_make(struct store_tx *tx, const char *account, const char *region, const char *manager)
{
	struct resource *key = store_insert(tx, KIND_KMS_KEY, account, region);
	char uuid[MC_UUID_LEN];

	mc_random_uuid(uuid);
	json_object_set_new(key->spec, "key_id", json_string(uuid));
	json_object_set_new(key->spec, "manager", json_string(manager));
	json_object_set_new(key->spec, "aliases", json_object());
	json_object_set_new(key->spec, "tags", json_object());
	state_init(key, KMS_KEY_ENABLED);
	return key;
}

void kms_alias_set(struct resource *key, const char *name)
{
	json_int_t now = mc_clock_wall();

	json_object_set_new(mc_json_obj(key->spec, "aliases"), name, json_pack("{s:I, s:I}", "created", now, "updated", now));
}

const struct resource *kms_key_default(struct store_tx *tx, const char *account, const char *region)
{
	const struct resource *key = kms_key_find(tx, account, region, KMS_ALIAS_EBS);
	struct resource *made;

	if (key)
		return key;
	made = kms_key_make(tx, account, region, "AWS");
	json_object_set_new(made->spec, "description",
			    json_string("Default key that protects my EBS volumes when no other key is defined"));
	kms_alias_set(made, KMS_ALIAS_EBS);
	return made;
}

/* --- asking ---------------------------------------------------------------------------------- */

int kms_refuse_unknown(struct call *call, const char *text)
{
	const char *region = call->caller->region, *account = call->caller->account;

	if (strncmp(text, "arn:", 4) == 0)
		return action_refuse(call, "NotFoundException", "%s '%s' does not exist", strstr(text, ":alias/") ? "Alias" : "Key", text);
	if (strncmp(text, ALIAS, strlen(ALIAS)) == 0)
		return action_refuse(call, "NotFoundException", "Alias arn:aws:kms:%s:%s:%s is not found.", region, account, text);
	return action_refuse(call, "NotFoundException", "Key 'arn:aws:kms:%s:%s:key/%s' does not exist", region, account, text);
}

int kms_check(struct call *call, const struct resource *key, enum kms_need need)
{
	mc_autofree char *arn = kms_key_arn(key);

	if (need != KMS_ANY && key->state == KMS_KEY_PENDING_DELETION)
		return action_refuse(call, "KMSInvalidStateException", "%s is pending deletion.", arn);
	if (need == KMS_ENABLED && key->state == KMS_KEY_DISABLED)
		return action_refuse(call, "DisabledException", "%s is disabled.", arn);
	if (need == KMS_CHANGED && strcmp(mc_json_str(key->spec, "manager", ""), "AWS") == 0)
		return action_refuse(call, "AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s because "
				     "no resource-based policy allows the kms:%s action", call->caller->arn, model_operation_name(call->op),
				     arn, model_operation_name(call->op));
	return 0;
}

int kms_check_dry_run(struct call *call)
{
	if (!mc_json_bool(call->in, "DryRun", false))
		return 0;
	return action_fail(call, API_KMS_DRY_RUN);
}

const struct resource *kms_key_named(struct call *call, const char *member, bool aliases, enum kms_need need)
{
	const char *text = mc_json_str(call->in, member, "");
	const struct resource *key;

	if (!aliases && (strncmp(text, ALIAS, strlen(ALIAS)) == 0 || strstr(text, ":" ALIAS))) {
		action_refuse(call, "NotFoundException", "Invalid keyId '%s'", text);
		return NULL;
	}
	key = kms_key_find(call->tx, call->caller->account, call->caller->region, text);
	if (!key)
		kms_refuse_unknown(call, text);
	return key && kms_check(call, key, need) == 0 ? key : NULL;
}

/* --- answering ---------------------------------------------------------------------------------- */

static double seconds(int64_t ns)
{
	return (double)(ns / MC_MS) / 1000;
}

json_t *kms_key_metadata(const struct resource *key)
{
	mc_autofree char *arn = kms_key_arn(key);
	int64_t delete_at = mc_json_int(key->spec, "delete_at", 0);

	return json_pack("{s:s, s:s, s:s, s:f, s:b, s:s, s:s, s:s, s:o*, s:s, s:s, s:s, s:s, s:[s], s:b}", "AWSAccountId", key->account,
			 "KeyId", kms_key_id(key), "Arn", arn, "CreationDate", seconds(key->created), "Enabled",
			 key->state == KMS_KEY_ENABLED, "Description", mc_json_str(key->spec, "description", ""), "KeyUsage",
			 "ENCRYPT_DECRYPT", "KeyState", state_name(key), "DeletionDate", delete_at ? json_real(seconds(delete_at)) : NULL,
			 "Origin", "AWS_KMS", "KeyManager", mc_json_str(key->spec, "manager", "CUSTOMER"), "CustomerMasterKeySpec",
			 "SYMMETRIC_DEFAULT", "KeySpec", "SYMMETRIC_DEFAULT", "EncryptionAlgorithms", "SYMMETRIC_DEFAULT", "MultiRegion", 0);
}

int kms_answer_page(struct call *call, const char *member, const json_t *items, int64_t def)
{
	const char *marker = mc_json_str(call->in, "Marker", "0");
	size_t from, limit = (size_t)mc_json_int(call->in, "Limit", def), n = json_array_size(items);
	json_t *page = json_array();

	call->out = json_pack("{s:o, s:b}", member, page, "Truncated", 0);
	if (strspn(marker, "0123456789") != strlen(marker) || strlen(marker) > 9)
		return action_refuse(call, "InvalidMarkerException", "The marker is invalid");
	from = strtoul(marker, NULL, 10);
	for (size_t i = from; i < n && i < from + limit; i++)
		json_array_append(page, json_array_get(items, i));
	if (from + limit < n) {
		json_object_set_new(call->out, "Truncated", json_true());
		json_object_set_new(call->out, "NextMarker", json_sprintf("%zu", from + limit));
	}
	return 0;
}
