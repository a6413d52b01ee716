/* Values that are put together, and the texts of their dimensions, which their names borrow. */
#ifndef MC_API_METRIC_BATCH_H
#define MC_API_METRIC_BATCH_H

#include "api/metric/metrics.h"

struct metric_batch {
	struct metric_datum *data;
	char **dims;
	size_t n, size;
};

void metric_batch_deinit(struct metric_batch *b);
#define auto_metric_batch __attribute__((cleanup(metric_batch_deinit))) struct metric_batch

/* One more datum, empty but for the dimensions (an allocated text, taken over). Until the next is added. */
struct metric_datum *metric_batch_add(struct metric_batch *b, char *dims);

#endif
