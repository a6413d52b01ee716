#include "storaged/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "storaged/luks.h"
#include "storaged/merge.h"
#include "storaged/qcow2_new.h"

/* --- making ----------------------------------------------------------------- */

/* The header's passphrase is the data key; the volume key inside is of this file alone. */
static int make_header(struct storage *storage, const char *key, uint8_t *luks, mc_err **err)
{
	char secret[VAULT_SECRET];
	int r = vault_data_key_secret(storage->vault, key, secret, err);

	if (r == MC_IPC_OK)
		r = luks_make(secret, sizeof(secret), luks, err);
	OPENSSL_cleanse(secret, sizeof(secret));
	return r;
}

static int make_file(const char *part, int64_t bytes, const uint8_t *luks, mc_err **err)
{
	mc_auto_fd int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, bytes) < 0 || (luks && pwrite(fd, luks, LUKS_BYTES, 0) != LUKS_BYTES))
		return mc_err_set(err, errno, "cannot make %s", part);
	return 0;
}

/* The bytes from..to of the guest's; path: of the layer's file or its part file. */
static int fill(struct storage *storage, const char *path, const char *key, int64_t from, int64_t to, mc_err **err)
{
	mc_autofree char *name = mc_strf("json:{\"driver\":\"raw\",\"offset\":%lld,\"size\":%lld,\"file\":{\"driver\":\"luks\","
					 "\"key-secret\":\"" QEMU_IMG_TARGET_KEY "\",\"file\":{\"driver\":\"file\",\"locking\":\"off\","
					 "\"filename\":\"%s\"}}}", (long long)from, (long long)(to - from), path);
	auto_qemu_img_file file = {.name = MC_STEAL(name), .key_fd = -1};
	int r = vault_data_key_fd(storage->vault, key, &file.key_fd, err);

	return r == MC_IPC_OK ? qemu_img_zero(&storage->offspring, &file, (uint64_t)(to - from), err) : r;
}

/* A file that several QEMUs write to: as large as its disk, but empty. What was never written of a raw LUKS file does
 * not read as zeros: there they are written, all of them. */
static int make_raw(struct storage *storage, const struct layer *layer, const char *key, const char *part, mc_err **err)
{
	mc_autofree uint8_t *luks = NULL;
	int r;

	if (!key[0])
		return make_file(part, layer->virtual_bytes, NULL, err);
	luks = mc_alloc(LUKS_BYTES);
	r = make_header(storage, key, luks, err);
	if (r != MC_IPC_OK)
		return r;
	if (make_file(part, LUKS_ROOM + layer->virtual_bytes, luks, err) < 0)
		return -1;
	return fill(storage, part, key, 0, layer->virtual_bytes, err);
}

static int make_encrypted(struct storage *storage, const struct layer *layer, const char *key, const char *part, const char *backing,
			  mc_err **err)
{
	mc_autofree uint8_t *luks = mc_alloc(LUKS_BYTES);
	mc_auto_fd int fd = -1;
	int r = make_header(storage, key, luks, err);

	if (r != MC_IPC_OK)
		return r;
	MC_CRASH_POINT();
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return mc_err_set(err, errno, "cannot make %s", part);
	return qcow2_new(fd, (uint64_t)layer->virtual_bytes, backing, luks, err);
}

/* The part file. */
static int make_part(struct storage *storage, const struct layer *layer, mc_err **err)
{
	mc_autofree char *part = store_part_path(&storage->store, layer->id);
	/* Without a directory: the store can be moved. */
	mc_autofree char *backing = layer->parent[0] ? store_name(layer->parent) : NULL;
	char key[MC_ID_LEN];

	if (vault_layer_key(storage->vault, layer->id, key, err) < 0)
		return -1;
	if (store_is_raw(layer->id))
		return make_raw(storage, layer, key, part, err);
	if (key[0])
		return make_encrypted(storage, layer, key, part, backing, err);
	return qemu_img_create(&storage->offspring, part, backing, (uint64_t)layer->virtual_bytes, err);
}

int layer_make(struct storage *storage, const struct layer *layer, mc_err **err)
{
	int r = make_part(storage, layer, err);

	return r == MC_IPC_OK ? store_commit(&storage->store, layer->id, STORE_MODE_TOP, err) : r;
}

/* --- opening ---------------------------------------------------------------- */

struct naming {
	const struct storage *storage;
	const char *secret;
	json_t *top, *last; /* the nodes, from the top down */
};

static json_t *node(const char *layer, const char *path, const char *secret)
{
	if (store_is_raw(layer))
		return json_pack("{s:s, s:s, s:{s:s, s:s}}", "driver", "luks", "key-secret", secret, "file", "driver", "file", "filename", path);
	return json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "driver", "qcow2", "file", "driver", "file", "filename", path, "encrypt",
			 "format", "luks", "key-secret", secret);
}

static int add_node(void *ctx, const struct layer *layer)
{
	struct naming *n = ctx;
	mc_autofree char *path = store_path(&n->storage->store, layer->id);
	json_t *one = node(layer->id, path, n->secret);

	if (n->last)
		json_object_set_new(n->last, "backing", one);
	else
		n->top = one;
	n->last = one;
	return 0;
}

static const char *format_of(const char *layer, const char *key)
{
	return !store_is_raw(layer) ? "qcow2" : key[0] ? "luks" : "raw";
}

static char *json_name(const json_t *doc)
{
	mc_autofree char *text = json_dumps(doc, JSON_COMPACT);

	return mc_strf("json:%s", text);
}

/* Every file is named, and every one's key: nothing is read of a header. */
static int name_encrypted(struct storage *storage, const char *layer, bool chain, char **ret, mc_err **err)
{
	struct naming n = {.storage = storage, .secret = QEMU_IMG_KEY};
	struct layer alone = {.id = ""};
	mc_auto_json json_t *top = NULL;
	int r;

	memcpy(alone.id, layer, strlen(layer) + 1);
	r = chain ? graph_chain(storage->graph, layer, add_node, &n, err) : add_node(&n, &alone);
	top = n.top;
	if (r == 0 && !top)
		r = mc_err_set(err, 0, "there is no layer %s", layer);
	if (r == 0)
		*ret = json_name(top);
	return r;
}

int layer_open(struct storage *storage, const char *layer, bool chain, struct qemu_img_file *ret, mc_err **err)
{
	auto_qemu_img_file file = {.key_fd = -1};
	char key[MC_ID_LEN];
	int r = vault_layer_key(storage->vault, layer, key, err);

	if (r == 0 && key[0])
		r = vault_data_key_fd(storage->vault, key, &file.key_fd, err);
	if (r != MC_IPC_OK)
		return r;
	if (!key[0])
		file.name = store_path(&storage->store, layer);
	else if (name_encrypted(storage, layer, chain, &file.name, err) < 0)
		return -1;
	file.format = format_of(layer, key);
	*ret = file;
	file = (struct qemu_img_file){.key_fd = -1};
	return MC_IPC_OK;
}

/* --- copying ---------------------------------------------------------------- */

/* The part file, alone. */
static int open_part(struct storage *storage, const char *layer, struct qemu_img_file *ret, mc_err **err)
{
	mc_autofree char *part = store_part_path(&storage->store, layer);
	mc_auto_json json_t *doc = NULL;
	char key[MC_ID_LEN];
	int fd = -1, r = vault_layer_key(storage->vault, layer, key, err);

	if (r == 0 && key[0])
		r = vault_data_key_fd(storage->vault, key, &fd, err);
	if (r != MC_IPC_OK)
		return r;
	doc = key[0] ? node(layer, part, QEMU_IMG_TARGET_KEY) : NULL;
	*ret = (struct qemu_img_file){doc ? json_name(doc) : MC_STEAL(part), fd, format_of(layer, key)};
	return MC_IPC_OK;
}

struct sum {
	const struct storage *storage;
	uint64_t bytes;
};

static int add_bytes(void *ctx, const struct layer *layer)
{
	struct sum *sum = ctx;

	sum->bytes += store_allocated(&sum->storage->store, layer->id);
	return 0;
}

static int check_room(struct storage *storage, const char *from, mc_err **err)
{
	struct sum sum = {storage, 0};

	return graph_chain(storage->graph, from, add_bytes, &sum, err) < 0 ? -1 : storage_room(storage, sum.bytes, err);
}

static int write_copy(struct storage *storage, const struct qemu_img_file *source, const struct qemu_img_file *target,
		      const struct qemu_img_watch *watch, mc_err **err)
{
	int r = qemu_img_copy(&storage->offspring, source, target, watch, err);

	if (r > 0)
		mc_err_set(err, 0, "it was cancelled");
	return r > 0 ? MC_IPC_CONFLICT : r;
}

int layer_copy_own(struct storage *storage, const char *from, const struct layer *to, mode_t mode, const struct qemu_img_watch *watch,
		   mc_err **err)
{
	auto_qemu_img_file source = {.key_fd = -1}, target = {.key_fd = -1};
	int r = check_room(storage, from, err);

	if (r == MC_IPC_OK)
		r = layer_open(storage, from, true, &source, err);
	if (r == MC_IPC_OK)
		r = make_part(storage, to, err);
	if (r == MC_IPC_OK)
		r = open_part(storage, to->id, &target, err);
	MC_CRASH_POINT();
	if (r == MC_IPC_OK)
		r = write_copy(storage, &source, &target, watch, err);
	return r == MC_IPC_OK ? store_commit(&storage->store, to->id, mode, err) : r;
}

int layer_copy(struct storage *storage, const char *from, const struct layer *to, mode_t mode, const struct qemu_img_watch *watch,
	       mc_err **err)
{
	int r = merge_read(storage, from, err);

	if (r != MC_IPC_OK)
		return r;
	r = layer_copy_own(storage, from, to, mode, watch, err);
	merge_read_end(storage, from);
	return r;
}

/* --- growing raw ones ------------------------------------------------------- */

#define SECTOR 512

int layer_is_sealed(struct storage *storage, const char *layer, mc_err **err)
{
	char key[MC_ID_LEN];

	if (!store_is_raw(layer))
		return 0;
	return vault_layer_key(storage->vault, layer, key, err) < 0 ? -1 : key[0] != '\0';
}

int layer_cut(struct storage *storage, const char *layer, int64_t bytes, mc_err **err)
{
	mc_autofree char *path = store_path(&storage->store, layer);

	if (MC_CRASH_AROUND(truncate(path, LUKS_ROOM + bytes)) < 0)
		return mc_err_set(err, errno, "cannot set the size of %s", path);
	return store_sync(&storage->store, layer, err);
}

int layer_extend(struct storage *storage, const struct layer *layer, int64_t bytes, mc_err **err)
{
	mc_autofree char *path = store_path(&storage->store, layer->id);
	char key[MC_ID_LEN];
	int r = storage_room(storage, (uint64_t)(bytes - layer->virtual_bytes), err);

	if (r == MC_IPC_OK)
		r = vault_layer_key(storage->vault, layer->id, key, err);
	if (r == MC_IPC_OK)
		r = layer_cut(storage, layer->id, bytes + SECTOR, err);
	if (r == MC_IPC_OK)
		r = fill(storage, path, key, layer->virtual_bytes, bytes, err);
	return r == MC_IPC_OK ? store_sync(&storage->store, layer->id, err) : r;
}

int layer_owner(struct storage *storage, const char *layer, char ret_kms_key[MC_UUID_LEN], mc_err **err)
{
	char key[MC_ID_LEN];

	ret_kms_key[0] = '\0';
	if (vault_layer_key(storage->vault, layer, key, err) < 0)
		return -1;
	if (key[0] && vault_data_key_owner(storage->vault, key, ret_kms_key, err) != MC_IPC_OK)
		return -1;
	return 0;
}
