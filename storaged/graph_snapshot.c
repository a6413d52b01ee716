#include "storaged/graph_internal.h"

#include <string.h>

#include "common/clock.h"

#define SELECT_SNAPSHOTS "SELECT s.id, s.volume, s.size_gib, s.bytes, s.overlay, s.inherited, " LAYER_COLUMNS \
	" FROM snapshots s JOIN layers l ON l.id = s.layer "

struct each_snapshot { int (*fn)(void *ctx, const struct snapshot *snapshot); void *ctx; };

static int snapshot_row(sqlite3_stmt *row, void *arg)
{
	const struct each_snapshot *each = arg;
	struct snapshot s = {.size_gib = sqlite3_column_int64(row, 2), .bytes = sqlite3_column_int64(row, 3),
			     .inherited = sqlite3_column_int64(row, 5), .layer = graph_layer_of_row(row, 6)};

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
	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE snapshots SET overlay = NULL, bytes = ?, inherited = ? WHERE id = ?",
			 "iis", s->bytes, s->inherited, s->id);
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

struct removal {
	const char *id;
	const struct remainder *remainder;
	struct layer *ret;
};

static int remove_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct removal *m = arg;
	char layer[MC_ID_LEN] = "";

	if (mc_db_run(graph->db, graph_first_id, layer, err, "SELECT layer FROM snapshots WHERE id = ?", "s", m->id) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err, "UPDATE snapshots SET inherited = inherited + ? WHERE id = ?", "is", m->remainder->bytes,
		      m->remainder->heir) < 0)
		return -1;
	if (m->remainder->heir[0] && sqlite3_changes(graph->db) == 0)
		return 2;
	if (mc_db_run(graph->db, NULL, NULL, err, DELETE, "s", m->id) < 0)
		return -1;
	return graph_layer_drop(graph, layer, m->ret, err);
}

int graph_snapshot_remove(struct graph *graph, const char *id, const struct remainder *remainder, struct layer *ret_layer, mc_err **err)
{
	struct removal m = {id, remainder, ret_layer};

	return graph_change(graph, remove_steps, &m, err);
}

/* --- who bears what ------------------------------------------------------- */

#define NAMED(layer) "(EXISTS (SELECT 1 FROM snapshots n WHERE n.layer = " layer " AND n.overlay IS NULL)" \
	" OR EXISTS (SELECT 1 FROM images n WHERE n.layer = " layer "))"
/* What stands on a layer by way of layers that nobody names, those with a name being the last. */
#define ABOVE "WITH RECURSIVE above(id) AS (SELECT id FROM layers WHERE parent = ?1 UNION SELECT l.id FROM above" \
	" JOIN layers l ON l.parent = above.id WHERE NOT " NAMED("above.id") ") "

int graph_snapshot_heir(struct graph *graph, const char *layer, const char *gone, struct snapshot *ret, mc_err **err)
{
	struct snapshot found = {.id = ""};
	struct each_snapshot each = {take_snapshot, &found};
	int r = graph_query(graph, snapshot_row, &each, err,
			    ABOVE SELECT_SNAPSHOTS "JOIN above ON above.id = s.layer WHERE s.overlay IS NULL AND s.id <> ?2"
			    " AND NOT EXISTS (SELECT 1 FROM snapshots o WHERE o.layer = ?1 AND o.id <> ?2)"
			    " AND NOT EXISTS (SELECT 1 FROM images o WHERE o.layer = ?1) ORDER BY s.created DESC, s.id DESC", "ss", layer, gone);

	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

static int is_there(sqlite3_stmt *row, void *ctx)
{
	(void)row;
	*(bool *)ctx = true;
	return 0;
}

int graph_layer_named(struct graph *graph, const char *layer, mc_err **err)
{
	bool found = false;

	return graph_query(graph, is_there, &found, err, "SELECT 1 WHERE " NAMED("?1"), "s", layer) < 0 ? -1 : found;
}

int graph_layer_borne(struct graph *graph, const char *layer, mc_err **err)
{
	bool found = false;

	return graph_query(graph, is_there, &found, err,
			   ABOVE "SELECT 1 FROM snapshots s JOIN above ON above.id = s.layer WHERE s.overlay IS NULL"
			   " UNION SELECT 1 WHERE " NAMED("?1"), "s", layer) < 0 ? -1 : found;
}

/* --- further ones --------------------------------------------------------- */

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
