#include "storaged/graph_internal.h"

#include <string.h>

#include "common/clock.h"

#define SELECT_LAYERS "SELECT " LAYER_COLUMNS " FROM layers l "

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

struct layer graph_layer_of_row(sqlite3_stmt *row, int at)
{
	struct layer layer = {.state = layer_state_parse(mc_db_text(row, at + 2)),
			      .virtual_bytes = sqlite3_column_int64(row, at + 3),
			      .allocated = -1};

	graph_copy_id(layer.id, mc_db_text(row, at));
	graph_copy_id(layer.parent, mc_db_text(row, at + 1));
	if (sqlite3_column_type(row, at + 4) == SQLITE_INTEGER)
		layer.allocated = sqlite3_column_int64(row, at + 4);
	return layer;
}

/* --- reading -------------------------------------------------------------- */

struct each_layer { int (*fn)(void *ctx, const struct layer *layer); void *ctx; };

static int layer_row(sqlite3_stmt *row, void *arg)
{
	const struct each_layer *each = arg;
	struct layer l = graph_layer_of_row(row, 0);

	return each->fn(each->ctx, &l);
}

int graph_layers(struct graph *graph, int (*fn)(void *, const struct layer *), void *ctx, mc_err **err)
{
	struct each_layer each = {fn, ctx};

	return graph_query(graph, layer_row, &each, err, SELECT_LAYERS "ORDER BY l.id", "");
}

#define DEEPEST "4096" /* layers that stand on each other come to an end, too */

int graph_chain(struct graph *graph, const char *id, int (*fn)(void *, const struct layer *), void *ctx,
		mc_err **err)
{
	struct each_layer each = {fn, ctx};

	return graph_query(graph, layer_row, &each, err,
			   "WITH RECURSIVE below(id, depth) AS (VALUES (?, 0) UNION ALL SELECT c.parent, depth + 1"
			   " FROM below JOIN layers c ON c.id = below.id WHERE c.parent IS NOT NULL AND depth < " DEEPEST ") "
			   "SELECT " LAYER_COLUMNS " FROM below JOIN layers l ON l.id = below.id ORDER BY depth", "s", id);
}

static int take_layer(void *ctx, const struct layer *layer)
{
	*(struct layer *)ctx = *layer;
	return 0;
}

/* Under the lock. */
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

struct each_id { int (*fn)(void *ctx, const char *id); void *ctx; };

static int id_row(sqlite3_stmt *row, void *arg)
{
	const struct each_id *each = arg;

	return each->fn(each->ctx, mc_db_text(row, 0));
}

int graph_children(struct graph *graph, const char *layer, int (*fn)(void *ctx, const char *id), void *ctx, mc_err **err)
{
	struct each_id each = {fn, ctx};

	return graph_query(graph, id_row, &each, err, "SELECT id FROM layers WHERE parent = ? AND state IN ('ready','frozen') ORDER BY id", "s", layer);
}

int graph_layers_baseless(struct graph *graph, int (*fn)(void *ctx, const char *id), void *ctx, mc_err **err)
{
	struct each_id each = {fn, ctx};

	return graph_query(graph, id_row, &each, err,
			   "WITH RECURSIVE based(id) AS (SELECT id FROM layers WHERE parent IS NULL UNION SELECT l.id FROM based"
			   " JOIN layers l ON l.parent = based.id) SELECT id FROM layers WHERE id NOT IN based ORDER BY id", "");
}

int graph_layer_unmeasured(struct graph *graph, const char *after, char ret_id[MC_ID_LEN], uint64_t *ret_moment, mc_err **err)
{
	char id[MC_ID_LEN] = "";
	int r;

	pthread_mutex_lock(&graph->lock);
	r = mc_db_run(graph->db, graph_first_id, id, err,
		      "SELECT id FROM layers WHERE id > ? AND state = 'frozen' AND allocated IS NULL AND NOT EXISTS"
		      " (SELECT 1 FROM merges WHERE layers.id IN (upper, lower)) ORDER BY id LIMIT 1", "s", after);
	*ret_moment = graph->merges;
	pthread_mutex_unlock(&graph->lock);
	if (r < 0 || !id[0])
		return r < 0 ? -1 : 1;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}

/* --- changes -------------------------------------------------------------- */

static int begin_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct layer *layer = arg;
	const char *parent = layer->parent[0] ? layer->parent : NULL;
	int r = mc_db_run(graph->db, NULL, NULL, err,
			  "INSERT INTO layers (id, parent, state, virtual_bytes, created)"
			  " SELECT ?1, ?2, 'creating', ?3, ?4 WHERE ?2 IS NULL"
			  " OR (EXISTS (SELECT 1 FROM layers WHERE id = ?2 AND state IN ('frozen', ?5))"
			  " AND NOT EXISTS (SELECT 1 FROM merges WHERE upper = ?2 OR (kind = 'commit' AND lower = ?2)))",
			  "ssiis", layer->id, parent, layer->virtual_bytes, mc_clock_wall(),
			  layer->on_top ? "ready" : "frozen");

	return r < 0 ? -1 : sqlite3_changes(graph->db) == 0;
}

int graph_layer_begin(struct graph *graph, const struct layer *layer, mc_err **err)
{
	return graph_change(graph, begin_steps, (void *)layer, err);
}

int graph_layer_move(struct graph *graph, const char *id, enum layer_state from, enum layer_state to,
		     mc_err **err)
{
	if (mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET state = ? WHERE id = ? AND state = ?", "sss",
		      layer_state_name(to), id, layer_state_name(from)) < 0)
		return -1;
	if (sqlite3_changes(graph->db) != 1)
		return mc_err_set(err, 0, "layer %s is not %s", id, layer_state_name(from));
	return 0;
}

int graph_layer_drop(struct graph *graph, const char *id, struct layer *ret, mc_err **err)
{
	if (mc_db_run(graph->db, NULL, NULL, err,
		      "UPDATE layers SET state = 'deleting' WHERE id = ?1 AND state IN ('ready','frozen')"
		      " AND NOT EXISTS (SELECT 1 FROM layers WHERE parent = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM volumes WHERE layer = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM images WHERE layer = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM snapshots WHERE layer = ?1 OR overlay = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM merges WHERE upper = ?1 OR lower = ?1)"
		      " AND NOT EXISTS (SELECT 1 FROM readers WHERE layer = ?1)", "s", id) < 0)
		return -1;
	return sqlite3_changes(graph->db) == 1 ? layer_find(graph, id, ret, err) : 1;
}

struct removal {
	const struct graph_named_sql *sql;
	const char *id;
	struct layer *ret;
};

static int remove_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct removal *m = arg;
	char layer[MC_ID_LEN] = "";

	if (mc_db_run(graph->db, graph_first_id, layer, err, m->sql->layer, "s", m->id) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err, m->sql->forget, "s", m->id) < 0)
		return -1;
	return graph_layer_drop(graph, layer, m->ret, err);
}

int graph_named_remove(struct graph *graph, const struct graph_named_sql *sql, const char *id, struct layer *ret_layer,
		       mc_err **err)
{
	struct removal m = {sql, id, ret_layer};

	return graph_change(graph, remove_steps, &m, err);
}

struct growth {
	const char *id;
	int64_t bytes;
};

static int grown_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct growth *g = arg;

	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET virtual_bytes = ?2 WHERE id = ?1 AND virtual_bytes < ?2",
			 "si", g->id, g->bytes);
}

int graph_layer_grown(struct graph *graph, const char *id, int64_t virtual_bytes, mc_err **err)
{
	struct growth g = {id, virtual_bytes};

	return graph_change(graph, grown_steps, &g, err);
}

struct measure {
	const char *id;
	int64_t allocated;
	uint64_t moment;
};

static int measured_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct measure *m = arg;

	if (graph->merges != m->moment)
		return 0;
	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET allocated = ? WHERE id = ? AND state = 'frozen'", "is",
			 m->allocated, m->id);
}

int graph_layer_measured(struct graph *graph, const char *id, int64_t allocated, uint64_t moment, mc_err **err)
{
	struct measure m = {id, allocated, moment};

	return graph_change(graph, measured_steps, &m, err);
}

struct release {
	const char *id;
	struct layer *ret;
};

static int release_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct release *m = arg;

	return graph_layer_drop(graph, m->id, m->ret, err);
}

int graph_layer_release(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	struct release m = {id, ret_layer};

	return graph_change(graph, release_steps, &m, err);
}

struct forgetting {
	const char *id;
	char *ret_parent;
};

static int forget_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct forgetting *f = arg;

	f->ret_parent[0] = '\0';
	if (mc_db_run(graph->db, graph_first_id, f->ret_parent, err, "SELECT parent FROM layers WHERE id = ?", "s", f->id) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err,
			 "DELETE FROM layers WHERE id = ? AND state IN ('creating','deleting')", "s", f->id);
}

int graph_layer_forget(struct graph *graph, const char *id, char ret_parent[MC_ID_LEN], mc_err **err)
{
	struct forgetting f = {id, ret_parent};
	int r = graph_change(graph, forget_steps, &f, err);

	if (r == 0) /* a file has just gone */
		graph_room_came(graph);
	return r;
}
