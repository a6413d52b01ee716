/* Rates from samples, and figures for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/human.h"
#include "cli/meter.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static void sample(struct meter *m, const char *state, long long at_ms, long long cpu_ms, long long net_at_ms, long long in)
{
	mc_autofree char *text = mc_strf("{\"time\": \"2026-11-21T10:00:00.000Z\", \"at_ns\": %lld000000, \"instances\": [{"
		"\"id\": \"i-1\", \"state\": \"%s\", \"type\": \"t3.nano\", \"launched\": \"2026-11-21T09:58:30.000Z\","
		"\"rss_kib\": 100, \"memory_kib\": 512, \"cpu_ns\": %lld000000, \"net_in_bytes\": %lld, \"net_out_bytes\": 0,"
		"\"net_read_ns\": %lld000000}, {\"id\": \"i-2\", \"state\": \"terminated\"}]}", at_ms, state, cpu_ms, in, net_at_ms);
	json_error_t e;
	mc_auto_json json_t *doc = json_loads(text, 0, &e);

	assert_non_null(doc);
	meter_sample(m, doc);
}

/* A figure of the one row; -1 where it is missing. */
static double figure(const struct meter *m, const char *key)
{
	mc_auto_json json_t *rows = meter_rows(m);
	const json_t *row = json_array_get(rows, 0);

	assert_int_equal(json_array_size(rows), 1);
	return json_object_get(row, key) ? json_number_value(json_object_get(row, key)) : -1;
}

static void test_rates(void **state)
{
	struct meter *m = meter_new();

	(void)state;
	sample(m, "running", 1000, 500, 1000, 0);
	assert_true(figure(m, "cpu_percent") < 0); /* one sample is none */
	assert_int_equal(figure(m, "memory_bytes"), 102400);
	assert_int_equal(figure(m, "memory_size_bytes"), 524288);
	assert_int_equal(figure(m, "age_s"), 90);
	sample(m, "running", 3000, 1500, 3000, 2048);
	assert_int_equal(figure(m, "cpu_percent"), 50);
	assert_int_equal(figure(m, "net_in_per_s"), 1024);
	/* Too soon, or not read anew: what was known stays, and the next rate begins where it did. */
	sample(m, "running", 3200, 1700, 3000, 2048);
	assert_int_equal(figure(m, "cpu_percent"), 50);
	assert_int_equal(figure(m, "net_in_per_s"), 1024);
	sample(m, "running", 4000, 2500, 4000, 6144);
	assert_int_equal(figure(m, "cpu_percent"), 100);
	assert_int_equal(figure(m, "net_in_per_s"), 4096);
	/* Started again: its counters begin anew. */
	sample(m, "running", 6000, 100, 6000, 6144);
	assert_true(figure(m, "cpu_percent") < 0);
	sample(m, "running", 7000, 350, 7000, 6144);
	assert_int_equal(figure(m, "cpu_percent"), 25);
	assert_int_equal(figure(m, "net_in_per_s"), 0);
	meter_free(m);
}

static void test_bytes(void **state)
{
	static const struct {
		double bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1023.7, "1.0 KiB" }, { 1024, "1.0 KiB" }, { 1536, "1.5 KiB" },
		{ 1048575, "1.0 MiB" }, { 5e9, "4.7 GiB" }, { 1e15, "909.5 TiB" }, { 1e17, "90949.5 TiB" },
	};
	char text[HUMAN_LEN];

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		human_bytes(rows[i].bytes, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_ages(void **state)
{
	static const struct {
		long long seconds;
		const char *text;
	} rows[] = {
		{ 0, "0s" }, { 59, "59s" }, { 60, "1m00s" }, { 3599, "59m59s" }, { 3600, "1h00m" }, { 86399, "23h59m" },
		{ 86400, "1d0h" }, { 1000000, "11d13h" },
	};
	char text[HUMAN_LEN];

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		human_age(rows[i].seconds, text);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates), cmocka_unit_test(test_bytes), cmocka_unit_test(test_ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
