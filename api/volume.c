#include "api/volume.h"

#include <string.h>

#include "api/attachment.h"
#include "api/encryption.h"
#include "api/metadata_tree.h"
#include "api/state.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define RATE_MIN 100 /* MiB/s */
#define RATE_MAX 300

struct resource *volume_make(struct call *call, const struct volume_shape *shape, const struct volume_source *source,
			     const char *az)
{
	struct resource *vol = store_insert(call->tx, KIND_VOLUME, call->caller->account, call->caller->region);

	vol->az = mc_strdup(az);
	vol->host = mc_strdup("local");
	json_object_update_new(vol->doc, json_pack("{s:b, s:s}", "MultiAttachEnabled", shape->multi_attach, "SnapshotId",
						   source->snapshot ? source->snapshot : ""));
	if (source->rate)
		json_object_set_new(vol->doc, "VolumeInitializationRate", json_integer(source->rate));
	encryption_show(vol->doc, source->kms_key);
	volume_type_show(shape, vol->doc);
	if (source->stored)
		json_object_set_new(vol->spec, "image", json_string(source->stored));
	else if (source->snapshot)
		json_object_set_new(vol->spec, "snapshot", json_string(source->snapshot));
	json_object_set_new(vol->spec, "instances", json_array());
	state_init(vol, VOLUME_CREATING);
	return vol;
}

int volume_read_rate(struct call *call, const json_t *in, bool of_snapshot, int64_t *ret)
{
	int64_t rate = mc_json_int(in, "VolumeInitializationRate", 0);

	if (!json_object_get(in, "VolumeInitializationRate"))
		return 0;
	if (!of_snapshot)
		return action_fail(call, API_PARAMETER_COMBINATION, "The parameter VolumeInitializationRate is only supported for volumes "
				   "created from snapshots.");
	if (rate < RATE_MIN || rate > RATE_MAX)
		return action_invalid(call, "Volume initialization rate of %lld MiB/s is invalid; it must be between %d and %d.",
				      (long long)rate, RATE_MIN, RATE_MAX);
	*ret = rate;
	return 0;
}

json_t *volume_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "VolumeId", NULL);
	mc_autofree char *zone_id = metadata_zone_id(r->region, r->az);
	char created[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, created);
	json_object_update_new(v, json_pack("{s:o, s:s, s:s, s:s, s:s}", "Attachments", attachment_views(call->tx, r),
					    "AvailabilityZone", r->az, "AvailabilityZoneId", zone_id, "CreateTime", created, "State", state_name(r)));
	json_object_set_new(v, "Operator", json_pack("{s:b}", "Managed", 0));
	return v;
}
