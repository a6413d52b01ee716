#include "storaged/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/janitor.h"
#include "storaged/layer.h"
#include "storaged/merge.h"
#include "storaged/owners.h"
#include "storaged/qemu_img.h"
#include "storaged/remainder.h"
#include "storaged/snapshot_shared.h"
#include "storaged/volume.h"

#define AREA "snapshot"
#define GIB ((int64_t)1 << 30)
#define FRESH_BYTES (1ULL << 20) /* more than a new qcow2's tables take */

/* --- describing ----------------------------------------------------------- */

static json_t *snapshot_json(const struct storage *storage, const struct snapshot *s)
{
	char key[MC_ID_LEN];
	json_t *doc = json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:I}", "id", s->id, "state",
				s->overlay[0] ? "prepared" : "available", "volume", s->volume, "size_gib",
				(json_int_t)s->size_gib, "layer", s->layer.id, "bytes", (json_int_t)(s->bytes + s->inherited), "allocated_bytes",
				(json_int_t)store_allocated(&storage->store, s->layer.id));

	if (s->inherited)
		json_object_set_new(doc, "inherited_bytes", json_integer(s->inherited));
	if (s->owner[0])
		json_object_set_new(doc, "owner", json_string(s->owner));
	if (s->layer.parent[0])
		json_object_set_new(doc, "base", json_string(s->layer.parent));
	if (s->overlay[0]) {
		mc_autofree char *path = store_path(&storage->store, s->overlay);

		json_object_set_new(doc, "path", json_string(path));
		if (vault_layer_key(storage->vault, s->overlay, key, NULL) == 0 && key[0])
			json_object_set_new(doc, "key", json_string(key));
	}
	return doc;
}

static int find(struct storage *storage, const char *id, struct snapshot *ret, mc_err **err)
{
	int r = graph_snapshot_find(storage->graph, id, ret, err);

	if (r <= 0)
		return r;
	mc_err_set(err, 0, "there is no snapshot %s", id);
	return MC_IPC_NOT_FOUND;
}

int snapshot_taken(struct storage *storage, const char *id, struct snapshot *ret, mc_err **err)
{
	struct snapshot s;
	int r = find(storage, id, &s, err);

	if (r == MC_IPC_OK && s.overlay[0]) {
		mc_err_set(err, 0, "snapshot %s has not been taken yet", id);
		return MC_IPC_UNAVAILABLE;
	}
	if (r == MC_IPC_OK)
		*ret = s;
	return r;
}

int snapshot_get(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct snapshot s;
	int r = find(storage, id, &s, err);

	if (r == MC_IPC_OK)
		*ret = snapshot_json(storage, &s);
	return r;
}

struct listing {
	const struct storage *storage;
	json_t *array;
};

static int list_one(void *ctx, const struct snapshot *s)
{
	struct listing *l = ctx;

	return json_array_append_new(l->array, snapshot_json(l->storage, s));
}

int snapshot_list(struct storage *storage, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *array = json_array();
	struct listing l = {storage, array};

	if (graph_snapshots(storage->graph, list_one, &l, err) < 0)
		return -1;
	*ret = json_pack("{s:O}", "snapshots", array);
	return MC_IPC_OK;
}

/* --- taking --------------------------------------------------------------- */

static void settle_bytes(struct storage *storage, struct snapshot *s)
{
	mc_auto_err mc_err *err = NULL;

	if (remainder_settle(storage, s, &err) == 0)
		return;
	mc_log(MC_LOG_WARNING, AREA, "what it bears is not known", "snapshot", s->id, "reason", mc_err_msg(err), NULL);
	s->bytes = (int64_t)store_allocated(&storage->store, s->layer.id);
	s->inherited = 0;
}

static int record_taken(struct storage *storage, struct snapshot *s, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, STORAGE_BEARING);

	settle_bytes(storage, s);
	MC_CRASH_POINT();
	return graph_snapshot_take(storage->graph, s, err);
}

/* The overlay becomes the top. What the old top holds is on the disk before anybody is told so. */
static int take(struct storage *storage, struct snapshot *s, mc_err **err)
{
	if (store_sync(&storage->store, s->layer.id, err) < 0 || record_taken(storage, s, err) < 0)
		return -1;
	MC_CRASH_POINT();
	s->overlay[0] = '\0';
	if (store_set_mode(&storage->store, s->layer.id, STORE_MODE_FROZEN, err) < 0)
		return -1;
	janitor_wake(storage->janitor);
	mc_log(MC_LOG_INFO, AREA, "taken", "snapshot", s->id, "volume", s->volume, "layer", s->layer.id, NULL);
	return 0;
}

int snapshot_settle(struct storage *storage, const char *volume, mc_err **err)
{
	struct snapshot s;
	int r = graph_snapshot_prepared(storage->graph, volume, &s, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	return take(storage, &s, err);
}

/* With the key of what it stands on. */
static int make_overlay(struct storage *storage, const struct layer *layer, mc_err **err)
{
	int r = vault_layer_same_key(storage->vault, layer->id, layer->parent, err);

	return r == 0 ? layer_make(storage, layer, err) : r;
}

static int quiet(struct storage *storage, const char *layer_id, mc_err **err)
{
	mc_autofree char *path = store_path(&storage->store, layer_id);

	return qemu_img_quiet(&storage->offspring, path, err);
}

static int prepare(struct storage *storage, struct snapshot *s, bool open, mc_err **err)
{
	struct layer overlay = {.virtual_bytes = s->layer.virtual_bytes, .on_top = true};
	int r;

	mc_id_new("lay", overlay.id);
	snprintf(overlay.parent, sizeof(overlay.parent), "%s", s->layer.id);
	r = graph_layer_begin(storage->graph, &overlay, err);
	if (r > 0) { /* the janitor was quicker */
		mc_err_set(err, 0, "%s is being merged", s->layer.id);
		return MC_IPC_UNAVAILABLE;
	}
	if (r < 0)
		return -1;
	snprintf(s->overlay, sizeof(s->overlay), "%s", overlay.id);
	/* Nobody said that the volume is open; QEMU's own lock must say so too. The janitor may just be
	 * at its header. */
	if (!open && quiet(storage, s->layer.id, err) < 0) {
		storage_abandon(storage, overlay.id);
		return MC_IPC_UNAVAILABLE;
	}
	r = make_overlay(storage, &overlay, err);
	if (r == MC_IPC_OK && graph_snapshot_prepare(storage->graph, s, err) < 0)
		r = -1;
	if (r != MC_IPC_OK) {
		storage_abandon(storage, overlay.id);
		mc_err_wrap(err, "snapshot %s", s->id);
		return r;
	}
	if (open) /* what its QEMU is going to write to is known as the volume's before it does */
		owners_write(storage->owners, NULL);
	MC_CRASH_POINT();
	return MC_IPC_OK;
}

/* Neither its QEMU nor the janitor works on the volume's top. */
static int end_merge(struct storage *storage, const char *volume, bool open, mc_err **err)
{
	struct merge m;
	int r = graph_merge_of(storage->graph, volume, &m, err);

	if (r != 0)
		return r < 0 ? -1 : MC_IPC_OK;
	if (open)
		return merge_interrupt(storage, volume, err);
	r = merge_hold(storage, m.upper, NULL, err);
	merge_release(storage);
	return r;
}

/* Under the volume's lock. */
static int begin(struct storage *storage, const char *id, const char *volume, const char *owner, struct snapshot *ret, mc_err **err)
{
	struct snapshot s = {.id = ""}, other;
	struct volume v;
	int open = volume_is_open(storage, volume, err);
	int r = open < 0 ? -1 : merge_check_depth(storage, volume, err);

	if (r == MC_IPC_OK)
		r = end_merge(storage, volume, open, err);
	if (r == MC_IPC_OK)
		r = volume_find(storage, volume, &v, err);
	if (r != MC_IPC_OK)
		return r;
	r = graph_snapshot_prepared(storage->graph, volume, &other, err);
	if (r == 0) {
		mc_err_set(err, 0, "the snapshot %s of %s is being taken", other.id, volume);
		return MC_IPC_UNAVAILABLE;
	}
	if (r > 0 && v.growing_gib) {
		mc_err_set(err, 0, "%s is growing", volume);
		return MC_IPC_UNAVAILABLE;
	}
	r = r < 0 ? -1 : storage_room(storage, FRESH_BYTES, err);
	if (r != MC_IPC_OK)
		return r;
	snprintf(s.id, sizeof(s.id), "%s", id);
	snprintf(s.volume, sizeof(s.volume), "%s", volume);
	snprintf(s.owner, sizeof(s.owner), "%s", owner);
	s.size_gib = v.size_gib;
	s.layer = v.layer;
	r = prepare(storage, &s, open, err);
	*ret = s;
	return r;
}

/* Where nobody writes to the volume there is nothing to wait for. */
static int finish_if_closed(struct storage *storage, struct snapshot *s, mc_err **err)
{
	int open = s->overlay[0] ? volume_is_open(storage, s->volume, err) : 1;

	if (open < 0)
		return -1;
	return open ? 0 : take(storage, s, err);
}

int snapshot_add(struct storage *storage, struct snapshot *s, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, STORAGE_BEARING);

	settle_bytes(storage, s);
	return graph_snapshot_add(storage->graph, s, err);
}

int snapshot_share(struct storage *storage, struct snapshot *s, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, STORAGE_BEARING);

	settle_bytes(storage, s);
	return graph_snapshot_share(storage->graph, s, err);
}

static int put_locked(struct storage *storage, const char *id, const char *volume, const char *owner, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, volume);
	struct snapshot s;
	int r = graph_snapshot_find(storage->graph, id, &s, err);

	if (r == 0 && strcmp(s.volume, volume) != 0) {
		mc_err_set(err, 0, "snapshot %s exists, of %s", id, s.volume);
		return MC_IPC_CONFLICT;
	}
	if (r > 0)
		r = begin(storage, id, volume, owner, &s, err);
	if (r != MC_IPC_OK)
		return r;
	if (finish_if_closed(storage, &s, err) < 0)
		return -1;
	janitor_wake(storage->janitor);
	*ret = snapshot_json(storage, &s);
	return MC_IPC_OK;
}

int snapshot_put(struct storage *storage, const char *id, const char *volume, const char *owner, json_t **ret, mc_err **err)
{
	int r = snapshot_shared_put(storage, id, volume, owner, ret, err);

	return r == MC_IPC_OK && !*ret ? put_locked(storage, id, volume, owner, ret, err) : r;
}

/* The snapshot, under its volume's lock, which the caller gives back; its volume never changes. */
static int find_locked(struct storage *storage, const char *id, struct snapshot *s, mc_err **err)
{
	int r = find(storage, id, s, err);

	if (r != MC_IPC_OK)
		return r;
	mc_keylock_lock(storage->locks, s->volume);
	r = find(storage, id, s, err);
	if (r != MC_IPC_OK)
		mc_keylock_unlock(storage->locks, s->volume);
	return r;
}

/* The same, and do that with it; an absent one is fine. */
static int with_locked(struct storage *storage, const char *id,
		       int (*fn)(struct storage *storage, struct snapshot *s, mc_err **err), mc_err **err)
{
	struct snapshot s;
	int r = find_locked(storage, id, &s, err);

	if (r == MC_IPC_NOT_FOUND) {
		mc_err_clear(err);
		return MC_IPC_OK;
	}
	if (r != MC_IPC_OK)
		return r;
	r = fn(storage, &s, err);
	mc_keylock_unlock(storage->locks, s.volume);
	return r;
}

int snapshot_take(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct snapshot s;
	int r = find_locked(storage, id, &s, err);

	if (r != MC_IPC_OK)
		return r;
	if (s.overlay[0])
		r = take(storage, &s, err);
	mc_keylock_unlock(storage->locks, s.volume);
	if (r == 0)
		*ret = snapshot_json(storage, &s);
	return r;
}

/* Whoever abandons believes that the QEMU has not switched: its locks must say so too, for what it has written since it did would be
 * lost. One that has neither file is gone, and left no word of which it wrote to last: the snapshot is taken. */
static int abandon_prepared(struct storage *storage, struct snapshot *s, mc_err **err)
{
	struct layer layer;
	int r;

	if (!s->overlay[0]) {
		mc_err_set(err, 0, "snapshot %s has been taken", s->id);
		return MC_IPC_CONFLICT;
	}
	if (quiet(storage, s->overlay, err) < 0)
		return MC_IPC_IN_USE;
	if (quiet(storage, s->layer.id, NULL) == 0) {
		if (take(storage, s, err) < 0)
			return -1;
		mc_err_set(err, 0, "nobody has %s open: snapshot %s has been taken", s->volume, s->id);
		return MC_IPC_CONFLICT;
	}
	r = graph_snapshot_abandon(storage->graph, s, &layer, err);
	return r == 0 ? storage_collect(storage, &layer, err) : r < 0 ? -1 : MC_IPC_OK;
}

int snapshot_abandon(struct storage *storage, const char *id, mc_err **err)
{
	return with_locked(storage, id, abandon_prepared, err);
}

/* --- deleting ------------------------------------------------------------- */

/* What it leaves is not known where its files cannot be read: so it is nobody's. */
static int remove_taken(struct storage *storage, struct snapshot *s, struct remainder *remainder, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, STORAGE_BEARING);
	struct layer layer;
	int r;

	if (remainder_left(storage, s, remainder, err) < 0) {
		mc_log(MC_LOG_WARNING, AREA, "what it leaves is not known", "snapshot", s->id, "reason", err ? mc_err_msg(*err) : "", NULL);
		mc_err_clear(err);
	}
	MC_CRASH_POINT();
	r = graph_snapshot_remove(storage->graph, s->id, remainder->heirs, remainder->n, &layer, err);
	return r == 0 ? storage_collect(storage, &layer, err) : r < 0 ? -1 : MC_IPC_OK;
}

static int delete_taken(struct storage *storage, struct snapshot *s, struct remainder *remainder, mc_err **err)
{
	int r = finish_if_closed(storage, s, err);

	if (r == 0 && s->overlay[0]) {
		mc_err_set(err, 0, "snapshot %s is being taken", s->id);
		return MC_IPC_IN_USE;
	}
	if (r == 0)
		r = remove_taken(storage, s, remainder, err);
	janitor_wake(storage->janitor);
	if (r != MC_IPC_OK)
		return r < 0 ? mc_err_wrap(err, "snapshot %s", s->id) : r;
	mc_log(MC_LOG_INFO, AREA, "deleted", "snapshot", s->id, "layer", s->layer.id, NULL);
	return MC_IPC_OK;
}

/* {heirs: [their documents]}: what changed with it. */
static json_t *deleted_json(struct storage *storage, const struct remainder *remainder)
{
	json_t *heirs = json_array();

	for (size_t i = 0; i < remainder->n; i++) {
		struct snapshot heir;

		if (graph_snapshot_find(storage->graph, remainder->heirs[i].id, &heir, NULL) == 0)
			json_array_append_new(heirs, snapshot_json(storage, &heir));
	}
	return json_pack("{s:b, s:o}", "deleted", true, "heirs", heirs);
}

int snapshot_delete(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	auto_remainder remainder = {.n = 0};
	struct snapshot s;
	int r;

	snapshot_shared_end(storage, id);
	r = find_locked(storage, id, &s, err);
	if (r == MC_IPC_NOT_FOUND) {
		mc_err_clear(err);
		*ret = json_object();
		return MC_IPC_OK;
	}
	if (r != MC_IPC_OK)
		return r;
	r = delete_taken(storage, &s, &remainder, err);
	mc_keylock_unlock(storage->locks, s.volume);
	if (r == MC_IPC_OK)
		*ret = deleted_json(storage, &remainder);
	return r;
}
