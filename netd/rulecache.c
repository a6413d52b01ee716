#include "netd/rulecache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/netlink.h"

struct rulecache_row *rulecache_find(struct rulecache *c, const char *vpc_id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->rows[i].id, vpc_id) == 0)
			return &c->rows[i];
	return NULL;
}

static struct rulecache_row *find_or_add(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row = rulecache_find(c, vpc_id);

	if (row)
		return row;
	c->rows = netlink_grow(c->rows, c->n, sizeof(*c->rows));
	row = &c->rows[c->n++];
	snprintf(row->id, sizeof(row->id), "%s", vpc_id);
	return row;
}

struct nft_cache *rulecache_of(struct rulecache *c, const char *vpc_id)
{
	return &find_or_add(c, vpc_id)->cache;
}

void rulecache_keep(struct rulecache *c, const char *vpc_id, struct wanted *wanted)
{
	struct rulecache_row *row = wanted ? find_or_add(c, vpc_id) : rulecache_find(c, vpc_id);

	if (!row)
		return;
	wanted_free(row->wanted);
	row->wanted = wanted;
}

static void row_free(struct rulecache_row *row)
{
	nft_cache_close(&row->cache);
	wanted_free(row->wanted);
}

void rulecache_forget(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row = rulecache_find(c, vpc_id);

	if (!row)
		return;
	row_free(row);
	*row = c->rows[--c->n];
}

void rulecache_free(struct rulecache *c)
{
	for (size_t i = 0; i < c->n; i++)
		row_free(&c->rows[i]);
	free(c->rows);
	*c = (struct rulecache){ .n = 0 };
}
