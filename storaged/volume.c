#include "storaged/volume.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/qemu_img.h"

#define AREA "volume"
#define GIB (1LL << 30)
#define FRESH_BYTES (1ULL << 20) /* more than a new qcow2's tables take */

static json_t *volume_json(const struct store *store, const struct volume *v)
{
	mc_autofree char *path = store_path(store, v->layer.id);
	json_t *doc = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I}", "id", v->id, "state", "available",
				"size_gib", (json_int_t)v->size_gib, "path", path, "format", "qcow2",
				"layer", v->layer.id, "allocated_bytes",
				(json_int_t)store_allocated(store, v->layer.id));

	if (v->layer.parent[0])
		json_object_set_new(doc, "base", json_string(v->layer.parent));
	return doc;
}

/* What the wanted volume stands on: fills v->layer and v->image. */
static int find_base(struct storage *storage, const char *image_id, struct volume *v, mc_err **err)
{
	struct image image;
	int r;

	if (!image_id)
		return MC_IPC_OK;
	r = graph_image_find(storage->graph, image_id, &image, err);
	if (r < 0)
		return -1;
	if (r > 0) {
		mc_err_set(err, 0, "there is no image %s", image_id);
		return MC_IPC_NOT_FOUND;
	}
	image_deinit(&image);
	if (image.layer.virtual_bytes > v->layer.virtual_bytes) {
		mc_err_set(err, 0, "size_gib: %lld GiB is smaller than the image (%lld bytes)",
			   (long long)v->size_gib, (long long)image.layer.virtual_bytes);
		return MC_IPC_BAD_REQUEST;
	}
	snprintf(v->image, sizeof(v->image), "%s", image_id);
	snprintf(v->layer.parent, sizeof(v->layer.parent), "%s", image.layer.id);
	return MC_IPC_OK;
}

static int make_file(struct storage *storage, const struct volume *v, mc_err **err)
{
	mc_autofree char *part = store_part_path(&storage->store, v->layer.id);
	/* Without a directory: the store can be moved. */
	mc_autofree char *backing = v->layer.parent[0] ? store_name(v->layer.parent) : NULL;

	if (qemu_img_create(&storage->offspring, part, backing, (uint64_t)v->layer.virtual_bytes, err) < 0)
		return -1;
	return store_commit(&storage->store, v->layer.id, STORE_MODE_TOP, err);
}

static int create(struct storage *storage, struct volume *v, mc_err **err)
{
	int r;

	mc_id_new("lay", v->layer.id);
	r = graph_layer_begin(storage->graph, &v->layer, err);
	if (r > 0) {
		mc_err_set(err, 0, "the image %s was removed meanwhile", v->image);
		return MC_IPC_NOT_FOUND;
	}
	if (r < 0)
		return -1;
	if (make_file(storage, v, err) < 0 || graph_volume_add(storage->graph, v, err) < 0) {
		storage_abandon(storage, v->layer.id);
		return mc_err_wrap(err, "volume %s", v->id);
	}
	mc_log(MC_LOG_INFO, AREA, "created", "volume", v->id, "layer", v->layer.id, "image",
	       v->image[0] ? v->image : NULL, NULL);
	return MC_IPC_OK;
}

int volume_put(struct storage *storage, const char *id, int64_t size_gib, const char *image,
	       json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct volume v;
	int r = graph_volume_find(storage->graph, id, &v, err);

	if (r < 0)
		return -1;
	if (r == 0) {
		if (v.size_gib == size_gib && strcmp(v.image, image ? image : "") == 0)
			return *ret = volume_json(&storage->store, &v), MC_IPC_OK;
		mc_err_set(err, 0, "volume %s exists with another size or image", id);
		return MC_IPC_CONFLICT;
	}
	v = (struct volume){.size_gib = size_gib, .layer = {.virtual_bytes = size_gib * GIB}};
	snprintf(v.id, sizeof(v.id), "%s", id);
	r = find_base(storage, image, &v, err);
	if (r == MC_IPC_OK)
		r = storage_room(storage, FRESH_BYTES, err);
	if (r == MC_IPC_OK)
		r = create(storage, &v, err);
	if (r == MC_IPC_OK)
		*ret = volume_json(&storage->store, &v);
	return r;
}

int volume_get(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct volume v;
	int r = graph_volume_find(storage->graph, id, &v, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		mc_err_set(err, 0, "there is no volume %s", id);
		return MC_IPC_NOT_FOUND;
	}
	*ret = volume_json(&storage->store, &v);
	return MC_IPC_OK;
}

struct listing {
	const struct store *store;
	json_t *array;
};

static int list_one(void *ctx, const struct volume *v)
{
	struct listing *l = ctx;

	return json_array_append_new(l->array, volume_json(l->store, v));
}

int volume_list(struct storage *storage, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *array = json_array();
	struct listing l = {&storage->store, array};

	if (graph_volumes(storage->graph, list_one, &l, err) < 0)
		return -1;
	*ret = json_pack("{s:O}", "volumes", array);
	return MC_IPC_OK;
}

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

int volume_delete(struct storage *storage, const char *id, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct layer layer;
	int r = remove_record(storage, id, &layer, err);

	if (r == 0) {
		r = storage_collect(storage, &layer, err);
		mc_log(MC_LOG_INFO, AREA, "deleted", "volume", id, "layer", layer.id, NULL);
	}
	return r < 0 ? mc_err_wrap(err, "volume %s", id) : MC_IPC_OK;
}
