#include "storaged/repair.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "storaged/owners.h"
#include "storaged/qcow2.h"

/* --- the old database ------------------------------------------------------- */

/* With its journal, which belongs to it. */
static int set_aside(const char *path, mc_err **err)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	long long now = (long long)(mc_clock_wall() / MC_SECOND);

	for (size_t i = 0; i < MC_ARRAY_SIZE(suffixes); i++) {
		mc_autofree char *from = mc_strf("%s%s", path, suffixes[i]);
		mc_autofree char *to = mc_strf("%s.broken-%lld%s", path, now, suffixes[i]);

		if (rename(from, to) < 0 && errno != ENOENT)
			return mc_err_set(err, errno, "cannot rename %s", from);
	}
	return 0;
}

static int clear_broken(const char *path, graph_found *found, void *ctx, mc_err **err)
{
	mc_autofree char *problem = NULL;

	if (access(path, F_OK) < 0)
		return errno == ENOENT ? set_aside(path, err) : mc_err_set(err, errno, "cannot look at %s", path);
	if (!graph_damaged(path, &problem))
		return 0;
	found(ctx, path, problem);
	return set_aside(path, err);
}

/* --- the files -------------------------------------------------------------- */

struct listing {
	struct storage *storage;
	json_t *files;
	graph_found *found;
	void *ctx;
};

/* "lay-….qcow2" or "raw-….raw", perhaps after a directory: the layer's id. */
static bool layer_of(const char *name, char ret[MC_ID_LEN])
{
	const char *slash = strrchr(name, '/');
	const char *plain = slash ? slash + 1 : name;
	size_t n = strcspn(plain, ".");

	if (n >= MC_ID_LEN)
		return false;
	memcpy(ret, plain, n);
	ret[n] = '\0';
	return (mc_id_valid("lay", ret) && strcmp(plain + n, ".qcow2") == 0) || (store_is_raw(ret) && strcmp(plain + n, ".raw") == 0);
}

static void add_file(struct listing *l, const char *id)
{
	mc_auto_err mc_err *err = NULL;
	struct qcow2_header header;
	char parent[MC_ID_LEN] = "";

	if (storage_header(l->storage, id, &header, &err) < 0) {
		l->found(l->ctx, id, mc_err_msg(err));
		return;
	}
	if (header.backing[0] && !layer_of(header.backing, parent))
		l->found(l->ctx, id, "its header names a backing file that is no layer");
	json_array_append_new(l->files, json_pack("{s:s, s:I, s:s*}", "id", id, "bytes", (json_int_t)header.virtual_bytes,
						  "parent", parent[0] ? parent : NULL));
}

/* New reference; NULL and *err. */
static json_t *list_files(struct storage *storage, graph_found *found, void *ctx, mc_err **err)
{
	struct listing l = {storage, json_array(), found, ctx};
	DIR *dir = opendir(storage->store.dir);
	const struct dirent *e;
	char id[MC_ID_LEN];

	if (!dir) {
		mc_err_set(err, errno, "cannot list %s", storage->store.dir);
		json_decref(l.files);
		return NULL;
	}
	while ((e = readdir(dir)))
		if (layer_of(e->d_name, id))
			add_file(&l, id);
	closedir(dir);
	return l.files;
}

/* --- all of it -------------------------------------------------------------- */

static int rebuild(struct storage *storage, graph_found *found, void *ctx, mc_err **err)
{
	mc_auto_json json_t *docs = owners_read(storage->owners, found, ctx, err);
	mc_auto_json json_t *files = docs ? list_files(storage, found, ctx, err) : NULL;

	return files ? graph_rebuild(storage->graph, docs, files, found, ctx, err) : -1;
}

int repair_run(struct storage *storage, const struct storaged_config *config, graph_found *found, void *ctx, mc_err **err)
{
	int empty;

	*storage = (struct storage){.config = config};
	if (storage_lock(storage, config, false, err) < 0 || clear_broken(config->database, found, ctx, err) < 0 ||
	    storage_open(storage, config, err) < 0)
		return -1;
	empty = graph_is_empty(storage->graph, err);
	if (empty < 0)
		return -1;
	if (!empty)
		return mc_err_set(err, 0, "%s can be read and is not empty: to make it anew, move it away", config->database);
	if (rebuild(storage, found, ctx, err) < 0 || storage_recover(storage, err) < 0)
		return -1;
	return owners_write(storage->owners, err);
}

#define HINT "\"minicloud-storaged --repair\" makes it anew"

int repair_check_broken(const struct storaged_config *config, mc_err **err)
{
	mc_autofree char *problem = NULL;

	if (access(config->database, F_OK) < 0 || !graph_damaged(config->database, &problem))
		return 0;
	return mc_err_set(err, 0, "%s is broken (%s); " HINT, config->database, problem);
}

static void ignore(void *ctx, const char *id, const char *what)
{
	(void)ctx;
	(void)id;
	(void)what;
}

int repair_check_needed(struct storage *storage, mc_err **err)
{
	mc_auto_json json_t *docs = NULL;
	int empty = graph_is_empty(storage->graph, err);

	if (empty <= 0)
		return empty;
	docs = owners_read(storage->owners, ignore, NULL, err);
	if (!docs)
		return -1;
	if (json_object_size(docs) == 0)
		return 0;
	return mc_err_set(err, 0, "%s knows of no layer, but %s has %zu owners of some: it has been lost; " HINT, storage->config->database, storage->store.dir, json_object_size(docs));
}
