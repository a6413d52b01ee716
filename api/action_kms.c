/* KMS: keys and what is said about them. */
#include <string.h>

#include "api/kms.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define WINDOW_MIN 7 /* days until a key is deleted (ScheduleKeyDeletion) */
#define WINDOW_MAX 30
#define TAGS_MAX 50
#define DAY (86400 * MC_SECOND)

static struct resource *edited(struct call *call, enum kms_need need)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, need);

	return key ? store_edit(call->tx, key->id) : NULL;
}

/* --- tags ------------------------------------------------------------------------------ */

static int add_tags(struct call *call, struct resource *key)
{
	json_t *tags = mc_json_obj(key->spec, "tags"), *tag;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "Tags"), i, tag) {
		const char *name = mc_json_str(tag, "TagKey", "");

		if (strncmp(name, "aws:", 4) == 0)
			return action_refuse(call, "TagException", "Tag keys that begin with aws: are reserved for internal use");
		json_object_set(tags, name, json_object_get(tag, "TagValue"));
	}
	if (json_object_size(tags) > TAGS_MAX)
		return action_refuse(call, "LimitExceededException", "A key can have at most %d tags", TAGS_MAX);
	return 0;
}

static int tag_resource(struct call *call)
{
	struct resource *key = edited(call, KMS_CHANGED);

	return key ? add_tags(call, key) : 1;
}

static int untag_resource(struct call *call)
{
	return action_untag(call, kms_key_named(call, "KeyId", false, KMS_CHANGED));
}

static int list_resource_tags(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_ANY);
	mc_auto_json json_t *list = json_array();
	json_t *value;
	const char *name;

	if (!key)
		return 1;
	json_object_foreach(mc_json_obj(key->spec, "tags"), name, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "TagKey", name, "TagValue", value));
	return kms_answer_page(call, "Tags", list, TAGS_MAX);
}

/* --- policies: kept and shown; who may what is the account's, until there is IAM --------------- */

static char *default_policy(const struct resource *key)
{
	return mc_strf("{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {\n"
		       "    \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {\n"
		       "      \"AWS\" : \"arn:aws:iam::%s:root\"\n    },\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  } ]\n}",
		       key->account);
}

static int set_policy(struct call *call, struct resource *key)
{
	const char *text = mc_json_str(call->in, "Policy", NULL);
	mc_auto_json json_t *doc = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (text && (!json_is_object(doc) || !json_object_get(doc, "Statement")))
		return action_refuse(call, "MalformedPolicyDocumentException", "The new key policy is not a valid policy document");
	if (text)
		json_object_set_new(key->spec, "policy", json_string(text));
	return 0;
}

static int check_policy_name(struct call *call)
{
	if (strcmp(mc_json_str(call->in, "PolicyName", "default"), "default") == 0)
		return 0;
	return action_refuse(call, "NotFoundException", "No such policy exists");
}

static int get_key_policy(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_ANY);
	mc_autofree char *def = key ? default_policy(key) : NULL;

	if (!key || check_policy_name(call))
		return 1;
	call->out = json_pack("{s:s, s:s}", "Policy", mc_json_str(key->spec, "policy", def), "PolicyName", "default");
	return 0;
}

static int put_key_policy(struct call *call)
{
	struct resource *key = edited(call, KMS_CHANGED);

	return !key || check_policy_name(call) ? 1 : set_policy(call, key);
}

static int list_key_policies(struct call *call)
{
	mc_auto_json json_t *names = json_pack("[s]", "default");

	return kms_key_named(call, "KeyId", false, KMS_ANY) ? kms_answer_page(call, "PolicyNames", names, 100) : 1;
}

/* --- keys -------------------------------------------------------------------------------------- */

/* What is asked for and is no symmetric key made here. */
static int check_kind(struct call *call)
{
	static const struct {
		const char *member, *value;
	} only[] = {
		{ "KeyUsage", "ENCRYPT_DECRYPT" }, { "KeySpec", "SYMMETRIC_DEFAULT" }, { "CustomerMasterKeySpec", "SYMMETRIC_DEFAULT" },
		{ "Origin", "AWS_KMS" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(only); i++)
		if (strcmp(mc_json_str(call->in, only[i].member, only[i].value), only[i].value) != 0)
			return action_refuse(call, "UnsupportedOperationException", "%s: only %s is supported by this cloud",
					     only[i].member, only[i].value);
	if (mc_json_bool(call->in, "MultiRegion", false) || action_text(call, "CustomKeyStoreId") || action_text(call, "XksKeyId"))
		return action_refuse(call, "UnsupportedOperationException", "Only keys of one region in KMS itself are supported by this "
				     "cloud");
	return 0;
}

static int create_key(struct call *call)
{
	struct resource *key;

	if (check_kind(call))
		return 1;
	key = kms_key_make(call->tx, call->caller->account, call->caller->region, "CUSTOMER");
	json_object_set_new(key->spec, "description", json_string(mc_json_str(call->in, "Description", "")));
	if (set_policy(call, key) || add_tags(call, key))
		return 1;
	call->out = json_pack("{s:o}", "KeyMetadata", kms_key_metadata(key));
	return 0;
}

/* EBS's own key is there as soon as somebody asks for it by its name, as in AWS. */
static int describe_key(struct call *call)
{
	const char *text = mc_json_str(call->in, "KeyId", ""), *name = strstr(text, KMS_ALIAS_EBS);
	const struct resource *key;

	if (name && strcmp(name, KMS_ALIAS_EBS) == 0)
		kms_key_default(call->tx, call->caller->account, call->caller->region);
	key = kms_key_named(call, "KeyId", true, KMS_ANY);
	if (!key)
		return 1;
	call->out = json_pack("{s:o}", "KeyMetadata", kms_key_metadata(key));
	return 0;
}

static int list_keys(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_KMS_KEY, call->caller->account, call->caller->region);
	mc_auto_json json_t *list = json_array();
	const struct resource *key;

	while ((key = store_next(&it))) {
		mc_autofree char *arn = kms_key_arn(key);

		json_array_append_new(list, json_pack("{s:s, s:s}", "KeyId", kms_key_id(key), "KeyArn", arn));
	}
	return kms_answer_page(call, "Keys", list, 100);
}

static int update_key_description(struct call *call)
{
	struct resource *key = edited(call, KMS_CHANGED);

	if (!key)
		return 1;
	json_object_set_new(key->spec, "description", json_string(mc_json_str(call->in, "Description", "")));
	return 0;
}

static int set_state(struct call *call, enum kms_key_state state)
{
	struct resource *key = edited(call, KMS_CHANGED);

	if (!key)
		return 1;
	state_set(call->tx, key, state);
	return 0;
}

static int enable_key(struct call *call)
{
	return set_state(call, KMS_KEY_ENABLED);
}

static int disable_key(struct call *call)
{
	return set_state(call, KMS_KEY_DISABLED);
}

static int schedule_key_deletion(struct call *call)
{
	int64_t days = mc_json_int(call->in, "PendingWindowInDays", WINDOW_MAX), at = mc_clock_wall() + days * DAY;
	mc_autofree char *arn = NULL;
	struct resource *key;

	if (days < WINDOW_MIN || days > WINDOW_MAX)
		return action_refuse(call, "ValidationException", "PendingWindowInDays must be between %d and %d", WINDOW_MIN, WINDOW_MAX);
	key = edited(call, KMS_CHANGED);
	if (!key)
		return 1;
	json_object_set_new(key->spec, "delete_at", json_integer(at));
	state_set(call->tx, key, KMS_KEY_PENDING_DELETION);
	arn = kms_key_arn(key);
	call->out = json_pack("{s:s, s:f, s:s, s:I}", "KeyId", arn, "DeletionDate", (double)(at / MC_MS) / 1000, "KeyState",
			      state_name(key), "PendingWindowInDays", (json_int_t)days);
	return 0;
}

static int cancel_key_deletion(struct call *call)
{
	struct resource *key = edited(call, KMS_ANY);
	mc_autofree char *arn = key ? kms_key_arn(key) : NULL;

	if (!key)
		return 1;
	if (key->state != KMS_KEY_PENDING_DELETION)
		return action_refuse(call, "KMSInvalidStateException", "%s is not pending deletion.", arn);
	json_object_del(key->spec, "delete_at");
	state_set(call->tx, key, KMS_KEY_DISABLED);
	call->out = json_pack("{s:s}", "KeyId", arn);
	return 0;
}

const struct action actions_kms[] = {
	{ .service = "kms", .name = "CreateKey", .fn = create_key, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "DescribeKey", .fn = describe_key, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "ListKeys", .fn = list_keys },
	{ .service = "kms", .name = "UpdateKeyDescription", .fn = update_key_description, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "EnableKey", .fn = enable_key, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "DisableKey", .fn = disable_key, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "ScheduleKeyDeletion", .fn = schedule_key_deletion, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "CancelKeyDeletion", .fn = cancel_key_deletion, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "GetKeyPolicy", .fn = get_key_policy },
	{ .service = "kms", .name = "PutKeyPolicy", .fn = put_key_policy, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "ListKeyPolicies", .fn = list_key_policies },
	{ .service = "kms", .name = "TagResource", .fn = tag_resource, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "UntagResource", .fn = untag_resource, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "ListResourceTags", .fn = list_resource_tags },
	{ 0 },
};
