#include "api/describe_cache.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/squeeze.h"
#include "common/fs.h"

#define SEEN_MAX 64            /* an item that depends on more is not kept */
#define BLOCK_MIN (256u << 10)

/* Lies in the block; its text behind the slots. */
struct kept {
	uint64_t versions; /* of what is in slots, and aside: */
	uint64_t aside;
	uint32_t size;     /* with all that belongs to it */
	uint32_t slots_end;
	bool asked;        /* since the hand was here */
	uint8_t n;
	uint32_t slots[];
};

/* One block holds all: items are made while answers of megabytes are, and lying among these they
 * would keep their memory from going back to the system. */
struct block {
	char *data;
	size_t len, size;
};

struct describe_cache {
	pthread_mutex_t lock;
	struct squeeze *squeeze;
	uint32_t *by_slot; /* of the resource: where in the block, 0: nowhere. Its slot is among those looked at, so that a new owner is noticed */
	size_t n_slots, hand;
	struct block block;
	size_t bytes, max_bytes; /* of what is not dropped */
};

static size_t aligned(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static void block_init(struct block *b, size_t size)
{
	b->size = size > BLOCK_MIN ? size : BLOCK_MIN;
	b->data = malloc(b->size);
	if (!b->data)
		abort();
	b->len = 8;
}

struct describe_cache *describe_cache_new(size_t max_bytes)
{
	struct describe_cache *c = mc_alloc(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->squeeze = squeeze_new();
	c->max_bytes = max_bytes;
	block_init(&c->block, 0);
	return c;
}

static struct kept *kept_at(const struct describe_cache *c, size_t slot)
{
	return slot < c->n_slots && c->by_slot[slot] ? (struct kept *)(void *)(c->block.data + c->by_slot[slot]) : NULL;
}

static struct squeezed *text_of(struct kept *k)
{
	return (struct squeezed *)(void *)((char *)k + k->slots_end);
}

static void drop(struct describe_cache *c, size_t slot)
{
	struct kept *k = kept_at(c, slot);

	if (!k)
		return;
	squeezed_end(text_of(k));
	c->bytes -= k->size;
	c->by_slot[slot] = 0;
}

void describe_cache_free(struct describe_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_slots; i++)
		drop(c, i);
	free(c->block.data);
	free(c->by_slot);
	squeeze_free(c->squeeze);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void expand(const struct squeezed *text, struct buffer *out)
{
	buffer_room(out, squeezed_len(text));
	squeezed_expand(text, out->data);
	out->len = squeezed_len(text);
	out->data[out->len] = '\0';
}

bool describe_cache_get(struct describe_cache *c, struct store_tx *tx, const struct resource *r,
			uint64_t aside, struct buffer *out)
{
	struct kept *k;
	uint32_t slot;
	bool good;

	out->len = 0;
	if (!c)
		return false;
	slot = store_slot(tx, r->id);
	pthread_mutex_lock(&c->lock);
	k = kept_at(c, slot);
	good = k && k->aside == aside && store_unchanged(tx, k->slots, k->n, k->versions);
	if (good) {
		k->asked = true;
		expand(text_of(k), out);
	}
	pthread_mutex_unlock(&c->lock);
	return good;
}

/* Go round: what was not asked for since the last time is dropped. */
static void make_room(struct describe_cache *c, size_t need)
{
	while (c->bytes > 0 && c->bytes + need > c->max_bytes) {
		struct kept *k = kept_at(c, c->hand);

		if (k && k->asked)
			k->asked = false;
		else
			drop(c, c->hand);
		c->hand = (c->hand + 1) % c->n_slots;
	}
}

/* Into a new block goes what was not dropped. */
static void move(struct describe_cache *c, size_t need)
{
	struct block old = c->block, *b = &c->block;

	block_init(b, 2 * (c->bytes + need));
	for (size_t i = 0; i < c->n_slots; i++) {
		struct kept *k = c->by_slot[i] ? (struct kept *)(void *)(old.data + c->by_slot[i]) : NULL;

		if (!k)
			continue;
		memcpy(b->data + b->len, k, k->size);
		c->by_slot[i] = (uint32_t)b->len;
		b->len += k->size;
	}
	free(old.data);
}

static struct kept *reserve(struct describe_cache *c, size_t need)
{
	struct kept *k;

	make_room(c, need);
	if (c->block.len + need > c->block.size)
		move(c, need);
	k = (struct kept *)(void *)(c->block.data + c->block.len);
	c->block.len += need;
	c->bytes += need;
	return k;
}

static void reach(struct describe_cache *c, size_t slot)
{
	size_t n = c->n_slots ? c->n_slots : 64;

	if (slot < c->n_slots)
		return;
	while (n <= slot)
		n *= 2;
	c->by_slot = realloc(c->by_slot, n * sizeof(*c->by_slot));
	if (!c->by_slot)
		abort();
	memset(c->by_slot + c->n_slots, 0, (n - c->n_slots) * sizeof(*c->by_slot));
	c->n_slots = n;
}

/* Under the lock. Takes text over. */
static void put(struct describe_cache *c, size_t slot, uint64_t aside, struct squeezed *text, const struct store_seen *seen)
{
	size_t slots_end = aligned(sizeof(struct kept) + seen->n * sizeof(*seen->slots));
	size_t size = aligned(slots_end + squeezed_size(text));
	struct kept *k;

	reach(c, slot);
	drop(c, slot);
	if (size > c->max_bytes) {
		squeezed_free(text);
		return;
	}
	k = reserve(c, size);
	*k = (struct kept){ .versions = seen->versions, .aside = aside, .size = (uint32_t)size, .slots_end = (uint32_t)slots_end,
			    .n = (uint8_t)seen->n };
	memcpy(k->slots, seen->slots, seen->n * sizeof(*k->slots));
	memcpy(text_of(k), text, squeezed_size(text));
	free(text);
	c->by_slot[slot] = (uint32_t)((char *)k - c->block.data);
}

void describe_cache_put(struct describe_cache *c, struct store_tx *tx, const struct resource *r, uint64_t aside,
			const char *text, size_t len, const struct store_seen *seen)
{
	if (!c || seen->n > SEEN_MAX)
		return;
	pthread_mutex_lock(&c->lock);
	put(c, store_slot(tx, r->id), aside, squeeze_text(c->squeeze, text, len), seen);
	pthread_mutex_unlock(&c->lock);
}
