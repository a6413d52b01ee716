/* DescribeImages, DeregisterImage, and what switches an image off and on. */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/image.h"
#include "api/sharing.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

/* --- DescribeImages --------------------------------------------------------- */

static const struct filter image_filters[] = {
	{ "architecture", "Architecture" },
	{ "block-device-mapping.delete-on-termination", "BlockDeviceMappings.Ebs.DeleteOnTermination" },
	{ "block-device-mapping.device-name", "BlockDeviceMappings.DeviceName" },
	{ "block-device-mapping.encrypted", "BlockDeviceMappings.Ebs.Encrypted" },
	{ "block-device-mapping.snapshot-id", "BlockDeviceMappings.Ebs.SnapshotId" },
	{ "block-device-mapping.volume-size", "BlockDeviceMappings.Ebs.VolumeSize" },
	{ "block-device-mapping.iops", "BlockDeviceMappings.Ebs.Iops" },
	{ "block-device-mapping.throughput", "BlockDeviceMappings.Ebs.Throughput" },
	{ "block-device-mapping.virtual-name", "BlockDeviceMappings.VirtualName" },
	{ "block-device-mapping.volume-type", "BlockDeviceMappings.Ebs.VolumeType" },
	{ "boot-mode", "BootMode" },
	{ "creation-date", "CreationDate" },
	{ "deprecation-time", "DeprecationTime" },
	{ "deregistration-protection", "DeregistrationProtection" },
	{ "description", "Description" },
	{ "ena-support", "EnaSupport" },
	{ "free-tier-eligible", "FreeTierEligible" },
	{ "hypervisor", "Hypervisor" },
	{ "image-allowed", "ImageAllowed" },
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

/* Each is self, an alias or an account: 0 or action_fail. */
static int check_users(struct call *call, const char *member, const char *const *words)
{
	size_t i, w;
	json_t *user;

	json_array_foreach(mc_json_arr(call->in, member), i, user) {
		const char *text = json_is_string(user) ? json_string_value(user) : "";

		for (w = 0; words[w] && strcmp(words[w], text) != 0; w++)
			;
		if (!words[w] && !sharing_account(text))
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

/* "all" means public ones, "self" and an account what that account was let launch by name. */
static bool executable(struct call *call, const struct resource *r)
{
	const json_t *users = mc_json_arr(call->in, "ExecutableUsers"), *allowed = mc_json_arr(r->spec, "users"), *user;
	size_t i;

	json_array_foreach(users, i, user) {
		const char *text = json_is_string(user) ? json_string_value(user) : "";

		if (strcmp(text, "all") == 0 ? mc_json_bool(r->doc, "Public", false)
					     : mc_json_has_str(allowed, strcmp(text, "self") == 0 ? call->caller->account : text))
			return true;
	}
	return json_array_size(users) == 0;
}

static bool visible(struct call *call, const struct resource *r)
{
	return strcmp(r->region, call->caller->region) == 0 && image_allowed(r, call->caller->account) && image_shown(r);
}

/* Others see a deprecated one only when they ask for such. */
static bool deprecated(struct call *call, const struct resource *r)
{
	int64_t at;

	return strcmp(r->account, call->caller->account) != 0 &&
	       mc_clock_parse(mc_json_str(r->doc, "DeprecationTime", ""), &at) == 0 && at <= mc_clock_wall() &&
	       !mc_json_bool(call->in, "IncludeDeprecated", false);
}

static json_t *asked_view(struct call *call, const struct resource *r)
{
	if (!owner_asked(call, r) || !executable(call, r) || deprecated(call, r))
		return NULL;
	if (r->state == IMAGE_DISABLED && !mc_json_bool(call->in, "IncludeDisabled", false))
		return NULL;
	return image_view(call, r);
}

static int describe_images(struct call *call)
{
	static const char *const owners[] = { "self", "amazon", "aws-marketplace", "aws-backup-vault", NULL };
	static const char *const users[] = { "self", "all", NULL };
	static const struct describe d = {
		.kind = KIND_IMAGE, .list = "Images", .ids = "ImageIds", .filters = image_filters, .view = asked_view, .visible = visible,
		.page_min = 1, .page_max = 1000, .ids_with_page_refused = true,
	};

	if (check_users(call, "Owners", owners) || check_users(call, "ExecutableUsers", users))
		return 1;
	return describe_run(call, &d);
}

/* --- DeregisterImage -------------------------------------------------------- */

struct removal {
	struct call *call;
	const struct resource *image;
	json_t *results;
};

static void remove_snapshot(void *ctx, const char *id)
{
	struct removal *d = ctx;
	const struct resource *r = store_find(d->call->tx, KIND_SNAPSHOT, NULL, NULL, id);
	const char *code = "success";

	if (!r || !snapshot_shown(d->call, r))
		code = "client-error";
	else if (strcmp(r->account, d->call->caller->account) != 0)
		code = "missing-permissions";
	else if (image_of_snapshot(d->call->tx, id, d->image))
		code = "skipped";
	else
		snapshot_remove(d->call->api, d->call->tx, r);
	json_array_append_new(d->results, json_pack("{s:s, s:s}", "SnapshotId", id, "ReturnCode", code));
}

static int deregister_image(struct call *call)
{
	const struct resource *r = image_own(call, action_text(call, "ImageId"));
	struct removal removal = { .call = call, .image = r };

	if (!r)
		return 1;
	if (strncmp(mc_json_str(r->doc, "DeregistrationProtection", "disabled"), "enabled", strlen("enabled")) == 0)
		return action_fail(call, API_NOT_PERMITTED, "The AMI is protected from deregistration. Disable deregistration protection "
				   "for the AMI and try again.");
	removal.results = json_array();
	call->out = json_pack("{s:b, s:o}", "Return", 1, "DeleteSnapshotResults", removal.results);
	if (mc_json_bool(call->in, "DeleteAssociatedSnapshots", false))
		image_snapshots(r, remove_snapshot, &removal);
	image_remove(call->api, call->tx, r);
	return 0;
}

/* --- EnableImage, DisableImage ---------------------------------------------- */

static int answer(struct call *call, json_t *value)
{
	call->out = json_pack("{s:o}", "Return", value);
	return 0;
}

/* The caller's own, to be changed: NULL after action_fail. */
static struct resource *edited(struct call *call)
{
	const struct resource *r = image_own(call, action_text(call, "ImageId"));

	return r ? store_edit(call->tx, r->id) : NULL;
}

static int enable_image(struct call *call)
{
	struct resource *r = edited(call);

	if (!r)
		return 1;
	if (r->state != IMAGE_DISABLED && r->state != IMAGE_AVAILABLE)
		return action_fail(call, API_AMI_UNAVAILABLE, r->id);
	state_set(call->tx, r, IMAGE_AVAILABLE);
	return answer(call, json_true());
}

/* Nobody it was shared with has it any more (EC2 User Guide, "Disable an AMI"). */
static int disable_image(struct call *call)
{
	struct resource *r = edited(call);

	if (!r)
		return 1;
	if (r->state != IMAGE_DISABLED && r->state != IMAGE_AVAILABLE)
		return action_fail(call, API_AMI_UNAVAILABLE, r->id);
	json_object_del(r->spec, "users");
	json_object_set_new(r->doc, "Public", json_false());
	state_set(call->tx, r, IMAGE_DISABLED);
	return answer(call, json_true());
}

/* --- deprecation and protection --------------------------------------------- */

#define MINUTE (60 * MC_SECOND)
#define TEN_YEARS (3653LL * 86400 * MC_SECOND)

static int enable_deprecation(struct call *call)
{
	struct resource *r = edited(call);
	int64_t now = mc_clock_wall(), at = 0;
	char text[MC_ISO8601_LEN];

	if (!r)
		return 1;
	if (mc_clock_parse(mc_json_str(call->in, "DeprecateAt", ""), &at) < 0 || at <= now)
		return action_invalid(call, "The deprecation time must be in the future.");
	if (at - now > TEN_YEARS)
		return action_invalid(call, "The deprecation time must be within ten years.");
	mc_clock_iso8601((at + MINUTE / 2) / MINUTE * MINUTE, text); /* AWS rounds to the minute */
	json_object_set_new(r->doc, "DeprecationTime", json_string(text));
	return answer(call, json_true());
}

static int disable_deprecation(struct call *call)
{
	struct resource *r = edited(call);

	if (!r)
		return 1;
	json_object_del(r->doc, "DeprecationTime");
	return answer(call, json_true());
}

static int enable_protection(struct call *call)
{
	struct resource *r = edited(call);

	if (!r)
		return 1;
	json_object_set_new(r->doc, "DeregistrationProtection",
			    json_string(mc_json_bool(call->in, "WithCooldown", false) ? "enabled-with-cooldown" : "enabled-without-cooldown"));
	return answer(call, json_string("true"));
}

static int disable_protection(struct call *call)
{
	struct resource *r = edited(call);

	if (!r)
		return 1;
	json_object_set_new(r->doc, "DeregistrationProtection", json_string("disabled"));
	return answer(call, json_string("true"));
}

const struct action actions_image[] = {
	{ .service = "ec2", .name = "DescribeImages", .fn = describe_images },
	{ .service = "ec2", .name = "DeregisterImage", .fn = deregister_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "EnableImage", .fn = enable_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisableImage", .fn = disable_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "EnableImageDeprecation", .fn = enable_deprecation, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisableImageDeprecation", .fn = disable_deprecation, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "EnableImageDeregistrationProtection", .fn = enable_protection, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisableImageDeregistrationProtection", .fn = disable_protection, .flags = ACTION_WRITE },
	{ 0 },
};
