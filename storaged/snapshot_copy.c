#include "storaged/snapshot_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/copying.h"
#include "storaged/janitor.h"
#include "storaged/layer.h"
#include "storaged/snapshot.h"

#define AREA "snapshot"
#define GIB ((int64_t)1 << 30)

/* --- the source --------------------------------------------------------------- */

/* As the copy will have it; an outcome. */
static int find_source(struct storage *storage, const char *source, struct snapshot *ret, mc_err **err)
{
	struct image image;
	int r;

	if (!mc_id_valid("ami", source))
		return snapshot_taken(storage, source, ret, err);
	r = graph_image_find(storage->graph, source, &image, err);
	if (r > 0)
		mc_err_set(err, 0, "there is no image %s", source);
	if (r != 0)
		return r < 0 ? -1 : MC_IPC_NOT_FOUND;
	*ret = (struct snapshot){.layer = image.layer, .size_gib = (image.layer.virtual_bytes + GIB - 1) / GIB,
				 .whole = true};
	image_deinit(&image);
	return MC_IPC_OK;
}

/* --- the task ----------------------------------------------------------------- */

struct order {
	char source[MC_ID_LEN], kms_key[MC_UUID_LEN], owner[SNAPSHOT_OWNER_LEN];
};

int snapshot_copy_layer(struct storage *storage, const char *from, const struct layer *to, const char *kms_key, bool own,
			const struct qemu_img_watch *watch, mc_err **err)
{
	int r = vault_layer_new_key(storage->vault, to->id, kms_key, err);

	if (r != MC_IPC_OK)
		return r;
	return own ? layer_copy_own(storage, from, to, STORE_MODE_FROZEN, watch, err)
		   : layer_copy(storage, from, to, STORE_MODE_FROZEN, watch, err);
}

/* All of the source's data, in a layer of its own under this KMS key. */
static int copy(struct storage *storage, const char *kms_key, struct snapshot *s, const struct qemu_img_watch *watch, mc_err **err)
{
	struct layer source = s->layer, layer = {.virtual_bytes = s->layer.virtual_bytes};
	int r;

	mc_id_new("lay", layer.id);
	if (graph_layer_begin(storage->graph, &layer, err) < 0)
		return -1;
	r = snapshot_copy_layer(storage, source.id, &layer, kms_key, false, watch, err);
	s->layer = layer;
	if (r == MC_IPC_OK && snapshot_add(storage, s, err) < 0)
		r = -1;
	if (r == MC_IPC_OK)
		return MC_IPC_OK;
	storage_abandon(storage, layer.id);
	mc_err_wrap(err, "snapshot %s", s->id);
	return r;
}

static int run(struct storage *storage, const char *id, const void *arg, const struct qemu_img_watch *watch, mc_err **err)
{
	const struct order *order = arg;
	struct snapshot s;
	int r = graph_snapshot_find(storage->graph, id, &s, err);

	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	r = find_source(storage, order->source, &s, err);
	if (r != MC_IPC_OK)
		return r;
	snprintf(s.id, sizeof(s.id), "%s", id);
	snprintf(s.owner, sizeof(s.owner), "%s", order->owner);
	r = copy(storage, order->kms_key, &s, watch, err);
	janitor_wake(storage->janitor);
	if (r == MC_IPC_OK)
		mc_log(MC_LOG_INFO, AREA, "copied", "snapshot", id, "of", order->source, "key", order->kms_key, NULL);
	return r;
}

/* --- the calls ---------------------------------------------------------------- */

/* The data are shared where the key is the same. */
static int copy_or_share(struct storage *storage, struct snapshot *s, const char *source, const char *kms_key, json_t **ret,
			 mc_err **err)
{
	struct order order = {.source = ""};
	char owner[MC_UUID_LEN];
	int r;

	if (layer_owner(storage, s->layer.id, owner, err) < 0)
		return -1;
	if (!kms_key || strcmp(kms_key, owner) == 0) {
		r = snapshot_share(storage, s, err);
		janitor_wake(storage->janitor);
		if (r > 0)
			mc_err_set(err, 0, "%s has been merged or removed meanwhile", s->layer.id);
		return r > 0 ? MC_IPC_UNAVAILABLE : r;
	}
	snprintf(order.source, sizeof(order.source), "%s", source);
	snprintf(order.kms_key, sizeof(order.kms_key), "%s", kms_key);
	snprintf(order.owner, sizeof(order.owner), "%s", s->owner);
	return copying_begin(storage, s->id, run, &order, sizeof(order), ret, err);
}

int snapshot_copy(struct storage *storage, const char *id, const char *source, const char *kms_key, const char *owner, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct snapshot s;
	int r;

	if (copying_answers(storage, id, &r, ret, err))
		return r;
	r = graph_snapshot_find(storage->graph, id, &s, err);
	if (r > 0) {
		r = find_source(storage, source, &s, err);
		snprintf(s.id, sizeof(s.id), "%s", id);
		snprintf(s.owner, sizeof(s.owner), "%s", owner);
		if (r == MC_IPC_OK)
			r = copy_or_share(storage, &s, source, kms_key, ret, err);
	}
	return r == MC_IPC_OK && !*ret ? snapshot_get(storage, id, ret, err) : r;
}
