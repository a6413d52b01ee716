/* ImportImage, ImportSnapshot, ExportImage and what is asked of their tasks. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "api/attachment.h"
#include "api/describe.h"
#include "api/encryption.h"
#include "api/image.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/transfer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define ROOT_DEVICE "/dev/sda1"
#define DISKS_MAX 22 /* /dev/sde … /dev/sdz beside the root */
#define FILE_URL "file://"
#define S3_URL "s3://"

/* --- where from, and what --------------------------------------------------- */

/* AWS's words, ours, and the ends of file names that say so. */
static const struct format {
	const char *word, *name, *suffix;
} formats[] = {
	{ "RAW", "raw", ".raw" }, { "RAW", "raw", ".img" }, { "QCOW2", "qcow2", ".qcow2" }, { "VMDK", "vmdk", ".vmdk" },
	{ "VHDX", "vhdx", ".vhdx" }, { "VHD", "vhd", ".vhd" },
};

/* Never by the content: by the word, else by the name's end. NULL: neither. */
static const struct format *format_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < MC_ARRAY_SIZE(formats); i++) {
		size_t k = strlen(formats[i].suffix);

		if (word ? strcasecmp(word, formats[i].word) == 0 : n > k && strcasecmp(name + n - k, formats[i].suffix) == 0)
			return &formats[i];
	}
	return NULL;
}

/* `source` for storaged into the disk: 0 or action_fail. */
static int read_source(struct call *call, const json_t *container, json_t *disk)
{
	const json_t *user_bucket = mc_json_obj(container, "UserBucket");
	const char *url = mc_json_str(container, "Url", NULL), *bucket = mc_json_str(user_bucket, "S3Bucket", NULL);
	const char *key = mc_json_str(user_bucket, "S3Key", NULL);

	if (url && *url && user_bucket)
		return action_fail(call, API_PARAMETER_COMBINATION, "Only one of Url and UserBucket can be specified.");
	if (user_bucket) {
		mc_autofree char *source = mc_strf("%s/%s", bucket ? bucket : "", key ? key : "");

		if (!bucket || !*bucket || !key || !*key || strchr(bucket, '/'))
			return action_invalid(call, "The S3 bucket and key of the disk image must be specified.");
		json_object_update_new(disk, json_pack("{s:s, s:s, s:s}", "source", source, "bucket", bucket, "key", key));
		return 0;
	}
	if (!url || !*url)
		return action_fail(call, API_MISSING, "The disk container has no Url, UserBucket or SnapshotId.");
	json_object_set_new(disk, "url", json_string(url));
	if (strncmp(url, FILE_URL "/", strlen(FILE_URL "/")) == 0)
		json_object_set_new(disk, "source", json_string(url + strlen(FILE_URL)));
	else if (strncmp(url, S3_URL, strlen(S3_URL)) == 0)
		json_object_set_new(disk, "source", json_string(url + strlen(S3_URL)));
	else
		return action_invalid(call, "Invalid Url %s: disk images come from file:///… or s3://BUCKET/KEY, where the operator of this "
				      "cloud lets them come from.", url);
	return 0;
}

static int read_disk(struct call *call, const json_t *container, json_t *disk)
{
	const char *word = mc_json_str(container, "Format", NULL), *description = mc_json_str(container, "Description", NULL);
	const struct format *f;

	if (read_source(call, container, disk))
		return 1;
	f = format_of(word && *word ? word : NULL, mc_json_str(disk, "source", ""));
	if (!f && word && *word)
		return action_invalid(call, "The disk image format '%s' is not supported; there are RAW, QCOW2, VMDK, VHDX and VHD.", word);
	if (!f)
		return action_fail(call, API_MISSING_PARAMETER, "Format");
	json_object_update_new(disk, json_pack("{s:s, s:s, s:s*, s:i}", "format", f->name, "shown_format", f->word, "description",
					       description, "percent", 0));
	return 0;
}

/* --- making tasks ----------------------------------------------------------- */

static struct resource *make_task(struct call *call, enum kind kind, json_t *disks)
{
	struct resource *r = store_insert(call->tx, kind, call->caller->account, call->caller->region);
	const char *description = action_text(call, "Description");

	if (description)
		json_object_set_new(r->doc, "Description", json_string(description));
	json_object_set_new(r->spec, "disks", disks);
	state_init(r, TRANSFER_ACTIVE);
	return r;
}

/* The row that the disk will be; kms_key NULL: in clear. */
static struct resource *make_snapshot(struct call *call, const struct resource *task, json_t *disk, const char *description,
				      const char *kms_key)
{
	struct resource *s = snapshot_make_copy(call, "", 1, description);

	json_object_del(s->doc, "TransferType"); /* it is no copy of a snapshot */
	encryption_show(s->doc, kms_key);
	if (kms_key)
		json_object_update_new(disk, json_pack("{s:s, s:s}", "kms_key", encryption_key_id(s->doc), "kms_arn", kms_key));
	json_object_del(s->spec, "copy");
	json_object_set_new(s->spec, "import", json_string(task->id));
	json_object_set_new(disk, "snapshot", json_string(s->id));
	return s;
}

static int import_snapshot(struct call *call)
{
	static const char *const taggable[] = { "import-snapshot-task", "snapshot", NULL };
	const json_t *container = mc_json_obj(call->in, "DiskContainer");
	mc_auto_json json_t *disk = json_object();
	mc_autofree char *kms_key = NULL;
	const char *description = action_text(call, "Description");
	struct resource *task, *snapshot;

	if (!container)
		return action_fail(call, API_MISSING_PARAMETER, "DiskContainer");
	if (read_disk(call, container, disk) || encryption_choose(call, call->in, NULL, &kms_key) || action_check_tag_types(call, taggable))
		return 1;
	task = make_task(call, KIND_IMPORT_SNAPSHOT, json_pack("[O]", disk));
	snapshot = make_snapshot(call, task, disk, description ? description : mc_json_str(container, "Description", NULL),
				 kms_key);
	if (action_apply_tags(call, "import-snapshot-task", task) || action_apply_tags(call, "snapshot", snapshot))
		return 1;
	call->out = transfer_view(call, task);
	return 0;
}

/* --- ImportImage ------------------------------------------------------------ */

struct import {
	struct image_shape shape;
	json_t *disks, *mappings;
	char *kms_key; /* ARN, NULL: in clear */
	struct resource *task;
};

static void add_mapping(struct call *call, struct import *im, const json_t *disk)
{
	const char *snapshot = mc_json_str(disk, "snapshot", "");
	const struct resource *s = store_get(call->tx, snapshot);

	json_array_append_new(im->mappings, json_pack("{s:O, s:{s:b, s:s, s:O*, s:s, s:b}}", "DeviceName", json_object_get(disk, "device"),
						      "Ebs", "DeleteOnTermination", 1, "SnapshotId", snapshot, "VolumeSize",
						      json_object_get(disk, "size_gib"), "VolumeType", "gp2", "Encrypted",
						      s && mc_json_bool(s->doc, "Encrypted", false)));
}

/* A snapshot that there is already is a disk, too, with nothing to do for it. */
static int take_existing(struct call *call, const char *id, json_t *disk)
{
	const struct resource *s = snapshot_own(call, id);

	if (!s)
		return 1;
	if (s->state != SNAPSHOT_COMPLETED)
		return action_refuse(call, "IncorrectState", "Snapshot is in invalid state - %s", state_name(s));
	json_object_update_new(disk, json_pack("{s:s, s:b, s:i, s:O}", "snapshot", id, "done", 1, "percent", 100, "size_gib",
					       json_object_get(s->doc, "VolumeSize")));
	return 0;
}

static int read_containers(struct call *call, struct import *im)
{
	const json_t *containers = mc_json_arr(call->in, "DiskContainers");
	json_t *c;
	size_t i;

	if (json_array_size(containers) == 0)
		return action_fail(call, API_MISSING_PARAMETER, "DiskContainers");
	if (json_array_size(containers) > DISKS_MAX)
		return action_invalid(call, "An image has at most %d disks.", DISKS_MAX);
	json_array_foreach(containers, i, c) {
		const char *device = mc_json_str(c, "DeviceName", NULL), *snapshot = mc_json_str(c, "SnapshotId", NULL);
		mc_autofree char *next = mc_strf("/dev/sd%c", (int)('e' + i - 1));
		json_t *disk = json_object();

		json_array_append_new(im->disks, disk);
		if (device && *device && !attachment_device_valid(device))
			return action_refuse(call, "InvalidBlockDeviceMapping", "Invalid device name %s", device);
		json_object_set_new(disk, "device", json_string(device && *device ? device : i ? next : ROOT_DEVICE));
		if (snapshot && *snapshot ? take_existing(call, snapshot, disk) : read_disk(call, c, disk))
			return 1;
	}
	return 0;
}

static int read_image(struct call *call, struct import *im)
{
	const char *architecture = action_text(call, "Architecture"), *platform = action_text(call, "Platform");

	if (architecture && strcmp(architecture, "x86_64") != 0 && strcmp(architecture, "i386") != 0 && strcmp(architecture, "arm64") != 0)
		return action_invalid(call, "Invalid architecture %s: valid values are i386, x86_64 and arm64.", architecture);
	if (platform && strcasecmp(platform, "Linux") != 0 && strcasecmp(platform, "Windows") != 0)
		return action_invalid(call, "Invalid platform %s: valid values are Windows and Linux.", platform);
	im->shape = (struct image_shape){ .description = action_text(call, "Description"), .virtualization = "hvm",
					  .architecture = architecture ? architecture : "x86_64", .boot_mode = action_text(call, "BootMode") };
	return 0;
}

static int make_disks(struct call *call, struct import *im)
{
	json_t *disk;
	size_t i;

	json_array_foreach(im->disks, i, disk) {
		mc_autofree char *description = mc_strf("Created by AWS-VMImport service for %s", im->task->id);

		if (!mc_json_bool(disk, "done", false) &&
		    action_apply_tags(call, "snapshot", make_snapshot(call, im->task, disk, description, im->kms_key)))
			return 1;
		add_mapping(call, im, disk);
	}
	return 0;
}

static int make_import(struct call *call, struct import *im)
{
	struct resource *image;

	im->task = make_task(call, KIND_IMPORT_IMAGE, json_incref(im->disks));
	if (make_disks(call, im))
		return 1;
	im->shape.name = im->task->id; /* as AWS names it */
	im->shape.root_device = mc_json_str(json_array_get(im->disks, 0), "device", ROOT_DEVICE);
	image = image_make(call, &im->shape, im->mappings, IMAGE_PENDING);
	json_object_set_new(im->task->spec, "image", json_string(image->id));
	json_object_update_new(im->task->doc, json_pack("{s:s, s:b, s:s*, s:s*, s:O*}", "Architecture", im->shape.architecture,
							"Encrypted", im->kms_key != NULL, "KmsKeyId", im->kms_key, "Platform",
							action_text(call, "Platform"), "LicenseType",
							json_object_get(call->in, "LicenseType")));
	if (action_apply_tags(call, "import-image-task", im->task) || action_apply_tags(call, "image", image))
		return 1;
	call->out = transfer_view(call, im->task);
	return 0;
}

static int import_image(struct call *call)
{
	static const char *const taggable[] = { "import-image-task", "image", "snapshot", NULL };
	struct import im = { .disks = json_array(), .mappings = json_array() };
	static const char *const licenses[] = { "LicenseSpecifications", NULL };
	int r = action_refuse_members(call, licenses, "there is no License Manager here.") || read_image(call, &im) || encryption_choose(call, call->in, NULL, &im.kms_key) ||
		action_check_tag_types(call, taggable) || read_containers(call, &im) || make_import(call, &im);

	free(im.kms_key);
	json_decref(im.disks);
	json_decref(im.mappings);
	return r;
}

/* --- ExportImage ------------------------------------------------------------ */

static void first_snapshot(void *ctx, const char *id)
{
	json_array_append_new(ctx, json_string(id));
}

/* The one that is exported: NULL after action_fail. New reference. */
static json_t *exported(struct call *call, const struct resource *image)
{
	mc_auto_json json_t *ids = json_array();
	const struct resource *s;

	image_snapshots(image, first_snapshot, ids);
	s = store_get(call->tx, json_array_size(ids) ? mc_json_at(ids, 0) : "");
	if (json_array_size(ids) != 1 || !s) {
		action_invalid(call, "The image %s has more than one volume, or none; such an image cannot be exported.", image->id);
		return NULL;
	}
	if (mc_json_bool(s->doc, "Encrypted", false)) {
		action_fail(call, API_UNSUPPORTED, "Images with encrypted snapshots cannot be exported.");
		return NULL;
	}
	return json_string(s->id);
}

static int export_image(struct call *call)
{
	static const char *const taggable[] = { "export-image-task", NULL };
	const struct resource *image = image_own(call, action_text(call, "ImageId"));
	const json_t *place = mc_json_obj(call->in, "S3ExportLocation");
	const struct format *f = format_of(mc_json_str(call->in, "DiskImageFormat", ""), "");
	const char *bucket = mc_json_str(place, "S3Bucket", ""), *prefix = mc_json_str(place, "S3Prefix", "");
	mc_autofree char *target = NULL;
	json_t *snapshot, *disk;
	struct resource *task;

	if (!image)
		return 1;
	if (image->state != IMAGE_AVAILABLE)
		return action_fail(call, API_AMI_UNAVAILABLE, image->id);
	if (!f)
		return action_invalid(call, "The disk image format '%s' is not supported; there are RAW, QCOW2, VMDK, VHDX and VHD.",
				      mc_json_str(call->in, "DiskImageFormat", ""));
	if (!*bucket || strchr(bucket, '/'))
		return action_invalid(call, "Invalid S3 bucket '%s'.", bucket);
	snapshot = action_check_tag_types(call, taggable) ? NULL : exported(call, image);
	if (!snapshot)
		return 1;
	disk = json_pack("{s:o, s:s, s:i}", "snapshot", snapshot, "format", f->name, "percent", 0);
	task = make_task(call, KIND_EXPORT_IMAGE, json_pack("[o]", disk));
	target = mc_strf("%s/%s%s%s", bucket, prefix, task->id, f->suffix);
	json_object_set_new(disk, "target", json_string(target));
	json_object_set_new(task->spec, "image", json_string(image->id));
	json_object_update_new(task->doc, json_pack("{s:s, s:s, s:O}", "ImageId", image->id, "DiskImageFormat", f->word,
						    "S3ExportLocation", place));
	if (action_apply_tags(call, "export-image-task", task))
		return 1;
	call->out = transfer_view(call, task);
	return 0;
}

/* --- asking and cancelling -------------------------------------------------- */

static const struct filter task_filters[] = {
	{ "task-state", "Status" },
	{ 0 },
};

static const struct filter snapshot_task_filters[] = {
	{ "task-state", "SnapshotTaskDetail.Status" },
	{ 0 },
};

static int describe_import_images(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_IMPORT_IMAGE, .list = "ImportImageTasks", .ids = "ImportTaskIds", .filters = task_filters,
		.view = transfer_view, .page_min = 1, .page_max = 1000,
	};

	return describe_run(call, &d);
}

static int describe_import_snapshots(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_IMPORT_SNAPSHOT, .list = "ImportSnapshotTasks", .ids = "ImportTaskIds", .filters = snapshot_task_filters,
		.view = transfer_view, .page_min = 1, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* The task has one member less than the answer that made it. */
static json_t *export_view(struct call *call, const struct resource *r)
{
	json_t *v = transfer_view(call, r);

	json_object_del(v, "DiskImageFormat");
	return v;
}

static int describe_exports(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_EXPORT_IMAGE, .list = "ExportImageTasks", .ids = "ExportImageTaskIds", .filters = task_filters,
		.view = export_view, .page_min = 1, .page_max = 500,
	};

	return describe_run(call, &d);
}

static int cancel_import(struct call *call)
{
	const char *id = action_text(call, "ImportTaskId");
	enum kind kind = id && mc_id_valid(kind_info(KIND_IMPORT_SNAPSHOT)->prefix, id) ? KIND_IMPORT_SNAPSHOT : KIND_IMPORT_IMAGE;
	const struct resource *r = id ? action_resource(call, kind, id) : NULL;
	const char *before = r ? state_name(r) : NULL;

	if (!id)
		return action_fail(call, API_MISSING_PARAMETER, "ImportTaskId");
	if (!r || transfer_cancel(call, r))
		return 1;
	if (action_text(call, "CancelReason"))
		json_object_set(store_edit(call->tx, r->id)->spec, "message", json_object_get(call->in, "CancelReason"));
	call->out = json_pack("{s:s, s:s, s:s}", "ImportTaskId", id, "PreviousState", before, "State", "deleting");
	return 0;
}

static int cancel_export(struct call *call)
{
	const struct resource *r = action_resource(call, KIND_EXPORT_IMAGE, action_text(call, "ExportTaskId"));

	return r ? transfer_cancel(call, r) : 1;
}

const struct action actions_transfer[] = {
	{ .service = "ec2", .name = "ImportImage", .fn = import_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ImportSnapshot", .fn = import_snapshot, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ExportImage", .fn = export_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeImportImageTasks", .fn = describe_import_images },
	{ .service = "ec2", .name = "DescribeImportSnapshotTasks", .fn = describe_import_snapshots },
	{ .service = "ec2", .name = "DescribeExportImageTasks", .fn = describe_exports },
	{ .service = "ec2", .name = "CancelImportTask", .fn = cancel_import, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "CancelExportTask", .fn = cancel_export, .flags = ACTION_WRITE },
	{ 0 },
};
