/* The rows of one id as a document, and back: what storaged/owners.h keeps beside the layers. */
#include "storaged/graph_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* Tables whose rows belong to an id, as upgrade 7 has triggers for. Where two rows of one database name the same
 * layer, the first table's are written first. A layer on its way out has no document any more. */
static const struct owned {
	const char *table, *select;
} owned[] = {
	{"volumes", "SELECT * FROM volumes WHERE id = ?"},
	{"opens", "SELECT * FROM opens WHERE volume = ? ORDER BY opener"},
	{"snapshots", "SELECT * FROM snapshots WHERE id = ?"},
	{"images", "SELECT * FROM images WHERE id = ?"},
	{"layers", "SELECT * FROM layers WHERE id = ? AND state <> 'deleting'"},
	{"merges", "SELECT * FROM merges WHERE upper = ?"},
};

/* --- rows as documents ------------------------------------------------------ */

static int add_row(sqlite3_stmt *row, void *array)
{
	json_t *doc = json_object();

	for (int i = 0; i < sqlite3_column_count(row); i++) {
		bool number = sqlite3_column_type(row, i) == SQLITE_INTEGER;

		if (sqlite3_column_type(row, i) != SQLITE_NULL)
			json_object_set_new(doc, sqlite3_column_name(row, i), number ? json_integer(sqlite3_column_int64(row, i))
										      : json_string(mc_db_text(row, i)));
	}
	return json_array_append_new(array, doc);
}

int graph_owner_doc(struct graph *graph, const char *id, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *doc = json_object();

	for (size_t i = 0; i < MC_ARRAY_SIZE(owned); i++) {
		mc_auto_json json_t *rows = json_array();

		if (graph_query(graph, add_row, rows, err, owned[i].select, "s", id) < 0)
			return -1;
		if (json_array_size(rows) > 0)
			json_object_set(doc, owned[i].table, rows);
	}
	if (json_object_size(doc) == 0)
		return 1;
	*ret = json_incref(doc);
	return 0;
}

struct each_stale { int (*fn)(void *ctx, int64_t seq, const char *id); void *ctx; };

static int stale_row(sqlite3_stmt *row, void *arg)
{
	const struct each_stale *each = arg;

	return each->fn(each->ctx, sqlite3_column_int64(row, 0), mc_db_text(row, 1));
}

/* Backwards: volumes before snapshots, and these before layers. */
int graph_owners_stale(struct graph *graph, int (*fn)(void *ctx, int64_t seq, const char *id), void *ctx, mc_err **err)
{
	struct each_stale each = {fn, ctx};

	return graph_query(graph, stale_row, &each, err, "SELECT seq, id FROM stale ORDER BY id DESC", "");
}

int graph_owner_written(struct graph *graph, int64_t seq, mc_err **err)
{
	return graph_query(graph, NULL, NULL, err, "DELETE FROM stale WHERE seq = ?", "i", seq);
}

int graph_owners(struct graph *graph, int (*fn)(void *ctx, int64_t seq, const char *id), void *ctx, mc_err **err)
{
	struct each_stale each = {fn, ctx};

	return graph_query(graph, stale_row, &each, err,
			   "SELECT 0, id FROM layers WHERE state <> 'deleting' UNION SELECT 0, id FROM volumes UNION"
			   " SELECT 0, id FROM images UNION SELECT 0, id FROM snapshots", "");
}

/* --- documents as rows ------------------------------------------------------ */

struct restoring {
	const char *table;
	const json_t *row;
};

/* Only columns that this table has are taken, so that nothing in a document gets into the statement but values. */
static int add_column(sqlite3_stmt *column, void *names)
{
	return json_array_append_new(names, json_string(mc_db_text(column, 0)));
}

static int bind_values(sqlite3_stmt *stmt, const json_t *names, const json_t *row)
{
	const json_t *name;
	size_t i;
	int r = SQLITE_OK, n = 0;

	json_array_foreach(names, i, name) {
		const json_t *value = json_object_get(row, json_string_value(name));

		if (!value || r != SQLITE_OK)
			continue;
		n++;
		r = json_is_integer(value) ? sqlite3_bind_int64(stmt, n, json_integer_value(value))
					   : sqlite3_bind_text(stmt, n, json_string_value(value), -1, SQLITE_TRANSIENT);
	}
	return r;
}

/* "INSERT INTO table (a, b) VALUES (?,?)" of the columns that the row has. Allocated. */
static char *insert_text(const char *table, const json_t *names, const json_t *row)
{
	mc_autofree char *columns = mc_strdup(""), *marks = mc_strdup("");
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name), *comma = *columns ? "," : "";
		char *more, *mark;

		if (!json_object_get(row, text))
			continue;
		more = mc_strf("%s%s%s", columns, comma, text);
		mark = mc_strf("%s%s?", marks, comma);
		free(columns);
		free(marks);
		columns = more;
		marks = mark;
	}
	return mc_strf("INSERT INTO %s (%s) VALUES (%s)", table, columns, marks);
}

static int insert_row(struct graph *graph, const char *table, const json_t *row, mc_err **err)
{
	mc_auto_json json_t *names = json_array();
	mc_autofree char *text = NULL;
	sqlite3_stmt *stmt = NULL;
	int r;

	if (mc_db_run(graph->db, add_column, names, err, "SELECT name FROM pragma_table_info(?)", "s", table) < 0)
		return -1;
	text = insert_text(table, names, row);
	r = sqlite3_prepare_v2(graph->db, text, -1, &stmt, NULL);
	if (r == SQLITE_OK)
		r = bind_values(stmt, names, row);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
	if (r != SQLITE_OK)
		mc_err_set(err, 0, "%s: %s", table, sqlite3_errmsg(graph->db));
	sqlite3_finalize(stmt);
	return r == SQLITE_OK ? 0 : -1;
}

int graph_owner_restore(struct graph *graph, const json_t *doc, mc_err **err)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(owned); i++) {
		const json_t *row;
		size_t k;

		json_array_foreach(mc_json_arr(doc, owned[i].table), k, row)
			if (insert_row(graph, owned[i].table, row, err) < 0)
				return -1;
	}
	return 0;
}
