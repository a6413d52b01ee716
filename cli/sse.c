#include "cli/sse.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static void start_event(struct sse *s)
{
	s->event[0] = '\0';
	s->has_data = false;
	s->data.len = 0;
}

static void take_field(struct sse *s, const char *name, const char *value)
{
	if (strcmp(name, "data") == 0) {
		if (s->has_data)
			buffer_text(&s->data, "\n");
		buffer_text(&s->data, value);
		s->has_data = true;
	} else if (strcmp(name, "event") == 0) {
		snprintf(s->event, sizeof(s->event), "%s", value);
	} else if (strcmp(name, "id") == 0) {
		snprintf(s->id, sizeof(s->id), "%s", value);
	}
}

static void end_event(struct sse *s, sse_fn *fn, void *ctx)
{
	if (s->has_data) {
		buffer_add(&s->data, "", 1);
		fn(ctx, *s->event ? s->event : "message", s->id, s->data.data);
	}
	start_event(s);
}

/* A line without its end; "" ends an event, ":..." is a comment. */
static void take_line(struct sse *s, char *line, sse_fn *fn, void *ctx)
{
	char *colon = strchr(line, ':');

	if (!*line) {
		end_event(s, fn, ctx);
		return;
	}
	if (colon == line)
		return;
	if (colon)
		*colon++ = '\0';
	take_field(s, line, !colon ? "" : *colon == ' ' ? colon + 1 : colon);
}

bool sse_feed(struct sse *s, const char *bytes, size_t len, sse_fn *fn, void *ctx)
{
	for (size_t i = 0; i < len && !s->broken; i++) {
		if (bytes[i] == '\r' || bytes[i] == '\0')
			continue; /* our lines end with \n */
		if (bytes[i] != '\n') {
			buffer_add(&s->line, bytes + i, 1);
			s->broken = s->line.len + s->data.len > SSE_MAX;
			continue;
		}
		buffer_add(&s->line, "", 1);
		take_line(s, s->line.data, fn, ctx);
		s->line.len = 0;
	}
	return !s->broken;
}

void sse_reset(struct sse *s)
{
	s->line.len = 0;
	s->broken = false;
	start_event(s);
}

void sse_deinit(struct sse *s)
{
	buffer_deinit(&s->line);
	buffer_deinit(&s->data);
}
