/* Volumes: making, describing, attributes, deleting. */
#include <string.h>

#include "api/attachment.h"
#include "api/describe.h"
#include "api/encryption.h"
#include "api/impaired.h"
#include "api/metadata_tree.h"
#include "api/impaired.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/view.h"
#include "api/volume.h"
#include "api/zone.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- DescribeVolumes -------------------------------------------------------- */

static const struct filter volume_filters[] = {
	{ "attachment.attach-time", "Attachments.AttachTime" },
	{ "attachment.delete-on-termination", "Attachments.DeleteOnTermination" },
	{ "attachment.device", "Attachments.Device" },
	{ "attachment.instance-id", "Attachments.InstanceId" },
	{ "attachment.status", "Attachments.State" },
	{ "availability-zone", "AvailabilityZone" },
	{ "availability-zone-id", "AvailabilityZoneId" },
	{ "create-time", "CreateTime" },
	{ "encrypted", "Encrypted" },
	{ "fast-restored", "FastRestored" },
	{ "multi-attach-enabled", "MultiAttachEnabled" },
	{ "operator.managed", "Operator.Managed" },
	{ "operator.principal", "Operator.Principal" },
	{ "size", "Size" },
	{ "snapshot-id", "SnapshotId" },
	{ "status", "State" },
	{ "volume-id", "VolumeId" },
	{ "volume-type", "VolumeType" },
	{ 0 },
};

static int describe_volumes(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VOLUME, .list = "Volumes", .ids = "VolumeIds", .filters = volume_filters, .view = volume_view,
		.page_min = 5, .page_max = 1000, .ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

/* --- CreateVolume ----------------------------------------------------------- */

/* By its name or by its id. Allocated, NULL after action_fail. */
static char *find_zone(struct call *call)
{
	const char *name = action_text(call, "AvailabilityZone"), *id = action_text(call, "AvailabilityZoneId");
	const char *region = call->caller->region;
	mc_autofree char *zone = name ? zone_by_name(region, name) : id ? zone_by_id(region, id) : NULL;

	if (name && id)
		action_fail(call, API_PARAMETER_COMBINATION, "Only one of availabilityZone and availabilityZoneId may be specified");
	else if (!name && !id)
		action_fail(call, API_MISSING_PARAMETER, "availabilityZone");
	else if (!zone)
		action_refuse(call, "InvalidZone.NotFound", "The zone '%s' does not exist.", name ? name : id);
	else
		return MC_STEAL(zone);
	return NULL;
}

/* *ret_kms_key: allocated, see encryption_choose(). */
static int find_source(struct call *call, struct volume_shape *shape, struct volume_source *ret, char **ret_kms_key)
{
	const char *id = action_text(call, "SnapshotId");
	const struct resource *snapshot = id ? snapshot_completed(call, id) : NULL;
	int64_t least = snapshot ? mc_json_int(snapshot->doc, "VolumeSize", 1) : 0;

	if (id && !snapshot)
		return 1;
	if (!id && !json_object_get(call->in, "Size"))
		return action_fail(call, API_MISSING_PARAMETER, "size/snapshot");
	if (volume_read_rate(call, call->in, id != NULL, &ret->rate))
		return 1;
	if (!json_object_get(call->in, "Size"))
		shape->gib = least;
	if (shape->gib < least)
		return action_refuse(call, "InvalidParameterValue", "Volume of size %lldGB is smaller than snapshot '%s', expect size >= "
				     "%lldGB", (long long)shape->gib, id, (long long)least);
	ret->snapshot = id;
	return encryption_choose(call, call->in, snapshot, ret_kms_key) ? 1 : 0;
}

static int create_volume(struct call *call)
{
	static const char *const taggable[] = { "volume", NULL };
	static const char *const elsewhere[] = { "OutpostArn", NULL };
	mc_autofree char *az = find_zone(call);
	const char *type = action_text(call, "VolumeType");
	struct volume_shape shape = {
		.type = type ? type : VOLUME_TYPE_DEFAULT, .gib = mc_json_int(call->in, "Size", 0),
		.iops = mc_json_int(call->in, "Iops", 0), .throughput = mc_json_int(call->in, "Throughput", 0),
		.multi_attach = mc_json_bool(call->in, "MultiAttachEnabled", false),
	};
	struct volume_source source = { 0 };
	mc_autofree char *kms_key = NULL;
	struct resource *vol;
	int r = !az || action_refuse_members(call, elsewhere, "there are no Outposts here.") || find_source(call, &shape, &source, &kms_key) || volume_type_check(call, &shape) ||
		action_check_tag_types(call, taggable);

	if (r)
		return r;
	source.kms_key = kms_key;
	vol = volume_make(call, &shape, &source, az);
	if (action_apply_tags(call, "volume", vol))
		return 1;
	call->out = volume_view(call, vol);
	json_object_del(call->out, "Attachments");
	return 0;
}

/* --- DeleteVolume ----------------------------------------------------------- */

static int delete_volume(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));
	const char *instance;

	if (!vol)
		return 1;
	instance = mc_json_at(mc_json_arr(vol->spec, "instances"), 0);
	if (vol->state == VOLUME_IN_USE || (vol->state == VOLUME_CREATING && instance))
		return action_refuse(call, "VolumeInUse", "Volume %s is currently attached to %s", vol->id, instance);
	if (vol->state == VOLUME_CREATING)
		return action_refuse(call, "IncorrectState", "The volume '%s' is 'creating'", vol->id);
	state_set(call->tx, store_edit(call->tx, vol->id), VOLUME_DELETING);
	return 0;
}

/* --- status and attributes -------------------------------------------------- */

static const struct filter status_filters[] = {
	{ "action.code", "Actions.Code" },
	{ "action.description", "Actions.Description" },
	{ "action.event-id", "Actions.EventId" },
	{ "availability-zone", "AvailabilityZone" },
	{ "availability-zone-id", "AvailabilityZoneId" },
	{ "event.description", "Events.Description" },
	{ "event.event-id", "Events.EventId" },
	{ "event.event-type", "Events.EventType" },
	{ "event.not-after", "Events.NotAfter" },
	{ "event.not-before", "Events.NotBefore" },
	{ "volume-status.details-name", "VolumeStatus.Details.Name" },
	{ "volume-status.details-status", "VolumeStatus.Details.Status" },
	{ "volume-status.status", "VolumeStatus.Status" },
	{ 0 },
};

/* A guest waits for the volume. Data that a failed request leaves in doubt is the caller's to look at, who then
 * enables the I/O; a write that waits for room is only late. */
static void add_event(json_t *status, const struct resource *vol, const struct resource *inst, bool failed, const char *since)
{
	const char *type = failed ? "potential-data-inconsistency" : "io-performance:stalled";
	mc_autofree char *id = mc_strf("evol-%s", vol->id + strlen("vol-"));

	json_array_append_new(mc_json_arr(status, "Events"), json_pack("{s:s, s:s, s:s, s:s, s:s}", "EventId", id, "EventType", type,
		"Description", failed ? "Reading or writing the volume failed on the host" : "The host has no room for what is written",
		"NotBefore", since, "InstanceId", inst->id));
	if (failed)
		json_array_append_new(mc_json_arr(status, "Actions"), json_pack("{s:s, s:s, s:s, s:s}", "Code", "enable-volume-io",
			"Description", "Enable volume I/O", "EventId", id, "EventType", type));
}

/* Every block of a volume is there when it is available. NULL: of no snapshot, or not yet. */
static json_t *initialization(const struct resource *vol)
{
	const json_t *rate = json_object_get(vol->doc, "VolumeInitializationRate");
	json_t *v;

	if (!*mc_json_str(vol->doc, "SnapshotId", "") || vol->state == VOLUME_CREATING || vol->state == VOLUME_ERROR)
		return NULL;
	v = json_pack("{s:s, s:i}", "InitializationType", rate ? "provisioned-rate" : "default", "Progress", 100);
	if (rate)
		json_object_set_new(v, "EstimatedTimeToCompleteInSeconds", json_integer(0));
	return v;
}

static json_t *attachment_statuses(const struct resource *vol)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(vol->spec, "instances"), i, id)
		json_array_append_new(list, json_pack("{s:s, s:O}", "IoPerformance", "not-applicable", "InstanceId", id));
	return list;
}

static json_t *status_view(struct call *call, const struct resource *r)
{
	bool there = r->state == VOLUME_AVAILABLE || r->state == VOLUME_IN_USE, broken = r->state == VOLUME_ERROR;
	char since[MC_ISO8601_LEN];
	const char *error = NULL;
	const struct resource *inst = there ? impaired_by_volume(call->tx, r, &error, since) : NULL;
	bool full = inst && strcmp(error, "failed") != 0;
	mc_autofree char *zone_id = metadata_zone_id(r->region, r->az);
	json_t *status;

	broken = broken || inst;
	status = json_pack("{s:[], s:s, s:s, s:[], s:s, s:{s:[{s:s, s:s}, {s:s, s:s}], s:s}, s:o}", "Actions", "AvailabilityZone", r->az,
			   "AvailabilityZoneId", zone_id, "Events", "VolumeId", r->id, "VolumeStatus", "Details", "Name", "io-enabled", "Status",
			   broken ? "failed" : there ? "passed" : "insufficient-data", "Name", "io-performance", "Status",
			   full ? "stalled" : "not-applicable", "Status", broken ? "impaired" : there ? "ok" : "insufficient-data",
			   "AttachmentStatuses", attachment_statuses(r));
	json_object_set_new(status, "InitializationStatusDetails", initialization(r));
	if (inst)
		add_event(status, r, inst, !full, since);
	return status;
}

static int describe_volume_status(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VOLUME, .list = "VolumeStatuses", .ids = "VolumeIds", .filters = status_filters, .view = status_view,
		.page_min = 5, .page_max = 1000, .ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

static int describe_volume_attribute(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));
	const char *name = mc_json_str(call->in, "Attribute", "");

	if (!vol)
		return 1;
	call->out = json_pack("{s:s}", "VolumeId", vol->id);
	if (strcmp(name, "autoEnableIO") == 0)
		json_object_set_new(call->out, "AutoEnableIO",
				    json_pack("{s:b}", "Value", mc_json_bool(vol->spec, "auto_enable_io", false)));
	else
		json_object_set_new(call->out, "ProductCodes", json_array());
	return 0;
}

static int modify_volume_attribute(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));
	const json_t *value = mc_json_obj(call->in, "AutoEnableIO");

	if (!vol)
		return 1;
	if (!value)
		return action_fail(call, API_MISSING, "No attributes specified.");
	json_object_set_new(store_edit(call->tx, vol->id)->spec, "auto_enable_io",
			    json_boolean(mc_json_bool(value, "Value", false)));
	return 0;
}

/* Of one whose I/O is enabled nothing is to be done. */
static int enable_volume_io(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));

	if (!vol)
		return 1;
	impaired_enable(call->tx, vol);
	return 0;
}

const struct action actions_volume[] = {
	{ .service = "ec2", .name = "CreateVolume", .fn = create_volume, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteVolume", .fn = delete_volume, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeVolumes", .fn = describe_volumes },
	{ .service = "ec2", .name = "DescribeVolumeStatus", .fn = describe_volume_status },
	{ .service = "ec2", .name = "DescribeVolumeAttribute", .fn = describe_volume_attribute },
	{ .service = "ec2", .name = "ModifyVolumeAttribute", .fn = modify_volume_attribute, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "EnableVolumeIO", .fn = enable_volume_io, .flags = ACTION_WRITE },
	{ 0 },
};
