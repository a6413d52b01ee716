/* GET /v1/events, followed: it connects again by itself and goes on where it was. */
#ifndef MC_CLI_STREAM_H
#define MC_CLI_STREAM_H

#include "cli/cli.h"

struct stream;

enum stream_news {
	STREAM_CHANGED, /* something changed, or may have */
	STREAM_QUIET,   /* nothing within the time */
	STREAM_INPUT,   /* input_fd can be read (or has ended) */
	STREAM_NONE,    /* there are no events to be had: an API without them, no connection */
};

/* query: "" or "?kind=instance&region=..." . Nothing is asked yet. */
struct stream *stream_new(const struct cli *cli, const char *query);
void stream_free(struct stream *s);

/* Wait up to timeout_ms for news; all changes that are there count as one. input_fd -1: none.
 * After STREAM_NONE the next call connects again; it returns at once, so pause before it. */
enum stream_news stream_wait(struct stream *s, int timeout_ms, int input_fd);

#endif
