/* Encoded items of Describe answers, kept while what they show has not changed. */
#ifndef MC_API_DESCRIBE_CACHE_H
#define MC_API_DESCRIBE_CACHE_H

#include <jansson.h>
#include <stdint.h>

struct describe_cache;

/* Keeps at most so many bytes of text; the longest unused goes first. */
struct describe_cache *describe_cache_new(size_t max_bytes);
void describe_cache_free(struct describe_cache *cache);

/* The text kept of this resource with this stamp, a new reference; NULL: none.
 * Thread-safe. A NULL cache keeps nothing. */
json_t *describe_cache_get(struct describe_cache *cache, const char *id, uint64_t stamp);
/* Keep a text in place of what is kept of this resource. */
void describe_cache_put(struct describe_cache *cache, const char *id, uint64_t stamp, json_t *text);

#endif
