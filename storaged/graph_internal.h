/* Shared by the graph_*.c files alone: the connection, rows, transactions. */
#ifndef MC_STORAGED_GRAPH_INTERNAL_H
#define MC_STORAGED_GRAPH_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "common/db.h"
#include "storaged/graph.h"

struct graph {
	sqlite3 *db;
	pthread_mutex_t lock; /* a transaction is several statements on one connection */
	char *ballast;        /* a file to give up when the disk is full */
	bool full;
	uint64_t merges; /* that have begun */
	void (*changed)(void *ctx);
	void *changed_ctx;
};

/* One statement under the lock; see mc_db_run(). */
#define graph_query(graph, row, ctx, err, ...) ({ \
	pthread_mutex_lock(&(graph)->lock); \
	int graph_r_ = mc_db_run((graph)->db, row, ctx, err, __VA_ARGS__); \
	pthread_mutex_unlock(&(graph)->lock); \
	graph_r_; })

/* A change, all in one transaction: the steps run between BEGIN and COMMIT; a negative
 * result of theirs, or of COMMIT, rolls back. Their result is the change's. */
typedef int graph_steps(struct graph *graph, void *arg, mc_err **err);
int graph_change(struct graph *graph, graph_steps *steps, void *arg, mc_err **err);

void graph_copy_id(char out[MC_ID_LEN], const char *text);

/* A row handler that keeps the first column, an id, in ctx (char[MC_ID_LEN]). */
int graph_first_id(sqlite3_stmt *row, void *ctx);

/* The columns of a layer, in the order that graph_layer_of_row() takes them from `at` on. */
#define LAYER_COLUMNS "l.id, l.parent, l.state, l.virtual_bytes, l.allocated"
struct layer graph_layer_of_row(sqlite3_stmt *row, int at);

/* Forget a row that names a layer, and mark that deleting where nothing needs it any more, in one change:
 * 0 and *ret_layer, or 1. */
struct graph_named_sql {
	const char *layer, *forget; /* both with the row's id as their argument; the first selects the layer */
};
int graph_named_remove(struct graph *graph, const struct graph_named_sql *sql, const char *id, struct layer *ret_layer,
		       mc_err **err);

/* Steps of changes, to be called inside one. */

/* Insert the rows of a document. */
int graph_owner_restore(struct graph *graph, const json_t *doc, mc_err **err);

/* Another state for a layer in state `from`; an internal failure where it is in another one. */
int graph_layer_move(struct graph *graph, const char *id, enum layer_state from, enum layer_state to,
		     mc_err **err);
/* Mark the layer deleting if nothing stands on it any more: 0 and *ret, or 1. */
int graph_layer_drop(struct graph *graph, const char *id, struct layer *ret, mc_err **err);

#endif
