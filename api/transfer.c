#include "api/transfer.h"

#include <string.h>

#include "api/snapshot.h"
#include "api/state.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

bool transfer_brings(const struct resource *snapshot)
{
	return mc_json_str(snapshot->spec, "import", NULL) != NULL;
}

/* --- ends ------------------------------------------------------------------- */

void transfer_complete(struct store_tx *tx, struct resource *snapshot, const json_t *report)
{
	json_object_set(snapshot->doc, "VolumeSize", json_object_get(report, "size_gib"));
	snapshot_bears(snapshot, mc_json_int(report, "bytes", 0));
	snapshot_show_complete(snapshot);
	json_object_del(snapshot->spec, "import");
	state_set(tx, snapshot, SNAPSHOT_COMPLETED);
	if (mc_json_bool(snapshot->spec, "delete", false))
		state_set(tx, snapshot, SNAPSHOT_DELETING);
}

static void drop_snapshots(struct store_tx *tx, const struct resource *r)
{
	json_t *disk;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "disks"), i, disk) {
		struct resource *s = store_edit(tx, mc_json_str(disk, "snapshot", ""));

		if (s && strcmp(mc_json_str(s->spec, "import", ""), r->id) == 0)
			state_set(tx, s, SNAPSHOT_DELETING);
	}
}

void transfer_end(struct store_tx *tx, struct resource *r, const char *message)
{
	const char *image = mc_json_str(r->spec, "image", NULL);

	if (message)
		json_object_set_new(r->spec, "message", json_string(message));
	drop_snapshots(tx, r);
	if (image && r->kind == KIND_IMPORT_IMAGE && store_get(tx, image))
		store_delete(tx, image);
	state_set(tx, r, TRANSFER_DELETED);
}

int transfer_cancel(struct call *call, const struct resource *r)
{
	if (r->state != TRANSFER_ACTIVE && r->state != TRANSFER_DELETING)
		return action_refuse(call, "IncorrectState", "The task '%s' is %s and cannot be cancelled.", r->id, state_name(r));
	state_set(call->tx, store_edit(call->tx, r->id), TRANSFER_DELETING);
	return 0;
}

/* --- showing ---------------------------------------------------------------- */

static json_t *number(int64_t n)
{
	mc_autofree char *text = mc_strf("%lld", (long long)n);

	return json_string(text);
}

/* SnapshotDetail of an image's task, SnapshotTaskDetail of a snapshot's. */
static json_t *disk_view(const struct resource *r, const json_t *disk)
{
	bool done = mc_json_bool(disk, "done", false);
	const char *snapshot = r->state == TRANSFER_DELETED && !done ? NULL : mc_json_str(disk, "snapshot", NULL);
	json_t *v = json_pack("{s:O*, s:O*, s:s, s:o, s:s*, s:O*, s:s*}", "Description", json_object_get(disk, "description"), "Format",
			      json_object_get(disk, "shown_format"), "Status", done ? "completed" : state_name(r), "Progress",
			      number(mc_json_int(disk, "percent", 0)), "SnapshotId", snapshot, "Url",
			      json_object_get(disk, "url"), "StatusMessage", mc_json_str(r->spec, "message", NULL));

	if (json_object_get(disk, "bytes"))
		json_object_set_new(v, "DiskImageSize", json_real((double)mc_json_int(disk, "bytes", 0)));
	if (json_object_get(disk, "bucket"))
		json_object_set_new(v, "UserBucket", json_pack("{s:O, s:O}", "S3Bucket", json_object_get(disk, "bucket"), "S3Key",
							       json_object_get(disk, "key")));
	if (r->kind == KIND_IMPORT_IMAGE && json_object_get(disk, "device"))
		json_object_set(v, "DeviceName", json_object_get(disk, "device"));
	if (r->kind == KIND_IMPORT_SNAPSHOT)
		json_object_update_new(v, json_pack("{s:b, s:O*}", "Encrypted", json_object_get(disk, "kms_arn") != NULL, "KmsKeyId",
						    json_object_get(disk, "kms_arn")));
	return v;
}

static int64_t percent_of(const struct resource *r)
{
	const json_t *disks = mc_json_arr(r->spec, "disks");
	int64_t sum = 0;
	json_t *disk;
	size_t i;

	json_array_foreach(disks, i, disk)
		sum += mc_json_int(disk, "percent", 0);
	return json_array_size(disks) ? sum / (int64_t)json_array_size(disks) : 0;
}

static void add_status(json_t *v, const struct resource *r)
{
	json_object_update_new(v, json_pack("{s:s, s:o, s:s*}", "Status", state_name(r), "Progress", number(percent_of(r)),
					    "StatusMessage", mc_json_str(r->spec, "message", NULL)));
}

json_t *transfer_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, r->kind == KIND_EXPORT_IMAGE ? "ExportImageTaskId" : "ImportTaskId", NULL), *disk, *details;
	size_t i;

	(void)call;
	if (r->kind == KIND_IMPORT_SNAPSHOT) {
		json_object_set_new(v, "SnapshotTaskDetail", disk_view(r, json_array_get(mc_json_arr(r->spec, "disks"), 0)));
		return v;
	}
	add_status(v, r);
	if (r->kind == KIND_EXPORT_IMAGE)
		return v;
	details = json_array();
	json_array_foreach(mc_json_arr(r->spec, "disks"), i, disk)
		json_array_append_new(details, disk_view(r, disk));
	json_object_set_new(v, "SnapshotDetails", details);
	if (r->state == TRANSFER_COMPLETED)
		json_object_set(v, "ImageId", json_object_get(r->spec, "image"));
	return v;
}
