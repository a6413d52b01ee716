/* A metric's samples brought together into the periods that somebody asks for. */
#ifndef MC_API_METRIC_PERIOD_H
#define MC_API_METRIC_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

#include "api/metric/metrics.h"

#define METRIC_UNIT_TEXT 20 /* "Terabytes/Second" and the NUL */

struct metric_period {
	int64_t at; /* its beginning, s since 1970 */
	char unit[METRIC_UNIT_TEXT];
	struct sample sample;
};

struct metric_periods {
	int64_t from, to, period; /* s */
	bool by_unit;             /* what was put in several units stays apart */
	struct metric_period *items; /* in order */
	size_t n, size;
};

/* 1, 5, 10, 30, or minutes. */
bool metric_period_valid(int64_t period);
/* A beginning rounded down as GetMetricStatistics and GetMetricData say: by its age to minutes, five
 * minutes or hours, or to a short period. */
int64_t metric_period_start(const struct metrics *m, int64_t from, int64_t period, int64_t now);

/* Fill p, of which from, to, period and by_unit are given. unit NULL: any. 0, or -1 and *err. */
int metric_periods_read(struct metrics *m, const struct metric_name *of, const char *unit, struct metric_periods *p, mc_err **err);
void metric_periods_deinit(struct metric_periods *p);
#define auto_metric_periods __attribute__((cleanup(metric_periods_deinit))) struct metric_periods

#endif
