#include "netd/rulecache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

struct rulecache_row *rulecache_find(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row;

	HASH_FIND_STR(c->rows, vpc_id, row);
	return row;
}

static struct rulecache_row *find_or_add(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row = rulecache_find(c, vpc_id);

	if (row)
		return row;
	row = mc_alloc(sizeof(*row));
	snprintf(row->id, sizeof(row->id), "%s", vpc_id);
	HASH_ADD_STR(c->rows, id, row);
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

static void drop(struct rulecache *c, struct rulecache_row *row)
{
	HASH_DEL(c->rows, row);
	nft_cache_close(&row->cache);
	wanted_free(row->wanted);
	free(row);
}

void rulecache_forget(struct rulecache *c, const char *vpc_id)
{
	struct rulecache_row *row = rulecache_find(c, vpc_id);

	if (row)
		drop(c, row);
}

void rulecache_free(struct rulecache *c)
{
	while (c->rows)
		drop(c, c->rows);
}
