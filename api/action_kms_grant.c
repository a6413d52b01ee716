/* KMS: grants. As key policies they are kept and shown, and not evaluated: the account may do everything.
 * A key's spec.grants is {id: {token, name?, created, grantee, retiring?, operations, constraints?}}. */
#include <string.h>

#include "api/kms.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define GRANTS_MAX 1000 /* of a key; they are in its row */
#define RANDOM_BYTES 32

static json_t *grants_of(struct resource *key)
{
	json_t *grants = mc_json_obj(key->spec, "grants");

	if (!grants) {
		grants = json_object();
		json_object_set_new(key->spec, "grants", grants);
	}
	return grants;
}

/* --- making --------------------------------------------------------------------------------- */

/* What was asked for, as it is kept. */
static json_t *read_grant(const struct call *call)
{
	static const char *const members[] = { "Name", "GranteePrincipal", "RetiringPrincipal", "Operations", "Constraints" };
	json_t *grant = json_object();

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (json_object_get(call->in, members[i]))
			json_object_set(grant, members[i], json_object_get(call->in, members[i]));
	return grant;
}

/* One of this name with the same in it is meant again (CreateGrant). */
static const char *find_same(const json_t *grants, const json_t *wanted)
{
	const char *id;
	json_t *grant;

	if (!json_object_get(wanted, "Name"))
		return NULL;
	json_object_foreach((json_t *)grants, id, grant)
		if (json_equal(mc_json_obj(grant, "asked"), wanted))
			return id;
	return NULL;
}

static int answer(struct call *call, const json_t *grants, const char *id)
{
	call->out = json_pack("{s:s, s:O}", "GrantId", id, "GrantToken", json_object_get(mc_json_obj(grants, id), "token"));
	return 0;
}

static int create_grant(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_CHANGED);
	mc_auto_json json_t *wanted = read_grant(call);
	char id[2 * RANDOM_BYTES + 1], token[2 * RANDOM_BYTES + 1];
	json_t *grants;

	if (!key || kms_check_dry_run(call))
		return 1;
	grants = grants_of(store_edit(call->tx, key->id));
	if (find_same(grants, wanted))
		return answer(call, grants, find_same(grants, wanted));
	if (json_object_size(grants) >= GRANTS_MAX)
		return action_refuse(call, "LimitExceededException", "A key can have at most %d grants", GRANTS_MAX);
	mc_random_hex(RANDOM_BYTES, id);
	mc_random_hex(RANDOM_BYTES, token);
	json_object_set_new(grants, id, json_pack("{s:O, s:s, s:I}", "asked", wanted, "token", token, "created",
						  (json_int_t)mc_clock_wall()));
	return answer(call, grants, id);
}

/* --- showing ---------------------------------------------------------------------------------- */

static json_t *grant_view(const struct resource *key, const char *id, const json_t *grant)
{
	json_t *v = json_copy(mc_json_obj(grant, "asked"));
	mc_autofree char *arn = kms_key_arn(key);

	json_object_update_new(v, json_pack("{s:s, s:s, s:f, s:o}", "KeyId", arn, "GrantId", id, "CreationDate",
					    (double)(mc_json_int(grant, "created", 0) / MC_MS) / 1000, "IssuingAccount",
					    json_sprintf("arn:aws:iam::%s:root", key->account)));
	return v;
}

/* Those of a key that have these: NULL for any. */
static void list_of(json_t *list, const struct resource *key, const char *id, const char *member, const char *principal)
{
	const char *name;
	json_t *grant;

	json_object_foreach(mc_json_obj(key->spec, "grants"), name, grant)
		if ((!id || strcmp(id, name) == 0) &&
		    (!principal || strcmp(principal, mc_json_str(mc_json_obj(grant, "asked"), member, "")) == 0))
			json_array_append_new(list, grant_view(key, name, grant));
}

static int list_grants(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_ANY);
	mc_auto_json json_t *list = json_array();

	if (!key)
		return 1;
	list_of(list, key, action_text(call, "GrantId"), "GranteePrincipal", action_text(call, "GranteePrincipal"));
	return kms_answer_page(call, "Grants", list, 50);
}

static int list_retirable_grants(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_KMS_KEY, call->caller->account, call->caller->region);
	mc_auto_json json_t *list = json_array();
	const struct resource *key;

	while ((key = store_next(&it)))
		list_of(list, key, NULL, "RetiringPrincipal", mc_json_str(call->in, "RetiringPrincipal", ""));
	return kms_answer_page(call, "Grants", list, 50);
}

/* --- ending ------------------------------------------------------------------------------------ */

static int end(struct call *call, const struct resource *key, const char *id)
{
	mc_autofree char *arn = kms_key_arn(key);

	if (!mc_json_obj(mc_json_obj(key->spec, "grants"), id))
		return action_refuse(call, "NotFoundException", "Grant ID %s not found for key %s", id, arn);
	if (kms_check_dry_run(call))
		return 1;
	json_object_del(grants_of(store_edit(call->tx, key->id)), id);
	return 0;
}

static int revoke_grant(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_ANY);

	return key ? end(call, key, mc_json_str(call->in, "GrantId", "")) : 1;
}

static int retire_by_token(struct call *call, const char *token)
{
	struct store_iter it = store_iter(call->tx, KIND_KMS_KEY, call->caller->account, call->caller->region);
	const struct resource *key;
	const char *id;
	json_t *grant;

	while ((key = store_next(&it)))
		json_object_foreach(mc_json_obj(key->spec, "grants"), id, grant)
			if (strcmp(mc_json_str(grant, "token", ""), token) == 0)
				return end(call, key, id);
	return action_refuse(call, "InvalidGrantTokenException", "The grant token is not valid");
}

static int retire_grant(struct call *call)
{
	const char *token = action_text(call, "GrantToken"), *id = action_text(call, "GrantId");
	const struct resource *key;

	if (token)
		return retire_by_token(call, token);
	if (!id || !action_text(call, "KeyId"))
		return action_refuse(call, "ValidationException", "Either a grant token, or a key and a grant ID must be specified");
	key = kms_key_named(call, "KeyId", false, KMS_ANY);
	return key ? end(call, key, id) : 1;
}

const struct action actions_kms_grant[] = {
	{ .service = "kms", .name = "CreateGrant", .fn = create_grant, .flags = ACTION_WRITE | ACTION_DRY_RUN },
	{ .service = "kms", .name = "ListGrants", .fn = list_grants },
	{ .service = "kms", .name = "ListRetirableGrants", .fn = list_retirable_grants },
	{ .service = "kms", .name = "RetireGrant", .fn = retire_grant, .flags = ACTION_WRITE | ACTION_DRY_RUN },
	{ .service = "kms", .name = "RevokeGrant", .fn = revoke_grant, .flags = ACTION_WRITE | ACTION_DRY_RUN },
	{ 0 },
};
