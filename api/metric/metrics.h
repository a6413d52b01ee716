/* What is measured over time: metrics and their values, in a database of their own beside the one of
 * record (what is lost with it is history, no truth).
 *
 * A metric is an account's and region's name in a namespace with dimensions. Its values are kept as
 * samples of a second (what was put with that resolution), a minute, five minutes and an hour; each
 * is brought together from what was put, at once, and forgotten at its own age. */
#ifndef MC_API_METRIC_METRICS_H
#define MC_API_METRIC_METRICS_H

#include <jansson.h>
#include <stdint.h>

#include "api/metric/sample.h"
#include "common/error.h"

#define METRICS_TEXT 256 /* a namespace or a name, and the NUL */

struct metrics;

struct metrics_config {
	const char *path;
	long days;  /* that samples of a minute are kept: 15 as in AWS, the others in proportion */
	long mib;   /* what the file may hold; the oldest goes first */
	long quota; /* metrics of an account */
};

struct metric_name {
	const char *account, *region, *space, *name;
	const char *dims; /* {"InstanceId": "i-…"} as text, keys sorted: metric_dims() */
};

struct metric_datum {
	struct metric_name of;
	const char *unit;   /* "None" where there is none */
	int64_t at;         /* s since 1970 */
	bool fine;          /* samples of a second are kept, too */
	struct sample sample;
};

/* The dimensions of a request, [{Name, Value}], as text. Allocated. */
char *metric_dims(const json_t *list);
/* And back: [{Name, Value}]. New reference. */
json_t *metric_dims_list(const char *dims);

struct metrics *metrics_open(const struct metrics_config *config, mc_err **err);
void metrics_close(struct metrics *m);

/* Put them all, or none. 0; 1: an account has more metrics than its quota; -1 and *err. */
int metrics_put(struct metrics *m, const struct metric_datum *data, size_t n, mc_err **err);

/* How long samples of so many seconds (1, 60, 300, 3600) are kept, s. */
int64_t metrics_keep(const struct metrics *m, int64_t level);

/* Which samples tell of periods that begin `from`: the coarsest that fit into them. */
int64_t metrics_level(int64_t from, int64_t period);

struct metrics_query {
	struct metric_name of;
	const char *unit;       /* NULL: any */
	int64_t from, to, level; /* s; `to` is not in it */
};
/* fn for each sample, in the order of time and unit. Non-zero ends the reading. 0, or -1 and *err. */
typedef int metrics_sample_fn(void *ctx, int64_t at, const char *unit, const struct sample *sample);
int metrics_read(struct metrics *m, const struct metrics_query *q, metrics_sample_fn *fn, void *ctx, mc_err **err);

/* fn for each metric of an account and region behind this number whose last value is not before
 * `since` (s); space, name "": any. Non-zero ends the listing. 0, or -1 and *err. */
struct metrics_listing {
	const char *account, *region, *space, *name;
	int64_t after, since;
};
typedef int metrics_metric_fn(void *ctx, int64_t number, const struct metric_name *of);
int metrics_list(struct metrics *m, const struct metrics_listing *l, metrics_metric_fn *fn, void *ctx, mc_err **err);

/* Forget what is too old (now: s) or too much. 0, or -1 and *err. */
int metrics_tidy(struct metrics *m, int64_t now, mc_err **err);

#endif
