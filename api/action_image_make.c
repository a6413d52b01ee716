/* RegisterImage, CreateImage, CopyImage: images of snapshots, of an instance, of another image. */
#include <string.h>

#include "api/api.h"
#include "api/attachment.h"
#include "api/block_device.h"
#include "api/encryption.h"
#include "api/image.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define DESCRIPTION_MAX 255
#define ROOT_DEFAULT "/dev/sda1" /* EC2 API reference, RegisterImage */

static const char *const taggable[] = { "image", "snapshot", NULL };

static int check_words(struct call *call)
{
	const char *description = action_text(call, "Description");

	if (image_check_name(call, action_text(call, "Name")))
		return 1;
	if (description && strlen(description) > DESCRIPTION_MAX)
		return action_invalid(call, "Description exceeds the maximum length of 255 characters");
	return action_check_tag_types(call, taggable);
}

/* Tagged and answered. */
static int finish(struct call *call, struct resource *image)
{
	if (action_apply_tags(call, "image", image))
		return 1;
	call->out = json_pack("{s:s}", "ImageId", image->id);
	return 0;
}

static json_t *shown(const json_t *plan)
{
	json_t *list = json_array(), *m;
	size_t i;

	json_array_foreach(plan, i, m) {
		json_t *one = block_device_of_image(m);

		if (one)
			json_array_append_new(list, one);
	}
	return list;
}

/* --- RegisterImage ---------------------------------------------------------- */

static int check_register(struct call *call)
{
	static const char *const elsewhere[] = { "ImageLocation", "BillingProducts", "KernelId", "RamdiskId", "UefiData", NULL };
	const char *boot = action_text(call, "BootMode"), *sriov = action_text(call, "SriovNetSupport");

	if (action_refuse_members(call, elsewhere, "images are made of snapshots and start by BIOS."))
		return 1;
	if (sriov && strcmp(sriov, "simple") != 0)
		return action_invalid(call, "Value (%s) for parameter sriovNetSupport is invalid.", sriov);
	if (action_text(call, "TpmSupport") && (!boot || strcmp(boot, "uefi") != 0))
		return action_fail(call, API_PARAMETER_COMBINATION, "The boot mode must be uefi for an AMI with TPM support.");
	return 0;
}

static int read_shape(struct call *call, struct image_shape *ret)
{
	const char *virtualization = action_text(call, "VirtualizationType"), *architecture = action_text(call, "Architecture");
	const char *root = action_text(call, "RootDeviceName");

	*ret = (struct image_shape){
		.name = action_text(call, "Name"), .description = action_text(call, "Description"),
		.architecture = architecture ? architecture : "i386",
		.virtualization = virtualization ? virtualization : "paravirtual",
		.boot_mode = action_text(call, "BootMode"), .root_device = root ? root : ROOT_DEFAULT,
		.ena = mc_json_bool(call->in, "EnaSupport", false),
	};
	if (strcmp(ret->virtualization, "hvm") != 0 && strcmp(ret->virtualization, "paravirtual") != 0)
		return action_invalid(call, "Value (%s) for parameter virtualizationType is invalid.", ret->virtualization);
	return 0;
}

static int check_root(struct call *call, const json_t *mappings, const char *root)
{
	json_t *m;
	size_t i;

	json_array_foreach(mappings, i, m)
		if (strcmp(mc_json_str(m, "DeviceName", ""), root) == 0 && mc_json_str(mc_json_obj(m, "Ebs"), "SnapshotId", NULL))
			return 0;
	return action_refuse(call, "InvalidBlockDeviceMapping", "No root snapshot specified in device mapping.");
}

static void keep_words(struct call *call, struct resource *image)
{
	static const char *const words[] = { "SriovNetSupport", "TpmSupport", "ImdsSupport" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(words); i++)
		if (action_text(call, words[i]))
			json_object_set(image->doc, words[i], json_object_get(call->in, words[i]));
}

static int register_image(struct call *call)
{
	mc_auto_json json_t *none = json_array();
	mc_auto_json json_t *plan = NULL;
	mc_auto_json json_t *mappings = NULL;
	struct image_shape shape;
	struct resource *image;

	if (check_words(call) || check_register(call) || read_shape(call, &shape) ||
	    block_devices_image_plan(call, none, shape.root_device, &plan))
		return 1;
	mappings = shown(plan);
	if (check_root(call, mappings, shape.root_device))
		return 1;
	image = image_make(call, &shape, mappings, IMAGE_AVAILABLE);
	keep_words(call, image);
	return finish(call, image);
}

/* --- CreateImage ------------------------------------------------------------ */

/* What the instance has, as an image would bring it: `volume` is to be taken a snapshot of. */
static json_t *mapping_of(struct call *call, const json_t *entry)
{
	const struct resource *vol = store_get(call->tx, mc_json_str(entry, "id", ""));
	json_t *device = json_object_get(entry, "device"), *m;

	if (json_object_get(entry, "ephemeral"))
		return json_pack("{s:O, s:O*}", "DeviceName", device, "VirtualName", json_object_get(entry, "virtual_name"));
	if (!vol || strcmp(mc_json_str(entry, "state", ""), "detaching") == 0)
		return NULL;
	m = json_pack("{s:O, s:O, s:s, s:{s:O, s:O, s:b, s:b}}", "DeviceName", device, "least", json_object_get(vol->doc, "Size"),
		      "volume", vol->id, "Ebs", "VolumeSize", json_object_get(vol->doc, "Size"), "VolumeType",
		      json_object_get(vol->doc, "VolumeType"), "DeleteOnTermination", mc_json_bool(entry, "delete_on_termination", true),
		      "Encrypted", mc_json_bool(vol->doc, "Encrypted", false));
	if (strcmp(mc_json_str(vol->doc, "VolumeType", ""), "gp2") != 0) {
		json_object_set(mc_json_obj(m, "Ebs"), "Iops", json_object_get(vol->doc, "Iops"));
		json_object_set(mc_json_obj(m, "Ebs"), "Throughput", json_object_get(vol->doc, "Throughput"));
	}
	return m;
}

static json_t *mappings_of(struct call *call, const struct resource *inst)
{
	json_t *list = json_array(), *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry) {
		json_t *m = mapping_of(call, entry);

		if (m)
			json_array_append_new(list, m);
	}
	return list;
}

/* A device that the instance has is taken as it is, or left out. */
static int check_overrides(struct call *call, const json_t *plan)
{
	json_t *m;
	size_t i;

	json_array_foreach(plan, i, m)
		if (json_object_get(m, "volume") && mc_json_str(mc_json_obj(m, "Ebs"), "SnapshotId", NULL))
			return action_refuse(call, "InvalidBlockDeviceMapping", "A snapshot cannot be specified for device %s, which the "
					     "instance has", mc_json_str(m, "DeviceName", ""));
	return 0;
}

static int check_instance(struct call *call, const struct resource *inst)
{
	if (strcmp(mc_json_str(call->in, "SnapshotLocation", "regional"), "regional") != 0)
		return action_invalid(call, "Local snapshots are supported only in Local Zones.");
	if (inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_STOPPED)
		return action_refuse(call, "IncorrectInstanceState", "The instance '%s' is not in the 'running' or 'stopped' state.", inst->id);
	if (!attachment_root(inst))
		return action_fail(call, API_INCORRECT_STATE, "The instance has no root volume attached.");
	if (inst->state == INSTANCE_RUNNING && json_object_get(inst->spec, "imaging"))
		return action_fail(call, API_INCORRECT_STATE, "Another image of the instance is being created.");
	return 0;
}

/* With a reboot the instance itself does not run meanwhile. */
static bool reboots(struct call *call, const struct resource *inst)
{
	return inst->state == INSTANCE_RUNNING && !mc_json_bool(call->in, "NoReboot", false);
}

static int take_one(struct call *call, const struct resource *inst, const struct resource *image, json_t *m, json_t *ids)
{
	const struct resource *vol = store_get(call->tx, mc_json_str(m, "volume", ""));
	mc_autofree char *description = mc_strf("Created by CreateImage(%s) for %s", inst->id, image->id);
	struct resource *r;

	if (!vol || json_object_get(m, "NoDevice"))
		return 0;
	if (snapshot_of_shared(call->tx, vol, reboots(call, inst) ? inst->id : NULL))
		return snapshot_refuse_shared(call, vol->id);
	r = snapshot_make(call, vol, description);
	json_object_set_new(r->spec, "image", json_string(image->id));
	json_object_set_new(mc_json_obj(m, "Ebs"), "SnapshotId", json_string(r->id));
	json_array_append_new(ids, json_string(r->id));
	return action_apply_tags(call, "snapshot", r);
}

static int take_all(struct call *call, const struct resource *inst, struct resource *image, const json_t *plan)
{
	mc_auto_json json_t *ids = json_array();
	json_t *m;
	size_t i;

	json_array_foreach(plan, i, m)
		if (take_one(call, inst, image, m, ids))
			return 1;
	json_object_set_new(image->doc, "BlockDeviceMappings", shown(plan));
	snapshot_share_set(call->tx, ids);
	if (reboots(call, inst))
		json_object_set_new(store_edit(call->tx, inst->id)->spec, "imaging",
				    json_pack("{s:s, s:I}", "image", image->id, "since", (json_int_t)mc_clock_wall()));
	else
		call->job = json_incref(ids); /* their point in time is before the answer */
	return 0;
}

/* The image it was launched from may be gone. */
static void inherit(struct resource *image, const struct resource *source)
{
	static const char *const words[] = { "BootMode", "SriovNetSupport", "TpmSupport", "ImdsSupport", "EnaSupport", "VirtualizationType" };

	for (size_t i = 0; source && i < MC_ARRAY_SIZE(words); i++)
		if (json_object_get(source->doc, words[i]))
			json_object_set(image->doc, words[i], json_object_get(source->doc, words[i]));
}

static int create_image(struct call *call)
{
	const struct resource *inst = action_resource(call, KIND_INSTANCE, action_text(call, "InstanceId"));
	struct image_shape shape = { .name = action_text(call, "Name"), .description = action_text(call, "Description"),
				     .virtualization = "hvm" };
	mc_auto_json json_t *none = json_array();
	mc_auto_json json_t *base = NULL;
	mc_auto_json json_t *plan = NULL;
	struct resource *image;

	if (!inst || check_instance(call, inst) || check_words(call))
		return 1;
	shape.architecture = mc_json_str(inst->doc, "Architecture", "x86_64");
	shape.root_device = mc_json_str(inst->doc, "RootDeviceName", ROOT_DEFAULT);
	base = mappings_of(call, inst);
	if (block_devices_image_plan(call, base, shape.root_device, &plan) || check_overrides(call, plan))
		return 1;
	image = image_make(call, &shape, none, IMAGE_PENDING);
	inherit(image, store_find(call->tx, KIND_IMAGE, NULL, NULL, mc_json_str(inst->doc, "ImageId", "")));
	json_object_set_new(image->doc, "SourceInstanceId", json_string(inst->id));
	return take_all(call, inst, image, plan) || finish(call, image);
}

/* --- CopyImage -------------------------------------------------------------- */

static const struct resource *find_source(struct call *call)
{
	const char *region = action_text(call, "SourceRegion"), *id = action_text(call, "SourceImageId");
	const struct resource *r = region && id ? store_find(call->tx, KIND_IMAGE, NULL, region, id) : NULL;

	if (region && !api_region_known(call->api, region))
		action_invalid(call, "Invalid source region: %s", region);
	else if (!r || !image_shown(r) || !image_allowed(r, call->caller->account))
		action_refuse(call, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id ? id : "");
	else if (r->state != IMAGE_AVAILABLE)
		action_fail(call, API_AMI_UNAVAILABLE, id);
	else
		return r;
	return NULL;
}

/* What storaged copies for this mapping: its snapshot, or the file that the operator offers. NULL after action_fail. */
static const char *storage_of(struct call *call, const struct resource *source, const json_t *ebs)
{
	const char *id = mc_json_str(ebs, "SnapshotId", NULL);
	const struct resource *snapshot = id ? store_find(call->tx, KIND_SNAPSHOT, NULL, NULL, id) : NULL;

	if (!id && image_offered(source))
		return mc_json_str(source->spec, "stored", source->id);
	if (snapshot && snapshot->state == SNAPSHOT_COMPLETED && snapshot_allowed(snapshot, call->caller->account))
		return snapshot->id;
	action_refuse(call, "InvalidRequest", "You do not have permission to access the storage of this ami");
	return NULL;
}

static int copy_one(struct call *call, const struct resource *source, struct resource *image, json_t *ebs)
{
	const char *id = mc_json_str(ebs, "SnapshotId", NULL), *stored;
	mc_autofree char *description = mc_strf("Copied for DestinationAmi %s from SourceAmi %s for SourceSnapshot %s.", image->id,
						source->id, id ? id : source->id);
	const struct resource *snapshot = id ? store_get(call->tx, id) : NULL;
	mc_autofree char *kms_key = NULL;
	struct resource *r;

	if (!ebs || (!id && !image_offered(source))) /* an empty volume */
		return 0;
	stored = storage_of(call, source, ebs);
	if (!stored || encryption_choose(call, call->in, snapshot, &kms_key))
		return 1;
	r = snapshot_make_copy(call, stored, mc_json_int(snapshot ? snapshot->doc : ebs, "VolumeSize", 1), description);
	snapshot_show_transfer(r, mc_json_int(call->in, "SnapshotCopyCompletionDurationMinutes", 0));
	json_object_set_new(r->spec, "image", json_string(image->id));
	json_object_set_new(ebs, "SnapshotId", json_string(r->id));
	json_object_set_new(ebs, "Encrypted", json_boolean(kms_key));
	encryption_show(r->doc, kms_key);
	return action_apply_tags(call, "snapshot", r);
}

static int copy_devices(struct call *call, const struct resource *source, struct resource *image)
{
	json_t *list = json_deep_copy(mc_json_arr(source->doc, "BlockDeviceMappings")), *m;
	size_t i;

	json_object_set_new(image->doc, "BlockDeviceMappings", list);
	json_array_foreach(list, i, m)
		if (copy_one(call, source, image, mc_json_obj(m, "Ebs")))
			return 1;
	return 0;
}

/* Tags of the system's stay behind, and those of others are not seen. */
static void copy_tags(struct call *call, const struct resource *source, struct resource *image)
{
	const char *key;
	json_t *value;

	if (!mc_json_bool(call->in, "CopyImageTags", false) || strcmp(source->account, call->caller->account) != 0)
		return;
	json_object_foreach(source->tags, key, value)
		if (strncmp(key, "aws:", 4) != 0)
			json_object_set(image->tags, key, value);
}

static int copy_image(struct call *call)
{
	static const char *const outposts[] = { "DestinationOutpostArn", NULL };
	static const char *const zones[] = { "DestinationAvailabilityZone", "DestinationAvailabilityZoneId", NULL };
	const struct resource *source = find_source(call);
	mc_auto_json json_t *none = json_array();
	struct image_shape shape = { .name = action_text(call, "Name"), .description = action_text(call, "Description") };
	struct resource *image;

	if (!source || check_words(call) || action_refuse_members(call, outposts, "there are no Outposts here.") ||
	    action_refuse_members(call, zones, "there are no Local Zones here.") ||
	    snapshot_check_duration(call, "SnapshotCopyCompletionDurationMinutes"))
		return 1;
	shape.architecture = mc_json_str(source->doc, "Architecture", "x86_64");
	shape.virtualization = mc_json_str(source->doc, "VirtualizationType", "hvm");
	shape.root_device = mc_json_str(source->doc, "RootDeviceName", ROOT_DEFAULT);
	image = image_make(call, &shape, none, IMAGE_PENDING);
	inherit(image, source);
	json_object_update_new(image->doc, json_pack("{s:s, s:s}", "SourceImageId", source->id, "SourceImageRegion", source->region));
	copy_tags(call, source, image);
	return copy_devices(call, source, image) || finish(call, image);
}

const struct action actions_image_make[] = {
	{ .service = "ec2", .name = "RegisterImage", .fn = register_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "CreateImage", .fn = create_image, .flags = ACTION_WRITE | ACTION_BACKEND,
	  .backend = snapshot_backend },
	{ .service = "ec2", .name = "CopyImage", .fn = copy_image, .flags = ACTION_WRITE },
	{ 0 },
};
