#include "api/upload.h"

#include <string.h>

#include "api/backend.h"
#include "api/encryption.h"
#include "api/reconciler.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define MINUTE (60 * MC_SECOND)

const json_t *upload_of(const struct resource *r)
{
	return mc_json_obj(r->spec, "upload");
}

bool upload_needs(const struct resource *r, const char *parent)
{
	const json_t *u = upload_of(r);

	return u && !mc_json_bool(u, "ready", false) && strcmp(mc_json_str(u, "parent", ""), parent) == 0;
}

struct resource *upload_make(struct call *call, const struct upload_wanted *wanted)
{
	struct resource *r = store_insert(call->tx, KIND_SNAPSHOT, call->caller->account, call->caller->region);
	char now[MC_ISO8601_LEN], volume[MC_ID_LEN];

	mc_clock_iso8601(r->created, now);
	mc_id_new("vol", volume);
	/* As AWS has it: no volume is behind it. */
	json_object_update_new(r->doc, json_pack("{s:s, s:b, s:s, s:s, s:I, s:s, s:s}", "Description",
		wanted->description ? wanted->description : "", "Encrypted", 0, "StartTime", now, "VolumeId", "vol-ffffffff",
		"VolumeSize", (json_int_t)wanted->size_gib, "Progress", "", "StorageTier", "standard"));
	encryption_show(r->doc, wanted->kms_key);
	json_object_set_new(r->spec, "upload", json_pack("{s:s, s:s*, s:I}", "volume", volume, "parent",
		wanted->parent ? wanted->parent->id : NULL, "timeout_min", (json_int_t)wanted->timeout_min));
	state_init(r, SNAPSHOT_PENDING);
	return r;
}

/* --- the step --------------------------------------------------------------- */

static const char *volume_of(const struct resource *r)
{
	return mc_json_str(upload_of(r), "volume", "");
}

static int remove_volume(struct api *api, const struct resource *r, mc_err **err)
{
	return backend_call(api, BACKEND_STORAGED, "DELETE", NULL, NULL, err, "/v1/volumes/%s", volume_of(r)) == MC_IPC_OK ? 0 : -1;
}

/* What the row becomes, by way of a state that may lead there. */
static int record_end(struct api *api, const struct resource *was, int state, const char *message, const json_t *bytes, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, was->id);

	if (!r || r->state != SNAPSHOT_PENDING) {
		store_end(tx);
		return STEP_AGAIN;
	}
	if (message)
		json_object_set_new(r->spec, "message", json_string(message));
	if (bytes) {
		snapshot_bears(r, json_integer_value(bytes));
		snapshot_show_complete(r);
	}
	state_set(tx, r, state);
	if (state != SNAPSHOT_DELETING && mc_json_bool(r->spec, "delete", false))
		state_set(tx, r, SNAPSHOT_DELETING);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int give_up(struct api *api, const struct resource *r, const char *reason, mc_err **err)
{
	mc_log(MC_LOG_WARNING, "snapshot", "the upload is given up", "id", r->id, "reason", reason, NULL);
	return remove_volume(api, r, err) < 0 ? -1 : record_end(api, r, SNAPSHOT_ERROR, reason, NULL, err);
}

static int make_ready(struct api *api, const struct resource *was, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:I, s:s*, s:s*}", "size_gib", (json_int_t)mc_json_int(was->doc, "VolumeSize", 1), "snapshot",
					      mc_json_str(upload_of(was), "parent", NULL), "kms_key", encryption_key_id(was->doc));
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_STORAGED, "PUT", body, &answer, err, "/v1/volumes/%s", volume_of(was));
	struct store_tx *tx;
	struct resource *r;

	if (o < 0 || backend_transient(o) || o == MC_IPC_INTERNAL)
		return -1;
	if (o != MC_IPC_OK) {
		mc_autofree char *reason = mc_strdup(err ? mc_err_msg(*err) : "");

		mc_err_clear(err);
		return give_up(api, was, reason, err);
	}
	if (backend_copies(answer)) {
		*ret_delay = MC_SECOND / 2;
		return STEP_NOT_YET;
	}
	tx = store_write(api->store);
	r = store_edit(tx, was->id);
	if (r)
		json_object_set_new(mc_json_obj(r->spec, "upload"), "ready", json_true());
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* Repeated after a kill, each of these answers as before. */
static int complete(struct api *api, const struct resource *r, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:s, s:o}", "volume", volume_of(r), "owner", snapshot_owner(r));
	mc_auto_json json_t *answer = NULL;

	if (backend_call(api, BACKEND_STORAGED, "PUT", body, &answer, err, "/v1/snapshots/%s", r->id) != MC_IPC_OK ||
	    remove_volume(api, r, err) < 0)
		return -1;
	return record_end(api, r, SNAPSHOT_COMPLETED, NULL, json_object_get(answer, "bytes"), err);
}

/* The time begins anew with each block. */
static int wait_for_blocks(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err)
{
	int64_t patience = mc_json_int(upload_of(r), "timeout_min", 60) * MINUTE, last;
	mc_auto_json json_t *answer = NULL;

	if (mc_clock_wall() < r->created + patience) {
		*ret_delay = r->created + patience - mc_clock_wall();
		return STEP_NOT_YET;
	}
	if (backend_call(api, BACKEND_STORAGED, "GET", NULL, &answer, err, "/v1/volumes/%s/blocks", volume_of(r)) != MC_IPC_OK)
		return -1;
	last = mc_json_int(answer, "written", 0);
	if (last + patience <= mc_clock_wall())
		return give_up(api, r, "The snapshot was not completed in time.", err);
	*ret_delay = last + patience - mc_clock_wall();
	return STEP_NOT_YET;
}

int upload_step(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err)
{
	if (mc_json_bool(r->spec, "delete", false))
		return remove_volume(api, r, err) < 0 ? -1 : record_end(api, r, SNAPSHOT_DELETING, NULL, NULL, err);
	if (!mc_json_bool(upload_of(r), "ready", false))
		return make_ready(api, r, ret_delay, err);
	return mc_json_bool(upload_of(r), "complete", false) ? complete(api, r, err) : wait_for_blocks(api, r, ret_delay, err);
}
