#include "storaged/graph_internal.h"

#include "common/clock.h"

static int put_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct graph_block *b = arg;

	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT OR REPLACE INTO blocks (volume, block, sha256, written) VALUES (?,?,?,?)", "sisi", b->volume,
			 b->index, b->sha256, mc_clock_wall());
}

int graph_block_put(struct graph *graph, const struct graph_block *block, mc_err **err)
{
	return graph_change(graph, put_steps, (void *)block, err);
}

struct each_block { int (*fn)(void *ctx, const struct graph_block *block); void *ctx; };

static int block_row(sqlite3_stmt *row, void *arg)
{
	const struct each_block *each = arg;
	struct graph_block b = {.index = sqlite3_column_int64(row, 0), .sha256 = mc_db_text(row, 1),
				.written = sqlite3_column_int64(row, 2)};

	return each->fn(each->ctx, &b);
}

int graph_blocks(struct graph *graph, const char *volume, int (*fn)(void *ctx, const struct graph_block *block), void *ctx,
		 mc_err **err)
{
	struct each_block each = {fn, ctx};

	return graph_query(graph, block_row, &each, err, "SELECT block, sha256, written FROM blocks WHERE volume = ? ORDER BY block",
			   "s", volume);
}
