/* A volume's modification: made one that several instances may have or one alone, grown (storaged told, its QEMU,
 * storaged again), then recorded, then its limits set in the guests that have it. Every step can be repeated. */
#include "api/modification.h"

#include <string.h>

#include "api/backend.h"
#include "api/burst.h"
#include "api/reconciler.h"
#include "api/volume_type.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "volume"
#define SOON (MC_SECOND / 5)
#define COPY_LOOK (MC_SECOND / 2)
#define GIB (1LL << 30)

/* --- recording -------------------------------------------------------------- */

/* Begin a write on the volume if its modification still is in this state. */
static struct resource *edit(struct api *api, const char *id, const char *state, struct store_tx **ret_tx)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, id);

	if (r && strcmp(modification_state(r), state) == 0) {
		*ret_tx = tx;
		return r;
	}
	store_end(tx);
	return NULL;
}

static void set_progress(struct resource *r, const char *state, int progress)
{
	json_object_update_new(mc_json_obj(r->spec, "modification"),
			       json_pack("{s:s, s:i}", "ModificationState", state, "Progress", progress));
}

static void set_end(struct resource *r)
{
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), now);
	json_object_set_new(mc_json_obj(r->spec, "modification"), "EndTime", json_string(now));
}

static int record_grown(struct api *api, const struct resource *vol, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit(api, vol->id, "modifying", &tx);
	struct volume_shape target;

	if (!r)
		return STEP_AGAIN;
	target = modification_target(r);
	volume_type_show(&target, r->doc);
	json_object_set_new(r->doc, "MultiAttachEnabled", json_boolean(target.multi_attach));
	set_progress(r, "optimizing", 99);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int record_completed(struct api *api, const struct resource *vol, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit(api, vol->id, "optimizing", &tx);

	if (!r)
		return STEP_AGAIN;
	set_progress(r, "completed", 100);
	set_end(r);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

static int record_failed(struct api *api, const struct resource *vol, mc_err **err)
{
	mc_autofree char *reason = mc_strdup(err ? mc_err_msg(*err) : "");
	struct store_tx *tx;
	struct resource *r = edit(api, vol->id, "modifying", &tx);

	mc_log(MC_LOG_WARNING, AREA, "cannot be modified", "id", vol->id, "reason", reason, NULL);
	mc_err_clear(err);
	if (!r)
		return STEP_AGAIN;
	set_progress(r, "failed", 0);
	set_end(r);
	json_object_set_new(mc_json_obj(r->spec, "modification"), "StatusMessage", json_string(reason));
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

/* --- growing ---------------------------------------------------------------- */

static int tell_storaged(struct api *api, const char *volume, int64_t gib, bool *ret_growing, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:I}", "size_gib", (json_int_t)gib);
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_STORAGED, "POST", body, &answer, err, "/v1/volumes/%s/grow", volume);

	*ret_growing = mc_json_int(answer, "growing_gib", 0) != 0;
	return o;
}

/* In every guest that has it. One that is off, or just letting go, has storaged grow the file. */
static int tell_guests(struct api *api, const struct resource *vol, int64_t gib, mc_err **err)
{
	const json_t *instances = mc_json_arr(vol->spec, "instances");
	mc_auto_json json_t *body = json_pack("{s:I}", "bytes", (json_int_t)(gib * GIB));

	for (size_t i = 0; i < json_array_size(instances); i++) {
		int o = backend_call(api, BACKEND_HYPERVISOR, "POST", body, NULL, err, "/v1/instances/%s/disks/%s/grow",
				     mc_json_at(instances, i), vol->id);

		if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND && o != MC_IPC_CONFLICT)
			return o;
		mc_err_clear(err);
	}
	return MC_IPC_OK;
}

static int grow(struct api *api, const struct resource *vol, int64_t gib, bool *ret_growing, mc_err **err)
{
	int o = tell_storaged(api, vol->id, gib, ret_growing, err);

	if (o != MC_IPC_OK || !*ret_growing)
		return o;
	o = tell_guests(api, vol, gib, err);
	return o == MC_IPC_OK ? tell_storaged(api, vol->id, gib, ret_growing, err) : o;
}

/* storaged copies it into the other kind of file: *ret is how far that is, 100 when it is done. */
static int share(struct api *api, const struct resource *vol, bool shared, int *ret, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:b}", "shared", shared);
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_STORAGED, "POST", body, &answer, err, "/v1/volumes/%s/share", vol->id);

	*ret = (int)mc_json_int(answer, "percent", 0);
	if (*ret > 99 || !backend_copies(answer))
		*ret = backend_copies(answer) ? 99 : 100;
	return o;
}

/* Progress stays below what is shown when all of it is done. */
static int record_copying(struct api *api, const struct resource *vol, int percent, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r;

	*ret_delay = COPY_LOOK;
	percent = percent > 98 ? 98 : percent;
	if (mc_json_int(mc_json_obj(vol->spec, "modification"), "Progress", 0) >= percent)
		return STEP_NOT_YET;
	r = edit(api, vol->id, "modifying", &tx);
	if (!r)
		return STEP_AGAIN;
	set_progress(r, "modifying", percent);
	return store_commit(tx, err) < 0 ? -1 : STEP_NOT_YET;
}

static int step_modifying(struct api *api, const struct resource *vol, int64_t *ret_delay, mc_err **err)
{
	struct volume_shape target = modification_target(vol);
	bool growing = false;
	int o = MC_IPC_OK, copied = 100;

	if (target.multi_attach != mc_json_bool(vol->doc, "MultiAttachEnabled", false))
		o = share(api, vol, target.multi_attach, &copied, err);
	if (o == MC_IPC_OK && copied < 100)
		return record_copying(api, vol, copied, ret_delay, err);
	if (o == MC_IPC_OK && target.gib > mc_json_int(vol->doc, "Size", 1))
		o = grow(api, vol, target.gib, &growing, err);
	if (o == MC_IPC_OK && !growing)
		return record_grown(api, vol, err);
	if (o == MC_IPC_BAD_REQUEST || o == MC_IPC_NO_CAPACITY || o == MC_IPC_NOT_FOUND || o == MC_IPC_IN_USE)
		return record_failed(api, vol, err);
	if (o != MC_IPC_OK && !backend_transient(o))
		return -1;
	mc_err_clear(err); /* a snapshot is being taken, a guest is just starting or ending */
	*ret_delay = SOON;
	return STEP_NOT_YET;
}

/* --- limits ----------------------------------------------------------------- */

static int step_optimizing(struct api *api, const struct resource *vol, int64_t *ret_delay, mc_err **err)
{
	const json_t *instances = mc_json_arr(vol->spec, "instances");
	struct volume_shape shape = volume_type_shape(vol->doc);
	mc_auto_json json_t *body = json_pack("{s:o}", "iotune", burst_limits(api, vol->id, &shape, false));

	for (size_t i = 0; i < json_array_size(instances); i++) {
		int o = backend_call(api, BACKEND_HYPERVISOR, "POST", body, NULL, err, "/v1/instances/%s/disks/%s/limits",
				     mc_json_at(instances, i), vol->id);

		if (backend_transient(o)) {
			mc_err_clear(err);
			*ret_delay = SOON;
			return STEP_NOT_YET;
		}
		/* One that is off, or is just getting it, takes them from the record. */
		if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND && o != MC_IPC_CONFLICT)
			return -1;
		mc_err_clear(err);
	}
	return record_completed(api, vol, err);
}

int modification_step(struct api *api, const struct resource *vol, int64_t *ret_delay, mc_err **err)
{
	const char *state = modification_state(vol);

	if (strcmp(state, "modifying") == 0)
		return step_modifying(api, vol, ret_delay, err);
	if (strcmp(state, "optimizing") == 0)
		return step_optimizing(api, vol, ret_delay, err);
	return STEP_DONE;
}
