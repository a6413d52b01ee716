/* ModifyVolume, DescribeVolumesModifications. A volume's last modification is its spec's
 * `modification`, a VolumeModification of the API; its step carries it out. */
#include <string.h>

#include "api/cloud_time.h"
#include "api/describe.h"
#include "api/modification.h"
#include "api/state.h"
#include "api/volume.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define RATE_MAX 4 /* EC2 API reference, "ModifyVolume": within a rolling day */
#define RATE_WITHIN (24 * 3600 * MC_SECOND)

const char *modification_state(const struct resource *vol)
{
	return mc_json_str(mc_json_obj(vol->spec, "modification"), "ModificationState", "");
}

struct volume_shape modification_target(const struct resource *vol)
{
	const json_t *doc = mc_json_obj(vol->spec, "modification");

	return (struct volume_shape){
		.type = mc_json_str(doc, "TargetVolumeType", VOLUME_TYPE_DEFAULT), .gib = mc_json_int(doc, "TargetSize", 1),
		.iops = mc_json_int(doc, "TargetIops", 0), .throughput = mc_json_int(doc, "TargetThroughput", 0),
		.multi_attach = mc_json_bool(doc, "TargetMultiAttachEnabled", false),
	};
}

/* --- ModifyVolume ----------------------------------------------------------- */

/* What is not given stays, but what another type would not have. */
static struct volume_shape target_of(const struct call *call, const struct resource *vol)
{
	struct volume_shape now = volume_type_shape(vol->doc), target = now;
	const char *type = mc_json_str(call->in, "VolumeType", NULL);
	bool other = type && *type && strcmp(type, now.type) != 0;

	target.type = other ? type : now.type;
	target.gib = mc_json_int(call->in, "Size", now.gib);
	target.iops = mc_json_int(call->in, "Iops", volume_type_kept_iops(&now, target.type));
	target.throughput = mc_json_int(call->in, "Throughput", other ? 0 : now.throughput);
	target.multi_attach = mc_json_bool(call->in, "MultiAttachEnabled", now.multi_attach);
	return target;
}

/* When the volume's modifications of the last day began (ns). New reference. */
static json_t *recent(const struct resource *vol, int64_t now)
{
	json_t *list = json_array(), *at;
	size_t i;

	json_array_foreach(mc_json_arr(vol->spec, "modified"), i, at)
		if (now - json_integer_value(at) < RATE_WITHIN)
			json_array_append(list, at);
	return list;
}

static int check_rate(struct call *call, const struct resource *vol)
{
	mc_auto_json json_t *begun = recent(vol, cloud_time(call->api));

	if (json_array_size(begun) < RATE_MAX)
		return 0;
	return action_refuse(call, "VolumeModificationRateExceeded", "You've reached the maximum modification rate per volume limit. "
			     "A volume can be modified %d times within 24 hours.", RATE_MAX);
}

static void count_in(struct call *call, struct resource *vol)
{
	int64_t now = cloud_time(call->api);
	json_t *begun = recent(vol, now);

	json_array_append_new(begun, json_integer(now));
	json_object_set_new(vol->spec, "modified", begun);
}

static int check_state(struct call *call, const struct resource *vol)
{
	const char *state = modification_state(vol);

	if (vol->state != VOLUME_AVAILABLE && vol->state != VOLUME_IN_USE)
		return action_refuse(call, "IncorrectState", "The volume '%s' is '%s'.", vol->id, state_name(vol));
	if (strcmp(state, "modifying") == 0 || strcmp(state, "optimizing") == 0)
		return action_refuse(call, "IncorrectModificationState", "Volume %s cannot be modified in modification state %s", vol->id,
				     strcmp(state, "modifying") == 0 ? "MODIFYING" : "OPTIMIZING");
	return 0;
}

static int check_asked(struct call *call)
{
	static const char *const members[] = { "Size", "VolumeType", "Iops", "Throughput", "MultiAttachEnabled" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (json_object_get(call->in, members[i]))
			return 0;
	return action_fail(call, API_MISSING_PARAMETER, "size, volumeType, iops or throughput");
}

static void add_shape(json_t *doc, const char *prefix, const struct volume_shape *shape)
{
	mc_auto_json json_t *shown = json_object();
	const char *name;
	json_t *value;

	volume_type_show(shape, shown);
	json_object_foreach(shown, name, value) {
		mc_autofree char *key = mc_strf("%s%s", prefix, name);

		json_object_set(doc, key, value);
	}
}

static json_t *modification_of(const struct resource *vol, const struct volume_shape *target)
{
	struct volume_shape now = volume_type_shape(vol->doc);
	char started[MC_ISO8601_LEN];
	json_t *doc;

	mc_clock_iso8601(mc_clock_wall(), started);
	doc = json_pack("{s:s, s:s, s:i, s:s, s:b, s:b}", "VolumeId", vol->id, "ModificationState", "modifying", "Progress", 0,
			"StartTime", started, "TargetMultiAttachEnabled", target->multi_attach, "OriginalMultiAttachEnabled", now.multi_attach);
	add_shape(doc, "Target", target);
	add_shape(doc, "Original", &now);
	return doc;
}

/* EBS User Guide, "Attach an EBS volume to multiple EC2 instances using Multi-Attach": what may be modified afterwards. */
static int check_multi_attach(struct call *call, const struct resource *vol, const struct volume_shape *target)
{
	struct volume_shape now = volume_type_shape(vol->doc);
	bool switched = now.multi_attach != target->multi_attach, io1 = strcmp(now.type, "io1") == 0;

	if (!switched && !now.multi_attach)
		return 0;
	if (switched && (io1 || strcmp(target->type, "io1") == 0))
		return action_fail(call, API_UNSUPPORTED, "Multi-Attach can't be enabled or disabled for an io1 volume after it is created.");
	if (io1)
		return action_fail(call, API_UNSUPPORTED, "An io1 volume that is enabled for Multi-Attach can't be modified.");
	if (strcmp(now.type, target->type) != 0 && now.multi_attach)
		return action_fail(call, API_UNSUPPORTED, "The type of a volume that is enabled for Multi-Attach can't be modified.");
	if (switched && json_array_size(mc_json_arr(vol->spec, "instances")) > 0)
		return action_refuse(call, "IncorrectState", "Multi-Attach can't be enabled or disabled while volume '%s' is attached to an "
				     "instance.", vol->id);
	return 0;
}

static int modify_volume(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, mc_json_str(call->in, "VolumeId", NULL));
	struct volume_shape target;
	struct resource *edited;
	json_t *doc;

	if (!vol || check_asked(call) || check_state(call, vol))
		return 1;
	target = target_of(call, vol);
	if (target.gib < mc_json_int(vol->doc, "Size", 1))
		return action_refuse(call, "InvalidParameterValue", "New size cannot be smaller than existing size");
	if (volume_type_check(call, &target) || check_multi_attach(call, vol, &target) || check_rate(call, vol))
		return 1;
	edited = store_edit(call->tx, vol->id);
	count_in(call, edited);
	doc = modification_of(edited, &target);
	json_object_set_new(edited->spec, "modification", doc);
	call->out = json_pack("{s:O}", "VolumeModification", doc);
	return 0;
}

/* --- DescribeVolumesModifications ------------------------------------------- */

static const struct filter modification_filters[] = {
	{ "modification-state", "ModificationState" },
	{ "original-iops", "OriginalIops" },
	{ "original-size", "OriginalSize" },
	{ "original-volume-type", "OriginalVolumeType" },
	{ "originalMultiAttachEnabled", "OriginalMultiAttachEnabled" },
	{ "start-time", "StartTime" },
	{ "target-iops", "TargetIops" },
	{ "target-size", "TargetSize" },
	{ "target-volume-type", "TargetVolumeType" },
	{ "targetMultiAttachEnabled", "TargetMultiAttachEnabled" },
	{ "volume-id", "VolumeId" },
	{ 0 },
};

static json_t *modification_view(struct call *call, const struct resource *r)
{
	(void)call;
	return json_incref(json_object_get(r->spec, "modification"));
}

static int describe_modifications(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VOLUME, .list = "VolumesModifications", .ids = "VolumeIds", .filters = modification_filters,
		.view = modification_view, .page_min = 5, .page_max = 1000,
	};
	json_t *id;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "VolumeIds"), i, id) {
		const struct resource *vol = action_resource(call, KIND_VOLUME, json_string_value(id));

		if (!vol)
			return 1;
		if (!mc_json_obj(vol->spec, "modification"))
			return action_refuse(call, "InvalidVolumeModification.NotFound", "Modification for volume '%s' does not exist.",
					     vol->id);
	}
	return describe_run(call, &d);
}

const struct action actions_modification[] = {
	{ .service = "ec2", .name = "ModifyVolume", .fn = modify_volume, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeVolumesModifications", .fn = describe_modifications },
	{ 0 },
};
