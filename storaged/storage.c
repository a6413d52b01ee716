#include "storaged/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/list.h"
#include "storaged/luks.h"
#include "storaged/merge.h"
#include "storaged/owners.h"
#include "storaged/qcow2.h"

#define AREA "storage"
#define MIB (1ULL << 20)

static int make_parent(const char *path, mc_err **err)
{
	mc_autofree char *copy = mc_strdup(path);

	return mc_fs_mkdirs(dirname(copy), 0700, err);
}

int storage_lock(struct storage *storage, const struct storaged_config *config, bool wait, mc_err **err)
{
	mc_autofree char *lock = mc_strf("%s.lock", config->database);

	if (storage->offspring.parent) /* we have it */
		return 0;
	return make_parent(config->database, err) < 0 ? -1 : offspring_open(&storage->offspring, lock, wait, err);
}

/* After the records, whose ballast makes room for it as well. */
static int open_vault(struct storage *storage, mc_err **err)
{
	const struct storaged_config *config = storage->config;

	storage->vault = vault_open(config->vault, config->master_key, err);
	if (!storage->vault && graph_make_room(storage->graph)) {
		mc_err_clear(err);
		storage->vault = vault_open(config->vault, config->master_key, err);
	}
	if (!storage->vault)
		return -1;
	if (vault_trouble(storage->vault))
		mc_log(MC_LOG_ERROR, AREA, vault_trouble(storage->vault), NULL);
	return 0;
}

int storage_open(struct storage *storage, const struct storaged_config *config, mc_err **err)
{
	struct offspring offspring = storage->offspring;

	*storage = (struct storage){.config = config, .locks = mc_keylock_new(), .offspring = offspring};
	storage->sandbox = sandbox_new(err);
	if (!storage->sandbox || store_open(&storage->store, config, err) < 0 ||
	    make_parent(config->database, err) < 0 || make_parent(config->vault, err) < 0)
		return -1;
	storage->graph = graph_open(config->database, err);
	if (!storage->graph)
		return mc_err_wrap(err, "%s", config->database);
	if (open_vault(storage, err) < 0)
		return mc_err_wrap(err, "%s", config->vault);
	storage->owners = owners_open(&storage->store, storage->graph, err);
	return storage->owners ? 0 : -1;
}

void storage_close(struct storage *storage)
{
	owners_close(storage->owners);
	graph_close(storage->graph);
	vault_close(storage->vault);
	store_close(&storage->store);
	sandbox_free(storage->sandbox);
	mc_keylock_free(storage->locks);
	offspring_close(&storage->offspring);
	*storage = (struct storage){0};
}

int storage_collect(struct storage *storage, const struct layer *layer, mc_err **err)
{
	struct layer now = *layer;
	int r;

	do {
		char parent[MC_ID_LEN];

		if (store_remove(&storage->store, now.id, err) < 0 ||
		    graph_layer_forget(storage->graph, now.id, parent, err) < 0 || vault_layer_forget(storage->vault, now.id, err) < 0)
			return mc_err_wrap(err, "layer %s", now.id);
		mc_log(MC_LOG_DEBUG, AREA, "layer removed", "layer", now.id, NULL);
		/* The child is gone: does anything else stand on the parent? */
		r = parent[0] ? graph_layer_release(storage->graph, parent, &now, err) : 1;
	} while (r == 0);
	return r < 0 ? -1 : 0;
}

void storage_abandon(struct storage *storage, const char *layer_id)
{
	mc_auto_err mc_err *err = NULL;
	char parent[MC_ID_LEN];

	if (store_remove(&storage->store, layer_id, &err) < 0 ||
	    graph_layer_forget(storage->graph, layer_id, parent, &err) < 0 || vault_layer_forget(storage->vault, layer_id, &err) < 0)
		mc_log(MC_LOG_DEBUG, AREA, "half-made layer stays until the next start", "layer", layer_id,
		       "error", mc_err_msg(err), NULL);
}

int storage_room(const struct storage *storage, uint64_t bytes, mc_err **err)
{
	struct store_space space;

	if (store_space(&storage->store, &space, err) < 0)
		return -1;
	if (space.free_bytes >= space.reserve_bytes && space.free_bytes - space.reserve_bytes >= bytes)
		return MC_IPC_OK;
	mc_err_set(err, 0, "the store has %llu MiB free, of which %llu MiB are kept in reserve; %llu MiB are needed",
		   (unsigned long long)(space.free_bytes / MIB),
		   (unsigned long long)(space.reserve_bytes / MIB),
		   (unsigned long long)((bytes + MIB - 1) / MIB));
	return MC_IPC_NO_CAPACITY;
}

/* What there is to know of a raw file; whether it is encrypted, the vault knows: a guest may write what it likes into it. */
static int raw_header(const struct storage *storage, const char *layer_id, int fd, struct qcow2_header *ret, mc_err **err)
{
	char key[MC_ID_LEN];
	struct stat st;
	off_t room;

	if (vault_layer_key(storage->vault, layer_id, key, err) < 0)
		return -1;
	room = key[0] ? LUKS_ROOM : 0;
	if (fstat(fd, &st) < 0)
		return mc_err_set(err, errno, "cannot measure %s", layer_id);
	if (st.st_size < room)
		return mc_err_set(err, 0, "%s is cut off", layer_id);
	*ret = (struct qcow2_header){.virtual_bytes = (uint64_t)(st.st_size - room), .encrypted = key[0]};
	return 0;
}

int storage_header(const struct storage *storage, const char *layer_id, struct qcow2_header *ret, mc_err **err)
{
	mc_autofree char *path = store_path(&storage->store, layer_id);
	mc_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return mc_err_set(err, errno, "cannot open %s", path);
	if (store_is_raw(layer_id))
		return raw_header(storage, layer_id, fd, ret, err);
	return qcow2_header_read(fd, ret, NULL, err) < 0 ? mc_err_wrap(err, "%s", path) : 0;
}

/* --- recovery */

static int keep_layer(void *list, const struct layer *layer)
{
	list_add(list, layer);
	return 0;
}

/* A missing file is for the check to report. */
static void recover_mode(struct storage *storage, const struct layer *layer)
{
	store_set_mode(&storage->store, layer->id, layer->state == LAYER_FROZEN ? STORE_MODE_FROZEN : STORE_MODE_TOP, NULL);
}

static int recover_layer(struct storage *storage, const struct layer *layer, mc_err **err)
{
	struct layer removed = *layer;
	int r = 0;

	if (layer->state == LAYER_READY || layer->state == LAYER_FROZEN)
		recover_mode(storage, layer);
	if (layer->state == LAYER_READY)
		return 0;
	/* A frozen layer may have lost its last user just before the end. */
	if (layer->state == LAYER_FROZEN)
		r = graph_layer_release(storage->graph, layer->id, &removed, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	mc_log(MC_LOG_INFO, AREA, "removing what an earlier run left", "layer", layer->id, "state",
	       layer_state_name(layer->state), NULL);
	return storage_collect(storage, &removed, err);
}

static void choose_sandbox(struct storage *storage, const char *file)
{
	mc_auto_err mc_err *err = NULL;
	enum sandbox_kind kind = sandbox_choose(storage->sandbox, &storage->offspring, SANDBOX_NAMESPACES,
						file, &err);

	if (kind != SANDBOX_NAMESPACES)
		mc_log(kind == SANDBOX_NONE ? MC_LOG_ERROR : MC_LOG_WARNING, AREA,
		       kind == SANDBOX_NONE ? "images cannot be imported" : "images are imported without namespaces",
		       "sandbox", sandbox_kind_name(kind), "reason", mc_err_msg(err), NULL);
}

static int keep_volume(void *list, const struct volume *volume)
{
	list_add(list, volume);
	return 0;
}

/* A volume may have grown just before the end: its header knows. A damaged one is for
 * the check to report. */
static int recover_size(struct storage *storage, struct volume *v, mc_err **err)
{
	struct qcow2_header header;

	if (storage_header(storage, v->layer.id, &header, NULL) < 0 ||
	    (int64_t)header.virtual_bytes <= v->layer.virtual_bytes || header.virtual_bytes % (1ULL << 30) != 0)
		return 0;
	v->layer.virtual_bytes = (int64_t)header.virtual_bytes;
	v->size_gib = (int64_t)(header.virtual_bytes >> 30);
	return graph_volume_resize(storage->graph, v, err);
}

static int recover_volumes(struct storage *storage, mc_err **err)
{
	auto_list struct list list = {.size = sizeof(struct volume)};
	int r = graph_volumes(storage->graph, keep_volume, &list, err);

	for (size_t i = 0; i < list.n && r == 0; i++)
		r = recover_size(storage, list_at(&list, i), err);
	return r;
}

/* The keys of layers that were removed just before the end. One whose file is there keeps its key, whatever
 * the records say: they may have been lost. */
static void recover_key(void *ctx, const char *layer)
{
	struct storage *storage = ctx;
	mc_autofree char *path = store_path(&storage->store, layer);
	struct layer found;

	if (access(path, F_OK) < 0 && graph_layer_find(storage->graph, layer, &found, NULL) > 0)
		vault_layer_forget(storage->vault, layer, NULL);
}

int storage_recover(struct storage *storage, mc_err **err)
{
	mc_autofree char *lock = mc_strf("%s.lock", storage->config->database);
	auto_list struct list list = {.size = sizeof(struct layer)};
	int r = storage_lock(storage, storage->config, true, err);

	if (r == 0) {
		choose_sandbox(storage, lock);
		r = merge_recover(storage, err);
	}
	if (r == 0)
		r = graph_layers(storage->graph, keep_layer, &list, err);
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = recover_layer(storage, list_at(&list, i), err);
	if (r == 0)
		r = vault_layers(storage->vault, recover_key, storage, err);
	return r < 0 ? -1 : recover_volumes(storage, err);
}
