#include "api/sharing.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"

bool sharing_account(const char *text)
{
	return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

json_t *sharing_view(const struct resource *r, bool all)
{
	json_t *list = json_array(), *user;
	size_t i;

	if (all)
		json_array_append_new(list, json_pack("{s:s}", "Group", "all"));
	json_array_foreach(mc_json_arr(r->spec, "users"), i, user)
		json_array_append_new(list, json_pack("{s:O}", "UserId", user));
	return list;
}

static void set_user(struct resource *r, const char *user, bool add)
{
	json_t *users = mc_json_arr(r->spec, "users");

	if (!users) {
		users = json_array();
		json_object_set_new(r->spec, "users", users);
	}
	for (size_t i = json_array_size(users); i-- > 0;)
		if (strcmp(mc_json_at(users, i), user) == 0)
			json_array_remove(users, i);
	if (add)
		json_array_append_new(users, json_string(user));
}

static int bad_item(struct call *call, const char *value, const char *type)
{
	return action_refuse(call, "InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for %s item type.", value, type);
}

static int change(struct call *call, struct resource *r, const struct sharing *s, const char *group, const char *user, bool add)
{
	if (!group && !user)
		return action_fail(call, API_MISSING, "No attributes specified.");
	if (group && strcmp(group, "all") != 0)
		return bad_item(call, group, "group");
	if (user && !sharing_account(user))
		return bad_item(call, user, "userId");
	if (group && s->all(call, r, add))
		return 1;
	if (user)
		set_user(r, user, add);
	return 0;
}

static int change_items(struct call *call, struct resource *r, const struct sharing *s, const json_t *items, bool add)
{
	static const char *const elsewhere[] = { "OrganizationArn", "OrganizationalUnitArn" };
	json_t *item;
	size_t i;

	json_array_foreach(items, i, item) {
		for (size_t k = 0; k < MC_ARRAY_SIZE(elsewhere); k++)
			if (json_object_get(item, elsewhere[k]))
				return action_fail(call, API_UNSUPPORTED, "There are no organizations here.");
		if (change(call, r, s, mc_json_str(item, "Group", NULL), mc_json_str(item, "UserId", NULL), add))
			return 1;
	}
	return 0;
}

static int change_named(struct call *call, struct resource *r, const struct sharing *s)
{
	bool add = strcmp(mc_json_str(call->in, "OperationType", ""), "add") == 0;
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, s->groups), i, one)
		if (change(call, r, s, json_string_value(one), NULL, add))
			return 1;
	json_array_foreach(mc_json_arr(call->in, "UserIds"), i, one)
		if (change(call, r, s, NULL, json_string_value(one), add))
			return 1;
	return 0;
}

int sharing_change(struct call *call, struct resource *r, const json_t *permission, const struct sharing *s)
{
	return change_items(call, r, s, mc_json_arr(permission, "Add"), true) ||
	       change_items(call, r, s, mc_json_arr(permission, "Remove"), false) || change_named(call, r, s);
}
