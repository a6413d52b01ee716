/* Values in the order of time, as metric math has them. */
#ifndef MC_API_METRIC_SERIES_H
#define MC_API_METRIC_SERIES_H

#include <stddef.h>
#include <stdint.h>

struct series {
	int64_t period; /* s */
	int64_t *at;    /* s since 1970, each once, growing */
	double *values;
	size_t n, size;
};

void series_add(struct series *s, int64_t at, double value);
struct series series_copy(const struct series *s);
/* The index of the first value that is not before this time; n where there is none. */
size_t series_from(const struct series *s, int64_t at);
/* The index of this time, or -1. */
long series_find(const struct series *s, int64_t at);
void series_deinit(struct series *s);

#endif
