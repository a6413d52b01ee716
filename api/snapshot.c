#include "api/snapshot.h"

#include <string.h>

#include "api/cloud_time.h"
#include "api/encryption.h"
#include "api/reconciler.h"
#include "api/recycle_bin.h"
#include "api/state.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define DURATION_MAX 2880 /* minutes */
#define DURATION_STEP 15

/* --- who may ---------------------------------------------------------------- */

bool snapshot_public(const struct resource *r)
{
	return mc_json_bool(r->spec, "public", false) && !mc_json_bool(r->spec, "hidden", false);
}

bool snapshot_allowed(const struct resource *r, const char *account)
{
	return strcmp(r->account, account) == 0 || snapshot_public(r) ||
	       mc_json_has_str(mc_json_arr(r->spec, "users"), account);
}

static bool shown(const struct resource *r)
{
	return r->state != SNAPSHOT_DELETING && r->state != SNAPSHOT_RECOVERABLE && !mc_json_bool(r->spec, "delete", false);
}

bool snapshot_shown(struct call *call, const struct resource *r)
{
	return shown(r) && snapshot_allowed(r, call->caller->account);
}

static const struct resource *find(struct call *call, const char *id, bool own)
{
	const struct kind_info *k = kind_info(KIND_SNAPSHOT);
	const struct resource *r;

	if (!id || !mc_id_valid(k->prefix, id)) {
		action_malformed(call, KIND_SNAPSHOT, id);
		return NULL;
	}
	r = store_find(call->tx, KIND_SNAPSHOT, NULL, call->caller->region, id);
	if (r && snapshot_shown(call, r) && (!own || strcmp(r->account, call->caller->account) == 0))
		return r;
	action_refuse(call, k->not_found, "The snapshot '%s' does not exist.", id);
	return NULL;
}

const struct resource *snapshot_usable(struct call *call, const char *id)
{
	return find(call, id, false);
}

const struct resource *snapshot_own(struct call *call, const char *id)
{
	return find(call, id, true);
}

const struct resource *snapshot_completed(struct call *call, const char *id)
{
	const struct resource *r = find(call, id, false);

	if (!r || r->state == SNAPSHOT_COMPLETED)
		return r;
	action_refuse(call, "IncorrectState", "Snapshot is in invalid state - %s", state_name(r));
	return NULL;
}

/* --- making and showing ----------------------------------------------------- */

struct resource *snapshot_make(struct call *call, const struct resource *vol, const char *description)
{
	struct resource *r = store_insert(call->tx, KIND_SNAPSHOT, call->caller->account, call->caller->region);
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, now);
	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s, s:O, s:s, s:s}", "Description", description ? description : "",
		"StartTime", now, "VolumeId", vol->id, "VolumeSize",
		json_object_get(vol->doc, "Size"), "Progress", "", "StorageTier", "standard"));
	encryption_show(r->doc, mc_json_str(vol->doc, "KmsKeyId", NULL));
	json_object_set_new(r->spec, "volume", json_string(vol->id));
	state_init(r, SNAPSHOT_PENDING);
	return r;
}

struct resource *snapshot_make_copy(struct call *call, const char *stored, int64_t gib, const char *description)
{
	struct resource *r = store_insert(call->tx, KIND_SNAPSHOT, call->caller->account, call->caller->region);
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, now);
	/* As AWS has it: no volume of this region is behind a copy. */
	json_object_update_new(r->doc, json_pack("{s:s, s:b, s:s, s:s, s:I, s:s, s:s}", "Description", description ? description : "",
		"Encrypted", 0, "StartTime", now, "VolumeId", "vol-ffffffff", "VolumeSize", (json_int_t)gib, "Progress", "",
		"StorageTier", "standard"));
	snapshot_show_transfer(r, 0);
	json_object_set_new(r->spec, "copy", json_string(stored));
	state_init(r, SNAPSHOT_PENDING);
	return r;
}

int snapshot_check_duration(struct call *call, const char *member)
{
	int64_t minutes = mc_json_int(call->in, member, 0);

	if (!json_object_get(call->in, member) || (minutes > 0 && minutes <= DURATION_MAX && minutes % DURATION_STEP == 0))
		return 0;
	return action_invalid(call, "Value (%lld) for parameter %s is invalid. The completion duration must be a multiple of %d between "
			      "%d and %d minutes.", (long long)minutes, member, DURATION_STEP, DURATION_STEP, DURATION_MAX);
}

void snapshot_show_transfer(struct resource *r, int64_t minutes)
{
	json_object_set_new(r->doc, "TransferType", json_string(minutes ? "time-based" : "standard"));
	if (minutes)
		json_object_set_new(r->doc, "CompletionDurationMinutes", json_integer(minutes));
}

void snapshot_show_complete(struct resource *r)
{
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), now);
	json_object_update_new(r->doc, json_pack("{s:s, s:s}", "Progress", "100%", "CompletionTime", now));
}

bool snapshot_of_shared(struct store_tx *tx, const struct resource *vol, const char *except)
{
	const json_t *instances = mc_json_arr(vol->spec, "instances");

	for (size_t i = 0; i < json_array_size(instances) && mc_json_bool(vol->doc, "MultiAttachEnabled", false); i++) {
		const struct resource *inst = store_get(tx, mc_json_at(instances, i));

		if (inst && inst->state != INSTANCE_STOPPED && (!except || strcmp(inst->id, except) != 0))
			return true;
	}
	return false;
}

int snapshot_refuse_shared(struct call *call, const char *volume)
{
	return action_refuse(call, "IncorrectState", "Volume '%s' is shared by running instances: this cloud takes its snapshot by itself, "
			     "not together with those of other volumes.", volume);
}

void snapshot_share_set(struct store_tx *tx, const json_t *ids)
{
	json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
		json_object_set_new(store_edit(tx, json_string_value(id))->spec, "set", json_deep_copy(ids));
}

void snapshot_remove(struct api *api, struct store_tx *tx, const struct resource *r)
{
	struct resource *edited = store_edit(tx, r->id);
	int64_t now = cloud_time(api), exit;

	if (r->state == SNAPSHOT_PENDING && !mc_json_str(r->spec, "copy", NULL))
		json_object_set_new(edited->spec, "delete", json_true());
	else if (r->state == SNAPSHOT_COMPLETED && recycle_bin_keeps(tx, r, now, &exit))
		recycle_bin_enter(tx, edited, now, exit);
	else
		state_set(tx, edited, SNAPSHOT_DELETING);
}

json_t *snapshot_owner(const struct resource *r)
{
	mc_autofree char *text = mc_strf("%s/%s", r->account, r->region);

	return json_string(text);
}

void snapshot_bears(struct resource *edited, int64_t bytes)
{
	if (bytes >= mc_json_int(edited->spec, "stored_bytes", 0))
		json_object_set_new(edited->spec, "stored_bytes", json_integer(bytes));
}

json_t *snapshot_view(struct call *call, const struct resource *r)
{
	json_t *v;
	const char *message = mc_json_str(r->spec, "message", NULL);

	(void)call;
	v = view_new(r, "SnapshotId", "OwnerId");
	json_object_set_new(v, "State", json_string(state_name(r)));
	if (message)
		json_object_set_new(v, "StateMessage", json_string(message));
	return v;
}

bool snapshot_pending_of(struct store_tx *tx, const char *volume)
{
	struct store_iter it = store_pass(tx, KIND_SNAPSHOT, NULL, NULL, volume);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (r->state == SNAPSHOT_PENDING && strcmp(mc_json_str(r->spec, "volume", ""), volume) == 0)
			return true;
	return false;
}

int snapshot_backend(struct call *call)
{
	mc_auto_err mc_err *err = NULL;
	int64_t delay = 0;
	const char *leader = mc_json_at(call->job, 0);

	if (leader && step_snapshot(call->api, leader, &delay, &err) < 0)
		mc_log(MC_LOG_WARNING, "snapshot", "not taken yet", "id", leader, "reason", mc_err_msg(err), NULL);
	return 0;
}
