#include "storaged/snapshot_shared.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/copying.h"
#include "storaged/janitor.h"
#include "storaged/layer.h"
#include "storaged/snapshot.h"
#include "storaged/volume.h"

#define AREA "snapshot"

struct order {
	char volume[MC_ID_LEN], owner[SNAPSHOT_OWNER_LEN];
	bool cloned;
};

/* --- the clone ----------------------------------------------------------------- */

static void clone_id(const char *snapshot, char ret[static MC_ID_LEN])
{
	snprintf(ret, MC_ID_LEN, STORE_RAW "-%s", snapshot + strlen("snap-"));
}

static void remove_clone(struct storage *storage, const char *snapshot)
{
	struct layer layer;
	char id[MC_ID_LEN];

	clone_id(snapshot, id);
	if (graph_layer_find(storage->graph, id, &layer, NULL) == 0)
		storage_abandon(storage, id);
}

static int clone_file(struct storage *storage, const char *from, const char *to, mc_err **err)
{
	int r = vault_layer_same_key(storage->vault, to, from, err);

	if (r == MC_IPC_OK)
		r = store_clone(&storage->store, from, to, err);
	if (r > 0) {
		mc_err_set(err, 0, "the store's file system cannot clone a file that several QEMUs write to");
		return MC_IPC_UNSUPPORTED;
	}
	return r;
}

/* Under the volume's lock: it is not being grown. */
static int clone(struct storage *storage, const char *snapshot, const struct volume *v, mc_err **err)
{
	struct layer layer = {.virtual_bytes = v->layer.virtual_bytes};
	int r;

	if (v->growing_gib) {
		mc_err_set(err, 0, "%s is growing", v->id);
		return MC_IPC_UNAVAILABLE;
	}
	remove_clone(storage, snapshot);
	clone_id(snapshot, layer.id);
	if (graph_layer_begin(storage->graph, &layer, err) != 0)
		return -1;
	MC_CRASH_POINT();
	r = clone_file(storage, v->layer.id, layer.id, err);
	if (r != MC_IPC_OK)
		storage_abandon(storage, layer.id);
	MC_CRASH_POINT();
	return r;
}

/* --- the copy ------------------------------------------------------------------ */

static int copy(struct storage *storage, const char *id, const struct volume *v, const char *owner, const char *from,
		const struct qemu_img_watch *watch, mc_err **err)
{
	struct snapshot s = {.size_gib = v->size_gib, .layer = {.virtual_bytes = v->layer.virtual_bytes}};
	int r;

	mc_id_new("lay", s.layer.id);
	if (graph_layer_begin(storage->graph, &s.layer, err) < 0)
		return -1;
	snprintf(s.id, sizeof(s.id), "%s", id);
	snprintf(s.volume, sizeof(s.volume), "%s", v->id);
	snprintf(s.owner, sizeof(s.owner), "%s", owner);
	r = vault_layer_same_key(storage->vault, s.layer.id, v->layer.id, err);
	if (r == 0)
		r = layer_copy_own(storage, from, &s.layer, STORE_MODE_FROZEN, watch, err);
	if (r == MC_IPC_OK && snapshot_add(storage, &s, err) < 0)
		r = -1;
	if (r != MC_IPC_OK)
		storage_abandon(storage, s.layer.id);
	else
		mc_log(MC_LOG_INFO, AREA, "taken", "snapshot", id, "volume", v->id, "layer", s.layer.id, NULL);
	return r;
}

/* Nobody has it open, or a clone of it was made. */
static int copy_closed(struct storage *storage, const char *id, const struct volume *v, const char *owner,
		       const struct qemu_img_watch *watch, mc_err **err)
{
	int open = volume_is_open(storage, v->id, err);

	if (open == 0)
		return copy(storage, id, v, owner, v->layer.id, watch, err);
	if (open > 0)
		mc_err_set(err, 0, "%s has been opened meanwhile", v->id);
	return open < 0 ? -1 : MC_IPC_UNAVAILABLE;
}

/* While it is copied itself nobody opens it. */
static int copy_it(struct storage *storage, const char *id, const struct order *order, const struct qemu_img_watch *watch, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, order->volume);
	struct volume v;
	int r = volume_find(storage, order->volume, &v, err);

	return r == MC_IPC_OK ? copy_closed(storage, id, &v, order->owner, watch, err) : r;
}

static int copy_clone(struct storage *storage, const char *id, const struct order *order, const struct qemu_img_watch *watch, mc_err **err)
{
	struct volume v;
	char from[MC_ID_LEN];
	int r = volume_find(storage, order->volume, &v, err);

	clone_id(id, from);
	if (r == MC_IPC_OK)
		r = copy(storage, id, &v, order->owner, from, watch, err);
	remove_clone(storage, id);
	return r;
}

static int run(struct storage *storage, const char *id, const void *arg, const struct qemu_img_watch *watch, mc_err **err)
{
	const struct order *order = arg;
	struct snapshot s;
	int r = graph_snapshot_find(storage->graph, id, &s, err);

	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	r = order->cloned ? copy_clone(storage, id, order, watch, err) : copy_it(storage, id, order, watch, err);
	janitor_wake(storage->janitor);
	return r;
}

/* --- the calls ----------------------------------------------------------------- */

/* The moment is that of the call: what waits for its turn is the copying. */
static int begin(struct storage *storage, const char *id, const struct volume *v, const char *owner, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, v->id);
	int open = volume_is_open(storage, v->id, err), r = open < 0 ? -1 : MC_IPC_OK;
	struct order order = {.cloned = open > 0};

	snprintf(order.volume, sizeof(order.volume), "%s", v->id);
	snprintf(order.owner, sizeof(order.owner), "%s", owner);
	if (order.cloned)
		r = clone(storage, id, v, err);
	return r == MC_IPC_OK ? copying_begin(storage, id, run, &order, sizeof(order), ret, err) : r;
}

int snapshot_shared_put(struct storage *storage, const char *id, const char *volume, const char *owner, json_t **ret, mc_err **err)
{
	struct snapshot s;
	struct volume v;
	int r;

	if (copying_answers(storage, id, &r, ret, err))
		return r;
	r = graph_snapshot_find(storage->graph, id, &s, err);
	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	r = volume_find(storage, volume, &v, err);
	if (r != MC_IPC_OK || !store_is_raw(v.layer.id))
		return r;
	return begin(storage, id, &v, owner, ret, err);
}

void snapshot_shared_end(struct storage *storage, const char *id)
{
	copying_end(storage, id);
	remove_clone(storage, id);
}
