/* Attaching and detaching, one idempotent step at a time. They belong to the instance's step,
 * so that nothing of it happens while the instance starts or stops. */
#include <string.h>

#include "api/attachment.h"
#include "api/backend.h"
#include "api/burst.h"
#include "api/encryption.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "api/volume_type.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "attachment"
#define ASK_AGAIN (2 * MC_SECOND) /* a guest that does not let go */
#define SOON (MC_SECOND / 5)

/* --- storaged --------------------------------------------------------------- */

static int call_opener(struct api *api, const struct resource *inst, const char *volume, const char *verb, json_t **ret,
		       mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:s}", "opener", inst->id);

	return backend_call(api, BACKEND_STORAGED, "POST", body, ret, err, "/v1/volumes/%s/%s", volume, verb);
}

/* The KMS key of the instance's root volume. Allocated; NULL: it is not encrypted. */
static char *root_key(struct api *api, const struct resource *inst)
{
	const json_t *root = attachment_root(inst);
	struct store_tx *tx = store_read(api->store);
	const struct resource *vol = root ? store_get(tx, mc_json_str(root, "id", "")) : NULL;
	char *id = vol ? mc_strdup(encryption_key_id(vol->doc)) : NULL;

	store_end(tx);
	return id;
}

/* An instance-store disk is made where it is not there: empty after each stop. It is encrypted where the root is,
 * with a data key that goes with it. */
static int open_scratch(struct api *api, const struct resource *inst, const json_t *entry, json_t **ret, mc_err **err)
{
	mc_autofree char *kms_key = root_key(api, inst);
	mc_auto_json json_t *body = json_pack("{s:I, s:s, s:s*}", "size_gib", (json_int_t)mc_json_int(entry, "ephemeral", 1),
					      "opener", inst->id, "kms_key", kms_key);

	return backend_call(api, BACKEND_STORAGED, "PUT", body, ret, err, "/v1/volumes/%s", mc_json_str(entry, "id", ""));
}

/* The volume's limits, NULL where it has none. New reference. */
static json_t *limits_of(struct api *api, const char *volume)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *vol = store_get(tx, volume);
	mc_auto_json json_t *doc = vol ? json_deep_copy(vol->doc) : NULL;
	struct volume_shape shape;

	store_end(tx);
	if (!doc)
		return NULL;
	shape = volume_type_shape(doc);
	return burst_limits(api, volume, &shape, true);
}

static int open_volume(struct api *api, const struct resource *inst, const json_t *entry, json_t **ret, mc_err **err)
{
	const char *id = mc_json_str(entry, "id", "");
	int o;

	if (json_object_get(entry, "ephemeral"))
		return open_scratch(api, inst, entry, ret, err);
	o = encryption_check(api, id, err);
	return o == MC_IPC_OK ? call_opener(api, inst, id, "open", ret, err) : o;
}

/* Open one; *ret: its element of `disks`. The hypervisor gets its key. */
static int open_one(struct api *api, const struct resource *inst, const json_t *entry, json_t **ret, mc_err **err)
{
	const char *id = mc_json_str(entry, "id", ""), *key;
	mc_auto_json json_t *limits = NULL;
	mc_auto_json json_t *answer = NULL;
	int o = open_volume(api, inst, entry, &answer, err);

	key = mc_json_str(answer, "key", NULL);
	if (o == MC_IPC_OK && key)
		o = encryption_hand_over(api, id, key, err);
	if (o != MC_IPC_OK)
		return o;
	limits = limits_of(api, id);
	*ret = json_pack("{s:s, s:O, s:O, s:O, s:O*, s:s*, s:b}", "volume", id, "path", json_object_get(answer, "path"), "backing",
			 json_object_get(answer, "backing"), "format", json_object_get(answer, "format"), "iotune", limits, "key", key,
			 "shareable", mc_json_bool(answer, "shared", false));
	return *ret ? MC_IPC_OK : mc_err_set(err, 0, "storaged's answer about %s lacks members", id);
}

int attachments_open(struct api *api, const struct resource *inst, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *disks = json_array();
	const json_t *root = attachment_root(inst);
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry) {
		json_t *disk = NULL;
		int o;

		if (strcmp(mc_json_str(entry, "state", ""), "detaching") == 0)
			continue;
		o = call_opener(api, inst, mc_json_str(entry, "id", ""), "close", NULL, err);
		if (o == MC_IPC_OK)
			o = open_one(api, inst, entry, &disk, err);
		if (o != MC_IPC_OK)
			return o;
		json_object_set_new(disk, "boot", json_boolean(entry == root));
		json_array_append_new(disks, disk);
	}
	*ret = json_incref(disks);
	return MC_IPC_OK;
}

/* Nobody has an open volume of this key any more. A hypervisor that cannot be asked now will be told the
 * next time; libvirtd's end has it forget too. */
static void forget_key(struct api *api, const char *key)
{
	mc_auto_err mc_err *err = NULL;

	if (key && backend_call(api, BACKEND_HYPERVISOR, "DELETE", NULL, NULL, &err, "/v1/keys/%s", key) != MC_IPC_OK)
		mc_log(MC_LOG_WARNING, AREA, "libvirt keeps a key that is not needed", "key", key, "reason", mc_err_msg(err), NULL);
}

static int close_one(struct api *api, const struct resource *inst, const json_t *entry, mc_err **err)
{
	const char *id = mc_json_str(entry, "id", "");
	mc_auto_json json_t *answer = NULL;
	int o = call_opener(api, inst, id, "close", &answer, err);

	if (o == MC_IPC_OK)
		forget_key(api, mc_json_str(answer, "unused_key", NULL));
	if (o == MC_IPC_OK && json_object_get(entry, "ephemeral"))
		o = backend_call(api, BACKEND_STORAGED, "DELETE", NULL, NULL, err, "/v1/volumes/%s", id);
	return o == MC_IPC_OK ? 0 : -1;
}

int attachments_close(struct api *api, const struct resource *inst, mc_err **err)
{
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry)
		if (close_one(api, inst, entry, err) < 0)
			return -1;
	return 0;
}

int attachments_pause(struct api *api, const struct resource *inst, mc_err **err)
{
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry)
		if (call_opener(api, inst, mc_json_str(entry, "id", ""), "close", NULL, err) != MC_IPC_OK)
			return -1;
	return 0;
}

/* --- recording -------------------------------------------------------------- */

static int record_attached(struct api *api, const struct resource *inst, const char *volume, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, inst->id);
	json_t *entry = r ? attachment_entry(r, volume) : NULL;

	if (!entry || strcmp(mc_json_str(entry, "state", ""), "attaching") != 0) {
		store_end(tx);
		return STEP_AGAIN;
	}
	json_object_set_new(entry, "state", json_string("attached"));
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int record_detached(struct api *api, const struct resource *inst, const char *volume, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, inst->id);

	if (!r) {
		store_end(tx);
		return STEP_AGAIN;
	}
	attachment_remove(tx, r, volume);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* --- steps ------------------------------------------------------------------ */

static int let_go(struct api *api, const struct resource *inst, const json_t *entry, mc_err **err)
{
	return close_one(api, inst, entry, err) < 0 ? -1 : record_detached(api, inst, mc_json_str(entry, "id", ""), err);
}

static int attach(struct api *api, const struct resource *inst, const json_t *entry, int64_t *ret_delay, mc_err **err)
{
	const char *id = mc_json_str(entry, "id", "");
	mc_auto_json json_t *disk = NULL;
	int o = open_one(api, inst, entry, &disk, err);

	if (o == MC_IPC_OK) {
		json_object_del(disk, "volume");
		o = backend_call(api, BACKEND_HYPERVISOR, "PUT", disk, NULL, err, "/v1/instances/%s/disks/%s", inst->id, id);
	}
	if (o == MC_IPC_OK)
		return record_attached(api, inst, id, err);
	if (o == MC_IPC_NO_CAPACITY || o == MC_IPC_BAD_REQUEST || o == MC_IPC_DENIED) {
		mc_log(MC_LOG_WARNING, AREA, "cannot be attached", "volume", id, "instance", inst->id, "reason",
		       err ? mc_err_msg(*err) : NULL, NULL);
		mc_err_clear(err);
		return let_go(api, inst, entry, err);
	}
	if (o != MC_IPC_CONFLICT && !backend_transient(o))
		return -1;
	mc_err_clear(err); /* the guest has just ended, or a daemon is away */
	*ret_delay = SOON;
	return STEP_NOT_YET;
}

static int detach(struct api *api, const struct resource *inst, const json_t *entry, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_HYPERVISOR, "DELETE", NULL, &answer, err, "/v1/instances/%s/disks/%s%s", inst->id,
			     mc_json_str(entry, "id", ""), mc_json_bool(entry, "force", false) ? "?force=1" : "");

	if (o == MC_IPC_OK && strcmp(mc_json_str(answer, "state", ""), "detached") == 0)
		return let_go(api, inst, entry, err);
	if (o != MC_IPC_OK && !backend_transient(o))
		return -1;
	mc_err_clear(err);
	*ret_delay = o == MC_IPC_OK ? ASK_AGAIN : SOON;
	return STEP_NOT_YET;
}

/* One guest that does not let go of one disk keeps no other from being attached. */
int attachments_step(struct api *api, const struct resource *inst, bool running, int64_t *ret_delay, mc_err **err)
{
	int result = STEP_DONE;
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry) {
		const char *state = mc_json_str(entry, "state", "attached");
		int r = STEP_DONE;

		if (strcmp(state, "attaching") == 0)
			r = running ? attach(api, inst, entry, ret_delay, err)
				    : record_attached(api, inst, mc_json_str(entry, "id", ""), err);
		else if (strcmp(state, "detaching") == 0)
			r = running ? detach(api, inst, entry, ret_delay, err) : let_go(api, inst, entry, err);
		if (r < 0 || r == STEP_AGAIN)
			return r;
		result = r == STEP_NOT_YET ? r : result;
	}
	return result;
}
