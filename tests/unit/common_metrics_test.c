/* Prometheus' text format: heads once for each name, buckets that add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/metrics.h"

static void test_rows(void **state)
{
	static const struct mc_metric rows[] = {
		{ "a_total", "counter", "Things.", "kind=\"one\"" },
		{ "a_total", "counter", "Things.", "kind=\"other\"" },
		{ "b", "gauge", "Bytes.", NULL },
	};
	const double values[] = { 1, 0, 123456789012345 };
	mc_autofree char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	mc_metrics_write(out, rows, values, MC_ARRAY_SIZE(rows));
	fclose(out);
	assert_string_equal(text, "# HELP a_total Things.\n# TYPE a_total counter\na_total{kind=\"one\"} 1\na_total{kind=\"other\"} 0\n"
				  "# HELP b Bytes.\n# TYPE b gauge\nb 123456789012345\n");
}

static void test_durations(void **state)
{
	struct mc_durations d = { 0 };
	mc_autofree char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	mc_durations_note(&d, MC_SECOND / 1000); /* a bound is within */
	mc_durations_note(&d, MC_SECOND / 50);
	mc_durations_note(&d, 60 * MC_SECOND);
	mc_durations_write(out, "t_seconds", "How long.", &d);
	fclose(out);
	assert_non_null(strstr(text, "# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.001\"} 1\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{le=\"0.01\"} 1\nt_seconds_bucket{le=\"0.025\"} 2\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{le=\"2.5\"} 2\nt_seconds_bucket{le=\"+Inf\"} 3\n"
				     "t_seconds_sum 60.021\nt_seconds_count 3\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_durations) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
