/* KMS keys: one whose last day has come is destroyed; the material of others is replaced when that is due. */
#include "api/backend.h"
#include "api/kms_rotation.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define LOOK (3600 * MC_SECOND) /* the wall clock may be set meanwhile */

/* Its UUID if it is due, allocated; else NULL, and how long there is still. 0: nothing to wait for. */
static char *due(struct api *api, const char *id, int64_t *ret_left)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *key = store_get(tx, id);
	int64_t at = key && key->state == KMS_KEY_PENDING_DELETION ? mc_json_int(key->spec, "delete_at", 0) : 0;
	char *uuid = NULL;

	*ret_left = at ? at - mc_clock_wall() : 0;
	if (at && *ret_left <= 0)
		uuid = mc_strdup(mc_json_str(key->spec, "key_id", ""));
	store_end(tx);
	return uuid;
}

/* What its rotation needs: a copy, to be looked at without a lock. NULL: there is no such key. */
static struct resource *load(struct api *api, const char *id)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *found = store_get(tx, id);
	struct resource *key = found ? resource_clone(found) : NULL;

	store_end(tx);
	return key;
}

static int rotate(struct api *api, const struct resource *key, mc_err **err)
{
	int64_t number = kms_rotation_number(key);
	mc_auto_json json_t *body = json_pack("{s:I}", "times", (json_int_t)number);
	struct store_tx *tx;
	struct resource *edited;

	if (backend_call(api, BACKEND_STORAGED, "POST", body, NULL, err, "/v1/keys/%s/rotate", mc_json_str(key->spec, "key_id", "")) !=
	    MC_IPC_OK)
		return -1;
	tx = store_write(api->store);
	edited = store_edit(tx, key->id);
	if (edited)
		kms_rotation_done(edited, number, mc_clock_wall());
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int step_rotation(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct resource *key = load(api, id);
	int64_t at = key ? kms_rotation_due(key) : INT64_MAX, left = at - mc_clock_wall();
	int r = STEP_DONE;

	if (at < INT64_MAX && left <= 0) {
		r = rotate(api, key, err);
	} else if (at < INT64_MAX) {
		*ret_delay = left < LOOK ? left : LOOK;
		r = STEP_NOT_YET;
	}
	resource_free(key);
	return r;
}

int step_kms_key(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	int64_t left;
	mc_autofree char *uuid = due(api, id, &left);
	struct store_tx *tx;

	if (!uuid && left <= 0)
		return step_rotation(api, id, ret_delay, err);
	if (!uuid) {
		*ret_delay = left < LOOK ? left : LOOK;
		return STEP_NOT_YET;
	}
	if (backend_call(api, BACKEND_STORAGED, "DELETE", NULL, NULL, err, "/v1/keys/%s", uuid) != MC_IPC_OK)
		return -1;
	tx = store_write(api->store);
	store_delete(tx, id);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}
