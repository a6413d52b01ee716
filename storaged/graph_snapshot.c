#include "storaged/graph_internal.h"

#include <string.h>

#include "common/clock.h"

#define SELECT_SNAPSHOTS "SELECT s.id, s.volume, s.size_gib, s.bytes, s.overlay, " LAYER_COLUMNS \
	" FROM snapshots s JOIN layers l ON l.id = s.layer "

struct each_snapshot { int (*fn)(void *ctx, const struct snapshot *snapshot); void *ctx; };

static int snapshot_row(sqlite3_stmt *row, void *arg)
{
	const struct each_snapshot *each = arg;
	struct snapshot s = {.size_gib = sqlite3_column_int64(row, 2), .bytes = sqlite3_column_int64(row, 3),
			     .layer = graph_layer_of_row(row, 5)};

	graph_copy_id(s.id, mc_db_text(row, 0));
	graph_copy_id(s.volume, mc_db_text(row, 1));
	graph_copy_id(s.overlay, mc_db_text(row, 4));
	return each->fn(each->ctx, &s);
}

int graph_snapshots(struct graph *graph, int (*fn)(void *, const struct snapshot *), void *ctx, mc_err **err)
{
	struct each_snapshot each = {fn, ctx};

	return graph_query(graph, snapshot_row, &each, err, SELECT_SNAPSHOTS "ORDER BY s.id", "");
}

static int take_snapshot(void *ctx, const struct snapshot *snapshot)
{
	*(struct snapshot *)ctx = *snapshot;
	return 0;
}

static int find(struct graph *graph, const char *sql, const char *key, struct snapshot *ret, mc_err **err)
{
	struct snapshot found = {.id = ""};
	struct each_snapshot each = {take_snapshot, &found};
	int r = graph_query(graph, snapshot_row, &each, err, sql, "s", key);

	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

int graph_snapshot_find(struct graph *graph, const char *id, struct snapshot *ret, mc_err **err)
{
	return find(graph, SELECT_SNAPSHOTS "WHERE s.id = ?", id, ret, err);
}

int graph_snapshot_prepared(struct graph *graph, const char *volume, struct snapshot *ret, mc_err **err)
{
	return find(graph, SELECT_SNAPSHOTS "WHERE s.volume = ? AND s.overlay IS NOT NULL", volume, ret, err);
}

/* --- changes -------------------------------------------------------------- */

static int insert(struct graph *graph, const struct snapshot *s, const char *overlay, mc_err **err)
{
	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT INTO snapshots (id, volume, size_gib, bytes, layer, overlay, created) VALUES (?,?,?,?,?,?,?)",
			 "ssiissi", s->id, s->volume, s->size_gib, s->bytes, s->layer.id, overlay, mc_clock_wall());
}

static int prepare_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct snapshot *s = arg;

	if (graph_layer_move(graph, s->overlay, LAYER_CREATING, LAYER_READY, err) < 0)
		return -1;
	return insert(graph, s, s->overlay, err);
}

int graph_snapshot_prepare(struct graph *graph, const struct snapshot *snapshot, mc_err **err)
{
	return graph_change(graph, prepare_steps, (void *)snapshot, err);
}

static int take_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct snapshot *s = arg;

	if (graph_layer_move(graph, s->layer.id, LAYER_READY, LAYER_FROZEN, err) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err, "UPDATE volumes SET layer = ? WHERE layer = ?", "ss", s->overlay,
		      s->layer.id) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE snapshots SET overlay = NULL, bytes = ? WHERE id = ?", "is",
			 s->bytes, s->id);
}

int graph_snapshot_take(struct graph *graph, const struct snapshot *snapshot, mc_err **err)
{
	return graph_change(graph, take_steps, (void *)snapshot, err);
}

#define DELETE "DELETE FROM snapshots WHERE id = ?"

int graph_snapshot_abandon(struct graph *graph, const struct snapshot *snapshot, struct layer *ret_layer, mc_err **err)
{
	static const struct graph_named_sql sql = {"SELECT overlay FROM snapshots WHERE id = ?", DELETE};

	return graph_named_remove(graph, &sql, snapshot->id, ret_layer, err);
}

int graph_snapshot_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	static const struct graph_named_sql sql = {"SELECT layer FROM snapshots WHERE id = ?", DELETE};

	return graph_named_remove(graph, &sql, id, ret_layer, err);
}

static int add_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct snapshot *s = arg;

	return graph_layer_move(graph, s->layer.id, LAYER_CREATING, LAYER_FROZEN, err) < 0 ? -1 : insert(graph, s, NULL, err);
}

int graph_snapshot_add(struct graph *graph, const struct snapshot *snapshot, mc_err **err)
{
	return graph_change(graph, add_steps, (void *)snapshot, err);
}

static int share_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct snapshot *s = arg;
	int r = mc_db_run(graph->db, NULL, NULL, err,
			  "INSERT INTO snapshots (id, volume, size_gib, bytes, layer, created)"
			  " SELECT ?1, ?2, ?3, ?4, id, ?6 FROM layers WHERE id = ?5 AND state = 'frozen'", "ssiisi",
			  s->id, s->volume, s->size_gib, s->bytes, s->layer.id, mc_clock_wall());

	return r < 0 ? -1 : sqlite3_changes(graph->db) == 0;
}

int graph_snapshot_share(struct graph *graph, const struct snapshot *snapshot, mc_err **err)
{
	return graph_change(graph, share_steps, (void *)snapshot, err);
}
