#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/state.h"
#include "api/view.h"
#include "common/json.h"

static const struct filter image_filters[] = {
	{ "architecture", "Architecture" },
	{ "block-device-mapping.delete-on-termination", "BlockDeviceMappings.Ebs.DeleteOnTermination" },
	{ "block-device-mapping.device-name", "BlockDeviceMappings.DeviceName" },
	{ "block-device-mapping.encrypted", "BlockDeviceMappings.Ebs.Encrypted" },
	{ "block-device-mapping.snapshot-id", "BlockDeviceMappings.Ebs.SnapshotId" },
	{ "block-device-mapping.volume-size", "BlockDeviceMappings.Ebs.VolumeSize" },
	{ "block-device-mapping.volume-type", "BlockDeviceMappings.Ebs.VolumeType" },
	{ "boot-mode", "BootMode" },
	{ "creation-date", "CreationDate" },
	{ "description", "Description" },
	{ "ena-support", "EnaSupport" },
	{ "hypervisor", "Hypervisor" },
	{ "image-id", "ImageId" },
	{ "image-type", "ImageType" },
	{ "imds-support", "ImdsSupport" },
	{ "is-public", "Public" },
	{ "kernel-id", "KernelId" },
	{ "manifest-location", "ImageLocation" },
	{ "name", "Name" },
	{ "owner-alias", "ImageOwnerAlias" },
	{ "owner-id", "OwnerId" },
	{ "platform", "Platform" },
	{ "platform-details", "PlatformDetails" },
	{ "product-code", "ProductCodes.ProductCodeId" },
	{ "product-code.type", "ProductCodes.ProductCodeType" },
	{ "ramdisk-id", "RamdiskId" },
	{ "root-device-name", "RootDeviceName" },
	{ "root-device-type", "RootDeviceType" },
	{ "source-image-id", "SourceImageId" },
	{ "source-image-region", "SourceImageRegion" },
	{ "source-instance-id", "SourceInstanceId" },
	{ "sriov-net-support", "SriovNetSupport" },
	{ "state", "State" },
	{ "state-reason-code", "StateReason.Code" },
	{ "state-reason-message", "StateReason.Message" },
	{ "tpm-support", "TpmSupport" },
	{ "usage-operation", "UsageOperation" },
	{ "virtualization-type", "VirtualizationType" },
	{ 0 },
};

static bool account_number(const char *text)
{
	return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

/* Each is self, an alias or an account: 0 or action_fail. */
static int check_users(struct call *call, const char *member, const char *const *words)
{
	size_t i, w;
	json_t *user;

	json_array_foreach(mc_json_arr(call->in, member), i, user) {
		const char *text = json_is_string(user) ? json_string_value(user) : "";

		for (w = 0; words[w] && strcmp(words[w], text) != 0; w++)
			;
		if (!words[w] && !account_number(text))
			return action_fail(call, API_USER_ID, text);
	}
	return 0;
}

static bool owner_asked(struct call *call, const struct resource *r)
{
	const json_t *owners = mc_json_arr(call->in, "Owners");
	const char *alias = mc_json_str(r->doc, "ImageOwnerAlias", NULL);

	if (json_array_size(owners) == 0 || mc_json_has_str(owners, r->account) || (alias && mc_json_has_str(owners, alias)))
		return true;
	return mc_json_has_str(owners, "self") && strcmp(r->account, call->caller->account) == 0;
}

/* There are public launch permissions only, yet: "self" and accounts mean explicit ones. */
static bool executable(struct call *call, const struct resource *r)
{
	const json_t *users = mc_json_arr(call->in, "ExecutableUsers");

	return json_array_size(users) == 0 || (mc_json_has_str(users, "all") && mc_json_bool(r->doc, "Public", false));
}

static json_t *image_view(struct call *call, const struct resource *r)
{
	json_t *v;

	if (!owner_asked(call, r) || !executable(call, r) || r->state == IMAGE_DEREGISTERED)
		return NULL;
	if (!mc_json_bool(r->doc, "Public", false) && strcmp(r->account, call->caller->account) != 0)
		return NULL;
	v = view_new(r, "ImageId", "OwnerId");
	json_object_set_new(v, "State", json_string(state_name(r)));
	view_default(v, "ProductCodes", json_array());
	return v;
}

static int describe_images(struct call *call)
{
	static const char *const owners[] = { "self", "amazon", "aws-marketplace", "aws-backup-vault", NULL };
	static const char *const users[] = { "self", "all", NULL };
	static const struct describe d = {
		.kind = KIND_IMAGE, .list = "Images", .ids = "ImageIds", .filters = image_filters, .view = image_view,
		.page_min = 1, .page_max = 1000, .ids_with_page_refused = true,
	};

	if (check_users(call, "Owners", owners) || check_users(call, "ExecutableUsers", users))
		return 1;
	return describe_run(call, &d);
}

const struct action actions_image[] = {
	{ .service = "ec2", .name = "DescribeImages", .fn = describe_images },
	{ 0 },
};
