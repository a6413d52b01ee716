#include "netd/rulecache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/netlink.h"

static struct rulecache_row *find(struct rulecache *c, const char *vpc_id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->rows[i].id, vpc_id) == 0)
			return &c->rows[i];
	return NULL;
}

struct nft_cache *rulecache_of(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row = find(c, vpc_id);

	if (row)
		return &row->cache;
	c->rows = netlink_grow(c->rows, c->n, sizeof(*c->rows));
	row = &c->rows[c->n++];
	snprintf(row->id, sizeof(row->id), "%s", vpc_id);
	return &row->cache;
}

void rulecache_forget(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row = find(c, vpc_id);

	if (!row)
		return;
	nft_cache_forget(&row->cache);
	*row = c->rows[--c->n];
}

void rulecache_free(struct rulecache *c)
{
	for (size_t i = 0; i < c->n; i++)
		nft_cache_forget(&c->rows[i].cache);
	free(c->rows);
	*c = (struct rulecache){ .n = 0 };
}
