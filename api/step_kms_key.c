/* KMS keys: one whose last day has come is destroyed. */
#include "api/backend.h"
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

int step_kms_key(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	int64_t left;
	mc_autofree char *uuid = due(api, id, &left);
	struct store_tx *tx;

	if (!uuid) {
		*ret_delay = left < LOOK ? left : LOOK;
		return left > 0 ? STEP_NOT_YET : STEP_DONE;
	}
	if (backend_call(api, BACKEND_STORAGED, "DELETE", NULL, NULL, err, "/v1/keys/%s", uuid) != MC_IPC_OK)
		return -1;
	tx = store_write(api->store);
	store_delete(tx, id);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}
