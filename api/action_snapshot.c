/* CreateSnapshot, CreateSnapshots, CopySnapshot, DescribeSnapshots, DeleteSnapshot. */
#include <string.h>

#include "api/api.h"
#include "api/attachment.h"
#include "api/describe.h"
#include "api/encryption.h"
#include "api/image.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/json.h"

#define SNAPSHOT_REGIONAL "regional" /* the Location of all but those of Local Zones */

/* --- DescribeSnapshots ------------------------------------------------------ */

static const struct filter snapshot_filters[] = {
	{ "description", "Description" },
	{ "encrypted", "Encrypted" },
	{ "owner-alias", "OwnerAlias" },
	{ "owner-id", "OwnerId" },
	{ "progress", "Progress" },
	{ "snapshot-id", "SnapshotId" },
	{ "start-time", "StartTime" },
	{ "status", "State" },
	{ "storage-tier", "StorageTier" },
	{ "transfer-type", "TransferType" },
	{ "volume-id", "VolumeId" },
	{ "volume-size", "VolumeSize" },
	{ 0 },
};

static bool owner_asked(struct call *call, const struct resource *r)
{
	const json_t *owners = mc_json_arr(call->in, "OwnerIds");

	return json_array_size(owners) == 0 || mc_json_has_str(owners, r->account) ||
	       (mc_json_has_str(owners, "self") && strcmp(r->account, call->caller->account) == 0);
}

/* "all" means public ones, "self" and an account what that account was let use. */
static bool restorable(struct call *call, const struct resource *r)
{
	const json_t *users = mc_json_arr(call->in, "RestorableByUserIds"), *user;
	size_t i;

	json_array_foreach(users, i, user) {
		const char *text = json_is_string(user) ? json_string_value(user) : "";

		if (strcmp(text, "all") == 0 ? snapshot_public(r)
					     : snapshot_allowed(r, strcmp(text, "self") == 0 ? call->caller->account : text))
			return true;
	}
	return json_array_size(users) == 0;
}

/* Other accounts' are there for those that were let use them. */
static bool visible(struct call *call, const struct resource *r)
{
	return strcmp(r->region, call->caller->region) == 0 && snapshot_shown(call, r);
}

static json_t *asked_view(struct call *call, const struct resource *r)
{
	return owner_asked(call, r) && restorable(call, r) ? snapshot_view(call, r) : NULL;
}

static int describe_snapshots(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_SNAPSHOT, .list = "Snapshots", .ids = "SnapshotIds", .filters = snapshot_filters, .view = asked_view, .visible = visible,
		.page_min = 5, .page_max = 1000, .ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

/* --- CreateSnapshot --------------------------------------------------------- */

static const char *const taggable[] = { "snapshot", NULL };

static int check_description(struct call *call)
{
	const char *text = action_text(call, "Description");

	if (text && strlen(text) > 255)
		return action_refuse(call, "InvalidParameterValue", "Description exceeds the maximum length of 255 characters");
	return action_check_tag_types(call, taggable);
}

/* What is for other places than regions. */
static int check_place(struct call *call)
{
	static const char *const outposts[] = { "OutpostArn", "DestinationOutpostArn", NULL };
	static const char *const zones[] = { "DestinationAvailabilityZone", NULL };

	if (strcmp(mc_json_str(call->in, "Location", SNAPSHOT_REGIONAL), SNAPSHOT_REGIONAL) != 0)
		return action_invalid(call, "Local snapshots are supported only in Local Zones.");
	return action_refuse_members(call, outposts, "there are no Outposts here.") ||
	       action_refuse_members(call, zones, "there are no Local Zones here.");
}

static int check_volume(struct call *call, const struct resource *vol)
{
	if (vol->state != VOLUME_AVAILABLE && vol->state != VOLUME_IN_USE)
		return action_refuse(call, "IncorrectState", "Volume '%s' is in the '%s' state.", vol->id, state_name(vol));
	return 0;
}

static int refuse_shared(struct call *call, const char *volume)
{
	return action_refuse(call, "IncorrectState", "Volume '%s' is shared by running instances: this cloud takes its snapshot "
			     "when they are stopped or it is detached.", volume);
}

static int create_snapshot(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));
	struct resource *r;

	if (!vol || check_place(call) || check_volume(call, vol) || check_description(call))
		return 1;
	r = snapshot_make(call, vol, action_text(call, "Description"));
	if (action_apply_tags(call, "snapshot", r))
		return 1;
	call->job = json_pack("[s]", r->id);
	call->out = snapshot_view(call, r);
	return 0;
}

/* Of a volume that running instances share it depends on the store's file system, which storaged alone knows: where there
 * can be none, there was none. */
static int take(struct call *call)
{
	int r = snapshot_backend(call);
	struct store_tx *tx = store_write(call->api->store);
	const struct resource *s = store_get(tx, mc_json_at(call->job, 0));
	const struct resource *vol = s && s->state == SNAPSHOT_ERROR ? store_get(tx, mc_json_str(s->spec, "volume", "")) : NULL;

	if (!vol || !snapshot_of_shared(tx, vol, NULL)) {
		store_end(tx);
		return r;
	}
	r = refuse_shared(call, vol->id);
	snapshot_remove(call->api, tx, s);
	return store_commit(tx, &call->err) < 0 ? -1 : r;
}

/* --- CreateSnapshots -------------------------------------------------------- */

static bool excluded(struct call *call, const struct resource *inst, const json_t *entry)
{
	const json_t *spec = mc_json_obj(call->in, "InstanceSpecification");

	if (json_object_get(entry, "ephemeral"))
		return true;
	return entry == attachment_root(inst) ? mc_json_bool(spec, "ExcludeBootVolume", false)
					      : mc_json_has_str(mc_json_arr(spec, "ExcludeDataVolumeIds"), mc_json_str(entry, "id", ""));
}

static int copy_volume_tags(struct call *call, const struct resource *vol, struct resource *r)
{
	const char *key;
	json_t *value;

	if (strcmp(mc_json_str(call->in, "CopyTagsFromSource", ""), "volume") != 0)
		return 0;
	json_object_foreach(vol->tags, key, value)
		if (strncmp(key, "aws:", 4) != 0)
			json_object_set(r->tags, key, value);
	return 0;
}

static int snapshot_one(struct call *call, const char *volume, json_t *ids, json_t *infos)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, volume);
	struct resource *r;
	json_t *view;

	if (!vol || check_volume(call, vol))
		return 1;
	r = snapshot_make(call, vol, action_text(call, "Description"));
	json_object_set(r->spec, "set", ids);
	if (copy_volume_tags(call, vol, r) || action_apply_tags(call, "snapshot", r))
		return 1;
	json_array_append_new(ids, json_string(r->id));
	view = snapshot_view(call, r);
	view_default(view, "Tags", json_array());
	json_object_del(view, "StorageTier"); /* a SnapshotInfo has less than a Snapshot */
	json_object_del(view, "KmsKeyId");
	json_array_append_new(infos, view);
	return 0;
}

/* The moment of a volume that others write to, too, is its own: it may be the only one. */
static int check_set(struct call *call, const struct resource *inst, const json_t *ids)
{
	const json_t *id;
	size_t i;

	if (json_array_size(ids) == 0)
		return action_refuse(call, "InvalidParameterValue", "There are no volumes of instance '%s' to take snapshots of", inst->id);
	json_array_foreach(ids, i, id) {
		const char *volume = mc_json_str(store_get(call->tx, json_string_value(id))->spec, "volume", "");

		if (json_array_size(ids) > 1 && snapshot_of_shared(call->tx, store_get(call->tx, volume), NULL))
			return snapshot_refuse_shared(call, volume);
	}
	return 0;
}

static int create_snapshots(struct call *call)
{
	const json_t *spec = mc_json_obj(call->in, "InstanceSpecification");
	const struct resource *inst = action_resource(call, KIND_INSTANCE, mc_json_str(spec, "InstanceId", NULL));
	mc_auto_json json_t *infos = json_array();
	mc_auto_json json_t *ids = json_array();
	json_t *entry;
	size_t i;

	if (!inst || check_place(call) || check_description(call))
		return 1;
	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry)
		if (!excluded(call, inst, entry) && snapshot_one(call, mc_json_str(entry, "id", ""), ids, infos))
			return 1;
	if (check_set(call, inst, ids))
		return 1;
	snapshot_share_set(call->tx, ids);
	call->job = json_incref(ids);
	call->out = json_pack("{s:O}", "Snapshots", infos);
	return 0;
}

/* --- CopySnapshot ----------------------------------------------------------- */

/* The source lies in another region, or in this one. */
static const struct resource *find_source(struct call *call)
{
	const char *region = action_text(call, "SourceRegion"), *id = action_text(call, "SourceSnapshotId");
	const struct resource *r = region ? store_find(call->tx, KIND_SNAPSHOT, NULL, region, id ? id : "") : NULL;

	if (!region)
		action_fail(call, API_MISSING_PARAMETER, "sourceRegion");
	else if (!api_region_known(call->api, region))
		action_refuse(call, "InvalidParameterValue", "Invalid source region: %s", region);
	else if (!r || !snapshot_allowed(r, call->caller->account) || r->state == SNAPSHOT_DELETING)
		action_refuse(call, "InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id ? id : "");
	else if (r->state != SNAPSHOT_COMPLETED)
		action_refuse(call, "IncorrectState", "Snapshot is in invalid state - %s", state_name(r));
	else
		return r;
	return NULL;
}

static int copy_snapshot(struct call *call)
{
	const struct resource *source = find_source(call);
	mc_autofree char *kms_key = NULL;
	struct resource *r;
	json_t *tags;

	if (!source || check_place(call) || check_description(call) || snapshot_check_duration(call, "CompletionDurationMinutes"))
		return 1;
	if (encryption_choose(call, call->in, source, &kms_key))
		return 1;
	r = snapshot_make_copy(call, source->id, mc_json_int(source->doc, "VolumeSize", 1), action_text(call, "Description"));
	snapshot_show_transfer(r, mc_json_int(call->in, "CompletionDurationMinutes", 0));
	encryption_show(r->doc, kms_key);
	if (action_apply_tags(call, "snapshot", r))
		return 1;
	call->job = json_pack("[s]", r->id);
	call->out = json_pack("{s:s}", "SnapshotId", r->id);
	tags = resource_tag_list(r);
	if (tags)
		json_object_set_new(call->out, "Tags", tags);
	return 0;
}

/* --- DeleteSnapshot --------------------------------------------------------- */

static int delete_snapshot(struct call *call)
{
	const struct resource *r = snapshot_own(call, action_text(call, "SnapshotId")), *image;

	if (!r)
		return 1;
	image = image_of_snapshot(call->tx, r->id, NULL);
	if (image)
		return action_refuse(call, "InvalidSnapshot.InUse", "The snapshot %s is currently in use by %s", r->id, image->id);
	snapshot_remove(call->api, call->tx, r);
	return 0;
}

const struct action actions_snapshot[] = {
	{ .service = "ec2", .name = "CreateSnapshot", .fn = create_snapshot, .flags = ACTION_WRITE | ACTION_BACKEND,
	  .backend = take },
	{ .service = "ec2", .name = "CreateSnapshots", .fn = create_snapshots, .flags = ACTION_WRITE | ACTION_BACKEND,
	  .backend = take },
	{ .service = "ec2", .name = "CopySnapshot", .fn = copy_snapshot, .flags = ACTION_WRITE | ACTION_BACKEND,
	  .backend = snapshot_backend },
	{ .service = "ec2", .name = "DescribeSnapshots", .fn = describe_snapshots },
	{ .service = "ec2", .name = "DeleteSnapshot", .fn = delete_snapshot, .flags = ACTION_WRITE },
	{ 0 },
};
