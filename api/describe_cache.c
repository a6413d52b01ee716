#include "api/describe_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "common/fs.h"
#include "common/id.h"

#define OVERHEAD 256 /* of an entry beside its text, about */

struct kept {
	char id[MC_ID_LEN];
	uint64_t stamp;
	json_t *text;
	UT_hash_handle hh; /* in the order of use: the head is the longest unused */
};

struct describe_cache {
	pthread_mutex_t lock;
	struct kept *by_id;
	size_t bytes, max_bytes;
};

struct describe_cache *describe_cache_new(size_t max_bytes)
{
	struct describe_cache *c = mc_alloc(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->max_bytes = max_bytes;
	return c;
}

static size_t weight(const struct kept *k)
{
	return OVERHEAD + json_string_length(k->text);
}

static void drop(struct describe_cache *c, struct kept *k)
{
	c->bytes -= weight(k);
	HASH_DEL(c->by_id, k);
	json_decref(k->text);
	free(k);
}

void describe_cache_free(struct describe_cache *c)
{
	if (!c)
		return;
	while (c->by_id)
		drop(c, c->by_id);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

json_t *describe_cache_get(struct describe_cache *c, const char *id, uint64_t stamp)
{
	struct kept *k;
	json_t *text = NULL;

	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	HASH_FIND_STR(c->by_id, id, k);
	if (k && k->stamp == stamp) {
		text = json_incref(k->text);
		HASH_DEL(c->by_id, k);
		HASH_ADD_STR(c->by_id, id, k);
	}
	pthread_mutex_unlock(&c->lock);
	return text;
}

void describe_cache_put(struct describe_cache *c, const char *id, uint64_t stamp, json_t *text)
{
	struct kept *k;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	HASH_FIND_STR(c->by_id, id, k);
	if (k)
		drop(c, k);
	k = mc_alloc(sizeof(*k));
	snprintf(k->id, sizeof(k->id), "%s", id);
	k->stamp = stamp;
	k->text = json_incref(text);
	c->bytes += weight(k);
	HASH_ADD_STR(c->by_id, id, k);
	while (c->bytes > c->max_bytes)
		drop(c, c->by_id);
	pthread_mutex_unlock(&c->lock);
}
