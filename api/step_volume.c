/* Volumes: storaged has, or has no more, what the store says. */
#include <stdlib.h>
#include <string.h>

#include "api/backend.h"
#include "api/encryption.h"
#include "api/modification.h"
#include "api/reconciler.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/upkeep.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define GIVE_UP (5 * MC_SECOND) /* making a volume that storaged fails at */
#define SOON (MC_SECOND / 5)
#define COPY_LOOK (MC_SECOND / 2)

static struct resource *snapshot(struct api *api, const char *id)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *r = store_get(tx, id);
	struct resource *copy = r ? resource_clone(r) : NULL;

	store_end(tx);
	return copy;
}

static void wake_owner(struct api *api, const struct resource *volume)
{
	const json_t *instances = mc_json_arr(volume->spec, "instances");

	for (size_t i = 0; i < json_array_size(instances); i++)
		reconciler_wake(api->reconciler, mc_json_at(instances, i), 0);
}

/* --- volumes ------------------------------------------------------------ */

static bool wanted_by_instance(const struct resource *volume)
{
	return json_array_size(mc_json_arr(volume->spec, "instances")) > 0;
}

static int record_volume(struct api *api, const struct resource *v, const char *error, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, v->id);

	if (!r || r->state != VOLUME_CREATING) {
		store_end(tx);
		return STEP_AGAIN;
	}
	if (error) {
		json_object_set_new(r->spec, "error", json_string(error));
		state_set(tx, r, VOLUME_ERROR);
	} else {
		state_set(tx, r, wanted_by_instance(r) ? VOLUME_IN_USE : VOLUME_AVAILABLE);
	}
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

/* A failure inside storaged may pass, so it is tried again; but not for ever, since
 * an instance waits for this volume. */
static bool hopeless(const struct resource *v)
{
	return mc_clock_wall() - state_since(v) > GIVE_UP;
}

static int create_volume(struct api *api, const struct resource *v, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:I, s:s*, s:b, s:s*, s:s*, s:s*}", "size_gib", (json_int_t)mc_json_int(v->doc, "Size", 1),
					      "kms_key", encryption_key_id(v->doc), "shared",
					      mc_json_bool(v->doc, "MultiAttachEnabled", false),
					      "image", mc_json_str(v->spec, "image", NULL), "snapshot",
					      mc_json_str(v->spec, "snapshot", NULL), "opener",
					      mc_json_at(mc_json_arr(v->spec, "instances"), 0));
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_STORAGED, "PUT", body, &answer, err, "/v1/volumes/%s", v->id);
	mc_autofree char *error = NULL;
	int r;

	if (o < 0 || backend_transient(o) || (o == MC_IPC_INTERNAL && !hopeless(v)))
		return -1;
	if (backend_copies(answer)) {
		*ret_delay = COPY_LOOK;
		return STEP_NOT_YET;
	}
	if (o != MC_IPC_OK) {
		error = mc_strf("%s: %s", mc_ipc_outcome_name((enum mc_ipc_outcome)o), err ? mc_err_msg(*err) : "");
		mc_log(MC_LOG_WARNING, "volume", "cannot be made", "id", v->id, "reason", error, NULL);
		mc_err_clear(err);
	}
	r = record_volume(api, v, error, err);
	wake_owner(api, v);
	return r;
}

/* A snapshot that was asked for before is taken first. */
static bool snapshot_waits(struct api *api, const char *id)
{
	struct store_tx *tx = store_read(api->store);
	bool waits = snapshot_pending_of(tx, id);

	store_end(tx);
	return waits;
}

static int delete_volume(struct api *api, const struct resource *v, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx;
	int o;

	*ret_delay = SOON;
	if (snapshot_waits(api, v->id))
		return STEP_NOT_YET;
	o = backend_call(api, BACKEND_STORAGED, "DELETE", NULL, NULL, err, "/v1/volumes/%s", v->id);
	if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND)
		return -1;
	mc_err_clear(err);
	tx = store_write(api->store);
	store_delete(tx, v->id);
	if (store_commit(tx, err) < 0)
		return -1;
	wake_owner(api, v);
	return STEP_DONE;
}

/* The two wait for each other: a volume that is being merged does not grow, and a merge that
 * somebody waits for is stopped. */
static int step_there(struct api *api, const struct resource *v, int64_t *ret_delay, mc_err **err)
{
	int64_t upkeep_delay = 0;
	int modified = modification_step(api, v, ret_delay, err), kept;

	if (modified < 0 || modified == STEP_AGAIN)
		return modified;
	kept = upkeep_step(api, v, &upkeep_delay, err);
	if (kept < 0 || kept == STEP_AGAIN || modified == STEP_DONE) {
		*ret_delay = upkeep_delay;
		return kept;
	}
	return modified;
}

int step_volume(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct resource *v = snapshot(api, id);
	int r = STEP_DONE;

	if (v && v->state == VOLUME_CREATING)
		r = create_volume(api, v, ret_delay, err);
	else if (v && v->state == VOLUME_DELETING)
		r = delete_volume(api, v, ret_delay, err);
	else if (v && (v->state == VOLUME_AVAILABLE || v->state == VOLUME_IN_USE))
		r = step_there(api, v, ret_delay, err);
	resource_free(v);
	return r;
}
