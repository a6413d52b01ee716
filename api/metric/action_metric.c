/* CloudWatch: what is put and what there is. (Amazon CloudWatch API Reference: PutMetricData, ListMetrics.) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/metric/batch.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define DATA_MAX 1000
#define VALUES_MAX 150
#define DIMENSIONS_MAX 30
#define LIST_PAGE 500
#define DAY 86400
#define LISTED (14 * DAY)    /* ListMetrics tells of what had values in two weeks */
#define RECENT (3 * 3600)    /* RecentlyActive: PT3H */
#define PAST (14 * DAY)      /* a time that is put is not further away */
#define FUTURE (2 * 3600)
#define VALUE_EXPONENT 360   /* values lie within 2^360 */

/* --- PutMetricData ------------------------------------------------------------------- */

static int invalid(struct call *call, size_t i, const char *member, const char *why)
{
	mc_autofree char *text = mc_strf("The value for parameter MetricData.member.%zu.%s is invalid. %s", i + 1, member, why);

	return action_fail(call, API_INVALID_PARAMETER, text);
}

static int check_dimensions(struct call *call, size_t i, const json_t *list)
{
	mc_auto_json json_t *seen = json_object();
	json_t *one;
	size_t k;

	if (json_array_size(list) > DIMENSIONS_MAX)
		return invalid(call, i, "Dimensions", "A metric has at most 30 dimensions.");
	json_array_foreach(list, k, one) {
		const char *name = mc_json_str(one, "Name", "");

		if (*name == ':')
			return invalid(call, i, "Dimensions", "A dimension's name does not begin with a colon.");
		if (json_object_get(seen, name))
			return invalid(call, i, "Dimensions", "A dimension's name is there twice.");
		json_object_set_new(seen, name, json_true());
	}
	return 0;
}

static bool value_valid(double value)
{
	return isfinite(value) && fabs(value) <= ldexp(1, VALUE_EXPONENT);
}

static int take_values(struct call *call, size_t i, const json_t *in, struct sample *s)
{
	const json_t *values = mc_json_arr(in, "Values"), *counts = mc_json_arr(in, "Counts");
	json_t *value;
	size_t k;

	if (counts && json_array_size(counts) != json_array_size(values))
		return invalid(call, i, "Counts", "Values and Counts have the same length.");
	if (json_array_size(values) > VALUES_MAX)
		return invalid(call, i, "Values", "There are at most 150 values.");
	json_array_foreach(values, k, value) {
		double count = counts ? json_number_value(json_array_get(counts, k)) : 1;

		if (!value_valid(json_number_value(value)))
			return invalid(call, i, "Values", "Values lie between -2^360 and 2^360.");
		if (!value_valid(count) || count <= 0)
			return invalid(call, i, "Counts", "Counts are positive.");
		sample_add(s, json_number_value(value), count);
	}
	return 0;
}

static int take_set(struct call *call, size_t i, const json_t *set, struct sample *s)
{
	*s = (struct sample){
		.n = json_number_value(json_object_get(set, "SampleCount")), .sum = json_number_value(json_object_get(set, "Sum")),
		.min = json_number_value(json_object_get(set, "Minimum")), .max = json_number_value(json_object_get(set, "Maximum")),
	};
	s->vague = s->min != s->max;
	if (!value_valid(s->n) || s->n <= 0 || !value_valid(s->sum) || !value_valid(s->min) || !value_valid(s->max))
		return invalid(call, i, "StatisticValues", "The sample count is positive, and values lie between -2^360 and 2^360.");
	if (s->min > s->max)
		return invalid(call, i, "StatisticValues", "Minimum is not greater than Maximum.");
	return 0;
}

static int take_sample(struct call *call, size_t i, const json_t *in, struct sample *s)
{
	const json_t *value = json_object_get(in, "Value"), *set = mc_json_obj(in, "StatisticValues");
	int given = (value != NULL) + (set != NULL) + (mc_json_arr(in, "Values") != NULL);
	mc_autofree char *text = NULL;

	if (given > 1) {
		text = mc_strf("The parameters MetricData.member.%zu.Value, MetricData.member.%zu.Values and "
			       "MetricData.member.%zu.StatisticValues are mutually exclusive and you have specified more than one.",
			       i + 1, i + 1, i + 1);
		return action_fail(call, API_PARAMETER_COMBINATION, text);
	}
	if (given == 0) {
		text = mc_strf("At least one of the parameters must be specified: MetricData.member.%zu.Value, "
			       "MetricData.member.%zu.Values, MetricData.member.%zu.StatisticValues.", i + 1, i + 1, i + 1);
		return action_fail(call, API_MISSING, text);
	}
	if (set)
		return take_set(call, i, set, s);
	if (!value)
		return take_values(call, i, in, s);
	if (!value_valid(json_number_value(value)))
		return invalid(call, i, "Value", "Values lie between -2^360 and 2^360.");
	sample_add(s, json_number_value(value), 1);
	return 0;
}

static int take_time(struct call *call, size_t i, const json_t *in, int64_t *ret)
{
	const char *text = mc_json_str(in, "Timestamp", NULL);
	int64_t now = mc_clock_wall() / MC_SECOND, ns;

	*ret = now;
	if (!text || mc_clock_parse(text, &ns) < 0)
		return 0;
	*ret = ns / MC_SECOND;
	if (*ret < now - PAST)
		return invalid(call, i, "Timestamp", "It must not be more than two weeks in the past.");
	if (*ret > now + FUTURE)
		return invalid(call, i, "Timestamp", "It must not be more than two hours in the future.");
	return 0;
}

static int take_datum(struct call *call, const json_t *in, struct metric_batch *b)
{
	size_t i = b->n;
	struct metric_datum *d = metric_batch_add(b, metric_dims(mc_json_arr(in, "Dimensions")));
	const json_t *resolution = json_object_get(in, "StorageResolution");

	d->of.account = call->caller->account;
	d->of.region = call->caller->region;
	d->of.space = mc_json_str(call->in, "Namespace", "");
	d->of.name = mc_json_str(in, "MetricName", "");
	d->unit = mc_json_str(in, "Unit", "None");
	d->fine = json_integer_value(resolution) == 1;
	if (resolution && json_integer_value(resolution) != 1 && json_integer_value(resolution) != 60)
		return invalid(call, i, "StorageResolution", "It is 1 or 60.");
	if (check_dimensions(call, i, mc_json_arr(in, "Dimensions")) || take_time(call, i, in, &d->at))
		return 1;
	return take_sample(call, i, in, &d->sample);
}

/* All data: those that name no entity, and those of entities (who they are is not kept). New reference. */
static json_t *all_data(const struct call *call)
{
	json_t *all = json_array(), *entity;
	size_t i;

	json_array_extend(all, mc_json_arr(call->in, "MetricData"));
	json_array_foreach(mc_json_arr(call->in, "EntityMetricData"), i, entity)
		json_array_extend(all, mc_json_arr(entity, "MetricData"));
	return all;
}

static int check_put(struct call *call)
{
	const char *space = mc_json_str(call->in, "Namespace", "");
	mc_auto_json json_t *all = all_data(call);
	mc_autofree char *text = NULL;

	if (*space == ':' || strncmp(space, "AWS/", 4) == 0) {
		text = mc_strf("The value %s for parameter Namespace is invalid.", space);
		return action_fail(call, API_INVALID_PARAMETER, text);
	}
	if (json_array_size(all) == 0)
		return action_fail(call, API_MISSING, "The parameter MetricData is required.");
	if (json_array_size(all) > DATA_MAX)
		return action_fail(call, API_INVALID_PARAMETER, "The collection MetricData must not have a size greater than 1000.");
	return 0;
}

static int put_metric_data(struct call *call)
{
	mc_auto_json json_t *all = all_data(call);
	auto_metric_batch b = { .n = 0 };
	json_t *in;
	size_t i;
	int r;

	json_array_foreach(all, i, in)
		if (take_datum(call, in, &b))
			return 1;
	r = metrics_put(call->api->metrics, b.data, b.n, &call->err);
	return r > 0 ? action_refuse(call, "LimitExceeded", "The account has as many metrics as it may have (quota_metrics).") : r;
}

/* --- ListMetrics ------------------------------------------------------------------------ */

struct listing {
	const json_t *wanted; /* [{Name, Value?}] */
	json_t *metrics;
	int64_t last;
	bool more;
};

static bool has_dimensions(const json_t *wanted, const char *dims)
{
	mc_auto_json json_t *map = json_array_size(wanted) ? json_loads(dims, 0, NULL) : NULL;
	json_t *one;
	size_t i;

	json_array_foreach(wanted, i, one) {
		const char *value = mc_json_str(one, "Value", NULL), *is = mc_json_str(map, mc_json_str(one, "Name", ""), NULL);

		if (!is || (value && strcmp(value, is) != 0))
			return false;
	}
	return true;
}

static int add_metric(void *ctx, int64_t number, const struct metric_name *of)
{
	struct listing *l = ctx;

	if (!has_dimensions(l->wanted, of->dims))
		return 0;
	if (json_array_size(l->metrics) == LIST_PAGE) {
		l->more = true;
		return 1;
	}
	l->last = number;
	json_array_append_new(l->metrics, json_pack("{s:s, s:s, s:o}", "Namespace", of->space, "MetricName", of->name, "Dimensions",
						    metric_dims_list(of->dims)));
	return 0;
}

static int parse_token(struct call *call, int64_t *ret)
{
	const char *token = action_text(call, "NextToken");
	char *end;

	*ret = 0;
	if (!token)
		return 0;
	*ret = strtoll(token, &end, 16);
	return *end == '\0' && *ret > 0 ? 0 : action_fail(call, API_INVALID_NEXT_TOKEN, token);
}

static int check_list(struct call *call)
{
	int64_t after;

	return parse_token(call, &after);
}

static int list_metrics(struct call *call)
{
	int64_t window = action_text(call, "RecentlyActive") ? RECENT : LISTED;
	struct metrics_listing l = {
		.account = call->caller->account, .region = call->caller->region, .space = mc_json_str(call->in, "Namespace", ""),
		.name = mc_json_str(call->in, "MetricName", ""), .since = mc_clock_wall() / MC_SECOND - window,
	};
	struct listing listing = { .wanted = mc_json_arr(call->in, "Dimensions"), .metrics = json_array() };
	mc_autofree char *token = NULL;

	call->out = json_pack("{s:o}", "Metrics", listing.metrics);
	if (parse_token(call, &l.after))
		return 1;
	if (metrics_list(call->api->metrics, &l, add_metric, &listing, &call->err) < 0)
		return -1;
	if (listing.more) {
		token = mc_strf("%llx", (long long)listing.last);
		json_object_set_new(call->out, "NextToken", json_string(token));
	}
	return 0;
}

#define HOW ACTION_BACKEND | ACTION_GLOBAL
const struct action actions_metric[] = {
	{ .service = "monitoring", .name = "PutMetricData", .fn = check_put, .flags = HOW, .backend = put_metric_data },
	{ .service = "monitoring", .name = "ListMetrics", .fn = check_list, .flags = HOW, .backend = list_metrics },
	{ 0 },
};
