/* GET /v1/events, followed: it connects again by itself and goes on where it was. */
#ifndef MC_CLI_STREAM_H
#define MC_CLI_STREAM_H

#include "cli/cli.h"

struct stream;

enum stream_news {
	STREAM_CHANGED, /* something changed, or may have */
	STREAM_QUIET,   /* nothing within the time */
	STREAM_INPUT,   /* one of the descriptors can be read (or has ended) */
	STREAM_NONE,    /* there are no events to be had: an API without them, no connection */
};

/* query: "" or "?kind=instance&region=..." . Nothing is asked yet. */
struct stream *stream_new(const struct cli *cli, const char *query);
void stream_free(struct stream *s);

/* Wait up to timeout_ms for news; all changes that are there count as one. fds: n descriptors
 * to look at besides. After STREAM_NONE, which comes at once, the next call connects again. */
enum stream_news stream_wait(struct stream *s, int timeout_ms, const int *fds, unsigned n);

#endif
