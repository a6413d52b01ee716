/* Schedules: the next moment of intervals and cron expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "api/schedule.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"

static json_t *rule_of(const char *text)
{
	mc_autofree char *json = mc_strdup(text);

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return json_loads(json, 0, NULL);
}

static void next_is(const char *rule, const char *after, const char *next)
{
	mc_auto_json json_t *r = rule_of(rule);
	char text[MC_ISO8601_LEN] = "never";
	int64_t from, to;

	assert_non_null(r);
	assert_int_equal(schedule_check(r, NULL), 0);
	assert_int_equal(mc_clock_parse(after, &from), 0);
	to = schedule_next(r, from);
	if (to != INT64_MAX)
		mc_clock_iso8601(to, text);
	assert_string_equal(text, next);
}

static void test_intervals(void **state)
{
	static const char every12[] = "{'Interval': 12, 'IntervalUnit': 'HOURS', 'Times': ['03:30']}";

	(void)state;
	next_is(every12, "2026-11-21T00:00:00Z", "2026-11-21T03:30:00.000Z");
	next_is(every12, "2026-11-21T03:29:59.999Z", "2026-11-21T03:30:00.000Z");
	next_is(every12, "2026-11-21T03:30:00Z", "2026-11-21T15:30:00.000Z");
	next_is(every12, "2026-12-31T23:00:00Z", "2027-01-01T03:30:00.000Z");
	next_is("{'Interval': 8, 'Times': ['23:45']}", "2026-11-21T00:00:00Z", "2026-11-21T07:45:00.000Z");
	next_is("{'Interval': 1}", "2026-11-21T09:00:00Z", "2026-11-21T10:00:00.000Z");
	next_is("{'Interval': 24, 'Times': ['09:00']}", "2026-11-21T09:00:00.001Z", "2026-11-22T09:00:00.000Z");
}

static void test_cron(void **state)
{
	(void)state;
	next_is("{'CronExpression': 'cron(0 18 ? * MON-FRI *)'}", "2026-11-20T18:00:00Z", "2026-11-23T18:00:00.000Z"); /* a Friday */
	next_is("{'CronExpression': 'cron(*/15 8-9 * * ? *)'}", "2026-11-21T08:46:00Z", "2026-11-21T09:00:00.000Z");
	next_is("{'CronExpression': 'cron(*/15 8-9 * * ? *)'}", "2026-11-21T09:45:00Z", "2026-11-22T08:00:00.000Z");
	next_is("{'CronExpression': 'cron(5 0 29 2 ? *)'}", "2026-11-21T00:00:00Z", "2028-02-29T00:05:00.000Z");
	next_is("{'CronExpression': 'cron(0 0 1 1,JUL ? 2027/2)'}", "2027-07-01T00:00:00Z", "2029-01-01T00:00:00.000Z");
	next_is("{'CronExpression': 'cron(0 12 ? * 1 *)'}", "2026-11-21T00:00:00Z", "2026-11-22T12:00:00.000Z"); /* Sunday */
	next_is("{'CronExpression': 'cron(0 0 1 1 ? 2026)'}", "2026-11-21T00:00:00Z", "never");
	next_is("{'CronExpression': 'cron(30 10 * * ? *)'}", "2026-11-21T10:29:59.5Z", "2026-11-21T10:30:00.000Z");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"{}", "{'Interval': 5}", "{'Interval': 12, 'CronExpression': 'cron(0 0 1 1 ? *)'}", "{'Interval': 12, 'Times': ['24:00']}",
		"{'Interval': 12, 'Times': ['1:000']}", "{'CronExpression': 'cron(0 0 1 1 1 *)'}", "{'CronExpression': 'cron(0 0 ? 1 ? *)'}",
		"{'CronExpression': 'cron(60 0 1 1 ? *)'}", "{'CronExpression': 'cron(0 0 L * ? *)'}", "{'CronExpression': 'cron(0 0 1 1 ?)'}",
		"{'CronExpression': 'cron(0 0 1 1 ? * *)'}", "{'CronExpression': 'cron(0 0 31 2 ? *)'}", "{'CronExpression': 'cron(5-3 0 1 1 ? *)'}",
		"{'CronExpression': 'cron(*/0 0 1 1 ? *)'}", "{'CronExpression': 'rate(1 hour)'}", "{'CronExpression': 'cron(0 0 1 1 ? *'}",
		"{'CronExpression': 'cron(99999999999 0 1 1 ? *)'}",
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++) {
		mc_auto_json json_t *r = rule_of(bad[i]);
		mc_auto_err mc_err *err = NULL;

		assert_non_null(r);
		if (schedule_check(r, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_non_null(err);
	}
}

static void test_later(void **state)
{
	int64_t from, to;

	(void)state;
	assert_int_equal(mc_clock_parse("2026-01-31T05:00:00Z", &from), 0);
	assert_int_equal(mc_clock_parse("2026-02-14T05:00:00Z", &to), 0);
	assert_true(schedule_later(from, 2, "WEEKS") == to);
	assert_int_equal(mc_clock_parse("2028-01-31T05:00:00Z", &to), 0);
	assert_true(schedule_later(from, 2, "YEARS") == to);
	assert_int_equal(mc_clock_parse("2026-03-31T05:00:00Z", &to), 0);
	assert_true(schedule_later(from, 2, "MONTHS") == to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals), cmocka_unit_test(test_cron), cmocka_unit_test(test_refused), cmocka_unit_test(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
