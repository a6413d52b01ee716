/* What a daemon counts of itself, in Prometheus' text format (version 0.0.4). */
#ifndef MC_COMMON_METRICS_H
#define MC_COMMON_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One series. Those of one name follow each other; type and help are of the first of them. */
struct mc_metric {
	const char *name, *type, *help;
	const char *labels; /* "state=\"running\"", or NULL */
};

/* Write metrics[i] with values[i]. */
void mc_metrics_write(FILE *out, const struct mc_metric *metrics, const double *values, size_t n);

/* The two lines before the series of a name. */
void mc_metrics_head(FILE *out, const char *name, const char *type, const char *help);

#define MC_DURATIONS_BUCKETS 11 /* 1 ms to 2.5 s, and all */

/* How long something took, each time it was done; {0} to begin with, any threads. */
struct mc_durations {
	_Atomic uint64_t counts[MC_DURATIONS_BUCKETS];
	_Atomic int64_t sum_ns;
};

void mc_durations_note(struct mc_durations *d, int64_t ns);

/* A histogram "name" in seconds. */
void mc_durations_write(FILE *out, const char *name, const char *help, const struct mc_durations *d);

#endif
