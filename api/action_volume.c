#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/state.h"
#include "api/view.h"
#include "common/clock.h"
#include "common/json.h"

static const struct filter volume_filters[] = {
	{ "attachment.attach-time", "Attachments.AttachTime" },
	{ "attachment.delete-on-termination", "Attachments.DeleteOnTermination" },
	{ "attachment.device", "Attachments.Device" },
	{ "attachment.instance-id", "Attachments.InstanceId" },
	{ "attachment.status", "Attachments.State" },
	{ "availability-zone", "AvailabilityZone" },
	{ "create-time", "CreateTime" },
	{ "encrypted", "Encrypted" },
	{ "fast-restored", "FastRestored" },
	{ "multi-attach-enabled", "MultiAttachEnabled" },
	{ "size", "Size" },
	{ "snapshot-id", "SnapshotId" },
	{ "status", "State" },
	{ "volume-id", "VolumeId" },
	{ "volume-type", "VolumeType" },
	{ 0 },
};

static json_t *attachments_view(const struct resource *r)
{
	const char *instance = mc_json_str(r->spec, "instance", NULL);
	char since[MC_ISO8601_LEN];

	if (!instance || r->state == VOLUME_AVAILABLE)
		return json_array();
	mc_clock_iso8601(r->created, since);
	return json_pack("[{s:s, s:s, s:s, s:s, s:s, s:b}]", "AttachTime", mc_json_str(r->spec, "attached", since), "Device",
		mc_json_str(r->spec, "device", ""), "InstanceId", instance, "State",
		r->state == VOLUME_CREATING ? "attaching" : r->state == VOLUME_DELETING ? "detaching" : "attached", "VolumeId", r->id,
		"DeleteOnTermination", mc_json_bool(r->spec, "delete_on_termination", false));
}

static json_t *volume_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "VolumeId", NULL);
	char created[MC_ISO8601_LEN];

	(void)call;
	mc_clock_iso8601(r->created, created);
	json_object_update_new(v, json_pack("{s:o, s:s, s:s, s:s}", "Attachments", attachments_view(r), "AvailabilityZone", r->az,
					    "CreateTime", created, "State", state_name(r)));
	view_default(v, "Encrypted", json_false());
	view_default(v, "MultiAttachEnabled", json_false());
	view_default(v, "SnapshotId", json_string(""));
	return v;
}

static int describe_volumes(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VOLUME, .list = "Volumes", .ids = "VolumeIds", .filters = volume_filters, .view = volume_view,
		.page_min = 5, .page_max = 1000, .ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

const struct action actions_volume[] = {
	{ .service = "ec2", .name = "DescribeVolumes", .fn = describe_volumes },
	{ 0 },
};
