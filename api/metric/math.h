/* Metric math: expressions over time series (CloudWatch User Guide, "Using math expressions with
 * CloudWatch metrics"). Known: + - * / ^, comparisons, AND and OR, lists [a, b], METRICS(), ABS, AVG,
 * CEIL, DATAPOINT_COUNT, DIFF, DIFF_TIME, FILL, FLOOR, IF, LOG, LOG10, MAX, METRIC_COUNT, MIN, PERIOD,
 * RATE, RUNNING_SUM, STDDEV, SUM, TIME_SERIES. */
#ifndef MC_API_METRIC_MATH_H
#define MC_API_METRIC_MATH_H

#include <stdbool.h>

#include "api/metric/series.h"

enum math_kind { MATH_NUMBER, MATH_SERIES, MATH_LIST /* of series */, MATH_WORD };

struct math_value {
	enum math_kind kind;
	double number;
	struct series *items; /* MATH_SERIES: one */
	size_t n;
	char *word;
};
void math_value_deinit(struct math_value *v);
#define auto_math_value __attribute__((cleanup(math_value_deinit))) struct math_value

/* What an expression may look at. */
struct math_world {
	int64_t from, to, period; /* s: the range that is asked for, and the shortest period in it */
	/* The value of an id, the caller's to free. False: there is none, or it cannot be told (why: *wrong). */
	bool (*find)(void *ctx, const char *id, struct math_value *ret, const char **wrong);
	/* All metrics whose ids hold this text (METRICS()). */
	void (*all)(void *ctx, const char *part, struct math_value *ret);
	void *ctx;
};

/* 0 and *ret; or -1 and *wrong: what is wrong with the text (constant). */
int math_evaluate(const char *text, const struct math_world *world, struct math_value *ret, const char **wrong);

#endif
