#include "storaged/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/metrics.h"
#include "storaged/graph.h"
#include "storaged/storage.h"
#include "storaged/store.h"

#define CHAIN "minicloud_storaged_volume_chain_files"

enum row {
	VOLUMES, PROVISIONED, SNAPSHOTS, IMAGES, CREATING, READY, FROZEN, DELETING, MERGING, COMMITTED, PULLED, GIVEN_UP,
	TOTAL, FREE, RESERVE, USED, ROW_MAX
};

static const struct mc_metric metrics[ROW_MAX] = {
	[VOLUMES] = {"minicloud_storaged_volumes", "gauge", "Volumes.", NULL},
	[PROVISIONED] = {"minicloud_storaged_volumes_bytes", "gauge", "What all volumes seem to hold to their guests.", NULL},
	[SNAPSHOTS] = {"minicloud_storaged_snapshots", "gauge", "Snapshots.", NULL},
	[IMAGES] = {"minicloud_storaged_images", "gauge", "Images.", NULL},
	[CREATING] = {"minicloud_storaged_layers", "gauge", "Layers, a file each, by state.", "state=\"creating\""},
	[READY] = {"minicloud_storaged_layers", "gauge", "", "state=\"ready\""},
	[FROZEN] = {"minicloud_storaged_layers", "gauge", "", "state=\"frozen\""},
	[DELETING] = {"minicloud_storaged_layers", "gauge", "", "state=\"deleting\""},
	[MERGING] = {"minicloud_storaged_merges", "gauge", "Merges under way.", NULL},
	[COMMITTED] = {"minicloud_storaged_merges_total", "counter", "Merges that ended.", "outcome=\"committed\""},
	[PULLED] = {"minicloud_storaged_merges_total", "counter", "", "outcome=\"pulled\""},
	[GIVEN_UP] = {"minicloud_storaged_merges_total", "counter", "", "outcome=\"given up\""},
	[TOTAL] = {"minicloud_storaged_store_bytes", "gauge", "The store's file system.", NULL},
	[FREE] = {"minicloud_storaged_store_free_bytes", "gauge", "What is free there.", NULL},
	[RESERVE] = {"minicloud_storaged_store_reserve_bytes", "gauge", "What nothing new may take of it.", NULL},
	[USED] = {"minicloud_storaged_store_used_bytes", "gauge", "What the layers' files take there.", NULL},
};

/* What the records say, counted row by row; ids are kept, since a row may not ask for more. */
struct look {
	const struct storage *storage;
	double values[ROW_MAX];
	json_t *volumes;
};

static int see_volume(void *ctx, const struct volume *volume)
{
	struct look *look = ctx;

	look->values[VOLUMES]++;
	look->values[PROVISIONED] += (double)volume->size_gib * (1 << 30);
	json_array_append_new(look->volumes, json_string(volume->id));
	return 0;
}

static int see_snapshot(void *ctx, const struct snapshot *snapshot)
{
	(void)snapshot;
	((struct look *)ctx)->values[SNAPSHOTS]++;
	return 0;
}

static int see_image(void *ctx, const struct image *image)
{
	(void)image;
	((struct look *)ctx)->values[IMAGES]++;
	return 0;
}

static int see_layer(void *ctx, const struct layer *layer)
{
	static const enum row rows[LAYER_STATE_MAX] = {
		[LAYER_CREATING] = CREATING, [LAYER_READY] = READY, [LAYER_FROZEN] = FROZEN, [LAYER_DELETING] = DELETING};
	struct look *look = ctx;

	look->values[rows[layer->state]]++;
	look->values[USED] += (double)store_allocated(&look->storage->store, layer->id);
	return 0;
}

static int see_merge(void *ctx, const struct merge *merge)
{
	(void)merge;
	((struct look *)ctx)->values[MERGING]++;
	return 0;
}

static int see(struct look *look, struct graph *graph, mc_err **err)
{
	struct store_space space;

	if (graph_volumes(graph, see_volume, look, err) < 0 || graph_snapshots(graph, see_snapshot, look, err) < 0 ||
	    graph_images(graph, see_image, look, err) < 0 || graph_layers(graph, see_layer, look, err) < 0 ||
	    graph_merges(graph, see_merge, look, err) < 0 || store_space(&look->storage->store, &space, err) < 0)
		return -1;
	look->values[TOTAL] = (double)space.total_bytes;
	look->values[FREE] = (double)space.free_bytes;
	look->values[RESERVE] = (double)space.reserve_bytes;
	return 0;
}

/* A volume that has gone since is left out. */
static void write_chains(FILE *out, struct graph *graph, const json_t *volumes)
{
	mc_auto_err mc_err *err = NULL;
	int64_t files;
	json_t *id;
	size_t i;

	mc_metrics_head(out, CHAIN, "gauge", "Files that a volume is made of.");
	json_array_foreach(volumes, i, id)
		if (graph_depth(graph, json_string_value(id), &files, &err) == 0 && files > 0)
			fprintf(out, CHAIN "{volume=\"%s\"} %" PRId64 "\n", json_string_value(id), files);
}

char *storaged_metrics(void *ctx)
{
	struct storage *storage = ctx;
	mc_auto_json json_t *volumes = json_array();
	mc_auto_err mc_err *err = NULL;
	struct look look = {.storage = storage, .volumes = volumes};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	look.values[COMMITTED] = (double)storage->tally.committed;
	look.values[PULLED] = (double)storage->tally.pulled;
	look.values[GIVEN_UP] = (double)storage->tally.given_up;
	if (see(&look, storage->graph, &err) == 0) {
		mc_metrics_write(out, metrics, look.values, ROW_MAX);
		write_chains(out, storage->graph, volumes);
	}
	fclose(out);
	return text;
}
