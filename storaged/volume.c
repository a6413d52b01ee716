#include "storaged/volume.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/copying.h"
#include "storaged/janitor.h"
#include "storaged/layer.h"
#include "storaged/merge.h"
#include "storaged/owners.h"
#include "storaged/qcow2.h"
#include "storaged/qemu_img.h"
#include "storaged/snapshot.h"

#define AREA "volume"
#define GIB (1LL << 30)
#define FRESH_BYTES (1ULL << 20) /* more than a new qcow2's tables take */

/* --- describing ----------------------------------------------------------- */

static int add_text(void *ctx, const char *text)
{
	return json_array_append_new(ctx, json_string(text));
}

struct chain_list {
	const struct store *store;
	json_t *paths;
};

static int add_path(void *ctx, const struct layer *layer)
{
	struct chain_list *list = ctx;
	mc_autofree char *path = store_path(list->store, layer->id);

	return json_array_append_new(list->paths, json_string(path));
}

/* New reference; NULL and *err. */
static json_t *volume_json(struct storage *storage, const struct volume *v, mc_err **err)
{
	mc_autofree char *path = store_path(&storage->store, v->layer.id);
	mc_auto_json json_t *openers = json_array();
	mc_auto_json json_t *paths = json_array();
	struct chain_list list = {&storage->store, paths};
	char key[MC_ID_LEN];
	json_t *doc;

	if (vault_layer_key(storage->vault, v->layer.id, key, err) < 0 || graph_volume_openers(storage->graph, v->id, add_text, openers, err) < 0 ||
	    (v->layer.parent[0] && graph_chain(storage->graph, v->layer.parent, add_path, &list, err) < 0))
		return NULL;
	doc = json_pack("{s:s, s:s, s:I, s:s, s:O, s:s, s:s, s:I, s:O}", "id", v->id, "state", "available",
			"size_gib", (json_int_t)v->size_gib, "path", path, "backing", paths, "format",
			store_is_raw(v->layer.id) ? "raw" : "qcow2",
			"layer", v->layer.id, "allocated_bytes",
			(json_int_t)store_allocated(&storage->store, v->layer.id), "opened_by", openers);
	if (v->layer.parent[0])
		json_object_set_new(doc, "base", json_string(v->layer.parent));
	if (v->growing_gib)
		json_object_set_new(doc, "growing_gib", json_integer(v->growing_gib));
	if (key[0])
		json_object_set_new(doc, "key", json_string(key));
	if (store_is_raw(v->layer.id))
		json_object_set_new(doc, "shared", json_true());
	return doc;
}

static int answer(struct storage *storage, const struct volume *v, json_t **ret, mc_err **err)
{
	json_t *doc = volume_json(storage, v, err);

	if (!doc)
		return -1;
	*ret = doc;
	return MC_IPC_OK;
}

int volume_find(struct storage *storage, const char *id, struct volume *ret, mc_err **err)
{
	int r = graph_volume_find(storage->graph, id, ret, err);

	if (r <= 0)
		return r;
	mc_err_set(err, 0, "there is no volume %s", id);
	return MC_IPC_NOT_FOUND;
}

int volume_get(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct volume v;
	int r = volume_find(storage, id, &v, err);

	return r == MC_IPC_OK ? answer(storage, &v, ret, err) : r;
}

static int keep_id(void *ctx, const struct volume *v)
{
	return json_array_append_new(ctx, json_string(v->id));
}

/* One that goes meanwhile is left out. */
int volume_list(struct storage *storage, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *ids = json_array();
	mc_auto_json json_t *list = json_array();
	json_t *id;
	size_t i;

	if (graph_volumes(storage->graph, keep_id, ids, err) < 0)
		return -1;
	json_array_foreach(ids, i, id) {
		json_t *doc = NULL;
		int r = volume_get(storage, json_string_value(id), &doc, err);

		if (r < 0)
			return -1;
		if (r == MC_IPC_OK)
			json_array_append_new(list, doc);
		else
			mc_err_clear(err);
	}
	*ret = json_pack("{s:O}", "volumes", list);
	return MC_IPC_OK;
}

/* --- making --------------------------------------------------------------- */

/* The frozen layer that an image or a snapshot stands for. */
static int find_source(struct storage *storage, const char *id, struct layer *ret, mc_err **err)
{
	bool is_image = mc_id_valid("ami", id);
	struct snapshot snapshot;
	struct image image;
	int r = is_image ? graph_image_find(storage->graph, id, &image, err)
			 : graph_snapshot_find(storage->graph, id, &snapshot, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		mc_err_set(err, 0, "there is no %s %s", is_image ? "image" : "snapshot", id);
		return MC_IPC_NOT_FOUND;
	}
	if (!is_image && snapshot.overlay[0]) {
		mc_err_set(err, 0, "snapshot %s has not been taken yet", id);
		return MC_IPC_UNAVAILABLE;
	}
	*ret = is_image ? image.layer : snapshot.layer;
	if (is_image)
		image_deinit(&image);
	return MC_IPC_OK;
}

/* What the wanted volume stands on: fills v->layer and v->source. */
static int find_base(struct storage *storage, const char *source, struct volume *v, mc_err **err)
{
	struct layer base;
	int r;

	if (!source)
		return MC_IPC_OK;
	r = find_source(storage, source, &base, err);
	if (r != MC_IPC_OK)
		return r;
	if (base.virtual_bytes > v->layer.virtual_bytes) {
		mc_err_set(err, 0, "size_gib: %lld GiB is smaller than %s (%lld bytes)", (long long)v->size_gib, source,
			   (long long)base.virtual_bytes);
		return MC_IPC_BAD_REQUEST;
	}
	snprintf(v->source, sizeof(v->source), "%s", source);
	snprintf(v->layer.parent, sizeof(v->layer.parent), "%s", base.id);
	return MC_IPC_OK;
}

/* What it stands on was removed, or is being merged: then that waits until the new layer is noted. */
static int begin_again(struct storage *storage, struct volume *v, mc_err **err)
{
	int r = merge_hold(storage, v->layer.parent, NULL, err);
	char source[MC_ID_LEN];

	memcpy(source, v->source, sizeof(source)); /* it is written anew */
	if (r == MC_IPC_OK)
		r = find_base(storage, source, v, err);
	if (r == MC_IPC_OK && graph_layer_begin(storage->graph, &v->layer, err) != 0)
		r = err && *err ? -1 : mc_err_set(err, 0, "%s cannot be stood on", v->layer.parent);
	merge_release(storage);
	return r;
}

/* What it is made of, and how. */
struct making {
	char from[MC_ID_LEN];      /* the layer that all of is to be copied; "": none */
	char kms_key[MC_UUID_LEN]; /* of a layer that stands on nothing; "": none */
};

/* What is to be encrypted otherwise than what it comes from is copied; so is a raw one, since it stands on nothing. 0 or
 * -1 and *err. */
static int plan(struct storage *storage, struct volume *v, const struct volume_wanted *wanted, struct making *ret, mc_err **err)
{
	char owner[MC_UUID_LEN] = "";

	if (v->layer.parent[0] && layer_owner(storage, v->layer.parent, owner, err) < 0)
		return -1;
	*ret = (struct making){.from = ""};
	snprintf(ret->kms_key, sizeof(ret->kms_key), "%s", wanted->kms_key ? wanted->kms_key : owner);
	if (v->layer.parent[0] && (wanted->shared || strcmp(owner, ret->kms_key) != 0)) {
		memcpy(ret->from, v->layer.parent, sizeof(ret->from));
		v->layer.parent[0] = '\0';
	}
	return 0;
}

static int begin(struct storage *storage, struct volume *v, bool shared, mc_err **err)
{
	int r;

	mc_id_new(shared ? STORE_RAW : "lay", v->layer.id);
	r = graph_layer_begin(storage->graph, &v->layer, err);
	return r > 0 ? begin_again(storage, v, err) : r;
}

/* The file of a layer that has begun. */
static int make_file(struct storage *storage, const struct volume *v, const struct making *m, const struct qemu_img_watch *watch,
		     mc_err **err)
{
	int r = MC_IPC_OK;

	if (v->layer.parent[0])
		r = vault_layer_same_key(storage->vault, v->layer.id, v->layer.parent, err);
	else if (m->kms_key[0])
		r = vault_layer_new_key(storage->vault, v->layer.id, m->kms_key, err);
	if (r != MC_IPC_OK)
		return r;
	return m->from[0] ? layer_copy(storage, m->from, &v->layer, STORE_MODE_TOP, watch, err) : layer_make(storage, &v->layer, err);
}

/* Does making it write all of its data, or as many zeros? */
static bool is_long(const struct making *m, bool shared)
{
	return m->from[0] || (shared && m->kms_key[0]);
}

static int create(struct storage *storage, struct volume *v, const struct volume_wanted *wanted, const struct making *making,
		  const struct qemu_img_watch *watch, mc_err **err)
{
	int r = MC_IPC_OK;

	if (wanted->shared && making->kms_key[0])
		r = storage_room(storage, (uint64_t)v->layer.virtual_bytes, err);
	if (r == 0)
		r = begin(storage, v, wanted->shared, err);
	if (r != MC_IPC_OK)
		return r;
	r = make_file(storage, v, making, watch, err);
	if (r == MC_IPC_OK && graph_volume_add(storage->graph, v, wanted->opener, err) < 0)
		r = -1;
	if (r != MC_IPC_OK) {
		storage_abandon(storage, v->layer.id);
		mc_err_wrap(err, "volume %s", v->id);
		return r;
	}
	mc_log(MC_LOG_INFO, AREA, "created", "volume", v->id, "layer", v->layer.id, "source", v->source[0] ? v->source : NULL, NULL);
	return MC_IPC_OK;
}

static int count_opener(void *ctx, const char *opener)
{
	(void)opener;
	++*(int *)ctx;
	return 0;
}

int volume_is_open(struct storage *storage, const char *id, mc_err **err)
{
	int n = 0;

	return graph_volume_openers(storage->graph, id, count_opener, &n, err) < 0 ? -1 : n > 0;
}

/* Noted as open, so that nothing begins to be merged under it any more; what is being merged ends. */
static int answer_opened(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct volume v;
	int r = volume_find(storage, id, &v, err);

	if (r == MC_IPC_OK)
		r = merge_let_go(storage, v.layer.id, id, err);
	if (r == MC_IPC_OK)
		r = volume_find(storage, id, &v, err);
	if (r != MC_IPC_OK)
		return r;
	owners_write(storage->owners, NULL); /* whose it is, before it is written to; on a full disk later */
	return answer(storage, &v, ret, err);
}

/* Under its lock. Whoever is the first to open it finds nothing half-done. */
static int open_it(struct storage *storage, const char *id, const char *opener, json_t **ret, mc_err **err)
{
	struct volume v;
	int r = volume_is_open(storage, id, err);

	if (r == 0)
		r = snapshot_settle(storage, id, err);
	r = r < 0 ? -1 : volume_find(storage, id, &v, err);
	if (r == MC_IPC_OK && graph_volume_open(storage->graph, id, opener, err) < 0)
		return -1;
	return r == MC_IPC_OK ? answer_opened(storage, id, ret, err) : r;
}

/* It is there already: fine where it is as wanted. */
static int put_again(struct storage *storage, const struct volume *v, const struct volume_wanted *wanted, json_t **ret,
		     mc_err **err)
{
	if (v->size_gib != wanted->size_gib || strcmp(v->source, wanted->source ? wanted->source : "") != 0) {
		mc_err_set(err, 0, "volume %s exists with another size or source", v->id);
		return MC_IPC_CONFLICT;
	}
	return wanted->opener ? open_it(storage, v->id, wanted->opener, ret, err) : answer(storage, v, ret, err);
}

/* What is to be made of it, and how, when there is none of this id. */
static int prepare(struct storage *storage, const char *id, const struct volume_wanted *wanted, struct volume *ret_v,
		   struct making *ret_making, mc_err **err)
{
	int r;

	*ret_v = (struct volume){.size_gib = wanted->size_gib, .layer = {.virtual_bytes = wanted->size_gib * GIB}};
	snprintf(ret_v->id, sizeof(ret_v->id), "%s", id);
	r = find_base(storage, wanted->source, ret_v, err);
	if (r == MC_IPC_OK)
		r = storage_room(storage, FRESH_BYTES, err);
	return r == MC_IPC_OK ? plan(storage, ret_v, wanted, ret_making, err) : r;
}

/* A volume_wanted that outlives its call. */
struct order {
	int64_t size_gib;
	char source[MC_ID_LEN], kms_key[MC_UUID_LEN], opener[MC_ID_LEN];
	bool shared;
};

static int create_long(struct storage *storage, const char *id, const void *arg, const struct qemu_img_watch *watch, mc_err **err)
{
	const struct order *o = arg;
	struct volume_wanted wanted = {.size_gib = o->size_gib, .source = o->source[0] ? o->source : NULL, .kms_key = o->kms_key[0] ? o->kms_key : NULL,
				       .shared = o->shared, .opener = o->opener[0] ? o->opener : NULL};
	struct making making;
	struct volume v;
	int r = graph_volume_find(storage->graph, id, &v, err);

	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	r = prepare(storage, id, &wanted, &v, &making, err);
	return r == MC_IPC_OK ? create(storage, &v, &wanted, &making, watch, err) : r;
}

static int begin_long(struct storage *storage, const char *id, const struct volume_wanted *wanted, json_t **ret, mc_err **err)
{
	struct order o = {.size_gib = wanted->size_gib, .shared = wanted->shared};

	snprintf(o.source, sizeof(o.source), "%s", wanted->source ? wanted->source : "");
	snprintf(o.kms_key, sizeof(o.kms_key), "%s", wanted->kms_key ? wanted->kms_key : "");
	snprintf(o.opener, sizeof(o.opener), "%s", wanted->opener ? wanted->opener : "");
	return copying_begin(storage, id, create_long, &o, sizeof(o), ret, err);
}

/* *ret stays NULL where it is there now. */
static int put_new(struct storage *storage, const char *id, const struct volume_wanted *wanted, json_t **ret, mc_err **err)
{
	struct making making;
	struct volume v;
	int r;

	if (copying_answers(storage, id, &r, ret, err))
		return r;
	r = prepare(storage, id, wanted, &v, &making, err);
	if (r != MC_IPC_OK)
		return r;
	return is_long(&making, wanted->shared) ? begin_long(storage, id, wanted, ret, err) : create(storage, &v, wanted, &making, NULL, err);
}

int volume_put(struct storage *storage, const char *id, const struct volume_wanted *wanted, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	json_t *under_way = NULL;
	struct volume v;
	int r = graph_volume_find(storage->graph, id, &v, err);

	if (r > 0) {
		r = put_new(storage, id, wanted, &under_way, err);
		if (r != MC_IPC_OK || under_way) {
			*ret = under_way;
			return r;
		}
		r = graph_volume_find(storage->graph, id, &v, err);
	}
	if (r > 0)
		return mc_err_set(err, 0, "volume %s is gone again", id);
	/* Who makes it has not ended yet, and nobody may open it until then. */
	if (r == 0 && copying_is_under_way(storage, id, ret))
		return MC_IPC_OK;
	return r < 0 ? -1 : put_again(storage, &v, wanted, ret, err);
}

/* --- removing ------------------------------------------------------------- */

/* On a full disk the records cannot be changed until something is freed, and the
 * volume's own file is what may go: its user asked for that. */
static int remove_record(struct storage *storage, const char *id, struct layer *layer, mc_err **err)
{
	struct volume v;
	int r = graph_volume_remove(storage->graph, id, layer, err);

	if (r >= 0 || !graph_disk_full(storage->graph) ||
	    graph_volume_find(storage->graph, id, &v, NULL) != 0)
		return r;
	mc_log(MC_LOG_WARNING, AREA, "disk full: freeing the file before the record", "volume", id, NULL);
	mc_err_clear(err);
	if (store_remove(&storage->store, v.layer.id, err) < 0)
		return -1;
	return graph_volume_remove(storage->graph, id, layer, err);
}

/* MC_IPC_OK where nobody has it open, else MC_IPC_IN_USE. */
static int check_closed(struct storage *storage, const char *id, mc_err **err)
{
	int r = volume_is_open(storage, id, err);

	if (r <= 0)
		return r;
	mc_err_set(err, 0, "volume %s is open", id);
	return MC_IPC_IN_USE;
}

/* Its top is not written to any more. 0 or -1. */
static int end_pull(struct storage *storage, const char *id, mc_err **err)
{
	struct merge m;
	int r = graph_merge_of(storage->graph, id, &m, err);

	if (r == 0)
		r = merge_let_go(storage, m.upper, NULL, err);
	return r < 0 ? -1 : 0;
}

static int delete_it(struct storage *storage, const char *id, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct layer layer;
	int r = check_closed(storage, id, err);

	if (r != MC_IPC_OK)
		return r;
	if (snapshot_settle(storage, id, err) < 0)
		return -1;
	r = end_pull(storage, id, err);
	if (r == 0)
		r = remove_record(storage, id, &layer, err);
	if (r == 0) {
		r = storage_collect(storage, &layer, err);
		mc_log(MC_LOG_INFO, AREA, "deleted", "volume", id, "layer", layer.id, NULL);
	}
	janitor_wake(storage->janitor);
	return r < 0 ? mc_err_wrap(err, "volume %s", id) : MC_IPC_OK;
}

/* The copying has the lock at times. */
int volume_delete(struct storage *storage, const char *id, mc_err **err)
{
	copying_end(storage, id);
	return delete_it(storage, id, err);
}

/* --- growing -------------------------------------------------------------- */

/* An overlay that is about to become the top has the size of now. */
static int check_unprepared(struct storage *storage, const char *id, mc_err **err)
{
	struct snapshot s;
	int r = volume_is_open(storage, id, err);

	if (r == 0)
		r = snapshot_settle(storage, id, err);
	if (r >= 0)
		r = graph_snapshot_prepared(storage->graph, id, &s, err);
	if (r != 0)
		return r < 0 ? -1 : MC_IPC_OK;
	mc_err_set(err, 0, "the snapshot %s of %s is being taken", s.id, id);
	return MC_IPC_UNAVAILABLE;
}


/* One that is encrypted and raw has all that it needs before a QEMU is told. */
static int grow_sealed(struct storage *storage, const struct volume *v, int64_t bytes, bool open, mc_err **err)
{
	int r = layer_extend(storage, &v->layer, bytes, err);

	return r == MC_IPC_OK && !open ? layer_cut(storage, v->layer.id, bytes, err) : r;
}

static int grow_closed(struct storage *storage, const struct volume *v, int64_t bytes, mc_err **err)
{
	auto_qemu_img_file file = {.key_fd = -1};
	int r = layer_open(storage, v->layer.id, true, &file, err);

	return r == MC_IPC_OK ? qemu_img_resize(&storage->offspring, &file, (uint64_t)bytes, err) : r;
}

/* Make the file of a closed volume large enough; see whether the QEMU of an open one has done so. */
static int grow_file(struct storage *storage, const struct volume *v, int64_t bytes, bool *ret_done, mc_err **err)
{
	struct qcow2_header header;
	int open, sealed;

	if (storage_header(storage, v->layer.id, &header, err) < 0)
		return -1;
	*ret_done = (int64_t)header.virtual_bytes >= bytes && header.virtual_bytes % GIB == 0;
	open = *ret_done ? 1 : volume_is_open(storage, v->id, err);
	sealed = *ret_done ? 0 : layer_is_sealed(storage, v->layer.id, err);
	if (open < 0 || sealed < 0)
		return -1;
	if (sealed && !*ret_done) {
		*ret_done = !open;
		return grow_sealed(storage, v, bytes, open, err);
	}
	if (open)
		return MC_IPC_OK;
	*ret_done = true;
	return grow_closed(storage, v, bytes, err);
}

/* Until its QEMU has grown an open volume, only the intention is recorded. */
static int grow(struct storage *storage, struct volume *v, int64_t size_gib, mc_err **err)
{
	bool done = true;
	int r = MC_IPC_OK;

	if (size_gib < v->size_gib) {
		mc_err_set(err, 0, "size_gib: volume %s has %lld GiB already and never shrinks", v->id, (long long)v->size_gib);
		return MC_IPC_BAD_REQUEST;
	}
	if (size_gib > v->size_gib)
		r = grow_file(storage, v, size_gib * GIB, &done, err);
	if (r != MC_IPC_OK)
		return r;
	MC_CRASH_POINT();
	v->growing_gib = done ? 0 : size_gib;
	if (done) {
		v->size_gib = size_gib;
		v->layer.virtual_bytes = size_gib * GIB;
	}
	return graph_volume_resize(storage->graph, v, err) < 0 ? -1 : MC_IPC_OK;
}

/* A QEMU that merges does not grow; and the chain of a closed volume is nobody else's meanwhile. */
static int grow_unmerged(struct storage *storage, struct volume *v, int64_t size_gib, mc_err **err)
{
	int open = volume_is_open(storage, v->id, err), r;

	if (open < 0)
		return -1;
	r = open ? merge_interrupt(storage, v->id, err) : merge_hold(storage, v->layer.id, NULL, err);
	if (r == MC_IPC_OK)
		r = grow(storage, v, size_gib, err);
	if (!open)
		merge_release(storage);
	return r;
}

int volume_grow(struct storage *storage, const char *id, int64_t size_gib, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct volume v;
	int r = check_unprepared(storage, id, err);

	if (r == MC_IPC_OK)
		r = volume_find(storage, id, &v, err);
	if (r == MC_IPC_OK)
		r = grow_unmerged(storage, &v, size_gib, err);
	return r == MC_IPC_OK ? answer(storage, &v, ret, err) : r;
}

/* --- another kind --------------------------------------------------------- */

/* Into a layer that has begun; with the same data key. */
static int copy_into(struct storage *storage, const char *from, const struct layer *to, const struct qemu_img_watch *watch, mc_err **err)
{
	int r = vault_layer_same_key(storage->vault, to->id, from, err);

	return r == MC_IPC_OK ? layer_copy_own(storage, from, to, STORE_MODE_TOP, watch, err) : r;
}

/* Its old layer goes when no document names it any more. */
static int move_to(struct storage *storage, struct volume *v, mc_err **err)
{
	struct layer before;
	int r;

	MC_CRASH_POINT();
	r = graph_volume_move(storage->graph, v, &before, err);
	if (r != 0)
		return r < 0 ? -1 : MC_IPC_OK;
	return owners_write(storage->owners, err) < 0 || storage_collect(storage, &before, err) < 0 ? -1 : MC_IPC_OK;
}

/* Nobody has it open, and the janitor rests. */
static int change_kind(struct storage *storage, struct volume *v, bool shared, const struct qemu_img_watch *watch, mc_err **err)
{
	struct layer other = {.virtual_bytes = v->layer.virtual_bytes};
	int r = shared ? storage_room(storage, (uint64_t)other.virtual_bytes, err) : MC_IPC_OK;

	if (r != MC_IPC_OK)
		return r;
	mc_id_new(shared ? STORE_RAW : "lay", other.id);
	if (graph_layer_begin(storage->graph, &other, err) < 0)
		return -1;
	r = copy_into(storage, v->layer.id, &other, watch, err);
	if (r != MC_IPC_OK) {
		storage_abandon(storage, other.id);
		return r;
	}
	v->layer = other;
	r = move_to(storage, v, err);
	mc_log(MC_LOG_INFO, AREA, shared ? "to be shared" : "to be shared no longer", "volume", v->id, "layer", other.id, NULL);
	return r;
}

/* The volume has its lock all the while. */
static int share_long(struct storage *storage, const char *id, const void *arg, const struct qemu_img_watch *watch, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	bool shared = *(const bool *)arg;
	struct volume v;
	int r = check_closed(storage, id, err);

	if (r == MC_IPC_OK && snapshot_settle(storage, id, err) < 0)
		r = -1;
	if (r == MC_IPC_OK)
		r = volume_find(storage, id, &v, err);
	if (r != MC_IPC_OK || store_is_raw(v.layer.id) == shared)
		return r;
	r = merge_hold(storage, v.layer.id, NULL, err);
	if (r == MC_IPC_OK)
		r = change_kind(storage, &v, shared, watch, err);
	merge_release(storage);
	return r;
}

int volume_share(struct storage *storage, const char *id, bool shared, json_t **ret, mc_err **err)
{
	struct volume v;
	int r;

	if (copying_answers(storage, id, &r, ret, err))
		return r;
	r = volume_find(storage, id, &v, err);
	if (r == MC_IPC_OK && store_is_raw(v.layer.id) == shared)
		return answer(storage, &v, ret, err);
	if (r == MC_IPC_OK)
		r = check_closed(storage, id, err);
	if (r == MC_IPC_OK)
		r = copying_begin(storage, id, share_long, &shared, sizeof(shared), ret, err);
	return r == MC_IPC_OK && !*ret ? volume_get(storage, id, ret, err) : r; /* done before we looked */
}

/* --- use ------------------------------------------------------------------ */

static int open_alone(struct storage *storage, const char *id, const char *opener, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);

	return open_it(storage, id, opener, ret, err);
}

int volume_open(struct storage *storage, const char *id, const char *opener, json_t **ret, mc_err **err)
{
	int r = copying_check_none(storage, id, err);

	return r == MC_IPC_OK ? open_alone(storage, id, opener, ret, err) : r;
}

struct same_key {
	struct storage *storage;
	const char *key;
	json_t *volumes;
};

static int keep_same_key(void *ctx, const struct volume *v)
{
	struct same_key *same = ctx;
	char key[MC_ID_LEN];

	if (vault_layer_key(same->storage->vault, v->layer.id, key, NULL) == 0 && strcmp(key, same->key) == 0)
		json_array_append_new(same->volumes, json_string(v->id));
	return 0;
}

/* Say so if no open volume has the data key of this one. */
static int answer_closed(struct storage *storage, const struct volume *v, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *volumes = json_array();
	char key[MC_ID_LEN];
	struct same_key same = {storage, key, volumes};
	json_t *id;
	size_t i;

	if (vault_layer_key(storage->vault, v->layer.id, key, err) < 0)
		return -1;
	if (!key[0])
		return MC_IPC_OK;
	if (graph_volumes(storage->graph, keep_same_key, &same, err) < 0)
		return -1;
	json_array_foreach(volumes, i, id) {
		int open = volume_is_open(storage, json_string_value(id), err);

		if (open != 0)
			return open < 0 ? -1 : MC_IPC_OK;
	}
	*ret = json_pack("{s:s}", "unused_key", key);
	return MC_IPC_OK;
}

int volume_close(struct storage *storage, const char *id, const char *opener, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct volume v;
	int open, r;

	if (graph_volume_close(storage->graph, id, opener, err) < 0)
		return -1;
	open = volume_is_open(storage, id, err);
	if (open != 0)
		return open < 0 ? -1 : MC_IPC_OK;
	if (merge_closed(storage, id, err) < 0)
		return -1;
	r = graph_volume_find(storage->graph, id, &v, err);
	if (r < 0)
		return -1;
	if (r == 0)
		merge_tidy(storage, &v.layer);
	janitor_wake(storage->janitor);
	return r == 0 ? answer_closed(storage, &v, ret, err) : MC_IPC_OK;
}
