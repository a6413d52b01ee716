/* The event stream's ring: order, filters, going on, and readers that are slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/feed.h"
#include "api/state.h"
#include "common/clock.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

struct sleeper {
	unsigned slept, woken;
};

static void on_sleep(void *ctx)
{
	((struct sleeper *)ctx)->slept++;
}

static void on_wake(void *ctx)
{
	((struct sleeper *)ctx)->woken++;
}

static struct feed_reader *join(struct feed *f, const char *kinds, const char *last, struct sleeper *s)
{
	const struct feed_filter filter = { .account = "1", .kinds = kinds };
	const struct feed_sleep sleep = { on_sleep, on_wake, s };

	return feed_join(f, &filter, last, &sleep);
}

static void change(struct feed *f, enum kind kind, const char *id, int from, int to)
{
	struct store_change c = { .kind = kind, .account = "1", .region = "us-east-1", .from = from, .to = to };

	snprintf(c.id, sizeof(c.id), "%s", id);
	feed_change(f, &c);
}

/* All there is, in pieces of `piece` bytes. Allocated. */
static char *drain(struct feed_reader *r, size_t piece)
{
	char *text = mc_alloc(1 << 20), buf[4096];
	size_t len = 0, n;

	while ((n = feed_read(r, buf, piece)) > 0) {
		memcpy(text + len, buf, n);
		len += n;
	}
	return text;
}

static void test_what_is_said(void **state)
{
	struct feed *f = *state;
	struct sleeper s = { 0 };
	struct feed_reader *r = join(f, NULL, NULL, &s);
	mc_autofree char *first = drain(r, 4096);

	assert_non_null(strstr(first, "event: resync\ndata: {\"reason\":\"listening\"}\n\n"));
	assert_int_equal(s.slept, 1);
	mc_log_set_request_id("request-1");
	change(f, KIND_INSTANCE, "i-1", INSTANCE_PENDING, INSTANCE_RUNNING);
	mc_log_set_request_id(NULL);
	assert_int_equal(s.woken, 1);
	change(f, KIND_VPC, "vpc-1", -1, 0);
	assert_int_equal(s.woken, 1); /* it is awake already */

	mc_autofree char *more = drain(r, 7); /* texts do not break where pieces do */
	const char *state_event = strstr(more, "event: state\ndata: {\"kind\":\"instance\",\"id\":\"i-1\"");
	const char *change_event = strstr(more, "event: change\ndata: {\"kind\":\"vpc\",\"id\":\"vpc-1\"");

	assert_non_null(state_event);
	assert_non_null(strstr(state_event, "\"from\":\"pending\",\"to\":\"running\""));
	assert_non_null(strstr(state_event, "\"request\":\"request-1\""));
	assert_true(change_event > state_event);
	assert_non_null(strstr(change_event, "\"change\":\"created\""));
	assert_null(strstr(change_event, "\"request\""));
	feed_leave(r);
}

static void test_filters(void **state)
{
	struct feed *f = *state;
	struct sleeper s = { 0 };
	struct feed_reader *r = join(f, "instance,volume", NULL, &s);
	struct store_change other = { .kind = KIND_INSTANCE, .id = "i-9", .account = "2", .region = "r", .from = 0, .to = 1 };

	free(drain(r, 4096));
	change(f, KIND_VPC, "vpc-1", -1, 0);
	feed_change(f, &other);
	assert_int_equal(s.woken, 0);
	change(f, KIND_VOLUME, "vol-1", VOLUME_CREATING, VOLUME_AVAILABLE);
	assert_int_equal(s.woken, 1);

	mc_autofree char *text = drain(r, 4096);

	assert_non_null(strstr(text, "vol-1"));
	assert_null(strstr(text, "vpc-1"));
	assert_null(strstr(text, "i-9"));
	feed_leave(r);
	assert_null(join(f, "instance,nonsense", NULL, &s));
	assert_false(feed_kinds_valid("nonsense"));
	assert_true(feed_kinds_valid("nat-gateway") == (kind_by_name("nat-gateway") != KIND_MAX));
}

/* The id of the last event in a text. Allocated. */
static char *last_id(const char *text)
{
	const char *at = NULL;

	for (const char *p = text; (p = strstr(p, "id: ")) && (p == text || p[-1] == '\n' || at); p += 4)
		if (p == text || p[-1] == '\n')
			at = p + 4;
	return at ? mc_strf("%.*s", (int)strcspn(at, "\n"), at) : NULL;
}

static void test_going_on(void **state)
{
	struct feed *f = *state;
	struct sleeper s = { 0 };
	struct feed_reader *r = join(f, NULL, NULL, &s);
	mc_autofree char *first = drain(r, 4096), *id = last_id(first);

	feed_leave(r);
	assert_non_null(id);
	change(f, KIND_VPC, "vpc-1", -1, 0);
	change(f, KIND_VPC, "vpc-2", -1, 0);
	r = join(f, NULL, id, &s);

	mc_autofree char *more = drain(r, 4096), *next = last_id(more);

	feed_leave(r);
	assert_non_null(strstr(more, "vpc-1"));
	assert_non_null(strstr(more, "vpc-2"));
	assert_null(strstr(more, "resync"));
	r = join(f, NULL, next, &s);
	assert_int_equal(feed_read(r, first, 1), 0);
	feed_leave(r);
}

static void test_ids_of_others(void **state)
{
	static const char *const ids[] = { "x", "00000000-1", "00000000", "-", "0", "00000000-999999999999999999999", "\xff" };
	struct feed *f = *state;
	struct sleeper s = { 0 };

	for (size_t i = 0; i < MC_ARRAY_SIZE(ids); i++) {
		struct feed_reader *r = join(f, NULL, ids[i], &s);
		mc_autofree char *text = drain(r, 4096);

		assert_non_null(strstr(text, "{\"reason\":\"unknown\"}"));
		feed_leave(r);
	}
}

static void test_an_id_to_come(void **state)
{
	struct feed *f = *state;
	struct sleeper s = { 0 };
	struct feed_reader *r = join(f, NULL, NULL, &s);
	mc_autofree char *first = drain(r, 4096), *id = last_id(first);
	mc_autofree char *later = mc_strf("%.8s-77", id);

	feed_leave(r);
	r = join(f, NULL, later, &s);
	free(first);
	first = drain(r, 4096);
	assert_non_null(strstr(first, "{\"reason\":\"unknown\"}"));
	feed_leave(r);
}

/* One that does not read loses events, is told so, and goes on; the others notice nothing. */
static void test_a_slow_reader(void **state)
{
	struct feed *f = *state;
	struct sleeper slow_sleeper = { 0 }, s = { 0 };
	struct feed_reader *slow = join(f, NULL, NULL, &slow_sleeper), *r = join(f, "instance", NULL, &s);
	mc_autofree char *begin = drain(slow, 4096), *id = last_id(begin);

	free(drain(r, 4096));
	for (int i = 0; i < 3 * FEED_RING; i++)
		change(f, KIND_VPC, "vpc-1", 0, 0);
	change(f, KIND_INSTANCE, "i-1", INSTANCE_PENDING, INSTANCE_RUNNING);

	mc_autofree char *missed = drain(slow, 4096), *quick = drain(r, 4096);

	assert_int_equal(slow_sleeper.woken, 1);
	assert_non_null(strstr(missed, "{\"reason\":\"missed\"}"));
	assert_null(strstr(missed, "vpc-1"));
	assert_null(strstr(quick, "missed")); /* it slept through what is not for it */
	assert_non_null(strstr(quick, "i-1"));
	change(f, KIND_VPC, "vpc-2", -1, 0);
	free(missed);
	missed = drain(slow, 4096);
	assert_non_null(strstr(missed, "vpc-2"));
	feed_leave(slow);
	slow = join(f, NULL, id, &slow_sleeper);
	free(missed);
	missed = drain(slow, 4096);
	assert_non_null(strstr(missed, "{\"reason\":\"missed\"}"));
	feed_leave(slow);
	feed_leave(r);
}

static void test_beat(void **state)
{
	struct feed *f = *state;
	struct sleeper s = { 0 };
	struct feed_reader *r = join(f, NULL, NULL, &s);

	free(drain(r, 4096));
	feed_tick(f);
	assert_int_equal(s.woken, 0);
	mc_clock_step(0, 16 * MC_SECOND);
	feed_tick(f);
	assert_int_equal(s.woken, 1);

	mc_autofree char *text = drain(r, 4096);

	assert_string_equal(text, ":\n\n");
	feed_leave(r);
}

static void test_readers_are_bounded(void **state)
{
	struct feed *f = *state;
	struct feed_reader *readers[FEED_READERS_MAX];
	struct sleeper s = { 0 };

	for (size_t i = 0; i < FEED_READERS_MAX; i++)
		assert_non_null(readers[i] = join(f, NULL, NULL, &s));
	assert_null(join(f, NULL, NULL, &s));
	for (size_t i = 0; i < FEED_READERS_MAX; i++)
		feed_leave(readers[i]);
	assert_int_equal(feed_readers(f), 0);
}

static int setup(void **state)
{
	*state = feed_new();
	return 0;
}

static int teardown(void **state)
{
	feed_free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_said), TEST(test_filters), TEST(test_going_on), TEST(test_ids_of_others),
		TEST(test_an_id_to_come), TEST(test_a_slow_reader), TEST(test_beat), TEST(test_readers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
