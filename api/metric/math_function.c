/* The functions of metric math. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/metric/math_value.h"
#include "common/cleanup.h"

#define SERIES_WANTED "A function wants a time series."
#define METRICS_WANTED "A function wants time series."

static bool is_series(const struct math_value *v)
{
	return v->kind == MATH_SERIES;
}

static bool is_many(const struct math_value *v)
{
	return v->kind == MATH_SERIES || v->kind == MATH_LIST;
}

/* --- of each value ---------------------------------------------------------------------- */

static double absolute(double v, double unused) { (void)unused; return fabs(v); }
static double up(double v, double unused) { (void)unused; return ceil(v); }
static double down(double v, double unused) { (void)unused; return floor(v); }
static double natural(double v, double unused) { (void)unused; return log(v); }
static double decimal(double v, double unused) { (void)unused; return log10(v); }

static const char *each(const struct math_value *arg, math_binary *fn, struct math_value *ret)
{
	const struct math_value zero = math_number(0);

	return math_combine(arg, &zero, fn, ret) ? NULL : "A function wants numbers.";
}

#define EACH(name, fn) \
	static const char *name(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret) \
	{ \
		(void)w, (void)n; \
		return each(args, fn, ret); \
	}
EACH(f_abs, absolute)
EACH(f_ceil, up)
EACH(f_floor, down)
EACH(f_log, natural)
EACH(f_log10, decimal)

/* --- of many values ---------------------------------------------------------------------- */

struct tally {
	double n, sum, squares, min, max;
};

static void count(struct tally *t, double v)
{
	t->min = t->n == 0 || v < t->min ? v : t->min;
	t->max = t->n == 0 || v > t->max ? v : t->max;
	t->n++;
	t->sum += v;
	t->squares += v * v;
}

static double sum_of(const struct tally *t) { return t->sum; }
static double mean_of(const struct tally *t) { return t->sum / t->n; }
static double min_of(const struct tally *t) { return t->min; }
static double max_of(const struct tally *t) { return t->max; }

static double deviation_of(const struct tally *t)
{
	double mean = t->sum / t->n, square = t->squares / t->n - mean * mean;

	return square > 0 ? sqrt(square) : 0;
}

/* The first time that is not before `from` at which one of the list has a value; false: there is none. */
static bool next_time(const struct math_value *list, int64_t from, int64_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < list->n; i++) {
		const struct series *s = &list->items[i];
		size_t k = series_from(s, from);

		if (k < s->n && (!found || s->at[k] < *ret)) {
			*ret = s->at[k];
			found = true;
		}
	}
	return found;
}

/* A list becomes a series, at each time of those that have a value. */
static struct math_value across(const struct math_value *list, double (*fn)(const struct tally *t))
{
	struct series s = { .period = list->n ? list->items[0].period : 60 };
	int64_t at = 0;

	for (int64_t from = INT64_MIN; next_time(list, from, &at); from = at + 1) {
		struct tally t = { .n = 0 };

		for (size_t i = 0; i < list->n; i++) {
			long k = series_find(&list->items[i], at);

			if (k >= 0)
				count(&t, list->items[i].values[k]);
		}
		series_add(&s, at, fn(&t));
	}
	return math_series(s);
}

/* A series becomes a number. */
static const char *reduce(const struct math_value *arg, double (*fn)(const struct tally *t), struct math_value *ret)
{
	struct tally t = { .n = 0 };

	if (!is_many(arg))
		return METRICS_WANTED;
	if (arg->kind == MATH_LIST) {
		*ret = across(arg, fn);
		return NULL;
	}
	for (size_t i = 0; i < arg->items[0].n; i++)
		count(&t, arg->items[0].values[i]);
	*ret = math_number(t.n ? fn(&t) : 0);
	return NULL;
}

#define REDUCE(name, fn) \
	static const char *name(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret) \
	{ \
		(void)w, (void)n; \
		return reduce(args, fn, ret); \
	}
REDUCE(f_sum, sum_of)
REDUCE(f_avg, mean_of)
REDUCE(f_min, min_of)
REDUCE(f_max, max_of)
REDUCE(f_stddev, deviation_of)

static const char *f_metric_count(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	(void)w, (void)n;
	if (!is_many(args))
		return METRICS_WANTED;
	*ret = math_number((double)args->n);
	return NULL;
}

static const char *f_datapoint_count(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	(void)w, (void)n;
	if (!is_series(args))
		return SERIES_WANTED;
	*ret = math_number((double)args->items[0].n);
	return NULL;
}

static const char *f_metrics(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	if (n && args->kind != MATH_WORD)
		return "METRICS wants a text.";
	*ret = (struct math_value){ .kind = MATH_LIST };
	w->all(w->ctx, n ? args->word : "", ret);
	return NULL;
}

/* --- of a value and the one before --------------------------------------------------------- */

static double difference(const struct series *s, size_t i) { return s->values[i] - s->values[i - 1]; }
static double distance(const struct series *s, size_t i) { return (double)(s->at[i] - s->at[i - 1]); }
static double rate(const struct series *s, size_t i) { return difference(s, i) / distance(s, i); }

static const char *steps(const struct math_value *arg, double (*fn)(const struct series *s, size_t i), struct math_value *ret)
{
	if (!is_many(arg))
		return METRICS_WANTED;
	*ret = (struct math_value){ .kind = arg->kind };
	for (size_t k = 0; k < arg->n; k++) {
		struct series s = { .period = arg->items[k].period };

		for (size_t i = 1; i < arg->items[k].n; i++)
			series_add(&s, arg->items[k].at[i], fn(&arg->items[k], i));
		math_append(ret, s);
	}
	return NULL;
}

#define STEPS(name, fn) \
	static const char *name(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret) \
	{ \
		(void)w, (void)n; \
		return steps(args, fn, ret); \
	}
STEPS(f_diff, difference)
STEPS(f_diff_time, distance)
STEPS(f_rate, rate)

static const char *f_running_sum(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	(void)w, (void)n;
	if (!is_many(args))
		return METRICS_WANTED;
	*ret = (struct math_value){ .kind = args->kind };
	for (size_t k = 0; k < args->n; k++) {
		struct series s = series_copy(&args->items[k]);

		for (size_t i = 1; i < s.n; i++)
			s.values[i] += s.values[i - 1];
		math_append(ret, s);
	}
	return NULL;
}

/* --- times ----------------------------------------------------------------------------------- */

static const char *f_period(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	(void)w, (void)n;
	if (!is_series(args))
		return SERIES_WANTED;
	*ret = math_number((double)args->items[0].period);
	return NULL;
}

static struct series flat(const struct math_world *w, double value)
{
	struct series s = { .period = w->period };

	for (int64_t at = w->from; at < w->to; at += w->period)
		series_add(&s, at, value);
	return s;
}

static const char *f_time_series(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	(void)n;
	if (args->kind != MATH_NUMBER)
		return "TIME_SERIES wants a number.";
	*ret = math_series(flat(w, args->number));
	return NULL;
}

/* Between two values; outside of them the nearest. */
static double line(const struct series *s, int64_t at)
{
	size_t i = series_from(s, at);

	if (i == 0 || i == s->n)
		return s->values[i ? s->n - 1 : 0];
	return s->values[i - 1] + (s->values[i] - s->values[i - 1]) * (double)(at - s->at[i - 1]) / (double)(s->at[i] - s->at[i - 1]);
}

/* What stands for a value that is not there; false: nothing. */
static bool filling(const struct series *s, int64_t at, const struct math_value *by, const struct series *so_far, double *ret)
{
	if (by->kind == MATH_NUMBER) {
		*ret = by->number;
		return true;
	}
	if (strcmp(by->word, "LINEAR") == 0 && s->n) {
		*ret = line(s, at);
		return true;
	}
	*ret = so_far->n ? so_far->values[so_far->n - 1] : 0;
	return strcmp(by->word, "REPEAT") == 0 && so_far->n;
}

static struct series fill(const struct math_world *w, const struct series *s, const struct math_value *by)
{
	struct series full = { .period = s->period };
	double value;

	for (int64_t at = w->from; s->period > 0 && at < w->to; at += s->period) {
		long k = series_find(s, at);

		if (k >= 0)
			series_add(&full, at, s->values[k]);
		else if (filling(s, at, by, &full, &value))
			series_add(&full, at, value);
	}
	return full;
}

static const char *f_fill(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	(void)n;
	if (!is_many(&args[0]))
		return METRICS_WANTED;
	if (args[1].kind != MATH_NUMBER && args[1].kind != MATH_WORD)
		return "FILL wants a number, REPEAT or LINEAR.";
	*ret = (struct math_value){ .kind = args[0].kind };
	for (size_t k = 0; k < args[0].n; k++)
		math_append(ret, fill(w, &args[0].items[k], &args[1]));
	return NULL;
}

/* --- one of two ------------------------------------------------------------------------------- */

/* The value of v at a time; false: it has none then. */
static bool value_at(const struct math_value *v, int64_t at, double *ret)
{
	long k;

	if (v->kind == MATH_NUMBER) {
		*ret = v->number;
		return true;
	}
	k = series_find(&v->items[0], at);
	if (k >= 0)
		*ret = v->items[0].values[k];
	return k >= 0;
}

static const char *f_if(const struct math_world *w, const struct math_value *args, size_t n, struct math_value *ret)
{
	const struct series *s = args[0].items;
	struct series chosen;

	(void)w;
	for (size_t i = 0; i < n; i++)
		if (args[i].kind != MATH_NUMBER && args[i].kind != MATH_SERIES)
			return "IF wants numbers and time series.";
	if (args[0].kind == MATH_NUMBER)
		return "IF wants a time series as its condition.";
	chosen = (struct series){ .period = s->period };
	for (size_t i = 0; i < s->n; i++) {
		size_t which = s->values[i] != 0 ? 1 : 2;
		double value;

		if (which < n && value_at(&args[which], s->at[i], &value))
			series_add(&chosen, s->at[i], value);
	}
	*ret = math_series(chosen);
	return NULL;
}

static const struct math_function functions[] = {
	{ "ABS", 1, 1, f_abs }, { "AVG", 1, 1, f_avg }, { "CEIL", 1, 1, f_ceil }, { "DATAPOINT_COUNT", 1, 1, f_datapoint_count },
	{ "DIFF", 1, 1, f_diff }, { "DIFF_TIME", 1, 1, f_diff_time }, { "FILL", 2, 2, f_fill }, { "FLOOR", 1, 1, f_floor },
	{ "IF", 2, 3, f_if }, { "LOG", 1, 1, f_log }, { "LOG10", 1, 1, f_log10 }, { "MAX", 1, 1, f_max },
	{ "METRICS", 0, 1, f_metrics }, { "METRIC_COUNT", 1, 1, f_metric_count }, { "MIN", 1, 1, f_min },
	{ "PERIOD", 1, 1, f_period }, { "RATE", 1, 1, f_rate }, { "RUNNING_SUM", 1, 1, f_running_sum },
	{ "STDDEV", 1, 1, f_stddev }, { "SUM", 1, 1, f_sum }, { "TIME_SERIES", 1, 1, f_time_series },
};

const struct math_function *math_function(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}
