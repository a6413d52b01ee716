#include "cli/stream.h"

#include <stdlib.h>
#include <string.h>

#include "cli/exchange.h"
#include "cli/sse.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"

#define FDS_MAX 4

struct stream {
	const struct cli *cli;
	char *page;
	CURLM *multi;
	struct exchange exchange;
	CURL *curl; /* NULL: not connected */
	struct sse sse;
	bool changed;
};

struct stream *stream_new(const struct cli *cli, const char *query)
{
	struct stream *s = mc_alloc(sizeof(*s));

	s->cli = cli;
	s->page = mc_strf("/v1/events%s", query);
	s->multi = curl_multi_init();
	if (!s->multi)
		abort();
	return s;
}

static void disconnect(struct stream *s)
{
	if (s->curl) {
		curl_multi_remove_handle(s->multi, s->curl);
		curl_easy_cleanup(s->curl);
		s->curl = NULL;
	}
	exchange_deinit(&s->exchange);
	s->exchange = (struct exchange){ 0 };
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	disconnect(s);
	curl_multi_cleanup(s->multi);
	sse_deinit(&s->sse);
	free(s->page);
	free(s);
}

static void on_event(void *ctx, const char *event, const char *id, const char *data)
{
	struct stream *s = ctx;

	(void)event, (void)id, (void)data;
	s->changed = true;
}

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct stream *s = user;

	return sse_feed(&s->sse, data, size * n, on_event, s) ? size * n : 0;
}

static bool connect_stream(struct stream *s)
{
	const char *const more[] = { "Last-Event-ID", s->sse.id, NULL };

	if (s->curl)
		return true;
	if (exchange_page(&s->exchange, s->cli, s->page, *s->sse.id ? more : NULL, NULL) < 0) {
		disconnect(s);
		return false;
	}
	sse_reset(&s->sse);
	s->curl = exchange_handle(&s->exchange);
	curl_easy_setopt(s->curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, s);
	curl_multi_add_handle(s->multi, s->curl);
	return true;
}

/* Has the transfer ended, or never begun? */
static bool ended(struct stream *s)
{
	int left;

	return curl_multi_info_read(s->multi, &left) != NULL;
}

/* True when one of the descriptors has something. */
static bool sleep_on(struct stream *s, int timeout_ms, const int *fds, unsigned n)
{
	struct curl_waitfd waits[FDS_MAX];
	bool any = false;

	for (unsigned i = 0; i < n; i++)
		waits[i] = (struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
	curl_multi_poll(s->multi, waits, n, timeout_ms, NULL);
	for (unsigned i = 0; i < n; i++)
		any = any || waits[i].revents;
	return any;
}

enum stream_news stream_wait(struct stream *s, int timeout_ms, const int *fds, unsigned n)
{
	int64_t end = mc_clock_boot() + timeout_ms * MC_MS, left;
	int running;

	if (!connect_stream(s))
		return STREAM_NONE;
	for (;;) {
		curl_multi_perform(s->multi, &running);
		if (ended(s)) {
			disconnect(s);
			return STREAM_NONE;
		}
		if (s->changed) {
			s->changed = false;
			return STREAM_CHANGED;
		}
		left = (end - mc_clock_boot()) / MC_MS;
		if (left < 0)
			return STREAM_QUIET;
		if (sleep_on(s, (int)left + 1, fds, n < FDS_MAX ? n : FDS_MAX))
			return STREAM_INPUT;
	}
}
