/* The records made anew from the owners' documents and the files' headers. */
#include "storaged/graph_internal.h"

#include <jansson.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define FILES "(SELECT id FROM files)"
#define NAMED "SELECT layer AS id FROM volumes UNION SELECT layer FROM snapshots UNION SELECT layer FROM images UNION" \
	" SELECT overlay FROM snapshots WHERE overlay IS NOT NULL"
/* Layers that somebody needs. */
#define KEEP "WITH RECURSIVE keep(id) AS (" NAMED " UNION SELECT lower FROM merges UNION SELECT upper FROM merges UNION" \
	" SELECT l.parent FROM layers l JOIN keep ON keep.id = l.id WHERE l.parent IS NOT NULL) "

/* What is amiss is reported, then mended; in this order. The headers say what stands on what, unless a merge was
 * about to change them; the documents say who owns what. */
static const struct {
	const char *find, *what; /* NULL: nothing to report */
	const char *mend;
} steps[] = {
	{NULL, NULL, "DELETE FROM merges WHERE upper NOT IN " FILES " OR lower NOT IN " FILES},
	{NULL, NULL, "UPDATE snapshots SET overlay = NULL WHERE overlay IN (SELECT layer FROM volumes)"},
	{"SELECT id FROM snapshots WHERE overlay IS NOT NULL AND overlay NOT IN " FILES,
	 "it was being taken: what was to be its volume's top is gone",
	 "DELETE FROM snapshots WHERE overlay IS NOT NULL AND overlay NOT IN " FILES},
	{"SELECT id FROM volumes WHERE layer NOT IN " FILES, "its layer's file is gone",
	 "DELETE FROM volumes WHERE layer NOT IN " FILES},
	{"SELECT id FROM snapshots WHERE layer NOT IN " FILES, "its layer's file is gone",
	 "DELETE FROM snapshots WHERE layer NOT IN " FILES},
	{"SELECT id FROM images WHERE layer NOT IN " FILES, "its layer's file is gone",
	 "DELETE FROM images WHERE layer NOT IN " FILES},
	{"SELECT id FROM volumes WHERE layer IN (SELECT layer FROM snapshots WHERE overlay IS NULL UNION SELECT layer FROM images)",
	 "its layer has been frozen, and what was written since is not known to be its",
	 "DELETE FROM volumes WHERE layer IN (SELECT layer FROM snapshots WHERE overlay IS NULL UNION SELECT layer FROM images)"},
	{NULL, NULL, "DELETE FROM layers WHERE id NOT IN " FILES " AND state <> 'creating'"},
	{NULL, NULL, "INSERT INTO layers (id, state, virtual_bytes, created) SELECT id, 'frozen', bytes, 0 FROM files"
	 " WHERE id NOT IN (SELECT id FROM layers)"},
	{NULL, NULL, "UPDATE layers SET virtual_bytes = f.bytes, parent = CASE WHEN layers.parent IN " FILES
	 " AND (layers.id IN (SELECT upper FROM merges WHERE kind = 'pull')"
	 " OR layers.parent IN (SELECT upper FROM merges WHERE kind = 'commit')) THEN layers.parent ELSE f.parent END"
	 " FROM files f WHERE f.id = layers.id"},
	{KEEP "SELECT id FROM layers WHERE id NOT IN keep AND state <> 'creating'", "nobody owns this layer: its file is left alone",
	 KEEP "DELETE FROM layers WHERE id NOT IN keep AND state <> 'creating'"},
	{NULL, NULL, KEEP "UPDATE layers SET parent = NULL WHERE id NOT IN keep"},
	{"SELECT DISTINCT parent FROM layers WHERE parent NOT IN (SELECT id FROM layers)", "its file is gone, and others stand on it",
	 "INSERT INTO layers (id, state, virtual_bytes, created) SELECT DISTINCT parent, 'frozen', 0, 0 FROM layers"
	 " WHERE parent NOT IN (SELECT id FROM layers)"},
	{NULL, NULL, KEEP "UPDATE layers SET state = CASE WHEN id IN (SELECT layer FROM volumes) OR id IN"
	 " (SELECT overlay FROM snapshots WHERE overlay IS NOT NULL) THEN 'ready' ELSE 'frozen' END WHERE id IN keep"},
	{NULL, NULL, "UPDATE layers SET of_image = 1 WHERE id IN (SELECT layer FROM images)"},
	{NULL, NULL, "UPDATE volumes SET size_gib = l.virtual_bytes >> 30 FROM layers l WHERE l.id = volumes.layer"},
	{NULL, NULL, "UPDATE volumes SET growing_gib = 0 WHERE growing_gib <= size_gib"},
};

struct rebuild {
	const json_t *docs, *files;
	graph_found *found;
	void *ctx;
	const char *what; /* of the step that is being reported */
};

static int report_row(sqlite3_stmt *row, void *arg)
{
	const struct rebuild *b = arg;

	b->found(b->ctx, mc_db_text(row, 0), b->what);
	return 0;
}

/* One that cannot be used takes nothing else with it. */
static int restore_docs(struct graph *graph, const struct rebuild *b, mc_err **err)
{
	const char *id;
	json_t *doc;

	json_object_foreach((json_t *)b->docs, id, doc) {
		mc_auto_err mc_err *why = NULL;

		if (mc_db_exec(graph->db, "SAVEPOINT doc", err) < 0)
			return -1;
		if (graph_owner_restore(graph, doc, &why) < 0) {
			b->found(b->ctx, id, mc_err_msg(why));
			if (mc_db_exec(graph->db, "ROLLBACK TO doc", err) < 0)
				return -1;
		}
		if (mc_db_exec(graph->db, "RELEASE doc", err) < 0)
			return -1;
	}
	return 0;
}

static int insert_files(struct graph *graph, const struct rebuild *b, mc_err **err)
{
	const json_t *file;
	size_t i;

	json_array_foreach(b->files, i, file)
		if (mc_db_run(graph->db, NULL, NULL, err, "INSERT INTO files (id, parent, bytes) VALUES (?,?,?)", "ssi",
			      mc_json_str(file, "id", ""), mc_json_str(file, "parent", NULL), mc_json_int(file, "bytes", 0)) < 0)
			return -1;
	return 0;
}

static int rebuild_steps(struct graph *graph, void *arg, mc_err **err)
{
	struct rebuild *b = arg;

	if (mc_db_exec(graph->db, "PRAGMA defer_foreign_keys = ON", err) < 0 ||
	    mc_db_exec(graph->db, "CREATE TEMP TABLE files (id TEXT PRIMARY KEY, parent TEXT, bytes INTEGER NOT NULL)", err) < 0 ||
	    insert_files(graph, b, err) < 0 || restore_docs(graph, b, err) < 0)
		return -1;
	for (size_t i = 0; i < MC_ARRAY_SIZE(steps); i++) {
		b->what = steps[i].what;
		if ((steps[i].find && mc_db_run(graph->db, report_row, b, err, steps[i].find, "") < 0) ||
		    mc_db_exec(graph->db, steps[i].mend, err) < 0)
			return -1;
	}
	return mc_db_exec(graph->db, "DROP TABLE temp.files", err);
}

int graph_rebuild(struct graph *graph, const json_t *docs, const json_t *files, graph_found *found, void *ctx, mc_err **err)
{
	struct rebuild b = {docs, files, found, ctx, NULL};

	return graph_change(graph, rebuild_steps, &b, err);
}

static int count_row(sqlite3_stmt *row, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(row, 0);
	return 0;
}

int graph_is_empty(struct graph *graph, mc_err **err)
{
	int64_t n = 0;

	return graph_query(graph, count_row, &n, err, "SELECT count(*) FROM layers", "") < 0 ? -1 : n == 0;
}

static int first_problem(sqlite3_stmt *row, void *ctx)
{
	char **problem = ctx;

	if (!*problem && strcmp(mc_db_text(row, 0), "ok") != 0)
		*problem = mc_strdup(mc_db_text(row, 0));
	return 0;
}

/* No shared reading of a broken page: what SQLite says of the file as a whole. */
int graph_damaged(const char *path, char **ret_problem)
{
	mc_auto_err mc_err *err = NULL;
	mc_autofree char *problem = NULL;
	sqlite3 *db = NULL;
	int r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL), code;

	if (r == SQLITE_OK) {
		sqlite3_busy_timeout(db, 10000);
		mc_db_run(db, first_problem, &problem, &err, "PRAGMA quick_check", "");
		r = sqlite3_errcode(db);
	}
	code = r & 0xff;
	if (!problem && (code == SQLITE_CORRUPT || code == SQLITE_NOTADB))
		problem = mc_strdup(sqlite3_errmsg(db));
	sqlite3_close(db);
	if (!problem)
		return 0;
	*ret_problem = MC_STEAL(problem);
	return 1;
}
