/* Who may use a snapshot: createVolumePermission. */
#include <string.h>

#include "api/lifecycle_event.h"
#include "api/public_access.h"
#include "api/sharing.h"
#include "api/snapshot.h"
#include "common/cleanup.h"
#include "common/json.h"

#define PERMISSION "createVolumePermission"

static int describe_attribute(struct call *call)
{
	const struct resource *r = snapshot_own(call, action_text(call, "SnapshotId"));

	if (!r)
		return 1;
	call->out = json_pack("{s:s}", "SnapshotId", r->id);
	if (strcmp(mc_json_str(call->in, "Attribute", ""), PERMISSION) == 0)
		json_object_set_new(call->out, "CreateVolumePermissions", sharing_view(r, mc_json_bool(r->spec, "public", false)));
	else
		json_object_set_new(call->out, "ProductCodes", json_array());
	return 0;
}

/* --- changing --------------------------------------------------------------- */

static int share_with_all(struct call *call, struct resource *r, bool add)
{
	if (add && mc_json_bool(r->doc, "Encrypted", false))
		return action_refuse(call, "OperationNotPermitted", "Encrypted snapshots cannot be made public.");
	if (add && public_access_check_snapshot(call))
		return 1;
	json_object_set_new(r->spec, "public", json_boolean(add));
	return 0;
}

/* Those that may use it now and did not before are an event for policies of theirs. */
static int change(struct call *call, struct resource *r, const json_t *permission, const struct sharing *sharing)
{
	mc_auto_json json_t *before = json_deep_copy(mc_json_arr(r->spec, "users"));
	mc_auto_json json_t *added = json_array();
	json_t *user;
	size_t i;

	if (sharing_change(call, r, permission, sharing))
		return 1;
	json_array_foreach(mc_json_arr(r->spec, "users"), i, user)
		if (!mc_json_has_str(before, json_string_value(user)))
			json_array_append(added, user);
	lifecycle_event_shared(call->tx, r, added);
	return 0;
}

static int modify_attribute(struct call *call)
{
	static const struct sharing sharing = { .groups = "GroupNames", .all = share_with_all };
	const struct resource *r = snapshot_own(call, action_text(call, "SnapshotId"));
	const json_t *permission = mc_json_obj(call->in, "CreateVolumePermission");
	const char *attribute = action_text(call, "Attribute");

	if (!r)
		return 1;
	if (attribute && strcmp(attribute, PERMISSION) != 0)
		return action_refuse(call, "InvalidParameterValue", "The attribute %s cannot be modified", attribute);
	if (!permission && !action_text(call, "OperationType"))
		return action_fail(call, API_MISSING, "No attributes specified.");
	return change(call, store_edit(call->tx, r->id), permission, &sharing);
}

static int reset_attribute(struct call *call)
{
	const struct resource *r = snapshot_own(call, action_text(call, "SnapshotId"));
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
