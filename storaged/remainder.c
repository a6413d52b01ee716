#include "storaged/remainder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/list.h"
#include "storaged/merge.h"
#include "storaged/view.h"

void remainder_deinit(struct remainder *remainder)
{
	free(remainder->heirs);
	*remainder = (struct remainder){.n = 0};
}

static void *grow(void *list, size_t n, size_t size)
{
	list = realloc(list, n * size);
	if (!list)
		abort();
	return list;
}

/* --- the others ----------------------------------------------------------- */

static int add_other(void *list, const struct snapshot *s)
{
	list_add(list, s);
	return 0;
}

static struct snapshot *other(const struct list *others, size_t i)
{
	return list_at(others, i);
}

/* How many of them were taken before: all those before itself; all where it has not been taken yet. */
static size_t count_older(const struct list *others, const struct snapshot *s)
{
	size_t i = 0;

	while (i < others->n && strcmp(other(others, i)->id, s->id) != 0)
		i++;
	return i;
}

/* --- what a snapshot bears ------------------------------------------------ */

/* The clusters of one L2 table: the layer of the view in which each lies, or -1. */
struct table {
	uint64_t at;
	int8_t layer[VIEW_TABLE];
};

/* Of a snapshot: in its layers [0, to) may be what it bears; those from `image` on are an image's. */
struct load {
	const struct snapshot *snapshot;
	struct view view;
	int to, image;
	struct table **tables; /* those that have something of it */
	size_t n;
	uint64_t clusters, below; /* all of it; of that, what does not lie in its own layer */
};

static void load_deinit(struct load *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->tables[i]);
	free(l->tables);
	view_close(&l->view);
}
#define auto_load __attribute__((cleanup(load_deinit))) struct load

/* Down to a layer that an older one names: that one shows all of it and below. */
static int find_end(struct storage *storage, struct load *l, mc_err **err)
{
	for (; l->to < l->view.n; l->to++) {
		const char *layer = l->view.layers[l->to].layer.id;
		int older = graph_snapshot_older(storage->graph, l->snapshot, layer, err), image = l->image >= 0;

		if (older == 0 && !image)
			image = graph_layer_of_image(storage->graph, layer, err);
		if (older < 0 || image < 0)
			return -1;
		if (older || (image && !l->snapshot->whole))
			break;
		if (image && l->image < 0)
			l->image = l->to;
	}
	return 0;
}

static int fill(struct load *l, mc_err **err)
{
	for (uint64_t t = 0; t < l->view.tables; t++) {
		mc_autofree struct table *table = NULL;
		uint64_t found = 0;

		if (!view_any(&l->view, t, l->to))
			continue;
		table = mc_alloc(sizeof(*table));
		table->at = t;
		if (view_table(&l->view, t, l->to, table->layer, err) < 0)
			return -1;
		for (size_t c = 0; c < VIEW_TABLE; c++)
			found += table->layer[c] >= 0;
		l->clusters += found;
		if (!found)
			continue;
		l->tables = grow(l->tables, l->n + 1, sizeof(struct table *));
		l->tables[l->n++] = MC_STEAL(table);
	}
	return 0;
}

/* --- what others show of it ----------------------------------------------- */

/* Of a table, what the other one shows as well is taken out: how many that were. as: the load's number of each of its layers. */
static uint64_t take_table(struct table *t, const int8_t shown[VIEW_TABLE], const int8_t as[VIEW_LAYERS], int image, bool whole)
{
	uint64_t taken = 0;

	for (size_t c = 0; c < VIEW_TABLE; c++) {
		int layer = t->layer[c];

		if (layer < 0 || shown[c] < 0 || as[shown[c]] != layer || (image >= 0 && layer >= image && !whole))
			continue;
		t->layer[c] = -1;
		taken++;
	}
	return taken;
}

static int take_shown(struct load *l, const struct view *view, bool whole, uint64_t *ret, mc_err **err)
{
	int8_t as[VIEW_LAYERS], shown[VIEW_TABLE];

	*ret = 0;
	for (int i = 0; i < view->n; i++)
		as[i] = (int8_t)view_find(&l->view, view->layers[i].layer.id);
	for (size_t i = 0; i < l->n && *ret < l->clusters; i++) {
		if (view_table(view, l->tables[i]->at, view->n, shown, err) < 0)
			return -1;
		*ret += take_table(l->tables[i], shown, as, l->image, whole);
	}
	l->clusters -= *ret;
	return 0;
}

/* Whom an earlier one of the others stands below, or beside, of all that counts here: what it shows that one showed. */
static bool is_behind(const struct load *l, const struct view *view, const struct list *others, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const struct snapshot *earlier = other(others, k);

		if (strcmp(earlier->id, l->snapshot->id) != 0 && (earlier->whole || !other(others, i)->whole) &&
		    view_find(view, earlier->layer.id) >= 0 && view_find(&l->view, earlier->layer.id) <= 0)
			return true;
	}
	return false;
}

/* By the layer that it has now: merges give it another one. */
static int open_other(struct storage *storage, struct snapshot *s, struct view *ret, mc_err **err)
{
	char was[MC_ID_LEN];
	int r;

	do {
		mc_err_clear(err);
		memcpy(was, s->layer.id, sizeof(was));
		r = view_open(storage, s->layer.id, ret, err);
	} while (r < 0 && graph_snapshot_find(storage->graph, s->id, s, NULL) == 0 && strcmp(was, s->layer.id) != 0);
	return r;
}

/* What the other one takes of the load. */
static int take_other(struct storage *storage, struct load *l, struct list *others, size_t i, uint64_t *ret, mc_err **err)
{
	auto_view view = {.n = 0};

	*ret = 0;
	if (open_other(storage, other(others, i), &view, err) < 0)
		return -1;
	return is_behind(l, &view, others, i) ? 0 : take_shown(l, &view, other(others, i)->whole, ret, err);
}

static void inherit(struct remainder *m, const char *id, uint64_t clusters)
{
	m->heirs = grow(m->heirs, m->n + 1, sizeof(*m->heirs));
	m->heirs[m->n] = (struct heir){.bytes = (int64_t)(clusters * VIEW_CLUSTER)};
	snprintf(m->heirs[m->n++].id, MC_ID_LEN, "%s", id);
}

/* Take out what those before it bear; then, with ret, see who of those after it shows what remains. */
static int share(struct storage *storage, struct load *l, struct remainder *ret, mc_err **err)
{
	auto_list struct list others = {.size = sizeof(struct snapshot)};
	uint64_t taken;
	size_t older;

	if (l->clusters == 0)
		return 0;
	if (graph_snapshots_above(storage->graph, l->snapshot, l->view.layers[l->to - 1].layer.id, add_other, &others, err) < 0)
		return -1;
	older = count_older(&others, l->snapshot);
	for (size_t i = 0; i < others.n && l->clusters > 0 && (i < older || ret); i++) {
		if (i == older)
			continue; /* itself */
		if (take_other(storage, l, &others, i, &taken, err) < 0)
			return -1;
		if (i > older && taken)
			inherit(ret, other(&others, i)->id, taken);
	}
	return 0;
}

/* --- all together --------------------------------------------------------- */

static int reckon(struct storage *storage, struct load *l, struct remainder *ret, mc_err **err)
{
	if (view_open(storage, l->snapshot->layer.id, &l->view, err) < 0)
		return -1;
	if (find_end(storage, l, err) < 0 || fill(l, err) < 0 || share(storage, l, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		for (size_t c = 0; c < VIEW_TABLE; c++)
			l->below += l->tables[i]->layer[c] > 0;
	return 0;
}

/* Where a merge ends meanwhile, all is reckoned anew: none begins, and only so many were under way. */
static int reckon_whole(struct storage *storage, struct load *l, struct remainder *ret, mc_err **err)
{
	bool current = false;
	int r = 0;

	while (r == 0 && !current) {
		load_deinit(l);
		if (ret)
			remainder_deinit(ret);
		*l = (struct load){.snapshot = l->snapshot, .image = -1};
		r = reckon(storage, l, ret, err);
		if (r == 0)
			r = view_is_current(storage, &l->view, &current, err);
	}
	return r;
}

/* What it stands on is not begun to be merged, by whom ever merges are begun. */
static int reckon_held(struct storage *storage, struct load *l, struct remainder *ret, mc_err **err)
{
	const struct layer *top = &l->snapshot->layer;
	const char *held = top->state == LAYER_FROZEN ? top->id : top->parent;
	int r;

	if (!storage->janitor)
		held = "";
	r = held[0] ? graph_read(storage->graph, held, err) : 0;
	if (r != 0)
		return r < 0 ? -1 : mc_err_set(err, 0, "%s is not frozen", held);
	r = reckon_whole(storage, l, ret, err);
	if (held[0])
		merge_read_end(storage, held);
	return r;
}

/* Its layer, and that one's parent, as they are now: merges give both other ids. */
static int look_up(struct storage *storage, struct snapshot *s, mc_err **err)
{
	struct snapshot row;
	int r = graph_snapshot_find(storage->graph, s->id, &row, err);

	if (r < 0)
		return -1;
	if (r == 0 && !row.overlay[0])
		s->layer = row.layer;
	return graph_layer_find(storage->graph, s->layer.id, &s->layer, err) < 0 ? -1 : 0;
}

static int reckon_now(struct storage *storage, struct snapshot *s, struct load *l, struct remainder *ret, mc_err **err)
{
	struct layer was;
	int r;

	l->snapshot = s;
	do {
		mc_err_clear(err);
		if (look_up(storage, s, err) < 0)
			return -1;
		was = s->layer;
		r = reckon_held(storage, l, ret, err);
	} while (r < 0 && look_up(storage, s, NULL) == 0 && (strcmp(was.id, s->layer.id) != 0 || strcmp(was.parent, s->layer.parent) != 0));
	return r;
}

int remainder_left(struct storage *storage, const struct snapshot *gone, struct remainder *ret, mc_err **err)
{
	auto_remainder found = {.n = 0};
	struct snapshot s = *gone;
	auto_load l = {.n = 0};

	if (reckon_now(storage, &s, &l, &found, err) < 0)
		return -1;
	*ret = found;
	found = (struct remainder){.n = 0};
	return 0;
}

int remainder_settle(struct storage *storage, struct snapshot *snapshot, mc_err **err)
{
	struct snapshot s = *snapshot;
	auto_load l = {.n = 0};

	if (reckon_now(storage, &s, &l, NULL, err) < 0)
		return -1;
	snapshot->bytes = (int64_t)((l.clusters - l.below) * VIEW_CLUSTER);
	snapshot->inherited = (int64_t)(l.below * VIEW_CLUSTER);
	return 0;
}
