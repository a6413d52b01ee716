#include "storaged/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "storaged/list.h"
#include "storaged/measure.h"
#include "storaged/owners.h"
#include "storaged/qcow2.h"
#include "storaged/remainder.h"
#include "storaged/volume.h"

struct check {
	struct storage *storage;
	enum check_depth depth;
	void (*found)(void *ctx, const char *text);
	void *ctx;
	size_t findings;
	json_t *names; /* file names that the records know */
	json_t *used;  /* writable layers that somebody has, and which volume */
	json_t *tops;  /* all writable layers; true: with a sound header */
	json_t *merged; /* layers that are being merged */
};

static void finding(struct check *c, const char *who, const char *what)
{
	mc_autofree char *text = mc_strf("%s: %s", who, what);

	c->findings++;
	c->found(c->ctx, text);
}

static void report(void *c, const char *who, const char *what)
{
	finding(c, who, what);
}

/* The name of what it stands on, which a QEMU writes as a whole path; of one that is being merged
 * it may be another one for a while. */
static bool backing_right(struct check *c, const struct layer *layer, const char *backing)
{
	mc_autofree char *name = layer->parent[0] ? store_name(layer->parent) : mc_strdup("");
	mc_autofree char *path = store_path(&c->storage->store, layer->parent);

	return strcmp(backing, name) == 0 || (layer->parent[0] && strcmp(backing, path) == 0) ||
	       json_object_get(c->merged, layer->id) || json_object_get(c->merged, layer->parent);
}

/* Can it be read further on? */
static bool check_header(struct check *c, const struct layer *layer, int fd)
{
	mc_auto_err mc_err *err = NULL;
	struct qcow2_header header;

	if ((store_is_raw(layer->id) ? storage_header(c->storage, layer->id, &header, &err)
				     : qcow2_header_read(fd, &header, NULL, &err)) < 0) {
		finding(c, layer->id, mc_err_msg(err));
		return false;
	}
	if (!backing_right(c, layer, header.backing))
		finding(c, layer->id, "its header names another backing file than the records");
	else if (header.virtual_bytes != (uint64_t)layer->virtual_bytes)
		finding(c, layer->id, "its header has another size than the records");
	else if (header.corrupt)
		finding(c, layer->id, "it is marked corrupt");
	return true;
}

static void check_mode(struct check *c, const struct layer *layer, int fd)
{
	mode_t want = layer->state == LAYER_FROZEN ? STORE_MODE_FROZEN : STORE_MODE_TOP;
	struct stat st;

	if (json_object_get(c->merged, layer->id) || json_object_get(c->merged, layer->parent))
		return; /* writable while it is merged */
	if (fstat(fd, &st) < 0 || (st.st_mode & 07777) != want)
		finding(c, layer->id, "its file has the wrong mode");
	else if (c->storage->store.group != (gid_t)-1 && st.st_gid != c->storage->store.group)
		finding(c, layer->id, "its file has the wrong group");
}

/* Whole, and as much in it as it was frozen with. */
static void check_tables(struct check *c, const struct layer *layer)
{
	mc_autofree char *what = NULL;
	mc_auto_err mc_err *err = NULL;
	int64_t bytes;

	if (c->depth < CHECK_TABLES || store_is_raw(layer->id) || json_object_get(c->merged, layer->id))
		return;
	if (measure_layer(c->storage, layer->id, &bytes, &err) < 0) {
		finding(c, layer->id, mc_err_msg(err));
	} else if (layer->allocated >= 0 && bytes != layer->allocated) {
		what = mc_strf("%lld bytes are allocated in it, %lld by the records", (long long)bytes, (long long)layer->allocated);
		finding(c, layer->id, what);
	}
}

static int check_layer(void *ctx, const struct layer *layer)
{
	struct check *c = ctx;
	mc_autofree char *name = store_name(layer->id);
	mc_auto_fd int fd = openat(c->storage->store.dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool sound = false;

	json_object_set_new(c->names, name, json_true());
	if (layer->state == LAYER_CREATING || layer->state == LAYER_DELETING) {
		finding(c, layer->id, "half-made; the next start of storaged removes it");
	} else if (fd < 0) {
		finding(c, layer->id, "its file is missing or cannot be read");
	} else {
		sound = check_header(c, layer, fd);
		check_mode(c, layer, fd);
	}
	if (layer->state == LAYER_READY)
		json_object_set_new(c->tops, layer->id, json_boolean(sound));
	else if (sound)
		check_tables(c, layer);
	return 0;
}

static int note_merge(void *ctx, const struct merge *m)
{
	struct check *c = ctx;

	json_object_set_new(c->merged, m->upper, json_true());
	json_object_set_new(c->merged, m->lower, json_true());
	return 0;
}

static int check_volume(void *ctx, const struct volume *v)
{
	struct check *c = ctx;

	json_object_set_new(c->used, v->layer.id, json_string(v->id));
	if (v->layer.state != LAYER_READY)
		finding(c, v->id, "its layer is not a writable one");
	if (v->layer.virtual_bytes != v->size_gib << 30)
		finding(c, v->id, "its layer has another size");
	return 0;
}

static int check_snapshot(void *ctx, const struct snapshot *s)
{
	struct check *c = ctx;

	if (s->layer.state != (s->overlay[0] ? LAYER_READY : LAYER_FROZEN))
		finding(c, s->id, s->overlay[0] ? "its volume's top is not a writable one" : "its layer is not frozen");
	if (s->layer.virtual_bytes > s->size_gib << 30)
		finding(c, s->id, "its layer has another size");
	if (s->overlay[0])
		json_object_set_new(c->used, s->overlay, json_string(s->volume));
	return 0;
}

static int check_image(void *ctx, const struct image *i)
{
	if (i->layer.state != LAYER_FROZEN)
		finding(ctx, i->id, "its layer is not frozen");
	return 0;
}

/* A writable layer is some volume's top, or prepared to be it. The tables of one that a QEMU has open change. */
static int check_tops(struct check *c, mc_err **err)
{
	const char *id;
	json_t *value;

	json_object_foreach(c->tops, id, value) {
		const char *volume = mc_json_str(c->used, id, "");
		struct layer layer = {.allocated = -1};
		int open = *volume ? volume_is_open(c->storage, volume, err) : 0;

		if (open < 0)
			return -1;
		if (!*volume)
			finding(c, id, "no volume has this writable layer");
		snprintf(layer.id, sizeof(layer.id), "%s", id);
		if (!open && json_is_true(value))
			check_tables(c, &layer);
	}
	return 0;
}

static int check_baseless(void *ctx, const char *id)
{
	finding(ctx, id, "what it stands on comes down to no base");
	return 0;
}

static int keep_snapshot(void *list, const struct snapshot *s)
{
	if (!s->overlay[0] && s->seq > 0) /* older versions reckoned otherwise */
		list_add(list, s);
	return 0;
}

/* Beside storaged the records may change while the files are looked at: then both are looked at again. True: done. */
static bool compare_bytes(struct check *c, const char *id)
{
	mc_autofree char *what = NULL;
	mc_auto_err mc_err *err = NULL;
	struct snapshot s, files, after;

	if (graph_snapshot_find(c->storage->graph, id, &s, NULL) != 0)
		return true;
	files = s;
	if (remainder_settle(c->storage, &files, &err) < 0)
		what = mc_strf("what it bears cannot be told: %s", mc_err_msg(err));
	else if (files.bytes + files.inherited != s.bytes + s.inherited)
		what = mc_strf("it bears %lld bytes, %lld by the records", (long long)(files.bytes + files.inherited),
			       (long long)(s.bytes + s.inherited));
	if (what && (graph_snapshot_find(c->storage->graph, id, &after, NULL) != 0 || after.inherited != s.inherited))
		return false;
	if (what)
		finding(c, id, what);
	return true;
}

/* Each stored block that a snapshot shows is borne once. */
static int check_borne(struct check *c, mc_err **err)
{
	auto_list struct list taken = {.size = sizeof(struct snapshot)};
	int r = c->depth < CHECK_TABLES ? 0 : graph_snapshots(c->storage->graph, keep_snapshot, &taken, err);

	for (size_t i = 0; r == 0 && i < taken.n; i++)
		while (!compare_bytes(c, ((const struct snapshot *)list_at(&taken, i))->id))
			;
	return r;
}

/* Files without a record may be data of an older database: reported, never removed. */
static int check_files(struct check *c, mc_err **err)
{
	DIR *dir = opendir(c->storage->store.dir);
	const struct dirent *e;

	if (!dir)
		return mc_err_set(err, errno, "cannot list %s", c->storage->store.dir);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, STORE_OWNERS) != 0 &&
		    !json_object_get(c->names, e->d_name))
			finding(c, e->d_name, "no record of this file");
	closedir(dir);
	return 0;
}

int check_run(struct storage *storage, enum check_depth depth, void (*found)(void *ctx, const char *text), void *ctx,
	      size_t *ret_findings, mc_err **err)
{
	mc_auto_json json_t *names = json_object();
	mc_auto_json json_t *used = json_object();
	mc_auto_json json_t *tops = json_object();
	mc_auto_json json_t *merged = json_object();
	struct check c = {.storage = storage, .depth = depth, .found = found, .ctx = ctx, .names = names, .used = used, .tops = tops,
			  .merged = merged};

	if (graph_merges(storage->graph, note_merge, &c, err) < 0 ||
	    graph_layers(storage->graph, check_layer, &c, err) < 0 ||
	    graph_layers_baseless(storage->graph, check_baseless, &c, err) < 0 ||
	    graph_volumes(storage->graph, check_volume, &c, err) < 0 ||
	    graph_images(storage->graph, check_image, &c, err) < 0 ||
	    graph_snapshots(storage->graph, check_snapshot, &c, err) < 0 || check_borne(&c, err) < 0 || check_files(&c, err) < 0 ||
	    check_tops(&c, err) < 0)
		return -1;
	if (owners_check(storage->owners, report, &c, err) < 0)
		return -1;
	*ret_findings = c.findings;
	return 0;
}
