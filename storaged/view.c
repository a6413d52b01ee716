#include "storaged/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/bytes.h"
#include "storaged/qcow2.h"

#define CLUSTER_BITS 16
#define OFFSET_MASK 0x00fffffffffffe00ULL
#define COMPRESSED (1ULL << 62)
#define ZERO 1ULL /* of one that is not compressed */
#define TRIES 16 /* merges that end while a chain is opened */

void view_close(struct view *view)
{
	for (int i = 0; i < view->n; i++) {
		if (view->layers[i].fd >= 0)
			close(view->layers[i].fd);
		free(view->layers[i].tables);
	}
	view->n = 0;
}

static int add_layer(void *ctx, const struct layer *layer)
{
	struct view *v = ctx;

	if (v->n == VIEW_LAYERS)
		return -1;
	v->layers[v->n++] = (struct view_layer){.layer = *layer, .fd = -1};
	return 0;
}

static int list(struct storage *storage, const char *top, struct view *ret, mc_err **err)
{
	*ret = (struct view){.n = 0};
	if (graph_chain(storage->graph, top, add_layer, ret, err) < 0)
		return -1;
	return ret->n ? 0 : mc_err_set(err, 0, "there is no layer %s", top);
}

/* --- files ---------------------------------------------------------------- */

static int read_tables(struct view_layer *l, const struct qcow2_header *header, mc_err **err)
{
	mc_autofree uint8_t *raw = NULL;

	l->clusters = (header->virtual_bytes + VIEW_CLUSTER - 1) / VIEW_CLUSTER;
	l->n = (l->clusters + VIEW_TABLE - 1) / VIEW_TABLE;
	raw = mc_alloc(l->n * 8);
	l->tables = mc_alloc(l->n * sizeof(*l->tables));
	if (bytes_read(l->fd, raw, l->n * 8, header->l1_offset) != (ssize_t)(l->n * 8))
		return mc_err_set(err, errno, "cannot read its L1 table");
	for (uint64_t i = 0; i < l->n; i++)
		l->tables[i] = bytes_be64(raw, i * 8) & OFFSET_MASK;
	return 0;
}

static int open_layer(struct storage *storage, struct view_layer *l, mc_err **err)
{
	mc_autofree char *name = store_name(l->layer.id);
	struct qcow2_header header;

	l->fd = openat(storage->store.dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (l->fd < 0)
		return mc_err_set(err, errno, "cannot open %s", name);
	if (qcow2_header_read(l->fd, &header, NULL, err) < 0)
		return mc_err_wrap(err, "%s", name);
	if (header.cluster_bits != CLUSTER_BITS || header.extended_l2)
		return mc_err_set(err, 0, "%s has clusters of another size", name);
	return read_tables(l, &header, err) < 0 ? mc_err_wrap(err, "%s", name) : 0;
}

int view_is_current(struct storage *storage, const struct view *view, bool *ret, mc_err **err)
{
	struct view now;
	bool same;

	if (list(storage, view->layers[0].layer.id, &now, err) < 0)
		return -1;
	same = now.n == view->n;
	for (int i = 0; same && i < view->n; i++)
		same = strcmp(now.layers[i].layer.id, view->layers[i].layer.id) == 0;
	*ret = same;
	return 0;
}

/* 0 and whether the files are those of the records. */
static int try_open(struct storage *storage, const char *top, struct view *ret, bool *ret_same, mc_err **err)
{
	int r = list(storage, top, ret, err);

	for (int i = 0; r == 0 && i < ret->n; i++)
		r = open_layer(storage, &ret->layers[i], err);
	if (ret->n == 0 || view_is_current(storage, ret, ret_same, NULL) < 0)
		return -1;
	return *ret_same ? r : 0;
}

int view_open(struct storage *storage, const char *top, struct view *ret, mc_err **err)
{
	struct view v;
	bool same = false;
	int r = 0;

	for (int tries = 0; tries < TRIES && r == 0 && !same; tries++) {
		mc_err_clear(err);
		r = try_open(storage, top, &v, &same, err);
		if (r < 0 || !same)
			view_close(&v);
	}
	if (r == 0 && !same)
		return mc_err_set(err, 0, "the chain of %s changes all the time", top);
	if (r < 0)
		return -1;
	v.tables = v.layers[0].n;
	*ret = v;
	return 0;
}

/* --- looking -------------------------------------------------------------- */

int view_find(const struct view *view, const char *layer)
{
	int i = 0;

	while (i < view->n && strcmp(view->layers[i].layer.id, layer) != 0)
		i++;
	return i < view->n ? i : -1;
}

bool view_any(const struct view *view, uint64_t table, int to)
{
	for (int i = 0; i < to && i < view->n; i++)
		if (table < view->layers[i].n && view->layers[i].tables[table])
			return true;
	return false;
}

enum { OPEN = -2, NOTHING = -1 };

/* What is still open is settled by this layer where it says something. */
static void settle(const uint8_t *raw, int layer, int8_t at[VIEW_TABLE])
{
	for (size_t c = 0; c < VIEW_TABLE; c++) {
		uint64_t entry = at[c] == OPEN ? bytes_be64(raw, c * 8) : 0;

		if (entry & COMPRESSED || (!(entry & ZERO) && entry & OFFSET_MASK))
			at[c] = (int8_t)layer;
		else if (entry & ZERO)
			at[c] = NOTHING;
	}
}

int view_table(const struct view *view, uint64_t table, int to, int8_t ret[VIEW_TABLE], mc_err **err)
{
	mc_autofree uint8_t *raw = mc_alloc(VIEW_TABLE * 8);

	memset(ret, OPEN, VIEW_TABLE);
	for (int i = 0; i < to && i < view->n; i++) {
		const struct view_layer *l = &view->layers[i];
		uint64_t first = table * VIEW_TABLE, end = l->clusters > first ? l->clusters - first : 0;

		if (table < l->n && l->tables[table]) {
			if (bytes_read(l->fd, raw, VIEW_TABLE * 8, l->tables[table]) != VIEW_TABLE * 8)
				return mc_err_set(err, errno, "cannot read an L2 table of %s", l->layer.id);
			settle(raw, i, ret);
		}
		for (uint64_t c = end; c < VIEW_TABLE; c++) /* beyond its end there is nothing, whatever lies below */
			ret[c] = ret[c] == OPEN ? NOTHING : ret[c];
	}
	for (size_t c = 0; c < VIEW_TABLE; c++)
		ret[c] = ret[c] == OPEN ? NOTHING : ret[c];
	return 0;
}
