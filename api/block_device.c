#include "api/block_device.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/attachment.h"
#include "api/encryption.h"
#include "api/snapshot.h"
#include "api/volume.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define EPHEMERAL "ephemeral"

/* An element of a plan: a mapping in the API's words (DeviceName, Ebs, VirtualName, NoDevice), in
 * whose Ebs nothing is left open, and `least` (GiB) and `image` (storaged's) of what it stands on. */

/* --- reading ---------------------------------------------------------------- */

/* What an EbsBlockDevice has for other kinds of hosts, and where volumes of a launch may not be put. */
static int check_elsewhere(struct call *call, const json_t *ebs)
{
	static const char *const members[] = { "OutpostArn", "AvailabilityZone", "AvailabilityZoneId" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (*mc_json_str(ebs, members[i], "")) {
			mc_autofree char *text = mc_strf("The parameter %s of a block device mapping is not supported for this operation.",
							 members[i]);

			return action_fail(call, API_UNSUPPORTED, text);
		}
	if (mc_json_int(ebs, "EbsCardIndex", 0) != 0)
		return action_refuse(call, "InvalidBlockDeviceMapping", "Invalid EBS card index: instances have one EBS card, 0.");
	return 0;
}

/* --- merging ---------------------------------------------------------------- */

static json_t *find_mapping(const json_t *list, const char *device)
{
	json_t *m;
	size_t i;

	json_array_foreach(list, i, m)
		if (strcmp(mc_json_str(m, "DeviceName", ""), device) == 0)
			return m;
	return NULL;
}

/* The image's mappings; its root stands on the stored image where no snapshot is named. */
static json_t *image_mappings(const struct resource *image)
{
	json_t *list = json_deep_copy(mc_json_arr(image->doc, "BlockDeviceMappings")), *m;
	const char *root = mc_json_str(image->doc, "RootDeviceName", "");
	size_t i;

	json_array_foreach(list, i, m) {
		const json_t *ebs = mc_json_obj(m, "Ebs");

		if (!ebs)
			continue;
		json_object_set_new(m, "least", json_integer(mc_json_int(ebs, "VolumeSize", 1)));
		if (strcmp(mc_json_str(m, "DeviceName", ""), root) == 0 && !mc_json_str(ebs, "SnapshotId", NULL))
			json_object_set_new(m, "image", json_string(mc_json_str(image->spec, "stored", image->id)));
	}
	return list ? list : json_array();
}

/* Another type forgets what the image's was provisioned with; another snapshot is another volume. */
static void override_ebs(json_t *mapping, const json_t *wanted)
{
	json_t *ebs = mc_json_obj(mapping, "Ebs");
	const char *type = mc_json_str(wanted, "VolumeType", NULL), *snapshot = mc_json_str(wanted, "SnapshotId", NULL);

	if (!ebs) {
		json_object_set_new(mapping, "Ebs", json_deep_copy(wanted));
		return;
	}
	if (type && strcmp(type, mc_json_str(ebs, "VolumeType", "")) != 0) {
		json_object_del(ebs, "Iops");
		json_object_del(ebs, "Throughput");
	}
	if (snapshot && strcmp(snapshot, mc_json_str(ebs, "SnapshotId", "")) != 0) {
		json_object_del(mapping, "least");
		json_object_del(mapping, "image");
		json_object_del(ebs, "VolumeSize");
	}
	json_object_update(ebs, (json_t *)wanted);
}

static int merge_one(struct call *call, json_t *list, const json_t *wanted, const char *root)
{
	const char *device = mc_json_str(wanted, "DeviceName", NULL);
	json_t *mapping;

	if (!device)
		return action_fail(call, API_MISSING_PARAMETER, "deviceName");
	if (!attachment_device_valid(device))
		return action_refuse(call, "InvalidBlockDeviceMapping", "Invalid device name %s", device);
	if (check_elsewhere(call, mc_json_obj(wanted, "Ebs")))
		return 1;
	mapping = find_mapping(list, device);
	if (!mapping) {
		mapping = json_pack("{s:s}", "DeviceName", device);
		json_array_append_new(list, mapping);
	} else if (json_object_get(mapping, "asked")) {
		return action_refuse(call, "InvalidBlockDeviceMapping", "The device '%s' is used in more than one block-device mapping", device);
	}
	json_object_set_new(mapping, "asked", json_true());
	if (json_object_get(wanted, "NoDevice")) {
		if (strcmp(device, root) == 0)
			return action_refuse(call, "InvalidBlockDeviceMapping", "The root device %s cannot be suppressed", device);
		json_object_set_new(mapping, "NoDevice", json_true());
	} else if (mc_json_str(wanted, "VirtualName", NULL)) {
		json_object_set(mapping, "VirtualName", json_object_get(wanted, "VirtualName"));
	} else {
		override_ebs(mapping, mc_json_obj(wanted, "Ebs") ? mc_json_obj(wanted, "Ebs") : mc_json_obj(mapping, "Ebs"));
	}
	return 0;
}

/* --- checking --------------------------------------------------------------- */

/* What an image brings along may be used by whoever may use the image. */
static const struct resource *find_snapshot(struct call *call, const json_t *mapping, const char *id)
{
	const struct resource *r;

	if (!json_object_get(mapping, "least"))
		return snapshot_completed(call, id);
	r = store_find(call->tx, KIND_SNAPSHOT, NULL, call->caller->region, id);
	if (!r)
		action_refuse(call, "InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id);
	return r;
}

/* An image's is as its snapshot is; a launch's as is asked for. */
static int check_encryption(struct call *call, json_t *ebs, const struct resource *snapshot, bool launch)
{
	mc_autofree char *kms_key = NULL;

	if (!launch && snapshot)
		json_object_set_new(ebs, "Encrypted", json_boolean(mc_json_bool(snapshot->doc, "Encrypted", false)));
	if (!launch)
		return 0;
	if (encryption_choose(call, ebs, snapshot, &kms_key))
		return 1;
	encryption_show(ebs, kms_key);
	return 0;
}

static int check_ebs(struct call *call, const json_t *mapping, json_t *ebs, bool launch)
{
	const char *id = mc_json_str(ebs, "SnapshotId", NULL), *type = mc_json_str(ebs, "VolumeType", NULL);
	const struct resource *snapshot = id && *id ? find_snapshot(call, mapping, id) : NULL;
	int64_t rate, least = snapshot ? mc_json_int(snapshot->doc, "VolumeSize", 1) : mc_json_int(mapping, "least", 0);
	struct volume_shape shape = {
		.type = type && *type ? type : VOLUME_TYPE_DEFAULT, .gib = mc_json_int(ebs, "VolumeSize", least),
		.iops = mc_json_int(ebs, "Iops", 0), .throughput = mc_json_int(ebs, "Throughput", 0),
	};

	if (id && *id && !snapshot)
		return 1;
	if (!json_object_get(ebs, "VolumeSize") && !least)
		return action_fail(call, API_MISSING_PARAMETER, "size or snapshotId");
	if (volume_read_rate(call, ebs, least > 0, &rate))
		return 1;
	if (shape.gib < least)
		return action_refuse(call, "InvalidBlockDeviceMapping", "Volume of size %lldGB is smaller than snapshot '%s', expect "
				     "size >= %lldGB", (long long)shape.gib, id ? id : mc_json_str(mapping, "image", ""), (long long)least);
	if (volume_type_check(call, &shape))
		return 1;
	if (check_encryption(call, ebs, snapshot, launch))
		return 1;
	volume_type_show(&shape, ebs);
	if (!json_object_get(ebs, "DeleteOnTermination"))
		json_object_set_new(ebs, "DeleteOnTermination", json_true());
	return 0;
}

/* GiB of the type's n-th instance-store disk, 0 where it has none. */
static int64_t store_size(const struct call *call, const char *type, long n)
{
	const json_t *info = mc_json_obj(json_object_get(json_object_get(call->api->types, type), "doc"), "InstanceStorageInfo");
	const json_t *disks = json_array_get(mc_json_arr(info, "Disks"), 0);

	return n < mc_json_int(disks, "Count", 0) ? mc_json_int(disks, "SizeInGB", 0) : 0;
}

/* One that the type does not have is left out, as AWS does. */
static int check_ephemeral(struct call *call, json_t *mapping, const char *name, const char *type)
{
	char *end = NULL;
	long n = strncmp(name, EPHEMERAL, strlen(EPHEMERAL)) == 0 ? strtol(name + strlen(EPHEMERAL), &end, 10) : -1;
	int64_t gib;

	if (n < 0 || n > 23 || !end || *end || end == name + strlen(EPHEMERAL))
		return action_refuse(call, "InvalidBlockDeviceMapping", "Invalid virtual name %s", name);
	gib = type ? store_size(call, type, n) : 0;
	if (!type) /* an image's, of any type */
		return 0;
	if (gib)
		json_object_set_new(mapping, "ephemeral", json_integer(gib));
	else
		json_object_set_new(mapping, "NoDevice", json_true());
	return 0;
}

static int check_mapping(struct call *call, json_t *mapping, const char *type)
{
	const char *name = mc_json_str(mapping, "VirtualName", NULL);
	json_t *ebs = mc_json_obj(mapping, "Ebs");

	if (json_object_get(mapping, "NoDevice"))
		return 0;
	if (name && !json_object_get(mapping, "least"))
		return check_ephemeral(call, mapping, name, type);
	if (!ebs)
		return action_fail(call, API_MISSING_PARAMETER, "size or snapshotId");
	return check_ebs(call, mapping, ebs, type);
}

int block_devices_plan(struct call *call, const struct resource *image, const char *type, json_t **ret_plan)
{
	mc_auto_json json_t *list = image_mappings(image);
	const char *root = mc_json_str(image->doc, "RootDeviceName", "");
	json_t *m;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "BlockDeviceMappings"), i, m)
		if (merge_one(call, list, m, root))
			return 1;
	json_array_foreach(list, i, m)
		if (check_mapping(call, m, type))
			return 1;
	*ret_plan = json_incref(list);
	return 0;
}

/* --- of an image ------------------------------------------------------------ */

int block_devices_image_plan(struct call *call, const json_t *base, const char *root, json_t **ret_plan)
{
	mc_auto_json json_t *list = json_deep_copy(base);
	json_t *m;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "BlockDeviceMappings"), i, m) {
		const char *snapshot = mc_json_str(mc_json_obj(m, "Ebs"), "SnapshotId", NULL);

		if ((snapshot && *snapshot && !snapshot_own(call, snapshot)) || merge_one(call, list, m, root))
			return 1;
	}
	json_array_foreach(list, i, m)
		if (check_mapping(call, m, NULL))
			return 1;
	*ret_plan = json_incref(list);
	return 0;
}

/* gp2's and the magnetic ones' follow from the size. */
static bool provisioned(const char *type)
{
	return strcmp(type, "gp3") == 0 || strcmp(type, "io1") == 0 || strcmp(type, "io2") == 0;
}

json_t *block_device_of_image(const json_t *mapping)
{
	const json_t *ebs = mc_json_obj(mapping, "Ebs");
	bool limits = provisioned(mc_json_str(ebs, "VolumeType", ""));
	json_t *device = json_object_get(mapping, "DeviceName"), *name = json_object_get(mapping, "VirtualName");

	if (json_object_get(mapping, "NoDevice"))
		return NULL;
	if (name)
		return json_pack("{s:O, s:O}", "DeviceName", device, "VirtualName", name);
	return json_pack("{s:O, s:{s:b, s:O*, s:O, s:O, s:b, s:O*, s:O*}}", "DeviceName", device, "Ebs", "DeleteOnTermination",
			 mc_json_bool(ebs, "DeleteOnTermination", true), "SnapshotId", json_object_get(ebs, "SnapshotId"), "VolumeSize",
			 json_object_get(ebs, "Size"), "VolumeType", json_object_get(ebs, "VolumeType"), "Encrypted",
			 mc_json_bool(ebs, "Encrypted", false), "Iops", limits ? json_object_get(ebs, "Iops") : NULL, "Throughput",
			 limits ? json_object_get(ebs, "Throughput") : NULL);
}

/* --- making ----------------------------------------------------------------- */

static int make_volume(struct call *call, const json_t *mapping, struct resource *inst)
{
	const json_t *ebs = mc_json_obj(mapping, "Ebs");
	struct volume_shape shape = volume_type_shape(ebs);
	struct volume_source source = { .stored = mc_json_str(mapping, "image", NULL),
					.snapshot = mc_json_str(ebs, "SnapshotId", NULL), .kms_key = mc_json_str(ebs, "KmsKeyId", NULL),
					.rate = mc_json_int(ebs, "VolumeInitializationRate", 0) };
	struct resource *vol;

	vol = volume_make(call, &shape, &source, inst->az);
	attachment_add(inst, vol, mc_json_str(mapping, "DeviceName", ""), "attaching",
		       mc_json_bool(ebs, "DeleteOnTermination", true));
	return action_apply_tags(call, "volume", vol);
}

static void make_scratch(const json_t *mapping, struct resource *inst)
{
	char id[MC_ID_LEN];

	mc_id_new("vol", id);
	json_array_append_new(mc_json_arr(inst->spec, "volumes"),
			      json_pack("{s:s, s:O, s:O, s:O, s:b, s:s}", "id", id, "device", json_object_get(mapping, "DeviceName"),
					"ephemeral", json_object_get(mapping, "ephemeral"), "virtual_name",
					json_object_get(mapping, "VirtualName"), "delete_on_termination", 1, "state", "attached"));
}

int block_devices_make(struct call *call, const json_t *plan, struct resource *inst)
{
	json_t *m;
	size_t i;

	json_array_foreach(plan, i, m) {
		if (json_object_get(m, "NoDevice"))
			continue;
		if (json_object_get(m, "ephemeral"))
			make_scratch(m, inst);
		else if (make_volume(call, m, inst))
			return 1;
	}
	return 0;
}
