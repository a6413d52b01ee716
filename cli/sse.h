/* Server-sent events, read piece by piece:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
#ifndef MC_CLI_SSE_H
#define MC_CLI_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/protocol/buffer.h"

#define SSE_MAX (1u << 20) /* bytes of one event */

struct sse {
	struct buffer line, data;
	char event[64], id[128]; /* id: the last one, kept from event to event */
	bool has_data, broken;   /* broken: an event was longer than SSE_MAX */
};

/* Called for each event; its texts are valid until it returns. */
typedef void sse_fn(void *ctx, const char *event, const char *id, const char *data);

/* Take the next bytes in. False where the stream is broken. */
bool sse_feed(struct sse *sse, const char *bytes, size_t len, sse_fn *fn, void *ctx);

/* Forget what was begun; the last id stays. */
void sse_reset(struct sse *sse);
void sse_deinit(struct sse *sse);

#endif
