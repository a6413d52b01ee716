#include "api/metric/series.h"

#include <stdlib.h>

void series_add(struct series *s, int64_t at, double value)
{
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 32;

		s->at = realloc(s->at, size * sizeof(*s->at));
		s->values = realloc(s->values, size * sizeof(*s->values));
		if (!s->at || !s->values)
			abort();
		s->size = size;
	}
	s->at[s->n] = at;
	s->values[s->n++] = value;
}

struct series series_copy(const struct series *s)
{
	struct series copy = { .period = s->period };

	for (size_t i = 0; i < s->n; i++)
		series_add(&copy, s->at[i], s->values[i]);
	return copy;
}

size_t series_from(const struct series *s, int64_t at)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

long series_find(const struct series *s, int64_t at)
{
	size_t i = series_from(s, at);

	return i < s->n && s->at[i] == at ? (long)i : -1;
}

void series_deinit(struct series *s)
{
	free(s->at);
	free(s->values);
	*s = (struct series){ .period = s->period };
}
