#include "api/metric/sample.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

void sample_add(struct sample *s, double value, double count)
{
	struct sample one = { .n = count, .sum = value * count, .min = value, .max = value };

	sample_merge(s, &one);
}

/* Its spread where it has one: that of equal values is not kept. */
static void spread_of(struct spread *into, const struct sample *s)
{
	if (s->spread.n)
		spread_merge(into, &s->spread);
	else if (s->n > 0)
		spread_add(into, s->min, s->n);
}

void sample_merge(struct sample *s, const struct sample *from)
{
	struct spread both = { .items = NULL };
	bool first = s->n == 0;

	if (from->n == 0)
		return;
	s->vague = s->vague || from->vague;
	if (!s->vague) {
		spread_of(&both, s);
		spread_of(&both, from);
	}
	s->n += from->n;
	s->sum += from->sum;
	s->min = first || from->min < s->min ? from->min : s->min;
	s->max = first || from->max > s->max ? from->max : s->max;
	if (both.n < 2)
		spread_deinit(&both);
	spread_deinit(&s->spread);
	s->spread = both;
}

void sample_deinit(struct sample *s)
{
	spread_deinit(&s->spread);
}

/* --- statistics -------------------------------------------------------------------- */

static double average(const struct sample *s) { return s->sum / s->n; }
static double total(const struct sample *s) { return s->sum; }
static double smallest(const struct sample *s) { return s->min; }
static double largest(const struct sample *s) { return s->max; }
static double count(const struct sample *s) { return s->n; }

static const struct {
	const char *name;
	double (*fn)(const struct sample *s);
} statistics[] = {
	{ "Average", average }, { "Sum", total }, { "Minimum", smallest }, { "Maximum", largest }, { "SampleCount", count },
};

/* "p95", "p99.999": two digits, or 100, and up to ten decimals (CloudWatch User Guide, "Statistics
 * definitions"). False: it is no percentile. */
static bool percentile(const char *name, double *ret)
{
	char *end;

	if (name[0] != 'p' || !isdigit((unsigned char)name[1]) || strlen(name) > 16)
		return false;
	*ret = strtod(name + 1, &end);
	return *end == '\0' && strspn(name + 1, "0123456789.") == strlen(name + 1) && *ret <= 100;
}

bool sample_statistic_valid(const char *name)
{
	double percent;

	for (size_t i = 0; i < MC_ARRAY_SIZE(statistics); i++)
		if (strcmp(statistics[i].name, name) == 0)
			return true;
	return percentile(name, &percent);
}

bool sample_statistic(const struct sample *s, const char *name, double *ret)
{
	double percent;

	for (size_t i = 0; i < MC_ARRAY_SIZE(statistics); i++) {
		if (strcmp(statistics[i].name, name) != 0)
			continue;
		*ret = statistics[i].fn(s);
		return s->n > 0;
	}
	if (!percentile(name, &percent) || s->n == 0 || (s->vague && s->min != s->max))
		return false;
	*ret = s->spread.n ? spread_percentile(&s->spread, percent) : s->min;
	return true;
}
