/* What is said of an image beside its devices: launch permissions, description. */
#include <string.h>

#include "api/image.h"
#include "api/public_access.h"
#include "api/sharing.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/json.h"

#define PERMISSION "launchPermission"
#define DESCRIPTION_MAX 255

/* --- describing ------------------------------------------------------------- */

/* Those that are a value of the image: the attribute, and the member of both the answer and the image. */
static const struct value {
	const char *attribute, *member;
} values[] = {
	{ "description", "Description" }, { "kernel", "KernelId" }, { "ramdisk", "RamdiskId" },
	{ "sriovNetSupport", "SriovNetSupport" }, { "bootMode", "BootMode" }, { "tpmSupport", "TpmSupport" },
	{ "uefiData", "UefiData" }, { "lastLaunchedTime", "LastLaunchedTime" }, { "imdsSupport", "ImdsSupport" },
	{ "deregistrationProtection", "DeregistrationProtection" },
};

static void add_value(json_t *out, const struct resource *r, const struct value *v)
{
	json_t *text = json_object_get(r->doc, v->member);

	if (text)
		json_object_set_new(out, v->member, json_pack("{s:O}", "Value", text));
	else
		json_object_set_new(out, v->member, json_object());
}

static int describe_attribute(struct call *call)
{
	const struct resource *r = image_own(call, action_text(call, "ImageId"));
	const char *name = mc_json_str(call->in, "Attribute", "");

	if (!r)
		return 1;
	call->out = json_pack("{s:s}", "ImageId", r->id);
	if (strcmp(name, PERMISSION) == 0)
		json_object_set_new(call->out, "LaunchPermissions", sharing_view(r, mc_json_bool(r->doc, "Public", false)));
	else if (strcmp(name, "blockDeviceMapping") == 0)
		json_object_set(call->out, "BlockDeviceMappings", json_object_get(r->doc, "BlockDeviceMappings"));
	else if (strcmp(name, "productCodes") == 0)
		json_object_set_new(call->out, "ProductCodes", json_array());
	for (size_t i = 0; i < MC_ARRAY_SIZE(values); i++)
		if (strcmp(name, values[i].attribute) == 0)
			add_value(call->out, r, &values[i]);
	return 0;
}

/* --- changing --------------------------------------------------------------- */

static bool encrypted(const struct resource *r)
{
	json_t *m;
	size_t i;

	json_array_foreach(mc_json_arr(r->doc, "BlockDeviceMappings"), i, m)
		if (mc_json_bool(mc_json_obj(m, "Ebs"), "Encrypted", false))
			return true;
	return false;
}

static int share_with_all(struct call *call, struct resource *r, bool add)
{
	if (add && encrypted(r))
		return action_fail(call, API_NOT_PERMITTED, "AMIs with encrypted snapshots cannot be made public.");
	if (add && public_access_check_image(call))
		return 1;
	json_object_set_new(r->doc, "Public", json_boolean(add));
	return 0;
}

static int change_permission(struct call *call, struct resource *r)
{
	static const struct sharing sharing = { .groups = "UserGroups", .all = share_with_all };
	const json_t *permission = mc_json_obj(call->in, "LaunchPermission");

	if (!permission && !action_text(call, "OperationType"))
		return action_fail(call, API_MISSING, "No operationType specified for the launchPermission attribute.");
	if (r->state == IMAGE_DISABLED)
		return action_fail(call, API_AMI_UNAVAILABLE, r->id);
	return sharing_change(call, r, permission, &sharing);
}

static int change_description(struct call *call, struct resource *r, const char *text)
{
	if (!text)
		return action_fail(call, API_MISSING, "No value specified for the description attribute.");
	if (strlen(text) > DESCRIPTION_MAX)
		return action_invalid(call, "Description exceeds the maximum length of 255 characters");
	json_object_set_new(r->doc, "Description", json_string(text));
	return 0;
}

/* It is switched on for good (EC2 User Guide, "Configure the AMI" of instance metadata). */
static int change_imds(struct call *call, struct resource *r, const char *text)
{
	if (!text || strcmp(text, "v2.0") != 0)
		return action_invalid(call, "Value (%s) for parameter imdsSupport is invalid. The only valid value is v2.0.", text ? text : "");
	json_object_set_new(r->doc, "ImdsSupport", json_string(text));
	return 0;
}

/* Which attribute is meant, said or by what comes with the request. NULL: none is. */
static const char *attribute_of(const struct call *call)
{
	const char *name = action_text(call, "Attribute");

	if (name)
		return name;
	if (mc_json_obj(call->in, "LaunchPermission") || action_text(call, "OperationType"))
		return PERMISSION;
	if (mc_json_obj(call->in, "Description"))
		return "description";
	return mc_json_obj(call->in, "ImdsSupport") ? "imdsSupport" : NULL;
}

static int modify_attribute(struct call *call)
{
	static const char *const elsewhere[] = { "OrganizationArns", "OrganizationalUnitArns", "ProductCodes", NULL };
	const struct resource *r = image_own(call, action_text(call, "ImageId"));
	const char *name = attribute_of(call);

	if (!r)
		return 1;
	if (action_refuse_members(call, elsewhere, "Neither organizations nor product codes are supported here."))
		return 1;
	if (!name)
		return action_fail(call, API_MISSING, "No attributes specified.");
	if (strcmp(name, PERMISSION) == 0)
		return change_permission(call, store_edit(call->tx, r->id));
	if (strcmp(name, "description") == 0)
		return change_description(call, store_edit(call->tx, r->id),
					  mc_json_str(mc_json_obj(call->in, "Description"), "Value", mc_json_str(call->in, "Value", NULL)));
	if (strcmp(name, "imdsSupport") == 0)
		return change_imds(call, store_edit(call->tx, r->id),
				   mc_json_str(mc_json_obj(call->in, "ImdsSupport"), "Value", mc_json_str(call->in, "Value", NULL)));
	return action_invalid(call, "The attribute %s cannot be modified", name);
}

static int reset_attribute(struct call *call)
{
	const struct resource *r = image_own(call, action_text(call, "ImageId"));
	struct resource *edited;

	if (!r)
		return 1;
	edited = store_edit(call->tx, r->id);
	json_object_del(edited->spec, "users");
	json_object_set_new(edited->doc, "Public", json_false());
	return 0;
}

const struct action actions_image_attribute[] = {
	{ .service = "ec2", .name = "DescribeImageAttribute", .fn = describe_attribute },
	{ .service = "ec2", .name = "ModifyImageAttribute", .fn = modify_attribute, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ResetImageAttribute", .fn = reset_attribute, .flags = ACTION_WRITE },
	{ 0 },
};
