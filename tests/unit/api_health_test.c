/* Status checks: what follows from what was seen, from look to look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/metric/health.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define LAUNCHED "2026-01-01T00:00:00.000Z"

enum answer { SILENT, ANSWERS, UNASKED };

/* A look so many seconds after the last one; the row before it is freed. */
static json_t *look(json_t *was, int64_t seconds, enum answer answer, int system_failed, int instance_failed)
{
	json_t *is = json_pack("{s:s, s:i, s:i}", "launched", LAUNCHED, "system_failed", system_failed, "instance_failed", instance_failed);

	if (answer != UNASKED)
		json_object_set_new(is, "answers", json_boolean(answer == ANSWERS));
	mc_clock_step(seconds * MC_SECOND, seconds * MC_SECOND);
	health_judge(was, is);
	json_decref(was);
	return is;
}

static void expect(const json_t *row, const char *instance, const char *system)
{
	mc_auto_json json_t *i = health_instance_doc(row), *s = health_system_doc(row);

	assert_string_equal(mc_json_str(i, "Status", ""), instance);
	assert_string_equal(mc_json_str(s, "Status", ""), system);
}

static int begin(void **state)
{
	int64_t launched;

	(void)state;
	mc_clock_freeze();
	assert_int_equal(mc_clock_parse(LAUNCHED, &launched), 0);
	mc_clock_step(launched - mc_clock_wall(), 0);
	return 0;
}

static void until_it_is_heard(void **state)
{
	json_t *row = NULL;

	(void)state;
	expect(NULL, "initializing", "initializing");
	row = look(row, 60, SILENT, 0, 0);
	expect(row, "initializing", "ok");
	row = look(row, HEALTH_BOOT_S - 60, SILENT, 0, 0);
	expect(row, "initializing", "ok");
	row = look(row, 1, SILENT, 0, 0);
	expect(row, "impaired", "ok"); /* it should have come up by now */
	row = look(row, 1, ANSWERS, 0, 0);
	expect(row, "ok", "ok");
	json_decref(row);
}

static void while_it_is_silent(void **state)
{
	json_t *row = look(NULL, 30, ANSWERS, 0, 0);

	(void)state;
	row = look(row, 1000, SILENT, 0, 0);
	expect(row, "ok", "ok"); /* the first time: it may be busy */
	row = look(row, HEALTH_SILENCE_S, UNASKED, 0, 0);
	expect(row, "ok", "ok");
	row = look(row, 1, SILENT, 0, 0);
	expect(row, "impaired", "ok");
	assert_int_equal(mc_json_int(row, "instance_failed", 0), 1);
	row = look(row, 1, ANSWERS, 0, 0);
	expect(row, "ok", "ok");
	row = look(row, 1, SILENT, 0, 0);
	expect(row, "ok", "ok"); /* silence is counted anew */
	json_decref(row);
}

static void without_a_qemu(void **state)
{
	json_t *row = look(NULL, 30, ANSWERS, 0, 0);
	mc_auto_json json_t *doc = NULL, *later = NULL;

	(void)state;
	row = look(row, 60, UNASKED, 1, 1);
	expect(row, "impaired", "impaired");
	doc = health_system_doc(row);
	assert_string_equal(mc_json_str(mc_json_arr(doc, "Details") ? json_array_get(mc_json_arr(doc, "Details"), 0) : NULL, "ImpairedSince", ""),
			    "2026-01-01T00:01:30.000Z");
	row = look(row, 60, UNASKED, 1, 1);
	later = health_system_doc(row);
	assert_true(json_equal(doc, later)); /* since the first time */
	row = look(row, 60, UNASKED, 0, 1);
	expect(row, "impaired", "ok"); /* paused */
	json_decref(row);
}

static void another_run_is_not_held_against_it(void **state)
{
	json_t *row = look(NULL, 30, ANSWERS, 0, 0), *next;

	(void)state;
	row = look(row, 30, SILENT, 0, 0);
	row = look(row, HEALTH_SILENCE_S + 1, SILENT, 0, 0);
	expect(row, "impaired", "ok");
	next = json_pack("{s:s, s:i, s:i, s:b}", "launched", "2026-01-01T00:05:00.000Z", "system_failed", 0, "instance_failed", 0, "answers", 0);
	health_judge(row, next);
	expect(next, "initializing", "ok");
	json_decref(next);
	json_decref(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(until_it_is_heard, begin),
		cmocka_unit_test_setup(while_it_is_silent, begin),
		cmocka_unit_test_setup(without_a_qemu, begin),
		cmocka_unit_test_setup(another_run_is_not_held_against_it, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
