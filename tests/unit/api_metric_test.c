/* Values over time: statistics, what is kept how long, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/metric/math.h"
#include "api/metric/math_value.h"
#include "api/metric/metrics.h"
#include "api/metric/period.h"
#include "common/cleanup.h"
#include "common/fs.h"

#define DAY 86400
#define NOW 1800000000LL /* a whole minute and no whole hour */

struct place {
	char dir[32], path[48];
	struct metrics *metrics;
};

static void open_metrics(struct place *p, long days, long mib, long quota)
{
	const struct metrics_config config = { .path = p->path, .days = days, .mib = mib, .quota = quota };
	mc_auto_err mc_err *err = NULL;

	metrics_close(p->metrics);
	p->metrics = metrics_open(&config, &err);
	assert_non_null(p->metrics);
}

static int setup(void **state)
{
	struct place *p = mc_alloc(sizeof(*p));

	snprintf(p->dir, sizeof(p->dir), "/tmp/metrics-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/db", p->dir);
	open_metrics(p, 15, 100, 1000);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct place *p = *state;

	metrics_close(p->metrics);
	for (size_t i = 0; i < MC_ARRAY_SIZE(ends); i++) {
		mc_autofree char *path = mc_strf("%s%s", p->path, ends[i]);

		unlink(path);
	}
	rmdir(p->dir);
	free(p);
	return 0;
}

static const struct metric_name name_of = { "123456789012", "us-east-1", "Test", "m", "{}" };

static int put(struct place *p, const char *name, int64_t at, double value, bool fine)
{
	struct metric_datum d = { .of = name_of, .unit = "None", .at = at, .fine = fine };
	mc_auto_err mc_err *err = NULL;
	int r;

	d.of.name = name;
	sample_add(&d.sample, value, 1);
	r = metrics_put(p->metrics, &d, 1, &err);
	sample_deinit(&d.sample);
	return r;
}

static double read_sum(struct place *p, int64_t from, int64_t to, int64_t period, size_t *ret_n)
{
	auto_metric_periods periods = { .from = from, .to = to, .period = period };
	mc_auto_err mc_err *err = NULL;
	double sum = 0;

	assert_int_equal(metric_periods_read(p->metrics, &name_of, NULL, &periods, &err), 0);
	for (size_t i = 0; i < periods.n; i++)
		sum += periods.items[i].sample.sum;
	*ret_n = periods.n;
	return sum;
}

/* Each level is forgotten at its own age. */
static void forgotten_by_age(void **state)
{
	static const int64_t ages[] = { 0, 4 * 3600, 16 * DAY, 64 * DAY, 456LL * DAY };
	struct place *p = *state;
	mc_auto_err mc_err *err = NULL;
	size_t n;

	for (size_t i = 0; i < MC_ARRAY_SIZE(ages); i++)
		assert_int_equal(put(p, "m", NOW - ages[i], 1, true), 0);
	assert_int_equal(metrics_tidy(p->metrics, NOW, &err), 0);
	read_sum(p, NOW - 500LL * DAY + 1, NOW + 1, 1, &n);
	assert_int_equal(n, 1);
	read_sum(p, NOW - 500LL * DAY, NOW + 60, 60, &n);
	assert_int_equal(n, 2);
	read_sum(p, NOW - 500LL * DAY, NOW + 300, 300, &n);
	assert_int_equal(n, 3);
	read_sum(p, NOW - 500LL * DAY - NOW % 3600, NOW + 3600, 3600, &n);
	assert_int_equal(n, 4);
	open_metrics(p, 1, 100, 1000);
	assert_int_equal(metrics_tidy(p->metrics, NOW, &err), 0);
	read_sum(p, NOW - 500LL * DAY - NOW % 3600, NOW + 3600, 3600, &n);
	assert_int_equal(n, 3); /* a thirtieth of a year and more, by the day */
}

/* The file stays below its bound; what is newest stays. */
static void bounded(void **state)
{
	struct place *p = *state;
	struct metric_datum *data = mc_alloc(1000 * sizeof(*data));
	mc_auto_err mc_err *err = NULL;
	size_t n;

	for (int i = 0; i < 1000; i++) {
		data[i] = (struct metric_datum){ .of = name_of, .unit = "None", .at = NOW - 1000 + i, .fine = true };
		for (int k = 0; k < 60; k++)
			sample_add(&data[i].sample, k + 0.123456789, 1); /* a row of more than a KiB */
	}
	assert_int_equal(metrics_put(p->metrics, data, 1000, &err), 0);
	for (int i = 0; i < 1000; i++)
		sample_deinit(&data[i].sample);
	free(data);
	assert_int_equal(metrics_tidy(p->metrics, NOW, &err), 0);
	read_sum(p, NOW - 1000, NOW, 1, &n);
	assert_int_equal(n, 1000);
	open_metrics(p, 15, 1, 1000);
	assert_int_equal(metrics_tidy(p->metrics, NOW, &err), 0);
	read_sum(p, NOW - 1000, NOW, 1, &n);
	assert_true(n < 1000);
	read_sum(p, NOW - 60, NOW, 60, &n);
	assert_int_equal(n, 1);
	assert_int_equal(put(p, "m", NOW, 1, true), 0);
}

static void quota(void **state)
{
	struct place *p = *state;

	open_metrics(p, 15, 100, 2);
	assert_int_equal(put(p, "a", NOW, 1, false), 0);
	assert_int_equal(put(p, "b", NOW, 1, false), 0);
	assert_int_equal(put(p, "c", NOW, 1, false), 1);
	assert_int_equal(put(p, "a", NOW + 60, 1, false), 0);
}

static void put_together(void **state)
{
	struct place *p = *state;
	size_t n;

	for (int i = 0; i < 60; i++)
		assert_int_equal(put(p, "m", NOW + i * 10, i, i % 2), 0);
	assert_true(read_sum(p, NOW, NOW + 600, 60, &n) == 59 * 30);
	assert_int_equal(n, 10);
	assert_true(read_sum(p, NOW, NOW + 600, 600, &n) == 59 * 30);
	assert_int_equal(n, 1);
	assert_true(read_sum(p, NOW, NOW + 600, 1, &n) == 30 * 30); /* the odd ones were put with seconds */
	assert_true(read_sum(p, NOW + 60, NOW + 180, 60, &n) == (6 + 17) * 6);
	assert_int_equal(n, 2);
}

static void rounded(void **state)
{
	struct place *p = *state;

	assert_int_equal(metric_period_start(p->metrics, NOW - 59, 60, NOW), NOW - 60);
	assert_int_equal(metric_period_start(p->metrics, NOW - 17, 10, NOW), NOW - 20);
	assert_int_equal(metric_period_start(p->metrics, NOW - 16 * DAY - 1, 300, NOW) % 300, 0);
	assert_int_equal(metric_period_start(p->metrics, NOW - 64 * DAY - 1, 3600, NOW) % 3600, 0);
	assert_true(metric_period_valid(1) && metric_period_valid(30) && metric_period_valid(86400));
	assert_false(metric_period_valid(2) || metric_period_valid(90) || metric_period_valid(0) || metric_period_valid(86460));
}

/* --- statistics --------------------------------------------------------------------- */

static void percentiles(void **state)
{
	auto_sample s = { .n = 0 };
	double value;

	(void)state;
	for (int i = 1000; i > 0; i--)
		sample_add(&s, i, 1);
	assert_true(s.spread.n <= SPREAD_MAX);
	assert_true(sample_statistic(&s, "Average", &value) && value == 500.5);
	assert_true(sample_statistic(&s, "Minimum", &value) && value == 1);
	assert_true(sample_statistic(&s, "Maximum", &value) && value == 1000);
	for (int percent = 10; percent < 100; percent += 10) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", percent);
		assert_true(sample_statistic(&s, name, &value));
		assert_true(value > percent * 10 * 0.975 && value < percent * 10 * 1.025);
	}
	assert_false(sample_statistic_valid("p") || sample_statistic_valid("p101") || sample_statistic_valid("p9e1") || sample_statistic_valid("median"));
}

static void spreads_as_text(void **state)
{
	struct spread s = { .items = NULL }, again = { .items = NULL };
	mc_autofree char *text = NULL;

	(void)state;
	spread_add(&s, -1.5, 2);
	spread_add(&s, 1e-9, 1);
	spread_add(&s, 0.1, 3);
	text = spread_text(&s);
	assert_true(spread_parse(&again, text));
	assert_int_equal(again.n, 3);
	assert_memory_equal(again.items, s.items, 3 * sizeof(*s.items));
	spread_deinit(&again);
	assert_false(spread_parse(&again, "1:2 x"));
	spread_deinit(&again);
	assert_false(spread_parse(&again, "1:0"));
	spread_deinit(&again);
	spread_deinit(&s);
}

/* --- metric math ------------------------------------------------------------------------ */

static bool find(void *ctx, const char *id, struct math_value *ret, const char **wrong)
{
	struct series s = { .period = 60 };
	int64_t first = strcmp(id, "b") == 0; /* b begins a minute later */

	(void)ctx, (void)wrong;
	if (strcmp(id, "a") != 0 && strcmp(id, "b") != 0)
		return false;
	for (int64_t i = first; i < 4; i++)
		series_add(&s, i * 60, (double)(i + 1) * (first ? 10 : 1));
	*ret = math_series(s);
	return true;
}

static void all(void *ctx, const char *part, struct math_value *ret)
{
	const char *wrong;
	struct math_value v;

	(void)part;
	for (const char *id = "a\0b\0"; *id; id += 2) {
		find(ctx, id, &v, &wrong);
		math_append(ret, v.items[0]);
		free(v.items);
	}
}

static const struct {
	const char *text, *expected; /* values of each series, or what is wrong */
} formulas[] = {
	{ "a", "1 2 3 4;" },
	{ "a + b", "22 33 44;" },
	{ "1 + 2 * a ^ 2", "3 9 19 33;" },
	{ "-a * (2 - 3)", "1 2 3 4;" },
	{ "a / (a - 2)", "-1 3 2;" },
	{ "a - SUM(a)", "-9 -8 -7 -6;" },
	{ "a * 0 + STDDEV(a) ^ 2", "1.25 1.25 1.25 1.25;" },
	{ "MAX([a, b])", "1 20 30 40;" },
	{ "AVG(METRICS()) * METRIC_COUNT(METRICS())", "2 22 33 44;" },
	{ "RATE(a) * PERIOD(a)", "1 1 1;" },
	{ "RUNNING_SUM(a)", "1 3 6 10;" },
	{ "DIFF(b)", "10 10;" },
	{ "FILL(b, REPEAT)", "20 30 40;" },
	{ "FILL(b, LINEAR)", "20 20 30 40;" },
	{ "FILL(b, 7)", "7 20 30 40;" },
	{ "IF(a > 2, a, 0)", "0 0 3 4;" },
	{ "IF(a > 1 AND a < 4, b)", "20 30;" },
	{ "TIME_SERIES(3)", "3 3 3 3;" },
	{ "[a, b] * 2", "2 4 6 8;40 60 80;" },
	{ "CEIL(a / 2) + FLOOR(a / 2) + ABS(0 - a)", "2 4 6 8;" },
	{ "SUM(a)", "number 10" },
	{ "c", "An id is not known." },
	{ "a +", "Something is missing, or a sign is not known." },
	{ "a b", "Something follows the expression, or a sign is not known." },
	{ "SEARCH(' x ')", "This cloud does not know the function." },
	{ "SUM(a, b)", "A function has another number of arguments." },
	{ "FILL(a)", "A function has another number of arguments." },
	{ "(a", "A bracket is not closed." },
	{ "[1]", "A list holds time series." },
	{ "'x'", "A text is no value." },
	{ "((((((((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))))))))", "It is nested too deeply." },
};

static void evaluate(const char *text, FILE *out)
{
	const struct math_world world = { .from = 0, .to = 240, .period = 60, .find = find, .all = all };
	struct math_value v;
	const char *wrong;

	if (math_evaluate(text, &world, &v, &wrong) < 0) {
		fputs(wrong, out);
		return;
	}
	if (v.kind == MATH_NUMBER)
		fprintf(out, "number %g", v.number);
	for (size_t i = 0; i < v.n; i++) {
		for (size_t k = 0; k < v.items[i].n; k++)
			fprintf(out, "%s%g", k ? " " : "", v.items[i].values[k]);
		fputc(';', out);
	}
	math_value_deinit(&v);
}

static void math(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(formulas); i++) {
		mc_autofree char *shown = NULL;
		size_t len;
		FILE *out = open_memstream(&shown, &len);

		evaluate(formulas[i].text, out);
		fclose(out);
		if (strcmp(shown, formulas[i].expected) != 0)
			fail_msg("%s: %s, expected %s", formulas[i].text, shown, formulas[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(forgotten_by_age, setup, teardown), cmocka_unit_test_setup_teardown(bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(quota, setup, teardown),	    cmocka_unit_test_setup_teardown(put_together, setup, teardown),
		cmocka_unit_test_setup_teardown(rounded, setup, teardown),	    cmocka_unit_test(percentiles),
		cmocka_unit_test(spreads_as_text),				    cmocka_unit_test(math),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
