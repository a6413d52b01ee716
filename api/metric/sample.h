/* What is known of the values of a metric in a period, and the statistics of it. */
#ifndef MC_API_METRIC_SAMPLE_H
#define MC_API_METRIC_SAMPLE_H

#include <stdbool.h>

#include "api/metric/spread.h"

struct sample {
	double n, sum, min, max;
	bool vague;           /* some of it came as a statistic set: its percentiles are not known */
	struct spread spread; /* empty where all values are equal (min) or it is vague */
};

void sample_add(struct sample *s, double value, double count);
void sample_merge(struct sample *s, const struct sample *from);
void sample_deinit(struct sample *s);
#define auto_sample __attribute__((cleanup(sample_deinit))) struct sample

/* "Average", "Sum", "Minimum", "Maximum", "SampleCount", "p99.9". */
bool sample_statistic_valid(const char *name);
/* False: it has none (a percentile of what is vague). */
bool sample_statistic(const struct sample *s, const char *name, double *ret);

#endif
