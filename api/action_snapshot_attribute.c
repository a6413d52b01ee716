/* Who may use a snapshot: createVolumePermission. */
#include <string.h>

#include "api/snapshot.h"
#include "common/cleanup.h"
#include "common/json.h"

#define PERMISSION "createVolumePermission"

static const char *given(const struct call *call, const char *key)
{
	const char *text = mc_json_str(call->in, key, NULL);

	return text && *text ? text : NULL;
}

static json_t *permissions_view(const struct resource *r)
{
	json_t *list = json_array(), *user;
	size_t i;

	if (mc_json_bool(r->spec, "public", false))
		json_array_append_new(list, json_pack("{s:s}", "Group", "all"));
	json_array_foreach(mc_json_arr(r->spec, "users"), i, user)
		json_array_append_new(list, json_pack("{s:O}", "UserId", user));
	return list;
}

static int describe_attribute(struct call *call)
{
	const struct resource *r = snapshot_own(call, given(call, "SnapshotId"));

	if (!r)
		return 1;
	call->out = json_pack("{s:s}", "SnapshotId", r->id);
	if (strcmp(mc_json_str(call->in, "Attribute", ""), PERMISSION) == 0)
		json_object_set_new(call->out, "CreateVolumePermissions", permissions_view(r));
	else
		json_object_set_new(call->out, "ProductCodes", json_array());
	return 0;
}

/* --- changing --------------------------------------------------------------- */

static bool account_number(const char *text)
{
	return strlen(text) == 12 && strspn(text, "0123456789") == 12;
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

static int change(struct call *call, struct resource *r, const char *group, const char *user, bool add)
{
	if (group && strcmp(group, "all") != 0)
		return action_refuse(call, "InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for group item type.",
				     group);
	if (user && !account_number(user))
		return action_refuse(call, "InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for userId item type.",
				     user);
	if (group && add && mc_json_bool(r->doc, "Encrypted", false))
		return action_refuse(call, "OperationNotPermitted", "Encrypted snapshots cannot be made public.");
	if (group)
		json_object_set_new(r->spec, "public", json_boolean(add));
	if (user)
		set_user(r, user, add);
	return 0;
}

static int change_items(struct call *call, struct resource *r, const json_t *items, bool add)
{
	json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
		if (change(call, r, mc_json_str(item, "Group", NULL), mc_json_str(item, "UserId", NULL), add))
			return 1;
	return 0;
}

/* The older form: OperationType with GroupNames and UserIds. */
static int change_named(struct call *call, struct resource *r)
{
	bool add = strcmp(mc_json_str(call->in, "OperationType", ""), "add") == 0;
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "GroupNames"), i, one)
		if (change(call, r, json_string_value(one), NULL, add))
			return 1;
	json_array_foreach(mc_json_arr(call->in, "UserIds"), i, one)
		if (change(call, r, NULL, json_string_value(one), add))
			return 1;
	return 0;
}

static int modify_attribute(struct call *call)
{
	const struct resource *r = snapshot_own(call, given(call, "SnapshotId"));
	const json_t *permission = mc_json_obj(call->in, "CreateVolumePermission");
	const char *attribute = given(call, "Attribute");
	struct resource *edited;

	if (!r)
		return 1;
	if (attribute && strcmp(attribute, PERMISSION) != 0)
		return action_refuse(call, "InvalidParameterValue", "The attribute %s cannot be modified", attribute);
	if (!permission && !given(call, "OperationType"))
		return action_fail(call, API_MISSING, "No attributes specified.");
	edited = store_edit(call->tx, r->id);
	return change_items(call, edited, mc_json_arr(permission, "Add"), true) ||
	       change_items(call, edited, mc_json_arr(permission, "Remove"), false) || change_named(call, edited);
}

static int reset_attribute(struct call *call)
{
	const struct resource *r = snapshot_own(call, given(call, "SnapshotId"));
	struct resource *edited;

	if (!r)
		return 1;
	if (strcmp(mc_json_str(call->in, "Attribute", ""), PERMISSION) != 0)
		return action_refuse(call, "InvalidParameterValue", "The attribute %s cannot be reset",
				     mc_json_str(call->in, "Attribute", ""));
	edited = store_edit(call->tx, r->id);
	json_object_del(edited->spec, "users");
	json_object_del(edited->spec, "public");
	return 0;
}

const struct action actions_snapshot_attribute[] = {
	{ .service = "ec2", .name = "DescribeSnapshotAttribute", .fn = describe_attribute },
	{ .service = "ec2", .name = "ModifySnapshotAttribute", .fn = modify_attribute, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ResetSnapshotAttribute", .fn = reset_attribute, .flags = ACTION_WRITE },
	{ 0 },
};
