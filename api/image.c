#include "api/image.h"

#include <string.h>

#include "api/api.h"
#include "api/cloud_time.h"
#include "api/recycle_bin.h"
#include "api/state.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define LAUNCH_NOTED (3600 * MC_SECOND) /* LastLaunchedTime lags on AWS, too */

/* --- who may ---------------------------------------------------------------- */

bool image_offered(const struct resource *r)
{
	return mc_json_str(r->spec, "sha256", NULL) != NULL;
}

static bool owned(const struct resource *r, const char *account)
{
	return strcmp(r->account, account) == 0;
}

bool image_allowed(const struct resource *r, const char *account)
{
	if (owned(r, account))
		return true;
	return r->state != IMAGE_DISABLED &&
	       (mc_json_bool(r->doc, "Public", false) || mc_json_has_str(mc_json_arr(r->spec, "users"), account));
}

bool image_shown(const struct resource *r)
{
	return r->state != IMAGE_DEREGISTERED && r->state != IMAGE_RECOVERABLE;
}

const struct resource *image_find(struct call *call, const char *id)
{
	const struct kind_info *k = kind_info(KIND_IMAGE);
	const struct resource *r;

	if (!id || !mc_id_valid(k->prefix, id)) {
		action_malformed(call, KIND_IMAGE, id);
		return NULL;
	}
	r = store_find(call->tx, KIND_IMAGE, NULL, call->caller->region, id);
	if (r && image_allowed(r, call->caller->account) && image_shown(r))
		return r;
	action_refuse(call, k->not_found, "The image id '[%s]' does not exist", id);
	return NULL;
}

const struct resource *image_own(struct call *call, const char *id)
{
	const struct resource *r = image_find(call, id);

	if (r && owned(r, call->caller->account) && !image_offered(r))
		return r;
	if (r)
		action_refuse(call, "AuthFailure", "Not authorized for image:%s", id);
	return NULL;
}

const struct resource *image_available(struct call *call, const char *id)
{
	const struct resource *r = image_find(call, id);

	if (!r || r->state == IMAGE_AVAILABLE)
		return r;
	action_fail(call, API_AMI_UNAVAILABLE, id);
	return NULL;
}

/* --- names ------------------------------------------------------------------ */

static bool name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= IMAGE_NAME_MIN && n <= IMAGE_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789()[] ./-'@_") == n;
}

int image_check_name(struct call *call, const char *name)
{
	struct store_iter it = store_iter(call->tx, KIND_IMAGE, call->caller->account, call->caller->region);
	const struct resource *r;

	if (!name)
		return action_fail(call, API_MISSING_PARAMETER, "Name");
	if (!name_valid(name))
		return action_refuse(call, "InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may "
				     "contain letters, numbers, '(', ')', '.', '-', '/' and '_'");
	while ((r = store_next(&it)))
		if (image_shown(r) && r->state != IMAGE_FAILED && strcmp(mc_json_str(r->doc, "Name", ""), name) == 0)
			return action_refuse(call, "InvalidAMIName.Duplicate", "AMI name %s is already in use by AMI %s", name, r->id);
	return 0;
}

/* --- making and showing ----------------------------------------------------- */

struct resource *image_make(struct call *call, const struct image_shape *shape, json_t *mappings, int state)
{
	struct resource *r = store_insert(call->tx, KIND_IMAGE, call->caller->account, call->caller->region);
	mc_autofree char *location = mc_strf("%s/%s", call->caller->account, shape->name);
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, now);
	json_object_update_new(r->doc, json_pack("{s:s, s:s*, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s*, s:O}",
		"Name", shape->name, "Description", shape->description, "Architecture", shape->architecture, "RootDeviceName",
		shape->root_device, "CreationDate", now, "ImageLocation", location, "ImageType", "machine", "RootDeviceType", "ebs",
		"VirtualizationType", shape->virtualization, "Hypervisor", "xen", "EnaSupport", shape->ena, "Public", 0,
		"PlatformDetails", "Linux/UNIX", "UsageOperation", "RunInstances", "BootMode", shape->boot_mode,
		"BlockDeviceMappings", mappings));
	state_init(r, state);
	return r;
}

json_t *image_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "ImageId", "OwnerId");
	const char *reason = mc_json_str(r->spec, "state_reason", NULL);

	json_object_set_new(v, "State", json_string(state_name(r)));
	view_default(v, "ProductCodes", json_array());
	json_object_set_new(v, "ImageAllowed", json_true()); /* there are no criteria of allowed ones */
	if (reason)
		json_object_set_new(v, "StateReason", json_pack("{s:s%, s:s}", "Code", reason, strcspn(reason, ":"), "Message", reason));
	if (!owned(r, call->caller->account)) { /* they are the owner's alone */
		json_object_del(v, "Tags");
		json_object_del(v, "LastLaunchedTime");
		json_object_del(v, "SourceInstanceId");
	}
	return v;
}

/* --- snapshots -------------------------------------------------------------- */

void image_snapshots(const struct resource *r, void (*fn)(void *ctx, const char *snapshot), void *ctx)
{
	json_t *m;
	size_t i;

	json_array_foreach(mc_json_arr(r->doc, "BlockDeviceMappings"), i, m) {
		const char *id = mc_json_str(mc_json_obj(m, "Ebs"), "SnapshotId", NULL);

		if (id && *id)
			fn(ctx, id);
	}
}

struct search {
	const char *id;
	bool found;
};

static void compare(void *ctx, const char *snapshot)
{
	struct search *s = ctx;

	s->found |= strcmp(s->id, snapshot) == 0;
}

const struct resource *image_of_snapshot(struct store_tx *tx, const char *snapshot, const struct resource *except)
{
	struct store_iter it = store_iter(tx, KIND_IMAGE, NULL, NULL);
	const struct resource *r;

	while ((r = store_next(&it))) {
		struct search s = { .id = snapshot };

		if (!image_shown(r) || (except && strcmp(r->id, except->id) == 0))
			continue;
		image_snapshots(r, compare, &s);
		if (s.found)
			return r;
	}
	return NULL;
}

void image_remove(struct api *api, struct store_tx *tx, const struct resource *r)
{
	int64_t now = cloud_time(api), exit;

	if ((r->state == IMAGE_AVAILABLE || r->state == IMAGE_DISABLED) && recycle_bin_keeps(tx, r, now, &exit))
		recycle_bin_enter(tx, store_edit(tx, r->id), now, exit);
	else
		store_delete(tx, r->id);
}

/* --- launching -------------------------------------------------------------- */

static const json_t *type_list(struct call *call, const char *type, const char *member)
{
	const json_t *doc = mc_json_obj(json_object_get(call->api->types, type), "doc");
	const json_t *list = mc_json_arr(doc, member);

	return list ? list : mc_json_arr(mc_json_obj(doc, "ProcessorInfo"), member);
}

int image_check_type(struct call *call, const struct resource *image, const char *type)
{
	const json_t *architectures = type_list(call, type, "SupportedArchitectures");
	const char *architecture = mc_json_str(image->doc, "Architecture", "x86_64");
	const char *virtualization = mc_json_str(image->doc, "VirtualizationType", "hvm");
	const char *boot = mc_json_str(image->doc, "BootMode", "legacy-bios");

	if (!mc_json_has_str(architectures, architecture))
		return action_refuse(call, "InvalidParameterValue", "The architecture '%s' of the specified instance type does not match "
				     "the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching "
				     "architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover "
				     "the architecture of the instance type or AMI.", mc_json_at(architectures, 0), architecture);
	if (!mc_json_has_str(type_list(call, type, "SupportedVirtualizationTypes"), virtualization))
		return action_refuse(call, "InvalidParameterCombination", "Virtualization type 'hvm' is required for instances of type "
				     "'%s'. Ensure that you are using an AMI with virtualization type 'hvm'.", type);
	if (strcmp(boot, "uefi-preferred") != 0 && !mc_json_has_str(type_list(call, type, "SupportedBootModes"), boot))
		return action_refuse(call, "InvalidParameterCombination", "The instance type '%s' does not support the boot mode '%s' of "
				     "the specified AMI.", type, boot);
	return 0;
}

void image_note_launch(struct call *call, const struct resource *image)
{
	int64_t now = mc_clock_wall(), last = 0;
	char text[MC_ISO8601_LEN];

	if (image_offered(image) ||
	    (mc_clock_parse(mc_json_str(image->doc, "LastLaunchedTime", ""), &last) == 0 && now - last < LAUNCH_NOTED))
		return;
	mc_clock_iso8601(now, text);
	json_object_set_new(store_edit(call->tx, image->id)->doc, "LastLaunchedTime", json_string(text));
}
