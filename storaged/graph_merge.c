#include "storaged/graph_internal.h"

#include <string.h>

#include "common/clock.h"

/* Layers that a QEMU may have open: those under the tops of open volumes, overlays that wait included;
 * and those that somebody reads. */
#define BUSY "busy(id) AS (SELECT v.layer FROM volumes v JOIN opens o ON o.volume = v.id UNION" \
	" SELECT s.overlay FROM snapshots s JOIN opens o ON o.volume = s.volume WHERE s.overlay IS NOT NULL UNION" \
	" SELECT layer FROM readers UNION" \
	" SELECT l.parent FROM layers l JOIN busy ON busy.id = l.id WHERE l.parent IS NOT NULL)"

/* A frozen layer that nobody names any more, with one frozen layer on it: the two may become one,
 * when the files of all that stand on that one are whole. An image's stays by itself (storaged/remainder.h). */
#define PAIRS "SELECT lower.id AS lower, upper.id AS upper FROM layers lower JOIN layers upper ON upper.parent = lower.id" \
	" WHERE lower.state = 'frozen' AND upper.state = 'frozen' AND NOT lower.of_image" \
	" AND (SELECT count(*) FROM layers c WHERE c.parent = lower.id) = 1" \
	" AND NOT EXISTS (SELECT 1 FROM layers c WHERE c.parent = upper.id AND c.state IN ('creating','deleting'))" \
	" AND NOT EXISTS (SELECT 1 FROM snapshots WHERE layer = lower.id OR overlay = lower.id)" \
	" AND NOT EXISTS (SELECT 1 FROM images WHERE layer = lower.id)" \
	" AND NOT EXISTS (SELECT 1 FROM merges m WHERE m.lower IN (lower.id, upper.id) OR m.upper IN (lower.id, upper.id))"

/* The files from a volume's top down to its base. */
#define CHAIN "chain(id, depth) AS (SELECT layer, 1 FROM volumes WHERE id = ?1 UNION ALL" \
	" SELECT c.parent, depth + 1 FROM chain JOIN layers c ON c.id = chain.id WHERE c.parent IS NOT NULL)"

static const char *const kind_names[MERGE_KIND_MAX] = {[MERGE_COMMIT] = "commit", [MERGE_PULL] = "pull"};

const char *merge_kind_name(enum merge_kind kind)
{
	return kind < MERGE_KIND_MAX ? kind_names[kind] : "invalid";
}

#define MERGE_COLUMNS "kind, lower, upper, volume, unwanted"

/* Columns: kind, lower, upper, volume; of a row that is there, unwanted too. */
static struct merge merge_of_row(sqlite3_stmt *row)
{
	struct merge m = {.kind = strcmp(mc_db_text(row, 0), "pull") == 0 ? MERGE_PULL : MERGE_COMMIT,
			  .unwanted = sqlite3_column_count(row) > 4 && sqlite3_column_int(row, 4)};

	graph_copy_id(m.lower, mc_db_text(row, 1));
	graph_copy_id(m.upper, mc_db_text(row, 2));
	graph_copy_id(m.volume, mc_db_text(row, 3));
	return m;
}

static int take_merge(sqlite3_stmt *row, void *ctx)
{
	*(struct merge *)ctx = merge_of_row(row);
	return 0;
}

/* --- finding work ----------------------------------------------------------- */

/* What a QEMU need not do: a pair that none has open; else a closed volume's chain that is too long,
 * of which the base stays and what lies between goes up into the top. */
struct query {
	const char *sql, *types; /* of its arguments: the volume, the length of a chain that is too long */
};

static const struct query idle_queries[] = {
	{"WITH RECURSIVE " BUSY ", pairs AS (" PAIRS ")"
	" SELECT 'commit', lower, upper, '' FROM pairs WHERE lower NOT IN busy LIMIT 1", ""},
	{"WITH RECURSIVE below(volume, top, id, depth) AS (SELECT v.id, v.layer, v.layer, 1 FROM volumes v"
	" WHERE NOT EXISTS (SELECT 1 FROM opens WHERE volume = v.id) UNION ALL"
	" SELECT volume, top, l.parent, depth + 1 FROM below JOIN layers l ON l.id = below.id"
	" WHERE l.parent IS NOT NULL) SELECT 'pull', below.id, top, volume FROM below"
	" JOIN layers l ON l.id = below.id WHERE l.parent IS NULL AND depth >= ?2"
	" AND NOT EXISTS (SELECT 1 FROM below b JOIN merges m ON m.upper = b.id WHERE b.top = below.top)"
	" AND NOT EXISTS (SELECT 1 FROM layers c WHERE c.parent = top)"
	" AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.volume = below.volume AND s.overlay IS NOT NULL) LIMIT 1", "si"},
	{NULL, NULL},
};

/* What the QEMU of a volume may do: it must be the only one that has the lower file (other merges may read it
 * too), and rewrites the header of the one file above the upper. */
static const struct query live_queries[] = {
	{"WITH RECURSIVE " CHAIN ", above(volume, id) AS (SELECT v.id, v.layer FROM volumes v"
	" JOIN opens o ON o.volume = v.id UNION ALL SELECT '', layer FROM readers UNION ALL"
	" SELECT '', upper FROM merges UNION ALL SELECT volume, l.parent FROM above"
	" JOIN layers l ON l.id = above.id WHERE l.parent IS NOT NULL), pairs AS (" PAIRS ")"
	" SELECT 'commit', lower, upper, ?1 FROM pairs WHERE lower IN (SELECT id FROM chain)"
	" AND (SELECT count(*) FROM layers WHERE parent = upper) = 1"
	" AND (SELECT count(*) FROM above WHERE id = lower) = 1 LIMIT 1", "s"},
	{"WITH RECURSIVE " CHAIN " SELECT 'pull', chain.id, (SELECT layer FROM volumes WHERE id = ?1), ?1 FROM chain"
	" JOIN layers l ON l.id = chain.id WHERE l.parent IS NULL AND depth >= ?2", "si"},
	{NULL, NULL},
};

struct search {
	const struct query *queries;
	const char *volume;
	int64_t pull_at;
	struct merge *ret;
};

/* What the lower file of a commit holds changes from now on. */
static int insert(struct graph *graph, const struct merge *m, mc_err **err)
{
	graph->merges++;
	if (m->kind == MERGE_COMMIT &&
	    mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET allocated = NULL WHERE id = ?", "s", m->lower) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT INTO merges (kind, lower, upper, volume, created) VALUES (?,?,?,?,?)", "ssssi",
			 merge_kind_name(m->kind), m->lower, m->upper, m->volume, mc_clock_wall());
}

/* Under the lock: 0 and *ret, 1 where there is nothing. */
static int search(struct graph *graph, const struct search *s, struct merge *ret, mc_err **err)
{
	struct merge found = {.upper = ""};

	for (const struct query *q = s->queries; q->sql && !found.upper[0]; q++)
		if (mc_db_run(graph->db, take_merge, &found, err, q->sql, q->types, s->volume, s->pull_at) < 0)
			return -1;
	if (found.upper[0])
		*ret = found;
	return found.upper[0] ? 0 : 1;
}

static int begin_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct search *s = arg;
	int r = search(graph, s, s->ret, err);

	return r == 0 ? insert(graph, s->ret, err) : r;
}

/* It is asked for often, and mostly there is nothing: no change is begun for that. */
static int begin(struct graph *graph, struct search *s, mc_err **err)
{
	struct merge found;
	int r;

	pthread_mutex_lock(&graph->lock);
	r = search(graph, s, &found, err);
	pthread_mutex_unlock(&graph->lock);
	return r == 0 ? graph_change(graph, begin_steps, s, err) : r;
}

int graph_merge_begin_idle(struct graph *graph, int64_t pull_at, struct merge *ret, mc_err **err)
{
	struct search s = {idle_queries, "", pull_at, ret};

	return begin(graph, &s, err);
}

int graph_merge_begin_live(struct graph *graph, const char *volume, int64_t pull_at, struct merge *ret, mc_err **err)
{
	struct search s = {live_queries, volume, pull_at, ret};

	return begin(graph, &s, err);
}

/* --- readers ---------------------------------------------------------------- */

static int read_steps(struct graph *graph, void *arg, mc_err **err)
{
	int r = mc_db_run(graph->db, NULL, NULL, err,
			  "INSERT INTO readers (layer) SELECT id FROM layers WHERE id = ? AND state = 'frozen'", "s",
			  (const char *)arg);

	return r < 0 ? -1 : sqlite3_changes(graph->db) == 0;
}

int graph_read(struct graph *graph, const char *layer, mc_err **err)
{
	return graph_change(graph, read_steps, (void *)layer, err);
}

static int read_end_steps(struct graph *graph, void *arg, mc_err **err)
{
	return mc_db_run(graph->db, NULL, NULL, err,
			 "DELETE FROM readers WHERE rowid = (SELECT min(rowid) FROM readers WHERE layer = ?)", "s",
			 (const char *)arg);
}

int graph_read_end(struct graph *graph, const char *layer, mc_err **err)
{
	return graph_change(graph, read_end_steps, (void *)layer, err);
}

/* --- lengths ---------------------------------------------------------------- */

static int take_count(sqlite3_stmt *row, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(row, 0);
	return 0;
}

int graph_depth(struct graph *graph, const char *volume, int64_t *ret, mc_err **err)
{
	return graph_query(graph, take_count, ret, err, "WITH RECURSIVE " CHAIN " SELECT count(*) FROM chain", "s", volume);
}

/* --- rows ------------------------------------------------------------------- */

struct each_merge { int (*fn)(void *ctx, const struct merge *merge); void *ctx; };

static int each_row(sqlite3_stmt *row, void *arg)
{
	const struct each_merge *each = arg;
	struct merge m = merge_of_row(row);

	return each->fn(each->ctx, &m);
}

int graph_merges(struct graph *graph, int (*fn)(void *ctx, const struct merge *merge), void *ctx, mc_err **err)
{
	struct each_merge each = {fn, ctx};

	return graph_query(graph, each_row, &each, err, "SELECT " MERGE_COLUMNS " FROM merges ORDER BY upper", "");
}

int graph_merge_of(struct graph *graph, const char *volume, struct merge *ret, mc_err **err)
{
	struct merge found = {.upper = ""};
	int r = graph_query(graph, take_merge, &found, err,
			    "SELECT " MERGE_COLUMNS " FROM merges WHERE volume = ?", "s", volume);

	if (r < 0 || !found.upper[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

int graph_merge_in_chain(struct graph *graph, const char *layer, struct merge *ret, mc_err **err)
{
	struct merge found = {.upper = ""};
	int r = graph_query(graph, take_merge, &found, err,
			    "WITH RECURSIVE down(id) AS (VALUES (?) UNION ALL SELECT l.parent FROM down"
			    " JOIN layers l ON l.id = down.id WHERE l.parent IS NOT NULL)"
			    " SELECT " MERGE_COLUMNS " FROM merges WHERE upper IN down LIMIT 1", "s", layer);

	if (r < 0 || !found.upper[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

static int unwant_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct merge *m = arg;

	return mc_db_run(graph->db, NULL, NULL, err, "UPDATE merges SET unwanted = 1 WHERE upper = ?", "s", m->upper);
}

int graph_merge_unwant(struct graph *graph, const struct merge *merge, mc_err **err)
{
	return graph_change(graph, unwant_steps, (void *)merge, err);
}

static int drop_row(struct graph *graph, const struct merge *m, mc_err **err)
{
	return mc_db_run(graph->db, NULL, NULL, err, "DELETE FROM merges WHERE upper = ?", "s", m->upper);
}

static int end_steps(struct graph *graph, void *arg, mc_err **err)
{
	return drop_row(graph, arg, err);
}

int graph_merge_end(struct graph *graph, const struct merge *merge, mc_err **err)
{
	return graph_change(graph, end_steps, (void *)merge, err);
}

/* --- results ---------------------------------------------------------------- */

struct finish {
	const struct merge *merge;
	struct layer *ret;
};

/* The lower file holds what the upper showed: it takes its place. */
static int commit_steps(struct graph *graph, void *arg, mc_err **err)
{
	static const char *const updates[] = {
		"UPDATE layers SET virtual_bytes = max(virtual_bytes, (SELECT virtual_bytes FROM layers WHERE id = ?2)) WHERE id = ?1",
		"UPDATE layers SET parent = ?1 WHERE parent = ?2",
		"UPDATE snapshots SET layer = ?1 WHERE layer = ?2",
		"UPDATE images SET layer = ?1 WHERE layer = ?2",
	};
	const struct finish *f = arg;

	for (size_t i = 0; i < sizeof(updates) / sizeof(*updates); i++)
		if (mc_db_run(graph->db, NULL, NULL, err, updates[i], "ss", f->merge->lower, f->merge->upper) < 0)
			return -1;
	if (drop_row(graph, f->merge, err) < 0)
		return -1;
	return graph_layer_drop(graph, f->merge->upper, f->ret, err);
}

/* The upper file holds all that lay between: it stands on the lower. */
static int pull_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct finish *f = arg;
	char parent[MC_ID_LEN] = "";

	if (mc_db_run(graph->db, graph_first_id, parent, err, "SELECT parent FROM layers WHERE id = ?", "s", f->merge->upper) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET parent = ? WHERE id = ?", "ss", f->merge->lower,
		      f->merge->upper) < 0 ||
	    drop_row(graph, f->merge, err) < 0)
		return -1;
	return graph_layer_drop(graph, parent, f->ret, err);
}

int graph_merge_finish(struct graph *graph, const struct merge *merge, struct layer *ret_layer, mc_err **err)
{
	struct finish f = {merge, ret_layer};

	return graph_change(graph, merge->kind == MERGE_COMMIT ? commit_steps : pull_steps, &f, err);
}
