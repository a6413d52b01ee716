#include "storaged/graph_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/fs.h"

#define SELECT_IMAGES "SELECT i.id, i.sha256, i.source, " LAYER_COLUMNS \
	" FROM images i JOIN layers l ON l.id = i.layer "

void image_deinit(struct image *image)
{
	free(image->source);
	image->source = NULL;
}

struct each_image { int (*fn)(void *ctx, const struct image *image); void *ctx; };

static int image_row(sqlite3_stmt *row, void *arg)
{
	const struct each_image *each = arg;
	struct image i = {.source = mc_strdup(mc_db_text(row, 2)), .layer = graph_layer_of_row(row, 3)};

	graph_copy_id(i.id, mc_db_text(row, 0));
	snprintf(i.sha256, sizeof(i.sha256), "%s", mc_db_text(row, 1));

	int r = each->fn(each->ctx, &i);

	image_deinit(&i);
	return r;
}

int graph_images(struct graph *graph, int (*fn)(void *, const struct image *), void *ctx, mc_err **err)
{
	struct each_image each = {fn, ctx};

	return graph_query(graph, image_row, &each, err, SELECT_IMAGES "ORDER BY i.id", "");
}

static int take_image(void *ctx, const struct image *image)
{
	struct image *out = ctx;

	*out = *image;
	out->source = mc_strdup(image->source);
	return 0;
}

int graph_image_find(struct graph *graph, const char *id, struct image *ret, mc_err **err)
{
	struct image found = {.id = ""};
	struct each_image each = {take_image, &found};
	int r = graph_query(graph, image_row, &each, err, SELECT_IMAGES "WHERE i.id = ?", "s", id);

	if (r < 0 || !found.id[0])
		return r < 0 ? -1 : 1;
	*ret = found;
	return 0;
}

static int add_steps(struct graph *graph, void *arg, mc_err **err)
{
	const struct image *i = arg;

	if (graph_layer_move(graph, i->layer.id, LAYER_CREATING, LAYER_FROZEN, err) < 0 ||
	    mc_db_run(graph->db, NULL, NULL, err, "UPDATE layers SET of_image = 1 WHERE id = ?", "s", i->layer.id) < 0)
		return -1;
	return mc_db_run(graph->db, NULL, NULL, err,
			 "INSERT INTO images (id, source, sha256, layer, created) VALUES (?,?,?,?,?)",
			 "ssssi", i->id, i->source, i->sha256, i->layer.id, mc_clock_wall());
}

int graph_image_add(struct graph *graph, const struct image *image, mc_err **err)
{
	return graph_change(graph, add_steps, (void *)image, err);
}

int graph_image_remove(struct graph *graph, const char *id, struct layer *ret_layer, mc_err **err)
{
	static const struct graph_named_sql sql = {"SELECT layer FROM images WHERE id = ?", "DELETE FROM images WHERE id = ?"};

	return graph_named_remove(graph, &sql, id, ret_layer, err);
}
