/* The event stream of GET /v1/events: what commits did to resources, as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html), docs/events.md.
 *
 * A ring of finished texts and readers with a place in it each: whoever reads slowly loses what
 * the ring has no more and is told "resync"; nobody waits for anybody. */
#ifndef MC_API_FEED_H
#define MC_API_FEED_H

#include <stddef.h>
#include <sys/types.h>

#include "api/store.h"

#define FEED_RING 2048 /* events kept */
#define FEED_READERS_MAX 256

struct feed;
struct feed_reader;

/* What a reader gets; strings are copied. */
struct feed_filter {
	const char *account;
	const char *region; /* NULL: all */
	const char *kinds;  /* "instance,volume"; NULL: all */
};

/* How a reader that found nothing is put to sleep and woken. Both are called with the feed's
 * lock held, and wake() once for each sleep(). */
struct feed_sleep {
	void (*sleep)(void *ctx);
	void (*wake)(void *ctx);
	void *ctx;
};

struct feed *feed_new(void);
/* Without readers. */
void feed_free(struct feed *f);

/* A store_committed_fn; ctx is the feed. The thread's request id goes with the event. */
void feed_change(void *feed, const struct store_change *change);

/* Every now and then: wake the sleepers, whose peers may be gone unnoticed. */
void feed_tick(struct feed *f);

/* A new reader, that goes on behind last_id, as the client had it ("" or NULL: from now).
 * NULL where there are FEED_READERS_MAX already, or kinds names an unknown one. */
struct feed_reader *feed_join(struct feed *f, const struct feed_filter *filter, const char *last_id,
			      const struct feed_sleep *sleep);

/* The next bytes, up to max. 0: nothing is there, and sleep() was called. */
size_t feed_read(struct feed_reader *r, char *buf, size_t max);
void feed_leave(struct feed_reader *r);

/* Does "instance,volume" name kinds of resources? */
bool feed_kinds_valid(const char *kinds);
unsigned feed_readers(struct feed *f);
/* Events since the start. */
uint64_t feed_count(struct feed *f);

#endif
