#include "common/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"

static const double bounds_s[MC_DURATIONS_BUCKETS - 1] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5 };

void mc_metrics_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A count or a size is exact as far as a double is. */
static void write_one(FILE *out, const struct mc_metric *m, double value)
{
	fputs(m->name, out);
	if (m->labels)
		fprintf(out, "{%s}", m->labels);
	fprintf(out, " %.15g\n", value);
}

void mc_metrics_write(FILE *out, const struct mc_metric *metrics, const double *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(metrics[i - 1].name, metrics[i].name) != 0)
			mc_metrics_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		write_one(out, &metrics[i], values[i]);
	}
}

void mc_durations_note(struct mc_durations *d, int64_t ns)
{
	size_t i = 0;

	while (i < MC_ARRAY_SIZE(bounds_s) && (double)ns > bounds_s[i] * MC_SECOND)
		i++;
	atomic_fetch_add(&d->counts[i], 1);
	atomic_fetch_add(&d->sum_ns, ns);
}

void mc_durations_write(FILE *out, const char *name, const char *help, const struct mc_durations *d)
{
	uint64_t n = 0;

	mc_metrics_head(out, name, "histogram", help);
	for (size_t i = 0; i < MC_ARRAY_SIZE(bounds_s); i++) {
		n += atomic_load(&d->counts[i]);
		fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, bounds_s[i], n);
	}
	n += atomic_load(&d->counts[MC_DURATIONS_BUCKETS - 1]);
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.9g\n%s_count %" PRIu64 "\n", name, n, name,
		(double)atomic_load(&d->sum_ns) / MC_SECOND, name, n);
}
