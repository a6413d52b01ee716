#include "storaged/image.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/janitor.h"
#include "storaged/import.h"
#include "storaged/qemu_img.h"
#include "storaged/reader.h"

#define AREA "image"
#define FRESH_BYTES (1ULL << 20) /* more than a new qcow2's tables take */

static json_t *image_json(const struct store *store, const struct image *i)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s}", "id", i->id, "state", "available",
			 "virtual_bytes", (json_int_t)i->layer.virtual_bytes, "allocated_bytes",
			 (json_int_t)store_allocated(store, i->layer.id), "sha256", i->sha256, "layer",
			 i->layer.id);
}

const char *image_source_name(const char *dir, const char *path)
{
	size_t n = strlen(dir);
	const char *name;

	while (n > 1 && dir[n - 1] == '/')
		n--;
	if (strncmp(path, dir, n) != 0 || path[n] != '/')
		return NULL;
	name = path + n + 1;
	return *name && *name != '.' && !strchr(name, '/') ? name : NULL;
}

/* Open the source without following a link out of the directory. An outcome, *ret_fd when OK. */
static int source_open(const struct storage *storage, const char *source, int *ret_fd, mc_err **err)
{
	const char *dir = storage->config->import_dir;
	const char *name = image_source_name(dir, source);
	struct stat st;

	if (!name) {
		mc_err_set(err, 0, "source: not a file directly inside %s", dir);
		return MC_IPC_BAD_REQUEST;
	}

	mc_auto_fd int fd = open(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		mc_err_set(err, 0, "source: there is no %s", source);
		return MC_IPC_NOT_FOUND;
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		mc_err_set(err, fd < 0 ? errno : 0, "source: %s is no readable regular file", source);
		return MC_IPC_BAD_REQUEST;
	}
	*ret_fd = MC_STEAL_FD(fd);
	return MC_IPC_OK;
}

static int digest_file(int fd, EVP_MD_CTX *ctx, uint8_t *digest, unsigned *ret_len)
{
	const size_t chunk = 1 << 20;
	mc_autofree uint8_t *buf = mc_alloc(chunk);
	off_t at = 0;
	ssize_t n;

	if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return -1;
	while ((n = pread(fd, buf, chunk, at)) > 0) {
		if (EVP_DigestUpdate(ctx, buf, (size_t)n) != 1)
			return -1;
		at += n;
	}
	return n == 0 && EVP_DigestFinal_ex(ctx, digest, ret_len) == 1 ? 0 : -1;
}

static int source_sha256(int fd, char ret[SHA256_LEN], mc_err **err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = ctx ? digest_file(fd, ctx, digest, &len) : -1;

	EVP_MD_CTX_free(ctx);
	if (r < 0)
		return mc_err_set(err, errno, "cannot read the source");
	for (unsigned i = 0; i < len; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* Everything that can be known before qemu-img sees the file. */
static int source_check(const struct storage *storage, int fd, const char *sha256, struct image *image,
			uint64_t *ret_data_bytes, mc_err **err)
{
	struct foreign found;
	int r;

	if (source_sha256(fd, image->sha256, err) < 0)
		return -1;
	if (sha256 && strcmp(sha256, image->sha256) != 0) {
		mc_err_set(err, 0, "sha256: the source has %s", image->sha256);
		return MC_IPC_BAD_REQUEST;
	}
	r = reader_run(storage->sandbox, &storage->offspring, image->source, FOREIGN_QCOW2, -1, &found, err);
	if (r == READER_REFUSED)
		return mc_err_wrap(err, "source refused"), MC_IPC_BAD_REQUEST;
	if (r < 0)
		return -1;
	image->layer.virtual_bytes = (int64_t)found.virtual_bytes;
	*ret_data_bytes = found.data_bytes;
	return MC_IPC_OK;
}

static int make_file(struct storage *storage, const struct image *image, uint64_t data_bytes, mc_err **err)
{
	struct qemu_img_copy copy = {.driver = foreign_format_driver(FOREIGN_QCOW2), .source = image->source,
				     .data_bytes = data_bytes, .timeout_s = (unsigned)storage->config->import_timeout};

	return import_layer(storage, &image->layer, &copy, err);
}

static int import(struct storage *storage, struct image *image, uint64_t data_bytes, mc_err **err)
{
	int r;

	mc_id_new("lay", image->layer.id);
	if (graph_layer_begin(storage->graph, &image->layer, err) < 0)
		return -1;
	r = make_file(storage, image, data_bytes, err);
	if (r == MC_IPC_OK && graph_image_add(storage->graph, image, err) < 0)
		r = -1;
	if (r != MC_IPC_OK) {
		storage_abandon(storage, image->layer.id);
		return r < 0 ? mc_err_wrap(err, "image %s", image->id) : r;
	}
	janitor_wake(storage->janitor);
	mc_log(MC_LOG_INFO, AREA, "imported", "image", image->id, "layer", image->layer.id, "source",
	       image->source, NULL);
	return MC_IPC_OK;
}

static int create(struct storage *storage, struct image *image, const char *sha256, mc_err **err)
{
	mc_auto_fd int fd = -1;
	uint64_t data_bytes = 0;
	int r;

	if (sandbox_kind_of(storage->sandbox) == SANDBOX_NONE) {
		mc_err_set(err, 0, "this machine has neither unprivileged user namespaces nor Landlock to import an image in");
		return MC_IPC_UNSUPPORTED;
	}
	r = source_open(storage, image->source, &fd, err);
	if (r == MC_IPC_OK)
		r = source_check(storage, fd, sha256, image, &data_bytes, err);
	if (r == MC_IPC_OK)
		r = storage_room(storage, data_bytes + FRESH_BYTES, err);
	if (r == MC_IPC_OK)
		r = import(storage, image, data_bytes, err);
	return r;
}

static bool same_definition(const struct image *have, const char *source, const char *sha256)
{
	return sha256 ? strcmp(have->sha256, sha256) == 0 : strcmp(have->source, source) == 0;
}

int image_put(struct storage *storage, const char *id, const char *source, const char *sha256,
	      json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct image image;
	int r = graph_image_find(storage->graph, id, &image, err);

	if (r < 0)
		return -1;
	if (r == 0 && !same_definition(&image, source, sha256)) {
		mc_err_set(err, 0, "image %s exists with another source or checksum", id);
		r = MC_IPC_CONFLICT;
	} else if (r > 0) {
		image = (struct image){.source = mc_strdup(source)};
		snprintf(image.id, sizeof(image.id), "%s", id);
		r = create(storage, &image, sha256, err);
	}
	if (r == MC_IPC_OK)
		*ret = image_json(&storage->store, &image);
	image_deinit(&image);
	return r;
}

int image_get(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct image image;
	int r = graph_image_find(storage->graph, id, &image, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		mc_err_set(err, 0, "there is no image %s", id);
		return MC_IPC_NOT_FOUND;
	}
	*ret = image_json(&storage->store, &image);
	image_deinit(&image);
	return MC_IPC_OK;
}

struct listing {
	const struct store *store;
	json_t *array;
};

static int list_one(void *ctx, const struct image *image)
{
	struct listing *l = ctx;

	return json_array_append_new(l->array, image_json(l->store, image));
}

int image_list(struct storage *storage, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *array = json_array();
	struct listing l = {&storage->store, array};

	if (graph_images(storage->graph, list_one, &l, err) < 0)
		return -1;
	*ret = json_pack("{s:O}", "images", array);
	return MC_IPC_OK;
}

int image_delete(struct storage *storage, const char *id, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct layer layer;
	int r = graph_image_remove(storage->graph, id, &layer, err);

	if (r == 0)
		r = storage_collect(storage, &layer, err);
	if (r < 0)
		return mc_err_wrap(err, "image %s", id);
	janitor_wake(storage->janitor);
	mc_log(MC_LOG_INFO, AREA, "deleted", "image", id, NULL);
	return MC_IPC_OK;
}
