/* Imports and exports: storaged is asked for each disk until it is done; every step may be killed
 * anywhere and repeated, since asking again begins what is not known any more. */
#include <string.h>

#include "api/backend.h"
#include "api/reconciler.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/transfer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define LOOK_AGAIN (MC_SECOND / 2)
#define SHOWN (7 * 86400 * MC_SECOND) /* as AWS shows tasks that have ended */

static bool exports(const struct resource *r)
{
	return r->kind == KIND_EXPORT_IMAGE;
}

/* storaged knows an import by its snapshot, an export by its task. */
static int ask(struct api *api, const struct resource *r, const json_t *disk, json_t **ret, mc_err **err)
{
	const char *snapshot = mc_json_str(disk, "snapshot", ""), *format = mc_json_str(disk, "format", "");
	mc_auto_json json_t *body = exports(r) ? json_pack("{s:s, s:s, s:s}", "source", snapshot, "format", format, "target",
							   mc_json_str(disk, "target", ""))
					       : json_pack("{s:s, s:s, s:s*}", "source", mc_json_str(disk, "source", ""), "format",
							   format, "kms_key", mc_json_str(disk, "kms_key", NULL));

	if (!exports(r)) /* the snapshot is where its task is */
		json_object_set_new(body, "owner", snapshot_owner(r));
	return backend_call(api, BACKEND_STORAGED, "PUT", body, ret, err, "/v1/%s/%s", exports(r) ? "exports" : "imports",
			    exports(r) ? r->id : snapshot);
}

static int forget(struct api *api, const struct resource *r, mc_err **err)
{
	json_t *disk;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "disks"), i, disk) {
		const char *id = exports(r) ? r->id : mc_json_str(disk, "snapshot", "");
		int o = backend_call(api, BACKEND_STORAGED, "DELETE", NULL, NULL, err, "/v1/%s/%s", exports(r) ? "exports" : "imports", id);

		if (o != MC_IPC_OK)
			return -1;
	}
	return 0;
}

/* --- recording -------------------------------------------------------------- */

/* What AWS says: whose fault it was comes first. */
static char *message_of(const char *outcome, const char *text)
{
	bool ours = strcmp(outcome, mc_ipc_outcome_name(MC_IPC_NO_CAPACITY)) == 0 ||
		    strcmp(outcome, mc_ipc_outcome_name(MC_IPC_INTERNAL)) == 0;

	return mc_strf("%s: %s", ours ? "ServerError" : "ClientError", text);
}

static int end(struct api *api, const struct resource *r, const char *message, mc_err **err)
{
	struct store_tx *tx;
	struct resource *edited;

	if (forget(api, r, err) < 0)
		return -1;
	tx = store_write(api->store);
	edited = store_edit(tx, r->id);
	if (!edited || (edited->state != TRANSFER_ACTIVE && edited->state != TRANSFER_DELETING)) {
		store_end(tx);
		return STEP_AGAIN;
	}
	if (message)
		mc_log(MC_LOG_WARNING, "transfer", "failed", "id", r->id, "reason", message, NULL);
	transfer_end(tx, edited, message);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* The size of the disk is known now: the image that it belongs to shows it. */
static void note_size(struct store_tx *tx, const struct resource *task, const char *snapshot, const json_t *gib)
{
	struct resource *image = task->kind == KIND_IMPORT_IMAGE ? store_edit(tx, mc_json_str(task->spec, "image", "")) : NULL;
	json_t *m;
	size_t i;

	json_array_foreach(image ? mc_json_arr(image->doc, "BlockDeviceMappings") : NULL, i, m)
		if (strcmp(mc_json_str(mc_json_obj(m, "Ebs"), "SnapshotId", ""), snapshot) == 0)
			json_object_set(mc_json_obj(m, "Ebs"), "VolumeSize", (json_t *)gib);
}

static void record_disk(struct store_tx *tx, struct resource *r, json_t *disk, const json_t *report)
{
	const char *id = mc_json_str(disk, "snapshot", "");
	mc_autofree char *percent = mc_strf("%lld%%", (long long)mc_json_int(report, "percent", 0));
	struct resource *s = exports(r) ? NULL : store_edit(tx, id);

	json_object_set(disk, "percent", json_object_get(report, "percent"));
	if (strcmp(mc_json_str(report, "state", ""), "done") != 0) {
		if (s && s->state == SNAPSHOT_PENDING)
			json_object_set_new(s->doc, "Progress", json_string(percent));
		return;
	}
	json_object_set_new(disk, "done", json_true());
	if (json_object_get(report, "bytes"))
		json_object_set(disk, "bytes", json_object_get(report, "bytes"));
	if (!s || s->state != SNAPSHOT_PENDING)
		return;
	note_size(tx, r, id, json_object_get(report, "size_gib"));
	transfer_complete(tx, s, report);
}

/* reports: by disk, null for those that were done before. */
static int record(struct api *api, const struct resource *r, const json_t *reports, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *edited = store_edit(tx, r->id);
	bool done = true;
	json_t *disk;
	size_t i;

	if (!edited || edited->state != TRANSFER_ACTIVE) {
		store_end(tx);
		return STEP_AGAIN;
	}
	json_array_foreach(mc_json_arr(edited->spec, "disks"), i, disk) {
		if (json_is_object(json_array_get(reports, i)))
			record_disk(tx, edited, disk, json_array_get(reports, i));
		done &= mc_json_bool(disk, "done", false);
	}
	if (done)
		state_set(tx, edited, TRANSFER_COMPLETED);
	*ret_delay = LOOK_AGAIN;
	return store_commit(tx, err) < 0 ? -1 : STEP_NOT_YET;
}

/* --- steps ------------------------------------------------------------------ */

/* Is there anything to write down? */
static bool news(const json_t *disk, const json_t *report)
{
	return strcmp(mc_json_str(report, "state", ""), "done") == 0 ||
	       mc_json_int(report, "percent", 0) != mc_json_int(disk, "percent", 0);
}

/* Ask for one: STEP_DONE with *ret, or another result. */
static int ask_disk(struct api *api, const struct resource *r, const json_t *disk, json_t **ret, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *report = NULL;
	mc_autofree char *message = NULL;
	int o = ask(api, r, disk, &report, err);

	*ret_delay = LOOK_AGAIN;
	if (o < 0 || o == MC_IPC_INTERNAL)
		return -1;
	if (backend_transient(o)) {
		mc_err_clear(err);
		return STEP_NOT_YET;
	}
	if (o != MC_IPC_OK)
		message = message_of(mc_ipc_outcome_name((enum mc_ipc_outcome)o), err ? mc_err_msg(*err) : "");
	else if (strcmp(mc_json_str(report, "state", ""), "failed") == 0)
		message = message_of(mc_json_str(report, "outcome", ""), mc_json_str(report, "message", ""));
	if (message) {
		mc_err_clear(err);
		return end(api, r, message, err);
	}
	*ret = json_incref(report);
	return STEP_DONE;
}

static int step_active(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *reports = json_array();
	bool any = false;
	json_t *disk;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "disks"), i, disk) {
		json_t *report = NULL;
		int result = mc_json_bool(disk, "done", false) ? STEP_DONE : ask_disk(api, r, disk, &report, ret_delay, err);

		if (result != STEP_DONE)
			return result;
		any |= report ? news(disk, report) : true;
		json_array_append_new(reports, report ? report : json_null());
	}
	*ret_delay = LOOK_AGAIN;
	return any ? record(api, r, reports, ret_delay, err) : STEP_NOT_YET;
}

/* storaged need not remember it; after some days nobody does. */
static int step_ended(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err)
{
	int64_t left = state_since(r) + SHOWN - mc_clock_wall();
	struct store_tx *tx;

	if (left > 0) {
		*ret_delay = left;
		return forget(api, r, err) < 0 ? -1 : STEP_NOT_YET;
	}
	tx = store_write(api->store);
	store_delete(tx, r->id);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

int step_transfer(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *found = store_get(tx, id);
	struct resource *r = found ? resource_clone(found) : NULL;
	int result = STEP_DONE;

	store_end(tx);
	if (r && r->state == TRANSFER_ACTIVE)
		result = step_active(api, r, ret_delay, err);
	else if (r && r->state == TRANSFER_DELETING)
		result = end(api, r, "The task was cancelled.", err);
	else if (r)
		result = step_ended(api, r, ret_delay, err);
	resource_free(r);
	return result;
}
