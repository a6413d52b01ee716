#include "storaged/graph_internal.h"

#include <string.h>

#include "common/clock.h"

#define SELECT_VOLUMES "SELECT v.id, v.image, v.size_gib, v.growing_gib, " LAYER_COLUMNS \
	" FROM volumes v JOIN layers l ON l.id = v.layer "

struct each_volume { int (*fn)(void *ctx, const struct volume *volume); void *ctx; };

static int volume_row(sqlite3_stmt *row, void *arg)
{
	const struct each_volume *each = arg;
	struct volume v = {.size_gib = sqlite3_column_int64(row, 2), .growing_gib = sqlite3_column_int64(row, 3),
			   .layer = graph_layer_of_row(row, 4)};

	graph_copy_id(v.id, mc_db_text(row, 0));
	graph_copy_id(v.source, mc_db_text(row, 1));
	return each->fn(each->ctx, &v);
}

int graph_volumes(struct graph *graph, int (*fn)(void *, const struct volume *), void *ctx, mc_err **err)
{
	struct each_volume each = {fn, ctx};

	return graph_query(graph, volume_row, &each, err, SELECT_VOLUMES "ORDER BY v.id", "");
}

static int take_volume(void *ctx, const struct volume *volume)
{
	*(struct volume *)ctx = *volume;
	return 0;
}

int graph_volume_find(struct graph *graph, const char *id, struct volume *ret, mc_err **err)
{
	struct volume found = {.id = ""};
	struct each_volume each = {take_volume, &found};
	int r = graph_query(graph, volume_row, &each, err, SELECT_VOLUMES "WHERE v.id = ?", "s", id);

	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

/* --- making and removing -------------------------------------------------- */

static int insert_open(struct graph *graph, const char *volume, const char *opener, mc_err **err)
{
	return mc_db_run(graph->db, NULL, NULL, err, "INSERT OR IGNORE INTO opens (volume, opener) VALUES (?,?)", "ss",
			 volume, opener);
}

struct addition {
	const struct volume *volume;
	const char *opener;
};

static int add_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct addition *a = arg;
	const struct volume *v = a->volume;

	if (graph_layer_move(graph, v->layer.id, LAYER_CREATING, LAYER_READY, err) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err,
		      "INSERT INTO volumes (id, size_gib, image, layer, created) VALUES (?,?,?,?,?)",
		      "sissi", v->id, v->size_gib, v->source, v->layer.id, mc_clock_wall()) < 0)
		return -1;
	return a->opener ? insert_open(graph, v->id, a->opener, err) : 0;
}

int graph_volume_add(struct graph *graph, const struct volume *volume, const char *opener, mc_err **err)
{
	struct addition a = {volume, opener};

	return graph_change(graph, add_steps, &a, err);
}

int graph_volume_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	static const struct graph_named_sql sql = {"SELECT layer FROM volumes WHERE id = ?", "DELETE FROM volumes WHERE id = ?"};

	return graph_named_remove(graph, &sql, id, ret_layer, err);
}

struct moving {
	const struct volume *volume;
	struct layer *ret;
};

static int move_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct moving *m = arg;
	const struct volume *v = m->volume;
	char before[MC_ID_LEN] = "";

	if (graph_layer_move(graph, v->layer.id, LAYER_CREATING, LAYER_READY, err) < 0 ||
	    mc_db_run(graph->db, graph_first_id, before, err, "SELECT layer FROM volumes WHERE id = ?", "s", v->id) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err, "UPDATE volumes SET layer = ? WHERE id = ?", "ss", v->layer.id, v->id) < 0)
		return -1;
	return graph_layer_drop(graph, before, m->ret, err);
}

int graph_volume_move(struct graph *graph, const struct volume *volume, struct layer *ret_layer, mc_err **err)
{
	struct moving m = {volume, ret_layer};

	return graph_change(graph, move_steps, &m, err);
}

static int resize_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct volume *v = arg;

	if (mc_db_run(graph->db, NULL, NULL, err, "UPDATE volumes SET size_gib = ?, growing_gib = ? WHERE id = ?", "iis",
		      v->size_gib, v->growing_gib, v->id) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET virtual_bytes = ? WHERE id = ?", "is",
			 v->layer.virtual_bytes, v->layer.id);
}

int graph_volume_resize(struct graph *graph, const struct volume *volume, mc_err **err)
{
	return graph_change(graph, resize_steps, (void *)volume, err);
}

/* --- who has it open ------------------------------------------------------ */

struct opening {
	const char *volume, *opener;
};

static int open_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct opening *o = arg;

	return insert_open(graph, o->volume, o->opener, err);
}

int graph_volume_open(struct graph *graph, const char *id, const char *opener, mc_err **err)
{
	struct opening o = {id, opener};

	return graph_change(graph, open_steps, &o, err);
}

static int close_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct opening *o = arg;

	return mc_db_run(graph->db, NULL, NULL, err, "DELETE FROM opens WHERE volume = ? AND opener = ?", "ss",
			 o->volume, o->opener);
}

int graph_volume_close(struct graph *graph, const char *id, const char *opener, mc_err **err)
{
	struct opening o = {id, opener};

	return graph_change(graph, close_steps, &o, err);
}

struct each_opener { int (*fn)(void *ctx, const char *opener); void *ctx; };

static int opener_row(sqlite3_stmt *row, void *arg)
{
	const struct each_opener *each = arg;

	return each->fn(each->ctx, mc_db_text(row, 0));
}

int graph_volume_openers(struct graph *graph, const char *id, int (*fn)(void *ctx, const char *opener), void *ctx,
			 mc_err **err)
{
	struct each_opener each = {fn, ctx};

	return graph_query(graph, opener_row, &each, err,
			   "SELECT opener FROM opens WHERE volume = ? ORDER BY opener", "s", id);
}
