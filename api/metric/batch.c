#include "api/metric/batch.h"

#include <stdlib.h>

#define FIRST 64

void metric_batch_deinit(struct metric_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		sample_deinit(&b->data[i].sample);
		free(b->dims[i]);
	}
	free(b->data);
	free(b->dims);
}

struct metric_datum *metric_batch_add(struct metric_batch *b, char *dims)
{
	struct metric_datum *d;

	if (b->n == b->size) {
		b->size = b->size ? b->size * 2 : FIRST;
		b->data = realloc(b->data, b->size * sizeof(*b->data));
		b->dims = realloc(b->dims, b->size * sizeof(*b->dims));
		if (!b->data || !b->dims)
			abort();
	}
	d = &b->data[b->n];
	*d = (struct metric_datum){ .of = { .dims = dims } };
	b->dims[b->n++] = dims;
	return d;
}
