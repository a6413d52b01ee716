/* The chains of volumes in use: storaged says what their QEMU should merge, the hypervisor has it done,
 * storaged records the end. All of it can be stopped and begun again. */
#include "api/upkeep.h"

#include <string.h>

#include "api/backend.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define WATCH (MC_SECOND)          /* a merge under way */
#define LATER (10 * MC_SECOND)     /* after one that came to nothing */
#define NOW_AND_THEN (600 * MC_SECOND)

static int settle(struct api *api, const char *volume, bool done, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:b}", "done", done);
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_STORAGED, "POST", body, &answer, err, "/v1/volumes/%s/merge/settle", volume);

	if (o != MC_IPC_OK)
		return -1;
	*ret_delay = LATER;
	return strcmp(mc_json_str(answer, "state", ""), "done") == 0 ? STEP_AGAIN : STEP_NOT_YET;
}

static int drive(struct api *api, const char *volume, const char *instance, const json_t *merge, int64_t *ret_delay,
		 mc_err **err)
{
	bool begun = strcmp(mc_json_str(merge, "state", ""), "begun") == 0;
	const char *action = mc_json_bool(merge, "unwanted", false) ? "stop" : begun ? "start" : "look";
	mc_auto_json json_t *body = json_pack("{s:s, s:O, s:O, s:O}", "action", action, "kind", json_object_get(merge, "kind"), "base",
					      json_object_get(merge, "base"), "top", json_object_get(merge, "top"));
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_HYPERVISOR, "POST", body, &answer, err, "/v1/instances/%s/disks/%s/merge", instance,
			     volume);
	const char *state = mc_json_str(answer, "state", "");

	*ret_delay = WATCH;
	/* It may run although its beginning failed, so that only an answer settles it; where the instance is just
	 * ending storaged takes it back when the volume is closed. */
	if (o != MC_IPC_OK || strcmp(state, "running") == 0) {
		mc_err_clear(err);
		return STEP_NOT_YET;
	}
	return settle(api, volume, strcmp(state, "done") == 0, ret_delay, err);
}

int upkeep_step(struct api *api, const struct resource *vol, int64_t *ret_delay, mc_err **err)
{
	const json_t *instances = mc_json_arr(vol->spec, "instances");
	mc_auto_json json_t *empty = json_object();
	mc_auto_json json_t *merge = NULL;
	int o;

	if (vol->state != VOLUME_IN_USE || json_array_size(instances) != 1)
		return STEP_DONE;
	o = backend_call(api, BACKEND_STORAGED, "POST", empty, &merge, err, "/v1/volumes/%s/merge", vol->id);
	*ret_delay = NOW_AND_THEN;
	if (o != MC_IPC_OK) {
		mc_err_clear(err); /* it is no haste */
		*ret_delay = LATER;
		return STEP_NOT_YET;
	}
	if (strcmp(mc_json_str(merge, "state", ""), "none") == 0)
		return STEP_NOT_YET;
	return drive(api, vol->id, mc_json_at(instances, 0), merge, ret_delay, err);
}
