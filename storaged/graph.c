#include "storaged/graph_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/ballast.h"
#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"

#define STALE_ON(table, event, id) "CREATE TRIGGER stale_" table "_" event " AFTER " event " ON " table " BEGIN" \
	" DELETE FROM stale WHERE id = " id "; INSERT INTO stale (id) VALUES (" id "); END;"
#define STALE(table, column) STALE_ON(table, "INSERT", "NEW." column) STALE_ON(table, "UPDATE", "NEW." column) \
	STALE_ON(table, "DELETE", "OLD." column)

static const struct mc_db_upgrade upgrades[] = {
	{1, "CREATE TABLE layers (id TEXT PRIMARY KEY, parent TEXT REFERENCES layers(id),"
	    " state TEXT NOT NULL CHECK (state IN ('creating','ready','frozen','deleting')),"
	    " virtual_bytes INTEGER NOT NULL, created INTEGER NOT NULL);"
	    "CREATE INDEX layers_parent ON layers(parent);"
	    "CREATE TABLE volumes (id TEXT PRIMARY KEY, size_gib INTEGER NOT NULL, image TEXT NOT NULL,"
	    " layer TEXT NOT NULL UNIQUE REFERENCES layers(id), created INTEGER NOT NULL);"
	    "CREATE TABLE images (id TEXT PRIMARY KEY, source TEXT NOT NULL, sha256 TEXT NOT NULL,"
	    " layer TEXT NOT NULL UNIQUE REFERENCES layers(id), created INTEGER NOT NULL);"},
	{2, "CREATE TABLE opens (volume TEXT NOT NULL REFERENCES volumes(id) ON DELETE CASCADE, opener TEXT NOT NULL,"
	    " PRIMARY KEY (volume, opener));"},
	/* Without an overlay it is taken; with one, that file is ready to become the volume's top. */
	{3, "CREATE TABLE snapshots (id TEXT PRIMARY KEY, volume TEXT NOT NULL, size_gib INTEGER NOT NULL,"
	    " bytes INTEGER NOT NULL, layer TEXT NOT NULL REFERENCES layers(id), overlay TEXT REFERENCES layers(id),"
	    " created INTEGER NOT NULL);"
	    "CREATE INDEX snapshots_layer ON snapshots(layer);"
	    "CREATE UNIQUE INDEX snapshots_overlay ON snapshots(overlay);"},
	/* Not 0: its QEMU is about to grow it to this. */
	{4, "ALTER TABLE volumes ADD COLUMN growing_gib INTEGER NOT NULL DEFAULT 0;"},
	/* What is being merged; volume '' where no QEMU is involved. */
	{5, "CREATE TABLE merges (upper TEXT PRIMARY KEY REFERENCES layers(id), lower TEXT NOT NULL REFERENCES layers(id),"
	    " kind TEXT NOT NULL CHECK (kind IN ('commit','pull')), volume TEXT NOT NULL, unwanted INTEGER NOT NULL DEFAULT 0,"
	    " created INTEGER NOT NULL);"},
	/* Blocks written to it one by one (EBS direct APIs). */
	{6, "CREATE TABLE blocks (volume TEXT NOT NULL REFERENCES volumes(id) ON DELETE CASCADE, block INTEGER NOT NULL,"
	    " sha256 TEXT NOT NULL, written INTEGER NOT NULL, PRIMARY KEY (volume, block)) WITHOUT ROWID;"},
	/* Whose document (storaged/owners.h) is to be written again. */
	{7, "CREATE TABLE stale (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);"
	    STALE("layers", "id") STALE("volumes", "id") STALE("images", "id") STALE("snapshots", "id") STALE("opens", "volume")
	    STALE("merges", "upper")
	    "INSERT INTO stale (id) SELECT id FROM layers UNION SELECT id FROM volumes UNION SELECT id FROM images UNION"
	    " SELECT id FROM snapshots;"},
	/* Bytes of the clusters of a frozen layer; NULL: to be measured. */
	{8, "ALTER TABLE layers ADD COLUMN allocated INTEGER;"},
	/* What it bears of deleted ones below it, beside what was written since. */
	{9, "ALTER TABLE snapshots ADD COLUMN inherited INTEGER NOT NULL DEFAULT 0;"},
	/* Whose, and in which order they were taken; those from before keep theirs, below 0. */
	{10, "ALTER TABLE snapshots ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
	     "ALTER TABLE snapshots ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;"
	     "ALTER TABLE snapshots ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;"
	     "UPDATE snapshots SET seq = (SELECT count(*) FROM snapshots o WHERE o.created < snapshots.created OR"
	     " (o.created = snapshots.created AND o.id < snapshots.id)) - (SELECT count(*) FROM snapshots);"
	     /* Also when the image has gone: what came with it costs nothing. */
	     "ALTER TABLE layers ADD COLUMN of_image INTEGER NOT NULL DEFAULT 0;"
	     "UPDATE layers SET of_image = 1 WHERE id IN (SELECT layer FROM images);"},
	{0, NULL},
};

/* Who reads frozen layers is one of our own children, and gone when we are. */
static const char readers_table[] = "PRAGMA temp_store = MEMORY; CREATE TEMP TABLE readers (layer TEXT NOT NULL);";

#define BALLAST_BYTES (1 << 20)

struct graph *graph_open(const char *path, mc_err **err)
{
	mc_autofree char *ballast = mc_strf("%s.ballast", path);
	struct graph *graph;
	sqlite3 *db = mc_db_open(path, upgrades, err);

	if (!db && mc_ballast_give(ballast)) {
		mc_err_clear(err);
		db = mc_db_open(path, upgrades, err);
	}
	if (db && mc_db_exec(db, readers_table, err) < 0) {
		mc_db_close(db);
		db = NULL;
	}
	if (!db)
		return NULL;
	mc_ballast_take(ballast, BALLAST_BYTES);
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

void graph_on_change(struct graph *graph, void (*fn)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&graph->lock);
	graph->changed = fn;
	graph->changed_ctx = ctx;
	pthread_mutex_unlock(&graph->lock);
}

bool graph_disk_full(struct graph *graph)
{
	pthread_mutex_lock(&graph->lock);
	bool full = graph->full;
	pthread_mutex_unlock(&graph->lock);
	return full;
}

bool graph_make_room(struct graph *graph)
{
	return mc_ballast_give(graph->ballast);
}

void graph_room_came(struct graph *graph)
{
	if (access(graph->ballast, F_OK) < 0)
		mc_ballast_take(graph->ballast, BALLAST_BYTES);
}

void graph_copy_id(char out[MC_ID_LEN], const char *text)
{
	snprintf(out, MC_ID_LEN, "%s", text);
}

int graph_first_id(sqlite3_stmt *row, void *ctx)
{
	graph_copy_id(ctx, mc_db_text(row, 0));
	return 0;
}

/* --- changes -------------------------------------------------------------- */

static int change_once(struct graph *graph, graph_steps *steps, void *arg, mc_err **err)
{
	int r = mc_db_exec(graph->db, "BEGIN IMMEDIATE", err);

	if (r == 0) {
		r = steps(graph, arg, err);
		if (r >= 0 && mc_db_exec(graph->db, "COMMIT", err) < 0)
			r = -1;
	}
	if (r >= 0 && graph->changed)
		graph->changed(graph->changed_ctx);
	graph->full = r < 0 && sqlite3_errcode(graph->db) == SQLITE_FULL;
	if (r < 0 && !sqlite3_get_autocommit(graph->db))
		mc_db_exec(graph->db, "ROLLBACK", NULL);
	return r;
}

int graph_change(struct graph *graph, graph_steps *steps, void *arg, mc_err **err)
{
	int r;

	pthread_mutex_lock(&graph->lock);
	r = change_once(graph, steps, arg, err);
	if (r < 0 && graph->full && mc_ballast_give(graph->ballast)) {
		mc_err_clear(err);
		r = change_once(graph, steps, arg, err);
	}
	pthread_mutex_unlock(&graph->lock);
	return r;
}
