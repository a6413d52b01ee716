#include "storaged/remainder.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/ipc.h"
#include "common/json.h"
#include "common/log.h"
#include "storaged/layer.h"
#include "storaged/merge.h"
#include "storaged/qemu_block.h"

#define CHAIN_MAX 64
#define WINDOW_MAX (1LL << 40) /* bytes mapped at a time, less where much is there */
#define WINDOW_MIN (1LL << 25)

/* Layers as the top one's file counts them, from itself downwards. */
struct chain {
	struct layer layers[CHAIN_MAX];
	int n;
};

static int add_layer(void *ctx, const struct layer *layer)
{
	struct chain *c = ctx;

	if (c->n == CHAIN_MAX)
		return -1;
	c->layers[c->n++] = *layer;
	return 0;
}

/* The layers [from, to) of a chain. */
struct part {
	int from, to;
};

static int find_layer(const struct chain *c, const char *id)
{
	int i = 0;

	while (i < c->n && strcmp(c->layers[i].id, id) != 0)
		i++;
	return i;
}

/* What follows the layer at `from` downwards that nobody names: where it ends, or -1 and *err. */
static int find_end(struct storage *storage, const struct chain *c, int from, mc_err **err)
{
	int named = 0, to = from;

	while (named == 0 && ++to < c->n)
		named = graph_layer_named(storage->graph, c->layers[to].id, err);
	return named < 0 ? -1 : to;
}

static int64_t count_extents(const json_t *extents, const struct part *p)
{
	int64_t sum = 0;
	json_t *extent;
	size_t i;

	json_array_foreach(extents, i, extent) {
		int64_t depth = mc_json_int(extent, "depth", -1);

		if (mc_json_bool(extent, "present", false) && !mc_json_bool(extent, "zero", false) && depth >= p->from && depth < p->to)
			sum += mc_json_int(extent, "length", 0);
	}
	return sum;
}

/* What the top shows of the part, of a disk of `size` bytes. */
static int count(struct storage *storage, const struct layer *top, const struct part *p, int64_t *ret_bytes, mc_err **err)
{
	int64_t at = 0, step = WINDOW_MAX, sum = 0;
	auto_qemu_img_file file = {.key_fd = -1};

	if (layer_open(storage, top->id, true, &file, err) != MC_IPC_OK)
		return -1;
	while (at < top->virtual_bytes) {
		mc_auto_json json_t *extents = NULL;
		int64_t left = top->virtual_bytes - at, n = left < step ? left : step;
		int r = qemu_block_map(&storage->offspring, &file, (uint64_t)at, (uint64_t)n, &extents, err);

		if (r == QEMU_BLOCK_TOO_MUCH && step > WINDOW_MIN) {
			mc_err_clear(err);
			step /= 4;
			continue;
		}
		if (r != QEMU_BLOCK_OK)
			return r == QEMU_BLOCK_BUSY ? MC_IPC_UNAVAILABLE : -1;
		sum += count_extents(extents, p);
		at += n;
	}
	*ret_bytes = sum;
	return MC_IPC_OK;
}

/* With the layers held: of what the top shows, that which lies in `first` and, with `below`, in those below it that nobody
 * names. */
static int count_from(struct storage *storage, const char *top, const char *first, bool below, int64_t *ret_bytes, mc_err **err)
{
	struct chain c = {.n = 0};
	struct part p;

	if (graph_chain(storage->graph, top, add_layer, &c, err) < 0)
		return -1;
	p.from = find_layer(&c, first);
	p.to = below ? find_end(storage, &c, p.from, err) : p.from + 1;
	return p.to < 0 ? -1 : count(storage, &c.layers[0], &p, ret_bytes, err);
}

/* The heir of a snapshot that goes, by way of its own layer or, where nobody stands on that and it bears more, of one below it
 * that nobody names. 1: nobody. */
static int find_heir(struct storage *storage, const struct snapshot *gone, struct snapshot *ret, const char **ret_layer, struct chain *c,
		     mc_err **err)
{
	int end, r = 1;

	if (graph_chain(storage->graph, gone->layer.id, add_layer, c, err) < 0)
		return -1;
	end = gone->inherited ? find_end(storage, c, 0, err) : 1;
	if (end < 0)
		return -1;
	for (int i = 0; i < end && r == 1; i++) {
		r = graph_snapshot_heir(storage->graph, c->layers[i].id, gone->id, ret, err);
		*ret_layer = c->layers[i].id;
	}
	return r;
}

int remainder_left(struct storage *storage, const struct snapshot *gone, struct remainder *ret, mc_err **err)
{
	struct remainder found = {.bytes = 0};
	struct chain c = {.n = 0};
	const char *layer;
	struct snapshot heir;
	int r = find_heir(storage, gone, &heir, &layer, &c, err);

	if (r > 0) {
		*ret = found;
		return MC_IPC_OK;
	}
	if (r == 0)
		r = merge_read(storage, heir.layer.id, err);
	if (r != MC_IPC_OK)
		return r;
	r = count_from(storage, heir.layer.id, layer, gone->inherited > 0, &found.bytes, err);
	merge_read_end(storage, heir.layer.id);
	if (r != MC_IPC_OK)
		return r;
	snprintf(found.heir, sizeof(found.heir), "%s", heir.id);
	*ret = found;
	return MC_IPC_OK;
}

/* Its layer is not frozen yet; what it stands on is held. */
static int find_below(struct storage *storage, const struct snapshot *s, int64_t *ret_bytes, mc_err **err)
{
	int r = merge_read(storage, s->layer.parent, err);

	if (r != MC_IPC_OK)
		return r;
	r = count_from(storage, s->layer.id, s->layer.parent, true, ret_bytes, err);
	merge_read_end(storage, s->layer.parent);
	return r;
}

int64_t remainder_found(struct storage *storage, const struct snapshot *s)
{
	mc_auto_err mc_err *err = NULL;
	int64_t bytes = 0;
	int borne = s->layer.parent[0] ? graph_layer_borne(storage->graph, s->layer.parent, &err) : 1;

	if (borne == 0 && find_below(storage, s, &bytes, &err) == MC_IPC_OK)
		return bytes;
	if (borne <= 0)
		mc_log(MC_LOG_WARNING, "snapshot", "what earlier ones left to it is not known", "snapshot", s->id, "reason", mc_err_msg(err), NULL);
	return 0;
}
