/* Encoded items of Describe answers, kept small while nothing has changed that was looked
 * at to make them. */
#ifndef MC_API_DESCRIBE_CACHE_H
#define MC_API_DESCRIBE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/protocol/buffer.h"
#include "api/store.h"

struct describe_cache;

/* Keeps at most so many bytes, with all that belongs to an item; what was not asked for
 * lately goes first. */
struct describe_cache *describe_cache_new(size_t max_bytes);
void describe_cache_free(struct describe_cache *cache);

/* The text kept of this resource in *out (which is emptied first); false: there is none that
 * is still true. aside: as when it was put. Thread-safe. A NULL cache keeps nothing. */
bool describe_cache_get(struct describe_cache *cache, struct store_tx *tx, const struct resource *r,
			uint64_t aside, struct buffer *out);
/* Keep a text in place of what is kept of this resource. seen: what was looked at for it;
 * aside: a number for what was not noted there. */
void describe_cache_put(struct describe_cache *cache, struct store_tx *tx, const struct resource *r, uint64_t aside,
			const char *text, size_t len, const struct store_seen *seen);

#endif
