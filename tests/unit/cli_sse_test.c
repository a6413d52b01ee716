/* Server-sent events in pieces of all sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/protocol/buffer.h"
#include "cli/sse.h"
#include "common/cleanup.h"
#include "common/fs.h"

static void on_event(void *ctx, const char *event, const char *id, const char *data)
{
	buffer_texts(ctx, event, "|", id, "|", data, ";", NULL);
}

static const struct {
	const char *text, *events;
} rows[] = {
	{ "id: 1\nevent: state\ndata: {}\n\n", "state|1|{};" },
	{ "data: a\n\ndata: b\n\n", "message||a;message||b;" },
	{ "data: a\ndata: b\n\n", "message||a\nb;" },
	{ "data:a\r\n\r\n", "message||a;" },
	{ ": comment\n\n:\n\n", "" },
	{ "id: 7\n\ndata\n\n", "message|7|;" },
	{ "event: x\n\ndata: y\n\n", "message||y;" },
	{ "retry: 5\nunknown: x\ndata: z: z\n\n", "message||z: z;" },
	{ "data: begun", "" },
};

static void test_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		for (size_t piece = 1; piece <= strlen(rows[i].text); piece++) {
			struct sse s = { 0 };
			struct buffer out = { 0 };
			size_t len = strlen(rows[i].text);

			for (size_t at = 0; at < len; at += piece)
				assert_true(sse_feed(&s, rows[i].text + at, piece < len - at ? piece : len - at, on_event, &out));

			mc_autofree char *text = buffer_take(&out, NULL);

			assert_string_equal(text ? text : "", rows[i].events);
			sse_deinit(&s);
		}
}

static void test_an_event_without_end(void **state)
{
	struct sse s = { 0 };
	struct buffer out = { 0 };
	char page[4096];
	size_t fed = 0;

	(void)state;
	memset(page, 'x', sizeof(page));
	while (sse_feed(&s, page, sizeof(page), on_event, &out) && fed < 2 * SSE_MAX)
		fed += sizeof(page);
	assert_true(fed <= SSE_MAX);
	sse_reset(&s);
	assert_true(sse_feed(&s, "data: y\n\n", 9, on_event, &out));

	mc_autofree char *text = buffer_take(&out, NULL);

	assert_string_equal(text, "message||y;");
	sse_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_an_event_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
