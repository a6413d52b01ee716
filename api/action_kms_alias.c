/* KMS: names that lead to keys. */
#include <string.h>

#include "api/kms.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define PER_KEY_MAX 50 /* quota "Aliases per CMK" */

/* The key that the alias leads to; NULL: none has that name. */
static const struct resource *target(struct call *call, const char *name)
{
	return kms_key_find(call->tx, call->caller->account, call->caller->region, name);
}

static int check_name(struct call *call, const char *name)
{
	if (strncmp(name, "alias/", 6) != 0 || !name[6])
		return action_refuse(call, "ValidationException", "Invalid identifier");
	if (strncmp(name, "alias/aws/", 10) == 0)
		return action_refuse(call, "NotAuthorizedException", "Names that begin with alias/aws/ are reserved");
	return 0;
}

static int unknown_alias(struct call *call, const char *name)
{
	return kms_refuse_unknown(call, name);
}

static json_t *aliases_of(struct call *call, const char *key_id)
{
	return mc_json_obj(store_edit(call->tx, key_id)->spec, "aliases");
}

static int create_alias(struct call *call)
{
	const char *name = mc_json_str(call->in, "AliasName", "");
	const struct resource *key;

	if (check_name(call, name))
		return 1;
	if (target(call, name))
		return action_refuse(call, "AlreadyExistsException", "An alias with the name arn:aws:kms:%s:%s:%s already exists",
				     call->caller->region, call->caller->account, name);
	key = kms_key_named(call, "TargetKeyId", false, KMS_CHANGED);
	if (!key)
		return 1;
	if (json_object_size(mc_json_obj(key->spec, "aliases")) >= PER_KEY_MAX)
		return action_refuse(call, "LimitExceededException", "A key can have at most %d aliases", PER_KEY_MAX);
	kms_alias_set(store_edit(call->tx, key->id), name);
	return 0;
}

static int update_alias(struct call *call)
{
	const char *name = mc_json_str(call->in, "AliasName", "");
	const struct resource *old = check_name(call, name) ? NULL : target(call, name), *key;
	mc_auto_json json_t *dates = NULL;

	if (!old)
		return call->error ? 1 : unknown_alias(call, name);
	key = kms_key_named(call, "TargetKeyId", false, KMS_CHANGED);
	if (!key)
		return 1;
	dates = json_deep_copy(json_object_get(mc_json_obj(old->spec, "aliases"), name));
	json_object_set_new(dates, "updated", json_integer(mc_clock_wall()));
	json_object_del(aliases_of(call, old->id), name);
	json_object_set(aliases_of(call, key->id), name, dates);
	return 0;
}

static int delete_alias(struct call *call)
{
	const char *name = mc_json_str(call->in, "AliasName", "");
	const struct resource *key = check_name(call, name) ? NULL : target(call, name);

	if (!key)
		return call->error ? 1 : unknown_alias(call, name);
	json_object_del(aliases_of(call, key->id), name);
	return 0;
}

static void list_of(json_t *list, const struct resource *key)
{
	const char *name;
	json_t *dates;

	json_object_foreach(mc_json_obj(key->spec, "aliases"), name, dates)
		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:f, s:f}", "AliasName", name, "AliasArn",
			json_sprintf("arn:aws:kms:%s:%s:%s", key->region, key->account, name), "TargetKeyId", kms_key_id(key),
			"CreationDate", (double)(mc_json_int(dates, "created", 0) / MC_MS) / 1000, "LastUpdatedDate",
			(double)(mc_json_int(dates, "updated", 0) / MC_MS) / 1000));
}

/* The name of EBS's key is there before the key is. */
static int list_aliases(struct call *call)
{
	const struct caller *c = call->caller;
	const struct resource *key = NULL;
	struct store_iter it = store_iter(call->tx, KIND_KMS_KEY, c->account, c->region);
	mc_auto_json json_t *list = json_array();

	if (action_text(call, "KeyId")) {
		key = kms_key_named(call, "KeyId", false, KMS_ANY);
		if (!key)
			return 1;
		list_of(list, key);
		return kms_answer_page(call, "Aliases", list, 50);
	}
	if (!target(call, KMS_ALIAS_EBS))
		json_array_append_new(list, json_pack("{s:s, s:o}", "AliasName", KMS_ALIAS_EBS, "AliasArn",
						      json_sprintf("arn:aws:kms:%s:%s:" KMS_ALIAS_EBS, c->region, c->account)));
	while ((key = store_next(&it)))
		list_of(list, key);
	return kms_answer_page(call, "Aliases", list, 50);
}

const struct action actions_kms_alias[] = {
	{ .service = "kms", .name = "CreateAlias", .fn = create_alias, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "UpdateAlias", .fn = update_alias, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "DeleteAlias", .fn = delete_alias, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "ListAliases", .fn = list_aliases },
	{ 0 },
};
