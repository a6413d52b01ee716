#include "storaged/graph.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"

static const struct mc_db_upgrade upgrades[] = {
	{1, "CREATE TABLE layers (id TEXT PRIMARY KEY, parent TEXT REFERENCES layers(id),"
	    " state TEXT NOT NULL CHECK (state IN ('creating','ready','frozen','deleting')),"
	    " virtual_bytes INTEGER NOT NULL, created INTEGER NOT NULL);"
	    "CREATE INDEX layers_parent ON layers(parent);"
	    "CREATE TABLE volumes (id TEXT PRIMARY KEY, size_gib INTEGER NOT NULL, image TEXT NOT NULL,"
	    " layer TEXT NOT NULL UNIQUE REFERENCES layers(id), created INTEGER NOT NULL);"
	    "CREATE TABLE images (id TEXT PRIMARY KEY, source TEXT NOT NULL, sha256 TEXT NOT NULL,"
	    " layer TEXT NOT NULL UNIQUE REFERENCES layers(id), created INTEGER NOT NULL);"},
	{0, NULL},
};

struct graph {
	sqlite3 *db;
	pthread_mutex_t lock; /* a transaction is several statements on one connection */
	char *ballast;        /* a file to give up when the disk is full */
	bool full;
};

#define BALLAST_BYTES (1 << 20)

static const char *const state_names[LAYER_STATE_MAX] = {
	[LAYER_CREATING] = "creating", [LAYER_READY] = "ready",
	[LAYER_FROZEN] = "frozen", [LAYER_DELETING] = "deleting",
};

const char *layer_state_name(enum layer_state state)
{
	return state < LAYER_STATE_MAX ? state_names[state] : "invalid";
}

enum layer_state layer_state_parse(const char *word)
{
	enum layer_state s = 0;

	while (s < LAYER_STATE_MAX && strcmp(state_names[s], word) != 0)
		s++;
	return s;
}

void image_deinit(struct image *image)
{
	free(image->source);
	image->source = NULL;
}

/* Room for our own last writes: without it a full disk could not even be tidied up. */
static void ballast_take(const char *path)
{
	mc_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && posix_fallocate(fd, 0, BALLAST_BYTES) != 0)
		unlink(path);
}

struct graph *graph_open(const char *path, mc_err **err)
{
	mc_autofree char *ballast = mc_strf("%s.ballast", path);
	struct graph *graph;
	sqlite3 *db = mc_db_open(path, upgrades, err);

	if (!db && unlink(ballast) == 0) {
		mc_err_clear(err);
		db = mc_db_open(path, upgrades, err);
	}
	if (!db)
		return NULL;
	ballast_take(ballast);
	graph = mc_alloc(sizeof(*graph));
	graph->db = db;
	graph->ballast = MC_STEAL(ballast);
	pthread_mutex_init(&graph->lock, NULL);
	return graph;
}

void graph_close(struct graph *graph)
{
	if (!graph)
		return;
	mc_db_close(graph->db);
	pthread_mutex_destroy(&graph->lock);
	free(graph->ballast);
	free(graph);
}

bool graph_disk_full(struct graph *graph)
{
	pthread_mutex_lock(&graph->lock);
	bool full = graph->full;
	pthread_mutex_unlock(&graph->lock);
	return full;
}

/* --- rows to structs */

static void copy_id(char out[MC_ID_LEN], const char *text)
{
	snprintf(out, MC_ID_LEN, "%s", text);
}

/* Columns from `at` on: id, parent, state, virtual_bytes. */
static struct layer layer_from_row(sqlite3_stmt *row, int at)
{
	struct layer layer = {.state = layer_state_parse(mc_db_text(row, at + 2)),
			      .virtual_bytes = sqlite3_column_int64(row, at + 3)};

	copy_id(layer.id, mc_db_text(row, at));
	copy_id(layer.parent, mc_db_text(row, at + 1));
	return layer;
}

#define LAYER_COLUMNS "l.id, l.parent, l.state, l.virtual_bytes"
#define SELECT_VOLUMES "SELECT v.id, v.image, v.size_gib, " LAYER_COLUMNS \
	" FROM volumes v JOIN layers l ON l.id = v.layer "
#define SELECT_IMAGES "SELECT i.id, i.sha256, i.source, " LAYER_COLUMNS \
	" FROM images i JOIN layers l ON l.id = i.layer "
#define SELECT_LAYERS "SELECT " LAYER_COLUMNS " FROM layers l "

struct each_volume { int (*fn)(void *ctx, const struct volume *volume); void *ctx; };
struct each_image { int (*fn)(void *ctx, const struct image *image); void *ctx; };
struct each_layer { int (*fn)(void *ctx, const struct layer *layer); void *ctx; };

static int volume_row(sqlite3_stmt *row, void *arg)
{
	const struct each_volume *each = arg;
	struct volume v = {.size_gib = sqlite3_column_int64(row, 2), .layer = layer_from_row(row, 3)};

	copy_id(v.id, mc_db_text(row, 0));
	copy_id(v.image, mc_db_text(row, 1));
	return each->fn(each->ctx, &v);
}

static int image_row(sqlite3_stmt *row, void *arg)
{
	const struct each_image *each = arg;
	struct image i = {.source = mc_strdup(mc_db_text(row, 2)), .layer = layer_from_row(row, 3)};

	copy_id(i.id, mc_db_text(row, 0));
	snprintf(i.sha256, sizeof(i.sha256), "%s", mc_db_text(row, 1));

	int r = each->fn(each->ctx, &i);

	image_deinit(&i);
	return r;
}

static int layer_row(sqlite3_stmt *row, void *arg)
{
	const struct each_layer *each = arg;
	struct layer l = layer_from_row(row, 0);

	return each->fn(each->ctx, &l);
}

int graph_volumes(struct graph *graph, int (*fn)(void *, const struct volume *), void *ctx,
		  mc_err **err)
{
	struct each_volume each = {fn, ctx};

	pthread_mutex_lock(&graph->lock);
	int r = mc_db_run(graph->db, volume_row, &each, err, SELECT_VOLUMES "ORDER BY v.id", "");
	pthread_mutex_unlock(&graph->lock);
	return r;
}

int graph_images(struct graph *graph, int (*fn)(void *, const struct image *), void *ctx,
		 mc_err **err)
{
	struct each_image each = {fn, ctx};

	pthread_mutex_lock(&graph->lock);
	int r = mc_db_run(graph->db, image_row, &each, err, SELECT_IMAGES "ORDER BY i.id", "");
	pthread_mutex_unlock(&graph->lock);
	return r;
}

int graph_layers(struct graph *graph, int (*fn)(void *, const struct layer *), void *ctx,
		 mc_err **err)
{
	struct each_layer each = {fn, ctx};

	pthread_mutex_lock(&graph->lock);
	int r = mc_db_run(graph->db, layer_row, &each, err, SELECT_LAYERS "ORDER BY l.id", "");
	pthread_mutex_unlock(&graph->lock);
	return r;
}

/* --- one row */

static int take_volume(void *ctx, const struct volume *volume)
{
	*(struct volume *)ctx = *volume;
	return 0;
}

static int take_image(void *ctx, const struct image *image)
{
	struct image *out = ctx;

	*out = *image;
	out->source = mc_strdup(image->source);
	return 0;
}

static int take_layer(void *ctx, const struct layer *layer)
{
	*(struct layer *)ctx = *layer;
	return 0;
}

int graph_volume_find(struct graph *graph, const char *id, struct volume *ret, mc_err **err)
{
	struct volume found = {.id = ""};
	struct each_volume each = {take_volume, &found};

	pthread_mutex_lock(&graph->lock);
	int r = mc_db_run(graph->db, volume_row, &each, err, SELECT_VOLUMES "WHERE v.id = ?", "s", id);
	pthread_mutex_unlock(&graph->lock);
	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

int graph_image_find(struct graph *graph, const char *id, struct image *ret, mc_err **err)
{
	struct image found = {.id = ""};
	struct each_image each = {take_image, &found};

	pthread_mutex_lock(&graph->lock);
	int r = mc_db_run(graph->db, image_row, &each, err, SELECT_IMAGES "WHERE i.id = ?", "s", id);
	pthread_mutex_unlock(&graph->lock);
	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

static int layer_find(struct graph *graph, const char *id, struct layer *ret, mc_err **err)
{
	struct layer found = {.id = ""};
	struct each_layer each = {take_layer, &found};
	int r = mc_db_run(graph->db, layer_row, &each, err, SELECT_LAYERS "WHERE l.id = ?", "s", id);

	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

int graph_layer_find(struct graph *graph, const char *id, struct layer *ret, mc_err **err)
{
	pthread_mutex_lock(&graph->lock);
	int r = layer_find(graph, id, ret, err);
	pthread_mutex_unlock(&graph->lock);
	return r;
}

/* --- changes: each one transaction */

/* The steps run between BEGIN and COMMIT; a negative result of theirs, or of COMMIT, rolls back. */
typedef int change_steps(struct graph *graph, void *arg, mc_err **err);

static int change_once(struct graph *graph, change_steps *steps, void *arg, mc_err **err)
{
	int r = mc_db_exec(graph->db, "BEGIN IMMEDIATE", err);

	if (r == 0) {
		r = steps(graph, arg, err);
		if (r >= 0 && mc_db_exec(graph->db, "COMMIT", err) < 0)
			r = -1;
	}
	graph->full = r < 0 && sqlite3_errcode(graph->db) == SQLITE_FULL;
	if (r < 0 && !sqlite3_get_autocommit(graph->db))
		mc_db_exec(graph->db, "ROLLBACK", NULL);
	return r;
}

static int change(struct graph *graph, change_steps *steps, void *arg, mc_err **err)
{
	int r;

	pthread_mutex_lock(&graph->lock);
	r = change_once(graph, steps, arg, err);
	if (r < 0 && graph->full && unlink(graph->ballast) == 0) {
		mc_err_clear(err);
		r = change_once(graph, steps, arg, err);
	}
	pthread_mutex_unlock(&graph->lock);
	return r;
}

static int begin_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct layer *layer = arg;
	const char *parent = layer->parent[0] ? layer->parent : NULL;
	int r = mc_db_run(graph->db, NULL, NULL, err,
			  "INSERT INTO layers (id, parent, state, virtual_bytes, created)"
			  " SELECT ?1, ?2, 'creating', ?3, ?4 WHERE ?2 IS NULL"
			  " OR EXISTS (SELECT 1 FROM layers WHERE id = ?2 AND state = 'frozen')",
			  "ssii", layer->id, parent, layer->virtual_bytes, mc_clock_wall());

	return r < 0 ? -1 : sqlite3_changes(graph->db) == 0;
}

int graph_layer_begin(struct graph *graph, const struct layer *layer, mc_err **err)
{
	return change(graph, begin_steps, (void *)layer, err);
}

static int layer_finish(struct graph *graph, const char *id, enum layer_state state, mc_err **err)
{
	if (mc_db_run(graph->db, NULL, NULL, err,
		      "UPDATE layers SET state = ? WHERE id = ? AND state = 'creating'", "ss",
		      layer_state_name(state), id) < 0)
		return -1;
	if (sqlite3_changes(graph->db) != 1)
		return mc_err_set(err, 0, "layer %s is not being created", id);
	return 0;
}

static int volume_add_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct volume *v = arg;

	if (layer_finish(graph, v->layer.id, LAYER_READY, err) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT INTO volumes (id, size_gib, image, layer, created) VALUES (?,?,?,?,?)",
			 "sissi", v->id, v->size_gib, v->image, v->layer.id, mc_clock_wall());
}

int graph_volume_add(struct graph *graph, const struct volume *volume, mc_err **err)
{
	return change(graph, volume_add_steps, (void *)volume, err);
}

static int image_add_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct image *i = arg;

	if (layer_finish(graph, i->layer.id, LAYER_FROZEN, err) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT INTO images (id, source, sha256, layer, created) VALUES (?,?,?,?,?)",
			 "ssssi", i->id, i->source, i->sha256, i->layer.id, mc_clock_wall());
}

int graph_image_add(struct graph *graph, const struct image *image, mc_err **err)
{
	return change(graph, image_add_steps, (void *)image, err);
}

struct removal {
	const char *select_sql, *delete_sql; /* NULL: id is the layer's own */
	const char *id;
	struct layer *ret;
};

static int first_text(sqlite3_stmt *row, void *out)
{
	copy_id(out, mc_db_text(row, 0));
	return 0;
}

static int remove_steps(struct graph *graph, void *arg, mc_err **err)
{
	struct removal *m = arg;
	char layer[MC_ID_LEN] = "";

	if (!m->select_sql)
		copy_id(layer, m->id);
	else if (mc_db_run(graph->db, first_text, layer, err, m->select_sql, "s", m->id) < 0 ||
		 mc_db_run(graph->db, NULL, NULL, err, m->delete_sql, "s", m->id) < 0)
		return -1;
	if (mc_db_run(graph->db, NULL, NULL, err,
		      "UPDATE layers SET state = 'deleting' WHERE id = ?1 AND state IN ('ready','frozen')"
		      " AND NOT EXISTS (SELECT 1 FROM layers WHERE parent = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM volumes WHERE layer = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM images WHERE layer = ?1)", "s", layer) < 0)
		return -1;
	return sqlite3_changes(graph->db) == 1 ? layer_find(graph, layer, m->ret, err) : 1;
}

int graph_volume_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	struct removal m = {"SELECT layer FROM volumes WHERE id = ?", "DELETE FROM volumes WHERE id = ?",
			    id, ret_layer};

	return change(graph, remove_steps, &m, err);
}

int graph_image_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	struct removal m = {"SELECT layer FROM images WHERE id = ?", "DELETE FROM images WHERE id = ?",
			    id, ret_layer};

	return change(graph, remove_steps, &m, err);
}

int graph_layer_release(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	struct removal m = {NULL, NULL, id, ret_layer};

	return change(graph, remove_steps, &m, err);
}

static int forget_steps(struct graph *graph, void *arg, mc_err **err)
{
	return mc_db_run(graph->db, NULL, NULL, err,
			 "DELETE FROM layers WHERE id = ? AND state IN ('creating','deleting')", "s",
			 (const char *)arg);
}

int graph_layer_forget(struct graph *graph, const char *id, mc_err **err)
{
	int r = change(graph, forget_steps, (void *)id, err);

	/* A file has just gone: the moment to take back what was given up. */
	if (r == 0 && access(graph->ballast, F_OK) < 0)
		ballast_take(graph->ballast);
	return r;
}
