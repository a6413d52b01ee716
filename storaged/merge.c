#include "storaged/merge.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/janitor.h"
#include "storaged/layer.h"
#include "storaged/list.h"
#include "storaged/owners.h"
#include "storaged/qcow2.h"
#include "storaged/qemu_img.h"
#include "storaged/volume.h"

#define AREA "merge"

/* --- headers ---------------------------------------------------------------- */

/* Does the header of this layer name that one as what it stands on? A QEMU writes whole paths. 1, 0, or -1 and *err. */
static int stands_on(const struct storage *storage, const char *layer, const char *backing, mc_err **err)
{
	mc_autofree char *name = store_name(backing);
	mc_autofree char *path = store_path(&storage->store, backing);
	struct qcow2_header header;

	if (storage_header(storage, layer, &header, err) < 0)
		return -1;
	return strcmp(header.backing, name) == 0 || strcmp(header.backing, path) == 0;
}

static int rename_backing(struct storage *storage, const char *layer, const char *backing, mc_err **err)
{
	mc_autofree char *name = store_name(backing);
	auto_qemu_img_file file = {.key_fd = -1};

	MC_CRASH_POINT();
	if (layer_open(storage, layer, false, &file, err) != MC_IPC_OK ||
	    qemu_img_rename_backing(&storage->offspring, &file, name, err) < 0)
		return -1;
	return store_sync(&storage->store, layer, err);
}

/* --- the layers that stand on one ------------------------------------------- */

struct ids {
	json_t *array;
};

static int keep_id(void *ctx, const char *id)
{
	return json_array_append_new(((struct ids *)ctx)->array, json_string(id));
}

/* New reference, or NULL and *err. */
static json_t *children_of(struct storage *storage, const char *layer, mc_err **err)
{
	struct ids ids = {json_array()};

	if (graph_children(storage->graph, layer, keep_id, &ids, err) == 0)
		return ids.array;
	json_decref(ids.array);
	return NULL;
}

/* Do that with each, which is to name this backing file; ends at the first that fails. */
static int each_above(struct storage *storage, const char *layer,
		      int (*fn)(struct storage *storage, const char *above, const char *backing, mc_err **err), const char *backing,
		      mc_err **err)
{
	mc_auto_json json_t *layers = children_of(storage, layer, err);
	size_t i;
	json_t *id;

	if (!layers)
		return -1;
	json_array_foreach(layers, i, id)
		if (fn(storage, json_string_value(id), backing, err) < 0)
			return -1;
	return 0;
}

/* --- modes ------------------------------------------------------------------ */

static int set_mode_of(struct storage *storage, const char *layer, mc_err **err)
{
	struct layer l;
	int r = graph_layer_find(storage->graph, layer, &l, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	return store_set_mode(&storage->store, layer, l.state == LAYER_FROZEN ? STORE_MODE_FROZEN : STORE_MODE_TOP, err);
}

/* Writable while it is merged, as its state has it otherwise. */
static int set_modes(struct storage *storage, const struct merge *m, bool writable, mc_err **err)
{
	mc_auto_json json_t *layers = m->kind == MERGE_COMMIT ? children_of(storage, m->upper, err) : json_array();
	size_t i;
	json_t *id;

	if (!layers)
		return -1;
	json_array_append_new(layers, json_string(m->upper));
	if (m->kind == MERGE_COMMIT)
		json_array_append_new(layers, json_string(m->lower));
	json_array_foreach(layers, i, id) {
		const char *layer = json_string_value(id);

		if ((writable ? store_set_mode(&storage->store, layer, STORE_MODE_TOP, err) : set_mode_of(storage, layer, err)) < 0)
			return -1;
	}
	return 0;
}

/* --- ends ------------------------------------------------------------------- */

/* A layer that lost its last user meanwhile could not go while it was being merged. */
static int release(struct storage *storage, const char *id, mc_err **err)
{
	struct layer layer;
	int r = graph_layer_release(storage->graph, id, &layer, err);

	return r == 0 ? storage_collect(storage, &layer, err) : r < 0 ? -1 : 0;
}

/* The files are as they should be: tell the records, which free what is not needed any more. */
static int finish(struct storage *storage, const struct merge *m, mc_err **err)
{
	mc_auto_json json_t *above = m->kind == MERGE_COMMIT ? children_of(storage, m->upper, err) : json_array();
	struct layer layer;
	int r;
	size_t i;
	json_t *id;

	if (!above || store_sync(&storage->store, m->kind == MERGE_COMMIT ? m->lower : m->upper, err) < 0)
		return -1;
	MC_CRASH_POINT();
	r = graph_merge_finish(storage->graph, m, &layer, err);
	if (r < 0)
		return -1;
	MC_CRASH_POINT();
	atomic_fetch_add(m->kind == MERGE_COMMIT ? &storage->tally.committed : &storage->tally.pulled, 1);
	/* One of them may just be being deleted. */
	json_array_append_new(above, json_string(m->lower));
	json_array_foreach(above, i, id)
		set_mode_of(storage, json_string_value(id), NULL);
	mc_log(MC_LOG_INFO, AREA, m->kind == MERGE_COMMIT ? "committed" : "pulled", "upper", m->upper, "lower", m->lower, NULL);
	/* No document names it any more when it goes. */
	if (r == 0 && (owners_write(storage->owners, err) < 0 || storage_collect(storage, &layer, err) < 0))
		return -1;
	return release(storage, m->kind == MERGE_COMMIT ? m->lower : m->upper, err);
}

static int give_up(struct storage *storage, const struct merge *m, mc_err **err)
{
	if (set_modes(storage, m, false, err) < 0)
		return -1;
	mc_log(MC_LOG_DEBUG, AREA, "given up", "upper", m->upper, "lower", m->lower, NULL);
	if (graph_merge_end(storage->graph, m, err) < 0)
		return -1;
	atomic_fetch_add(&storage->tally.given_up, 1);
	return release(storage, m->upper, err);
}

/* The layer above, whose header is changed last: that alone proves nothing, since the tables of what was
 * moved may still have been in a writer's memory when it died (qemu-img 7.2 does so). Only who has
 * seen the end of the work knows; else the headers are given back what the records say, and
 * what was moved is there twice. */
static int name_right(struct storage *storage, const char *layer, const char *backing, mc_err **err)
{
	int r = stands_on(storage, layer, backing, err);

	return r != 0 ? (r < 0 ? -1 : 0) : rename_backing(storage, layer, backing, err);
}

static int restore(struct storage *storage, const struct merge *m, mc_err **err)
{
	struct layer upper;

	if (m->kind == MERGE_COMMIT)
		return each_above(storage, m->upper, name_right, m->upper, err);
	if (graph_layer_find(storage->graph, m->upper, &upper, err) != 0)
		return err && *err ? -1 : 0;
	return name_right(storage, m->upper, upper.parent, err);
}

/* All that stand on the upper name the lower one now; with relative names, so that the store can be moved. */
static int rename_all(struct storage *storage, const struct merge *m, mc_err **err)
{
	return each_above(storage, m->upper, rename_backing, m->lower, err);
}

/* A commit makes the lower file as large as the upper one before anything else, and it stays so. */
static int note_growth(struct storage *storage, const struct merge *m, mc_err **err)
{
	struct qcow2_header header;

	if (m->kind != MERGE_COMMIT)
		return 0;
	return storage_header(storage, m->lower, &header, err) < 0
		       ? -1 : graph_layer_grown(storage->graph, m->lower, (int64_t)header.virtual_bytes, err);
}

/* It did not come to its end, and no QEMU has to do with it. */
static int undo(struct storage *storage, const struct merge *m, mc_err **err)
{
	if (set_modes(storage, m, true, err) < 0 || restore(storage, m, err) < 0 || note_growth(storage, m, err) < 0)
		return -1;
	return give_up(storage, m, err);
}

/* --- without a QEMU --------------------------------------------------------- */

/* What a killed qemu-img leaves shows the right data, but may have clusters without use. A layer
 * that has gone meanwhile has none. */
static int mend(struct storage *storage, const struct merge *m, mc_err **err)
{
	const char *written = m->kind == MERGE_COMMIT ? m->lower : m->upper;
	mc_autofree char *path = store_path(&storage->store, written);
	auto_qemu_img_file file = {.key_fd = -1};
	int r = access(path, F_OK) < 0 ? 1 : store_set_mode(&storage->store, written, STORE_MODE_TOP, err);

	if (r == 0)
		r = layer_open(storage, written, true, &file, err) != MC_IPC_OK ? -1 : qemu_img_mend(&storage->offspring, &file, err);
	return r == 0 ? set_mode_of(storage, written, err) : r < 0 ? -1 : 0;
}

static int move_data(struct storage *storage, const struct merge *m, int cancel_fd, mc_err **err)
{
	mc_autofree char *base = store_name(m->lower);
	auto_qemu_img_file upper = {.key_fd = -1}, lower = {.key_fd = -1};
	int r;

	if (layer_open(storage, m->upper, true, &upper, err) != MC_IPC_OK || layer_open(storage, m->lower, true, &lower, err) != MC_IPC_OK)
		return -1;
	MC_CRASH_POINT();
	if (m->kind == MERGE_COMMIT)
		return qemu_img_commit(&storage->offspring, &upper, cancel_fd, err);
	if (upper.key_fd < 0)
		return qemu_img_pull(&storage->offspring, &upper, base, cancel_fd, err);
	/* The header keeps the name with which the base could be opened: give it its own. */
	r = qemu_img_pull(&storage->offspring, &upper, lower.name, cancel_fd, err);
	return r == 0 ? rename_backing(storage, m->upper, m->lower, err) : r;
}

/* 0 done, 1 cancelled, -1. */
static int do_idle(struct storage *storage, const struct merge *m, int cancel_fd, mc_err **err)
{
	int r = owners_write(storage->owners, err);

	if (r == 0)
		r = set_modes(storage, m, true, err);
	if (r == 0)
		r = move_data(storage, m, cancel_fd, err);
	if (r == 0 && m->kind == MERGE_COMMIT)
		r = rename_all(storage, m, err);
	return r == 0 ? finish(storage, m, err) : r;
}

struct sum {
	const struct storage *storage;
	const struct merge *merge;
	uint64_t bytes;
};

/* What a pull may copy lies between the two. */
static int add_between(void *ctx, const struct layer *layer)
{
	struct sum *sum = ctx;

	if (strcmp(layer->id, sum->merge->upper) != 0 && strcmp(layer->id, sum->merge->lower) != 0)
		sum->bytes += store_allocated(&sum->storage->store, layer->id);
	return 0;
}

/* The data is there twice for a while. MC_IPC_OK, MC_IPC_NO_CAPACITY, or -1. */
static int check_room(struct storage *storage, const struct merge *m, mc_err **err)
{
	struct sum sum = {storage, m, 0};

	if (m->kind == MERGE_COMMIT)
		sum.bytes = store_allocated(&storage->store, m->upper);
	else if (graph_chain(storage->graph, m->upper, add_between, &sum, err) < 0)
		return -1;
	return storage_room(storage, sum.bytes, err);
}

int merge_idle(struct storage *storage, int cancel_fd, mc_err **err)
{
	mc_auto_err mc_err *ignored = NULL;
	struct merge m;
	int r = merge_recover(storage, err);

	if (r == 0)
		r = graph_merge_begin_idle(storage->graph, MERGE_PULL_AT, &m, err);
	if (r != 0)
		return r < 0 ? -1 : 1;
	r = check_room(storage, &m, err) == MC_IPC_OK ? do_idle(storage, &m, cancel_fd, err) : -1;
	if (r != 0 && (undo(storage, &m, &ignored) < 0 || mend(storage, &m, &ignored) < 0))
		mc_log(MC_LOG_WARNING, AREA, "left as it is", "upper", m.upper, "reason", mc_err_msg(ignored), NULL);
	return r;
}

/* --- with a QEMU ------------------------------------------------------------ */

static json_t *merge_json(const struct storage *storage, const struct merge *m, const char *state)
{
	mc_autofree char *base = store_path(&storage->store, m->lower);
	mc_autofree char *top = store_path(&storage->store, m->upper);

	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "state", state, "kind", merge_kind_name(m->kind), "base", base, "top", top,
			 "unwanted", m->unwanted);
}

/* Does the header above say that it is done? 1, 0, -1. */
static int named(struct storage *storage, const struct merge *m, mc_err **err)
{
	mc_auto_json json_t *layers = m->kind == MERGE_COMMIT ? children_of(storage, m->upper, err) : json_pack("[s]", m->upper);

	if (!layers || json_array_size(layers) != 1)
		return layers ? 0 : -1;
	return stands_on(storage, mc_json_at(layers, 0), m->lower, err);
}

static int begin_live(struct storage *storage, const char *volume, json_t **ret, mc_err **err)
{
	struct snapshot s;
	struct merge m;
	int r = graph_snapshot_prepared(storage->graph, volume, &s, err);

	/* A QEMU that is about to switch its top has no time for this. */
	if (r > 0)
		r = graph_merge_begin_live(storage->graph, volume, MERGE_PULL_AT, &m, err);
	else if (r == 0)
		r = 1;
	if (r < 0)
		return -1;
	if (r > 0) {
		*ret = json_pack("{s:s}", "state", "none");
		return MC_IPC_OK;
	}
	r = check_room(storage, &m, err);
	if (r == MC_IPC_OK)
		r = owners_write(storage->owners, err) < 0 ? -1 : set_modes(storage, &m, true, err);
	if (r != MC_IPC_OK) {
		give_up(storage, &m, NULL);
		return r;
	}
	*ret = merge_json(storage, &m, "begun");
	return MC_IPC_OK;
}

/* One that the header says is done was at its end when its QEMU died, unless it is just about to end: the next QEMU was told of the
 * chain of before, and what moved may not have been written. It is begun again; there is no other way back while it is open. */
static int go_on(struct storage *storage, struct merge *m, json_t **ret, mc_err **err)
{
	int ended = named(storage, m, err);

	if (ended < 0)
		return -1;
	m->unwanted = m->unwanted && !ended;
	*ret = merge_json(storage, m, ended ? "begun" : "under way");
	return MC_IPC_OK;
}

int merge_live(struct storage *storage, const char *volume, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, volume);
	struct merge m;
	int open = volume_is_open(storage, volume, err);
	int r = open < 0 ? -1 : graph_merge_of(storage->graph, volume, &m, err);

	if (r < 0)
		return -1;
	if (!open) { /* the janitor's */
		*ret = json_pack("{s:s}", "state", "none");
		return MC_IPC_OK;
	}
	if (r > 0)
		return begin_live(storage, volume, ret, err);
	return go_on(storage, &m, ret, err);
}

/* The header of the layer above, written by a QEMU, has come to the disk as well. */
static int sync_header(struct storage *storage, const char *layer, const char *backing, mc_err **err)
{
	(void)backing;
	return store_sync(&storage->store, layer, err);
}

static int settle_open(struct storage *storage, const struct merge *m, bool done, const char **ret_state, mc_err **err)
{
	int right = named(storage, m, err);

	if (right < 0)
		return -1;
	*ret_state = "given up";
	if (!done && !right)
		return give_up(storage, m, err);
	*ret_state = "under way"; /* one of the two is not as it should be: its close will tell */
	if (!done || !right)
		return 0;
	*ret_state = "done";
	return each_above(storage, m->upper, sync_header, m->lower, err) < 0 ? -1 : finish(storage, m, err);
}

int merge_settle_live(struct storage *storage, const char *volume, bool done, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, volume);
	const char *state = "none";
	struct merge m;
	int r = graph_merge_of(storage->graph, volume, &m, err);
	int open = r == 0 ? volume_is_open(storage, volume, err) : 0;

	if (r == 0 && open > 0)
		r = settle_open(storage, &m, done, &state, err);
	if (r < 0 || open < 0)
		return -1;
	janitor_wake(storage->janitor);
	*ret = json_pack("{s:s}", "state", state);
	return MC_IPC_OK;
}

int merge_closed(struct storage *storage, const char *volume, mc_err **err)
{
	struct merge m;
	int r = graph_merge_of(storage->graph, volume, &m, err);

	return r != 0 ? (r < 0 ? -1 : 0) : undo(storage, &m, err);
}

/* --- others' needs ---------------------------------------------------------- */

static int unwant(struct storage *storage, const struct merge *m, mc_err **err)
{
	if (graph_merge_unwant(storage->graph, m, err) < 0)
		return -1;
	mc_err_set(err, 0, "%s is being merged into %s", m->upper, m->lower);
	return MC_IPC_UNAVAILABLE;
}

/* One that no QEMU does is at rest now, while the janitor is. */
static int end_one(struct storage *storage, const struct merge *m, const char *but, mc_err **err)
{
	int open = m->volume[0] ? volume_is_open(storage, m->volume, err) : 0;

	if (open < 0)
		return -1;
	if (!open)
		return undo(storage, m, err) < 0 ? -1 : MC_IPC_OK;
	return but && strcmp(but, m->volume) == 0 ? MC_IPC_OK : unwant(storage, m, err);
}

int merge_hold(struct storage *storage, const char *layer, const char *but, mc_err **err)
{
	struct merge m;
	int r;

	janitor_pause(storage->janitor);
	r = graph_merge_in_chain(storage->graph, layer, &m, err);
	if (r != 0)
		return r < 0 ? -1 : MC_IPC_OK;
	return end_one(storage, &m, but, err);
}

void merge_release(struct storage *storage)
{
	janitor_resume(storage->janitor);
}

int merge_let_go(struct storage *storage, const char *layer, const char *but, mc_err **err)
{
	struct merge m;
	int r = graph_merge_in_chain(storage->graph, layer, &m, err);

	if (r != 0)
		return r < 0 ? -1 : MC_IPC_OK;
	r = merge_hold(storage, layer, but, err);
	merge_release(storage);
	return r;
}

int merge_read(struct storage *storage, const char *layer, mc_err **err)
{
	int r = graph_read(storage->graph, layer, err);

	if (r > 0) {
		mc_err_set(err, 0, "%s has been merged or removed meanwhile", layer);
		return MC_IPC_UNAVAILABLE;
	}
	if (r < 0)
		return -1;
	r = merge_let_go(storage, layer, NULL, err);
	if (r != MC_IPC_OK)
		merge_read_end(storage, layer);
	return r;
}

void merge_read_end(struct storage *storage, const char *layer)
{
	mc_auto_err mc_err *err = NULL;
	struct layer last;
	int r = graph_read_end(storage->graph, layer, &err);

	/* It may have been deleted meanwhile. */
	if (r == 0)
		r = graph_layer_release(storage->graph, layer, &last, &err);
	if (r == 0)
		r = storage_collect(storage, &last, &err);
	if (r < 0)
		mc_log(MC_LOG_WARNING, AREA, "what nobody reads any more stays until the next start", "layer", layer, "reason",
		       mc_err_msg(err), NULL);
	janitor_wake(storage->janitor);
}

int merge_interrupt(struct storage *storage, const char *volume, mc_err **err)
{
	struct merge m;
	int r = graph_merge_of(storage->graph, volume, &m, err);

	if (r != 0)
		return r < 0 ? -1 : MC_IPC_OK;
	return unwant(storage, &m, err);
}

struct tidying {
	struct storage *storage;
	json_t *layers; /* [{id, parent}] */
};

static int keep_link(void *ctx, const struct layer *layer)
{
	struct tidying *t = ctx;

	return json_array_append_new(t->layers, json_pack("{s:s, s:s}", "id", layer->id, "parent", layer->parent));
}

static void tidy_one(struct storage *storage, const char *layer, const char *parent)
{
	mc_auto_err mc_err *err = NULL;
	struct qcow2_header header;

	if (!*parent || storage_header(storage, layer, &header, &err) < 0 || header.backing[0] != '/')
		return;
	if (store_set_mode(&storage->store, layer, STORE_MODE_TOP, &err) < 0 || rename_backing(storage, layer, parent, &err) < 0)
		mc_log(MC_LOG_DEBUG, AREA, "keeps its whole path for now", "layer", layer, "reason", mc_err_msg(err), NULL);
	set_mode_of(storage, layer, NULL);
}

void merge_tidy(struct storage *storage, const struct layer *top)
{
	mc_auto_json json_t *layers = json_array();
	struct tidying t = {storage, layers};
	size_t i;
	json_t *layer;

	if (graph_chain(storage->graph, top->id, keep_link, &t, NULL) < 0)
		return;
	json_array_foreach(layers, i, layer)
		tidy_one(storage, mc_json_str(layer, "id", ""), mc_json_str(layer, "parent", ""));
}

int merge_check_depth(struct storage *storage, const char *volume, mc_err **err)
{
	int64_t depth = 0;

	if (graph_depth(storage->graph, volume, &depth, err) < 0)
		return -1;
	if (depth < MERGE_DEPTH_MAX)
		return MC_IPC_OK;
	janitor_wake(storage->janitor);
	mc_err_set(err, 0, "the chain of %s is being made shorter", volume);
	return MC_IPC_UNAVAILABLE;
}

/* --- what was left ---------------------------------------------------------- */

static int keep_merge(void *list, const struct merge *merge)
{
	list_add(list, merge);
	return 0;
}

/* One of a closed volume, or of none. */
static int recover_closed(struct storage *storage, const struct merge *m, mc_err **err)
{
	int open = m->volume[0] ? volume_is_open(storage, m->volume, err) : 0;

	if (open != 0)
		return open < 0 ? -1 : 0;
	mc_log(MC_LOG_INFO, AREA, "taking back what was begun", "upper", m->upper, "lower", m->lower, NULL);
	return undo(storage, m, err) < 0 ? -1 : mend(storage, m, err);
}

/* Whoever is just busy with the volume sees to its merge as well; and may wait for us, so that we do not wait. */
static int recover_one(struct storage *storage, const struct merge *m, mc_err **err)
{
	int r;

	if (!m->volume[0])
		return recover_closed(storage, m, err);
	if (!mc_keylock_try(storage->locks, m->volume))
		return 0;
	r = recover_closed(storage, m, err);
	mc_keylock_unlock(storage->locks, m->volume);
	return r;
}

int merge_recover(struct storage *storage, mc_err **err)
{
	auto_list struct list list = {.size = sizeof(struct merge)};
	int r = graph_merges(storage->graph, keep_merge, &list, err);

	for (size_t i = 0; i < list.n && r == 0; i++)
		r = recover_one(storage, list_at(&list, i), err);
	return r;
}
