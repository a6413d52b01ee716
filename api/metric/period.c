#include "api/metric/period.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

bool metric_period_valid(int64_t period)
{
	static const int64_t few[] = { 1, 5, 10, 30 };

	for (size_t i = 0; i < MC_ARRAY_SIZE(few); i++)
		if (period == few[i])
			return true;
	return period >= 60 && period % 60 == 0 && period <= 86400;
}

int64_t metric_period_start(const struct metrics *m, int64_t from, int64_t period, int64_t now)
{
	int64_t age = now - from, step = period < 60 ? period : 60;

	if (age > metrics_keep(m, 300))
		step = 3600;
	else if (age > metrics_keep(m, 60))
		step = 300;
	return from - from % step;
}

static struct metric_period *append(struct metric_periods *p, int64_t at, const char *unit)
{
	struct metric_period *one;

	if (p->n == p->size) {
		size_t size = p->size ? p->size * 2 : 64;
		struct metric_period *items = realloc(p->items, size * sizeof(*items));

		if (!items)
			abort();
		p->items = items;
		p->size = size;
	}
	one = &p->items[p->n++];
	*one = (struct metric_period){ .at = at };
	snprintf(one->unit, sizeof(one->unit), "%s", unit);
	return one;
}

/* Samples come in the order of time: only periods of the same beginning can be the one. */
static struct metric_period *period_of(struct metric_periods *p, int64_t at, const char *unit)
{
	for (size_t i = p->n; i-- > 0 && p->items[i].at == at;)
		if (!p->by_unit || strcmp(p->items[i].unit, unit) == 0)
			return &p->items[i];
	return append(p, at, unit);
}

static int add(void *ctx, int64_t at, const char *unit, const struct sample *sample)
{
	struct metric_periods *p = ctx;

	sample_merge(&period_of(p, at - (at - p->from) % p->period, unit)->sample, sample);
	return 0;
}

int metric_periods_read(struct metrics *m, const struct metric_name *of, const char *unit, struct metric_periods *p, mc_err **err)
{
	const struct metrics_query q = {
		.of = *of, .unit = unit, .from = p->from, .to = p->to, .level = metrics_level(p->from, p->period),
	};

	return metrics_read(m, &q, add, p, err);
}

void metric_periods_deinit(struct metric_periods *p)
{
	for (size_t i = 0; i < p->n; i++)
		sample_deinit(&p->items[i].sample);
	free(p->items);
	p->items = NULL;
	p->n = p->size = 0;
}
