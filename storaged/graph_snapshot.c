#include "storaged/graph_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#define SELECT_SNAPSHOTS "SELECT s.id, s.volume, s.size_gib, s.bytes, s.overlay, s.inherited, s.owner, s.whole, s.seq, " LAYER_COLUMNS \
	" FROM snapshots s JOIN layers l ON l.id = s.layer "

struct each_snapshot { int (*fn)(void *ctx, const struct snapshot *snapshot); void *ctx; };

static int snapshot_row(sqlite3_stmt *row, void *arg)
{
	const struct each_snapshot *each = arg;
	struct snapshot s = {.size_gib = sqlite3_column_int64(row, 2), .bytes = sqlite3_column_int64(row, 3),
			     .inherited = sqlite3_column_int64(row, 5), .whole = sqlite3_column_int(row, 7),
			     .seq = sqlite3_column_int64(row, 8), .layer = graph_layer_of_row(row, 9)};

	graph_copy_id(s.id, mc_db_text(row, 0));
	graph_copy_id(s.volume, mc_db_text(row, 1));
	graph_copy_id(s.overlay, mc_db_text(row, 4));
	snprintf(s.owner, sizeof(s.owner), "%s", mc_db_text(row, 6));
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

#define NEXT_SEQ "(SELECT max(0, ifnull(max(seq), 0)) + 1 FROM snapshots)"

static int insert(struct graph *graph, const struct snapshot *s, const char *overlay, mc_err **err)
{
	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT INTO snapshots (id, volume, size_gib, bytes, layer, overlay, created, owner, inherited, seq)"
			 " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9, CASE WHEN ?6 IS NULL THEN " NEXT_SEQ " ELSE 0 END)",
			 "ssiissisi", s->id, s->volume, s->size_gib, s->bytes, s->layer.id, overlay, mc_clock_wall(), s->owner, s->inherited);
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
	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE snapshots SET overlay = NULL, bytes = ?, inherited = ?, seq = " NEXT_SEQ " WHERE id = ?",
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
	const struct heir *heirs;
	size_t n;
	struct layer *ret;
};

static int inherit(struct graph *graph, const struct heir *heir, mc_err **err)
{
	if (mc_db_run(graph->db, NULL, NULL, err, "UPDATE snapshots SET inherited = inherited + ? WHERE id = ?", "is", heir->bytes,
		      heir->id) < 0)
		return -1;
	return sqlite3_changes(graph->db) == 1 ? 0 : mc_err_set(err, 0, "%s is to inherit, and is gone", heir->id);
}

static int remove_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct removal *m = arg;
	char layer[MC_ID_LEN] = "";
	int r = mc_db_run(graph->db, graph_first_id, layer, err, "SELECT layer FROM snapshots WHERE id = ?", "s", m->id);

	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = inherit(graph, &m->heirs[i], err);
	if (r < 0 || mc_db_run(graph->db, NULL, NULL, err, DELETE, "s", m->id) < 0)
		return -1;
	return graph_layer_drop(graph, layer, m->ret, err);
}

int graph_snapshot_remove(struct graph *graph, const char *id, const struct heir *heirs, size_t n, struct layer *ret_layer, mc_err **err)
{
	struct removal m = {id, heirs, n, ret_layer};

	return graph_change(graph, remove_steps, &m, err);
}

/* --- who bears what ------------------------------------------------------- */

/* Of the same owner, or of one of no owner's: taken ones. */
#define FELLOWS "s.overlay IS NULL AND (?2 IN ('', s.owner) OR s.owner = '')"

int graph_snapshots_above(struct graph *graph, const struct snapshot *s, const char *layer,
			  int (*fn)(void *ctx, const struct snapshot *snapshot), void *ctx, mc_err **err)
{
	struct each_snapshot each = {fn, ctx};

	return graph_query(graph, snapshot_row, &each, err,
			   "WITH RECURSIVE standing(id) AS (VALUES (?1) UNION SELECT l.id FROM standing JOIN layers l ON l.parent = standing.id) "
			   SELECT_SNAPSHOTS "JOIN standing ON standing.id = s.layer WHERE " FELLOWS " ORDER BY s.seq, s.created, s.id",
			   "ss", layer, s->owner);
}

static int is_there(sqlite3_stmt *row, void *ctx)
{
	(void)row;
	*(bool *)ctx = true;
	return 0;
}

int graph_snapshot_older(struct graph *graph, const struct snapshot *s, const char *layer, mc_err **err)
{
	bool found = false;

	return graph_query(graph, is_there, &found, err,
			   "SELECT 1 FROM snapshots s LEFT JOIN snapshots this ON this.id = ?3 AND this.overlay IS NULL WHERE s.layer = ?1 AND "
			   FELLOWS " AND (this.id IS NULL OR (s.seq, s.created, s.id) < (this.seq, this.created, this.id)) LIMIT 1",
			   "sss", layer, s->owner, s->id) < 0 ? -1 : found;
}

int graph_layer_of_image(struct graph *graph, const char *layer, mc_err **err)
{
	bool found = false;

	return graph_query(graph, is_there, &found, err, "SELECT 1 FROM layers WHERE id = ? AND of_image", "s", layer) < 0 ? -1 : found;
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
			  "INSERT INTO snapshots (id, volume, size_gib, bytes, layer, created, owner, whole, inherited, seq)"
			  " SELECT ?1, ?2, ?3, ?4, id, ?6, ?7, ?8, ?9, " NEXT_SEQ " FROM layers WHERE id = ?5 AND state = 'frozen'", "ssiisisii",
			  s->id, s->volume, s->size_gib, s->bytes, s->layer.id, mc_clock_wall(), s->owner, (int64_t)s->whole, s->inherited);

	return r < 0 ? -1 : sqlite3_changes(graph->db) == 0;
}

int graph_snapshot_share(struct graph *graph, const struct snapshot *snapshot, mc_err **err)
{
	return graph_change(graph, share_steps, (void *)snapshot, err);
}
