/* Snapshots: prepared in storaged, the guest switched, taken, recorded; each step may be killed
 * anywhere and repeated. The snapshots of one call are one set, which its first member takes
 * through for all, so that all of them are of one point in time. */
#include "api/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "api/backend.h"
#include "api/encryption.h"
#include "api/imaging.h"
#include "api/cloud_time.h"
#include "api/reconciler.h"
#include "api/recycle_bin.h"
#include "api/state.h"
#include "api/transfer.h"
#include "api/upload.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "snapshot"
#define SOON (MC_SECOND / 5)
#define COPY_LOOK (MC_SECOND / 2)
#define PATIENCE (120 * MC_SECOND) /* of trying to take one, or to go on copying */

/* A worker's view of a set: copies, so that no lock is held. */
struct set {
	struct api *api;
	struct resource **members; /* pending ones */
	size_t n;
	json_t *answers; /* storaged's, by member */
};

/* --- reading ---------------------------------------------------------------- */

static void add_member(struct set *s, struct store_tx *tx, const char *id)
{
	const struct resource *r = store_find(tx, KIND_SNAPSHOT, NULL, NULL, id);

	if (r && r->state == SNAPSHOT_PENDING)
		s->members[s->n++] = resource_clone(r);
}

static void set_load(struct set *s, struct api *api, const struct resource *leader)
{
	const json_t *ids = mc_json_arr(leader->spec, "set");
	size_t n = json_array_size(ids);
	struct store_tx *tx = store_read(api->store);

	*s = (struct set){ .api = api, .members = mc_alloc((n + 1) * sizeof(*s->members)), .answers = json_array() };
	if (n == 0)
		add_member(s, tx, leader->id);
	for (size_t i = 0; i < n; i++)
		add_member(s, tx, mc_json_at(ids, i));
	store_end(tx);
}

static void set_free(struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		resource_free(s->members[i]);
	free(s->members);
	json_decref(s->answers);
}

/* --- recording -------------------------------------------------------------- */

static void wake_volumes(const struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		reconciler_wake(s->api->reconciler, mc_json_str(s->members[i]->spec, "volume", ""), 0);
}

static void complete(struct store_tx *tx, struct resource *r, const json_t *answer)
{
	snapshot_bears(r, mc_json_int(answer, "bytes", 0));
	snapshot_show_complete(r);
	state_set(tx, r, SNAPSHOT_COMPLETED);
	if (mc_json_bool(r->spec, "delete", false))
		state_set(tx, r, SNAPSHOT_DELETING);
}

/* Who waits for them: the image that is made of them. */
static void wake_waiting(const struct set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const char *image = mc_json_str(s->members[i]->spec, "image", NULL);

		if (image)
			reconciler_wake(s->api->reconciler, image, 0);
	}
}

static int commit(const struct set *s, struct store_tx *tx, mc_err **err)
{
	if (store_commit(tx, err) < 0)
		return -1;
	wake_waiting(s);
	return STEP_AGAIN;
}

static int record_completed(struct set *s, mc_err **err)
{
	struct store_tx *tx = store_write(s->api->store);

	for (size_t i = 0; i < s->n; i++) {
		struct resource *r = store_edit(tx, s->members[i]->id);

		if (r && r->state == SNAPSHOT_PENDING)
			complete(tx, r, json_array_get(s->answers, i));
	}
	if (commit(s, tx, err) < 0)
		return -1;
	wake_volumes(s); /* their chains are longer */
	return STEP_AGAIN;
}

static int record_failed(struct set *s, const char *reason, mc_err **err)
{
	struct store_tx *tx = store_write(s->api->store);

	for (size_t i = 0; i < s->n; i++) {
		struct resource *r = store_edit(tx, s->members[i]->id);

		if (!r || r->state != SNAPSHOT_PENDING)
			continue;
		mc_log(MC_LOG_WARNING, AREA, "cannot be taken", "id", r->id, "reason", reason, NULL);
		json_object_set_new(r->spec, "message", json_string(reason));
		state_set(tx, r, SNAPSHOT_ERROR);
		if (mc_json_bool(r->spec, "delete", false))
			state_set(tx, r, SNAPSHOT_DELETING);
	}
	return commit(s, tx, err);
}

/* --- taking ----------------------------------------------------------------- */

static json_t *wanted(const struct resource *r)
{
	const char *copy = mc_json_str(r->spec, "copy", NULL);
	json_t *body = copy ? json_pack("{s:s, s:s*}", "copy", copy, "kms_key", encryption_key_id(r->doc))
			    : json_pack("{s:s}", "volume", mc_json_str(r->spec, "volume", ""));

	json_object_set_new(body, "owner", snapshot_owner(r));
	return body;
}

/* Ask storaged for each; its answers say which of them wait for a guest's switch. */
static int prepare(struct set *s, mc_err **err)
{
	for (size_t i = 0; i < s->n; i++) {
		mc_auto_json json_t *body = wanted(s->members[i]);
		json_t *answer = NULL;
		int o = backend_call(s->api, BACKEND_STORAGED, "PUT", body, &answer, err, "/v1/snapshots/%s", s->members[i]->id);

		if (o != MC_IPC_OK)
			return o;
		json_array_append_new(s->answers, answer ? answer : json_object());
	}
	return MC_IPC_OK;
}

static bool is_prepared(const struct set *s, size_t i)
{
	return strcmp(mc_json_str(json_array_get(s->answers, i), "state", ""), "prepared") == 0;
}

/* [{volume, path}] of the prepared ones, and the instance that has the first of them. NULL: none. */
static json_t *to_switch(const struct set *s, char ret_instance[MC_ID_LEN])
{
	struct store_tx *tx = store_read(s->api->store);
	json_t *disks = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const char *volume = mc_json_str(s->members[i]->spec, "volume", "");
		const struct resource *vol = is_prepared(s, i) ? store_get(tx, volume) : NULL;

		if (!is_prepared(s, i))
			continue;
		if (!disks) {
			disks = json_array();
			snprintf(ret_instance, MC_ID_LEN, "%s", vol ? mc_json_at(mc_json_arr(vol->spec, "instances"), 0) : "");
		}
		json_array_append_new(disks, json_pack("{s:s, s:s, s:s*}", "volume", volume, "path",
						       mc_json_str(json_array_get(s->answers, i), "path", ""), "key",
						       mc_json_str(json_array_get(s->answers, i), "key", NULL)));
	}
	store_end(tx);
	return disks;
}

/* The hypervisor needs the keys of the files that it switches to. */
static int give_keys(struct set *s, const json_t *disks, mc_err **err)
{
	json_t *disk;
	size_t i;

	json_array_foreach(disks, i, disk) {
		const char *key = mc_json_str(disk, "key", NULL);
		int o = key ? encryption_hand_over(s->api, mc_json_str(disk, "volume", ""), key, err) : MC_IPC_OK;

		if (o != MC_IPC_OK)
			return o;
	}
	return MC_IPC_OK;
}

static int switch_guest(struct set *s, mc_err **err)
{
	char instance[MC_ID_LEN] = "";
	mc_auto_json json_t *disks = to_switch(s, instance);
	mc_auto_json json_t *body = disks ? json_pack("{s:O}", "disks", disks) : NULL;
	int o;

	if (!disks)
		return MC_IPC_OK;
	if (!instance[0]) { /* it is being detached: storaged will hear of it */
		mc_err_set(err, 0, "nobody has the volume any more");
		return MC_IPC_CONFLICT;
	}
	o = give_keys(s, disks, err);
	if (o != MC_IPC_OK)
		return o;
	return backend_call(s->api, BACKEND_HYPERVISOR, "POST", body, NULL, err, "/v1/instances/%s/snapshot", instance);
}

static int take(struct set *s, mc_err **err)
{
	for (size_t i = 0; i < s->n; i++) {
		mc_auto_json json_t *empty = json_object();
		json_t *answer = NULL;
		int o;

		if (!is_prepared(s, i))
			continue;
		o = backend_call(s->api, BACKEND_STORAGED, "POST", empty, &answer, err, "/v1/snapshots/%s/take", s->members[i]->id);
		if (o != MC_IPC_OK)
			return o;
		json_array_set_new(s->answers, i, answer ? answer : json_object());
	}
	return MC_IPC_OK;
}

/* The guest was not switched, and will not be: storaged forgets the preparation. False: storaged is away, or finds that
 * a QEMU has one of the files open. */
static bool abandon(struct set *s)
{
	bool all = true;

	for (size_t i = 0; i < s->n; i++) {
		mc_auto_json json_t *empty = json_object();

		if (backend_call(s->api, BACKEND_STORAGED, "POST", empty, NULL, NULL, "/v1/snapshots/%s/abandon", s->members[i]->id) !=
		    MC_IPC_OK)
			all = false;
	}
	return all;
}

/* It may pass: the guest is just ending or starting, a volume is busy with another snapshot. */
static bool may_pass(int outcome)
{
	return outcome == MC_IPC_CONFLICT || backend_transient(outcome);
}

static int not_taken(struct set *s, int outcome, bool switching, int64_t *ret_delay, mc_err **err)
{
	const struct resource *first = s->members[0];
	bool late = mc_clock_wall() - mc_json_int(first->spec, "copied", state_since(first)) > PATIENCE;
	mc_autofree char *reason = mc_strdup(err ? mc_err_msg(*err) : "");

	wake_volumes(s); /* a merge may be in the way, which its step stops */
	if (!late && (may_pass(outcome) || (switching && outcome == MC_IPC_NOT_FOUND))) {
		mc_err_clear(err);
		*ret_delay = SOON;
		return STEP_NOT_YET;
	}
	if (!late && (outcome < 0 || outcome == MC_IPC_INTERNAL))
		return -1;
	mc_err_clear(err);
	/* A hypervisor that has been away since may have switched it before. */
	if (switching && !abandon(s)) {
		*ret_delay = MC_SECOND;
		return STEP_NOT_YET;
	}
	return record_failed(s, reason, err);
}

/* Its data are being copied: how far that is, and when that was last heard of. */
static int record_copying(struct set *s, size_t which, int64_t *ret_delay, mc_err **err)
{
	const struct resource *was = s->members[which];
	mc_autofree char *progress = mc_strf("%lld%%", (long long)mc_json_int(json_array_get(s->answers, which), "percent", 0));
	struct store_tx *tx;
	struct resource *r;

	*ret_delay = COPY_LOOK;
	if (strcmp(mc_json_str(was->doc, "Progress", ""), progress) == 0)
		return STEP_NOT_YET;
	tx = store_write(s->api->store);
	r = store_edit(tx, was->id);
	if (!r || r->state != SNAPSHOT_PENDING) {
		store_end(tx);
		return STEP_AGAIN;
	}
	json_object_set_new(r->doc, "Progress", json_string(progress));
	json_object_set_new(r->spec, "copied", json_integer(mc_clock_wall()));
	return store_commit(tx, err) < 0 ? -1 : STEP_NOT_YET;
}

static int take_set(struct set *s, int64_t *ret_delay, mc_err **err)
{
	int o = prepare(s, err);

	if (o != MC_IPC_OK)
		return not_taken(s, o, false, ret_delay, err);
	for (size_t i = 0; i < s->n; i++)
		if (backend_copies(json_array_get(s->answers, i)))
			return record_copying(s, i, ret_delay, err);
	o = switch_guest(s, err);
	if (o != MC_IPC_OK)
		return not_taken(s, o, true, ret_delay, err);
	o = take(s, err);
	if (o != MC_IPC_OK)
		return not_taken(s, o, false, ret_delay, err);
	return record_completed(s, err);
}

static int step_pending(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err)
{
	const char *leader = mc_json_at(mc_json_arr(r->spec, "set"), 0);
	struct set s;
	int result = STEP_DONE;

	if (leader && strcmp(leader, r->id) != 0) {
		reconciler_wake(api->reconciler, leader, 0);
		return STEP_DONE;
	}
	if (transfer_brings(r)) /* its task's step does */
		return STEP_DONE;
	if (imaging_holds(api, r)) {
		*ret_delay = SOON;
		return STEP_NOT_YET;
	}
	set_load(&s, api, r);
	if (s.n > 0)
		result = take_set(&s, ret_delay, err);
	set_free(&s);
	return result;
}

/* --- deleting --------------------------------------------------------------- */

/* A volume that is being made of it is made first. */
static bool needed(struct api *api, const char *id)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter volumes = store_pass(tx, KIND_VOLUME, NULL, NULL, id), copies = store_pass(tx, KIND_SNAPSHOT, NULL, NULL, id);
	const struct resource *r;
	bool found = false;

	while (!found && (r = store_next(&volumes)))
		found = r->state == VOLUME_CREATING && strcmp(mc_json_str(r->spec, "snapshot", ""), id) == 0;
	while (!found && (r = store_next(&copies)))
		found = r->state == SNAPSHOT_PENDING && (strcmp(mc_json_str(r->spec, "copy", ""), id) == 0 || upload_needs(r, id));
	store_end(tx);
	return found;
}

/* Of a snapshot as storaged has it: it bears more than before when one before it went. */
static void bear(struct store_tx *tx, const json_t *doc)
{
	const char *id = mc_json_str(doc, "id", "");
	const struct resource *r = store_find(tx, KIND_SNAPSHOT, NULL, NULL, id);
	int64_t bytes = mc_json_int(doc, "bytes", 0);

	if (r && mc_json_int(doc, "inherited_bytes", 0) > 0 && mc_json_int(r->spec, "stored_bytes", 0) < bytes)
		snapshot_bears(store_edit(tx, id), bytes);
}

/* It goes, and what it leaves is borne by others from the same moment on. */
static int record_deleted(struct api *api, const struct resource *r, const json_t *answer, mc_err **err)
{
	mc_auto_json json_t *all = NULL;
	struct store_tx *tx;
	json_t *one;
	size_t i;

	/* Deleted before, and nobody could write down who bears what: all are looked at. */
	if (!mc_json_bool(answer, "deleted", false) &&
	    backend_call(api, BACKEND_STORAGED, "GET", NULL, &all, err, "/v1/snapshots") != MC_IPC_OK)
		return -1;
	tx = store_write(api->store);
	store_delete(tx, r->id);
	json_array_foreach(mc_json_arr(answer, "heirs"), i, one)
		bear(tx, one);
	json_array_foreach(mc_json_arr(all, "snapshots"), i, one)
		bear(tx, one);
	return store_commit(tx, err);
}

static int step_deleting(struct api *api, const struct resource *r, int64_t *ret_delay, mc_err **err)
{
	const char *volume = mc_json_str(r->spec, "volume", "");
	mc_auto_json json_t *answer = NULL;
	int o;

	*ret_delay = SOON;
	if (needed(api, r->id))
		return STEP_NOT_YET;
	o = backend_call(api, BACKEND_STORAGED, "DELETE", NULL, &answer, err, "/v1/snapshots/%s", r->id);
	if (o == MC_IPC_UNAVAILABLE) {
		mc_err_clear(err);
		reconciler_wake(api->reconciler, volume, 0); /* a merge may be in the way, which its step stops */
		return STEP_NOT_YET;
	}
	if (o != MC_IPC_OK || record_deleted(api, r, answer, err) < 0)
		return -1;
	reconciler_wake(api->reconciler, volume, 0); /* there may be something to merge */
	return STEP_DONE;
}

/* --- in the recycle bin ----------------------------------------------------- */

static int step_recoverable(struct api *api, const struct resource *was, int64_t *ret_delay, mc_err **err)
{
	int64_t exit = recycle_bin_exit(was);
	struct store_tx *tx;
	struct resource *r;

	if (cloud_time(api) < exit) {
		*ret_delay = cloud_time_until(api, exit);
		return STEP_NOT_YET;
	}
	tx = store_write(api->store);
	r = store_edit(tx, was->id);
	if (r && r->state == SNAPSHOT_RECOVERABLE && recycle_bin_exit(r) == exit)
		state_set(tx, r, SNAPSHOT_DELETING);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

int step_snapshot(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *found = store_find(tx, KIND_SNAPSHOT, NULL, NULL, id);
	struct resource *r = found ? resource_clone(found) : NULL;
	int result = STEP_DONE;

	store_end(tx);
	if (r && r->state == SNAPSHOT_PENDING && upload_of(r))
		result = upload_step(api, r, ret_delay, err);
	else if (r && r->state == SNAPSHOT_PENDING)
		result = step_pending(api, r, ret_delay, err);
	else if (r && r->state == SNAPSHOT_RECOVERABLE)
		result = step_recoverable(api, r, ret_delay, err);
	else if (r && r->state == SNAPSHOT_DELETING)
		result = step_deleting(api, r, ret_delay, err);
	resource_free(r);
	return result;
}
