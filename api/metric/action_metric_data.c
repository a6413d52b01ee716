/* CloudWatch: what the values were. (Amazon CloudWatch API Reference: GetMetricStatistics, GetMetricData.) */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/metric/math.h"
#include "api/metric/math_value.h"
#include "api/metric/period.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define STATISTICS_POINTS 1440 /* GetMetricStatistics answers no more */
#define DATA_POINTS 100800     /* nor GetMetricData, in one answer and of one metric */
#define EXPRESSION_DEPTH 10    /* expressions that name expressions */

static int64_t seconds(const json_t *in, const char *member)
{
	int64_t ns;

	return mc_clock_parse(mc_json_str(in, member, ""), &ns) < 0 ? 0 : ns / MC_SECOND;
}

/* The range that is asked for; 0, or action_fail. */
static int take_range(struct call *call, int64_t *from, int64_t *to)
{
	*from = seconds(call->in, "StartTime");
	*to = seconds(call->in, "EndTime");
	if (*from < 0 || *to <= *from)
		return action_fail(call, API_PARAMETER_COMBINATION, "The parameter StartTime must be less than the parameter EndTime.");
	return 0;
}

static int check_period(struct call *call, int64_t period)
{
	if (metric_period_valid(period))
		return 0;
	return action_fail(call, API_INVALID_PARAMETER, "The parameter Period must be 1, 5, 10, 30 or a multiple of 60, and at most 86400.");
}

/* --- GetMetricStatistics ---------------------------------------------------------------- */

static int check_names(struct call *call, const json_t *names, bool extended)
{
	mc_autofree char *text = NULL;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		const char *word = json_string_value(name);

		if (sample_statistic_valid(word) && (*word == 'p') == extended)
			continue;
		text = mc_strf("The value %s for parameter %s.member.%zu is invalid.", word, extended ? "ExtendedStatistics" : "Statistics", i + 1);
		return action_fail(call, API_INVALID_PARAMETER, text);
	}
	return 0;
}

static int check_statistics(struct call *call)
{
	const json_t *plain = mc_json_arr(call->in, "Statistics"), *extended = mc_json_arr(call->in, "ExtendedStatistics");
	int64_t from, to, period = mc_json_int(call->in, "Period", 0);
	mc_autofree char *text = NULL;

	if (json_array_size(plain) && json_array_size(extended))
		return action_fail(call, API_PARAMETER_COMBINATION, "The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both.");
	if (!json_array_size(plain) && !json_array_size(extended))
		return action_fail(call, API_MISSING, "At least one of the parameters must be specified: Statistics, ExtendedStatistics.");
	if (check_names(call, plain, false) || check_names(call, extended, true) || take_range(call, &from, &to) || check_period(call, period))
		return 1;
	if ((to - from) / period <= STATISTICS_POINTS)
		return 0;
	text = mc_strf("You have requested up to %lld datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by "
		       "increasing Period, or decreasing the time range.", (long long)((to - from) / period));
	return action_fail(call, API_PARAMETER_COMBINATION, text);
}

static void add_statistics(json_t *point, const struct sample *s, const json_t *names)
{
	json_t *name;
	double value;
	size_t i;

	json_array_foreach(names, i, name)
		if (sample_statistic(s, json_string_value(name), &value))
			json_object_set_new(point, json_string_value(name), json_real(value));
}

/* NULL: the period has none of the statistics. */
static json_t *datapoint(const struct call *call, const struct metric_period *p)
{
	json_t *point = json_object(), *extended = json_object();
	char at[MC_ISO8601_LEN];

	add_statistics(point, &p->sample, mc_json_arr(call->in, "Statistics"));
	add_statistics(extended, &p->sample, mc_json_arr(call->in, "ExtendedStatistics"));
	if (json_object_size(extended))
		json_object_set(point, "ExtendedStatistics", extended);
	json_decref(extended);
	if (json_object_size(point) == 0) {
		json_decref(point);
		return NULL;
	}
	mc_clock_iso8601(p->at * MC_SECOND, at);
	json_object_set_new(point, "Timestamp", json_string(at));
	json_object_set_new(point, "Unit", json_string(p->unit));
	return point;
}

static int get_metric_statistics(struct call *call)
{
	mc_autofree char *dims = metric_dims(mc_json_arr(call->in, "Dimensions"));
	const struct metric_name of = {
		.account = call->caller->account, .region = call->caller->region, .space = mc_json_str(call->in, "Namespace", ""),
		.name = mc_json_str(call->in, "MetricName", ""), .dims = dims,
	};
	auto_metric_periods p = { .period = mc_json_int(call->in, "Period", 60), .by_unit = true };
	json_t *points = json_array();

	call->out = json_pack("{s:s, s:o}", "Label", of.name, "Datapoints", points);
	if (take_range(call, &p.from, &p.to))
		return 1;
	p.from = metric_period_start(call->api->metrics, p.from, p.period, mc_clock_wall() / MC_SECOND);
	if (metric_periods_read(call->api->metrics, &of, mc_json_str(call->in, "Unit", NULL), &p, &call->err) < 0)
		return -1;
	for (size_t i = 0; i < p.n; i++) {
		json_t *point = datapoint(call, &p.items[i]);

		if (point)
			json_array_append_new(points, point);
	}
	return 0;
}

/* --- GetMetricData: what is asked ---------------------------------------------------------- */

static int refuse_query(struct call *call, const char *id, const char *why)
{
	return action_refuse(call, "ValidationError", "The value '%s' for parameter MetricDataQueries is not valid: %s", id, why);
}

static bool id_valid(const char *id)
{
	if (!islower((unsigned char)*id))
		return false;
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && *id != '_')
			return false;
	return true;
}

static int check_stat(struct call *call, const char *id, const json_t *stat)
{
	int64_t period = mc_json_int(stat, "Period", 0), from, to;
	const json_t *metric = mc_json_obj(stat, "Metric");

	if (!mc_json_str(metric, "MetricName", NULL) || !mc_json_str(metric, "Namespace", NULL))
		return refuse_query(call, id, "a metric has a Namespace and a MetricName.");
	if (!sample_statistic_valid(mc_json_str(stat, "Stat", "")))
		return refuse_query(call, id, "the Stat is not known.");
	if (take_range(call, &from, &to) || check_period(call, period))
		return 1;
	return (to - from) / period <= DATA_POINTS ? 0 : refuse_query(call, id, "its range has more than 100,800 periods.");
}

static int check_query(struct call *call, const json_t *query, json_t *seen)
{
	const char *id = mc_json_str(query, "Id", "");
	const json_t *stat = mc_json_obj(query, "MetricStat");

	if (!id_valid(id))
		return refuse_query(call, id, "an Id begins with a lower case letter and has letters, digits and underscores.");
	if (json_object_get(seen, id))
		return refuse_query(call, id, "the Id is there twice.");
	json_object_set_new(seen, id, json_true());
	if ((stat != NULL) == (mc_json_str(query, "Expression", NULL) != NULL))
		return refuse_query(call, id, "it has either a MetricStat or an Expression.");
	return stat ? check_stat(call, id, stat) : 0;
}

/* --- GetMetricData: the values -------------------------------------------------------------- */

struct asking {
	struct call *call;
	struct math_world world;
	json_t *queries;
	unsigned depth;
	bool failed; /* call->err says why */
};

static const json_t *query_of(const struct asking *a, const char *id)
{
	json_t *query;
	size_t i;

	json_array_foreach(a->queries, i, query)
		if (strcmp(mc_json_str(query, "Id", ""), id) == 0)
			return query;
	return NULL;
}

static struct math_value read_metric(struct asking *a, const json_t *stat)
{
	struct call *call = a->call;
	const json_t *metric = mc_json_obj(stat, "Metric");
	mc_autofree char *dims = metric_dims(mc_json_arr(metric, "Dimensions"));
	const struct metric_name of = {
		.account = call->caller->account, .region = call->caller->region, .space = mc_json_str(metric, "Namespace", ""),
		.name = mc_json_str(metric, "MetricName", ""), .dims = dims,
	};
	int64_t period = mc_json_int(stat, "Period", 60);
	auto_metric_periods p = { .period = period, .to = a->world.to };
	struct series s = { .period = period };
	double value;

	p.from = metric_period_start(call->api->metrics, a->world.from, period, mc_clock_wall() / MC_SECOND);
	if (metric_periods_read(call->api->metrics, &of, mc_json_str(stat, "Unit", NULL), &p, &call->err) < 0)
		a->failed = true;
	for (size_t i = 0; i < p.n; i++)
		if (sample_statistic(&p.items[i].sample, mc_json_str(stat, "Stat", ""), &value) && isfinite(value))
			series_add(&s, p.items[i].at, value);
	return math_series(s);
}

/* A math_world's find: ids may name expressions, which name others. */
static bool value_of(void *ctx, const char *id, struct math_value *ret, const char **wrong)
{
	struct asking *a = ctx;
	const json_t *query = query_of(a, id), *stat = mc_json_obj(query, "MetricStat");
	int r;

	if (!query)
		return false;
	if (stat) {
		*ret = read_metric(a, stat);
		return true;
	}
	if (a->depth == EXPRESSION_DEPTH) {
		*wrong = "Expressions name each other in a circle, or too deeply.";
		return false;
	}
	a->depth++;
	r = math_evaluate(mc_json_str(query, "Expression", ""), &a->world, ret, wrong);
	a->depth--;
	return r == 0;
}

/* A math_world's all. */
static void all_metrics(void *ctx, const char *part, struct math_value *ret)
{
	struct asking *a = ctx;
	json_t *query;
	size_t i;

	json_array_foreach(a->queries, i, query) {
		const json_t *stat = mc_json_obj(query, "MetricStat");
		struct math_value v;

		if (!stat || !strstr(mc_json_str(query, "Id", ""), part))
			continue;
		v = read_metric(a, stat);
		math_append(ret, v.items[0]);
		free(v.items);
	}
}

/* --- GetMetricData: the answer, page by page --------------------------------------------------- */

struct page {
	size_t skip, room; /* values */
	bool newest_first, more;
	size_t passed;     /* values so far, those of earlier pages included */
	json_t *results;
};

/* What of a series is on this page. */
static void add_result(struct page *page, const char *id, const char *label, const struct series *s)
{
	size_t begin = page->passed < page->skip ? page->skip - page->passed : 0, n;
	json_t *times = json_array(), *values = json_array();

	begin = begin > s->n ? s->n : begin;
	n = s->n - begin < page->room ? s->n - begin : page->room;
	for (size_t i = begin; i < begin + n; i++) {
		size_t k = page->newest_first ? s->n - 1 - i : i;
		char at[MC_ISO8601_LEN];

		mc_clock_iso8601(s->at[k] * MC_SECOND, at);
		json_array_append_new(times, json_string(at));
		json_array_append_new(values, json_real(s->values[k]));
	}
	page->passed += begin + n;
	page->room -= n;
	page->more = page->more || begin + n < s->n;
	if (n == 0 && page->skip) { /* told on an earlier page, or on a later one */
		json_decref(times);
		json_decref(values);
		return;
	}
	json_array_append_new(page->results, json_pack("{s:s, s:s, s:s, s:o, s:o}", "Id", id, "Label", label, "StatusCode",
						       begin + n < s->n ? "PartialData" : "Complete", "Timestamps", times, "Values", values));
}

static const char *label_of(const json_t *query, const char *id)
{
	const json_t *stat = mc_json_obj(query, "MetricStat");

	return mc_json_str(query, "Label", stat ? mc_json_str(mc_json_obj(stat, "Metric"), "MetricName", id) : id);
}

static int answer_query(struct asking *a, const json_t *query, struct page *page)
{
	const char *id = mc_json_str(query, "Id", ""), *wrong = NULL;
	auto_math_value v = math_number(0);

	if (!mc_json_bool(query, "ReturnData", true))
		return 0;
	if (!value_of(a, id, &v, &wrong))
		return a->failed ? -1 : action_refuse(a->call, "ValidationError", "Error in expression '%s': %s", id, wrong ? wrong : "It is not known.");
	if (a->failed)
		return -1;
	if (v.kind == MATH_NUMBER)
		return action_refuse(a->call, "ValidationError", "Error in expression '%s': The final result of a math expression must be a "
				     "time series or an array of time series.", id);
	for (size_t i = 0; i < v.n; i++)
		add_result(page, id, label_of(query, id), &v.items[i]);
	return 0;
}

/* Which request a token belongs to: all but the token itself. */
static unsigned long long digest(const json_t *in)
{
	mc_auto_json json_t *rest = json_copy((json_t *)in);
	mc_autofree char *text = NULL;
	unsigned long long sum = 14695981039346656037ULL; /* FNV-1a */

	json_object_del(rest, "NextToken");
	text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
	for (const char *p = text; *p; p++)
		sum = (sum ^ (unsigned char)*p) * 1099511628211ULL;
	return sum;
}

static int take_token(struct call *call, size_t *ret)
{
	const char *token = action_text(call, "NextToken");
	unsigned long long sum, at;
	char rest;

	*ret = 0;
	if (!token)
		return 0;
	if (sscanf(token, "%16llx-%16llx%c", &sum, &at, &rest) != 2 || sum != digest(call->in) || at == 0)
		return action_fail(call, API_INVALID_NEXT_TOKEN, token);
	*ret = (size_t)at;
	return 0;
}

static int check_data(struct call *call)
{
	int64_t from, to, points = mc_json_int(call->in, "MaxDatapoints", DATA_POINTS);
	mc_auto_json json_t *seen = json_object();
	size_t i, skip;
	json_t *query;

	if (take_range(call, &from, &to) || take_token(call, &skip))
		return 1;
	if (points < 1 || points > DATA_POINTS)
		return action_fail(call, API_INVALID_PARAMETER, "The parameter MaxDatapoints must be between 1 and 100800.");
	if (json_array_size(mc_json_arr(call->in, "MetricDataQueries")) > 500)
		return action_fail(call, API_INVALID_PARAMETER, "The collection MetricDataQueries must not have a size greater than 500.");
	json_array_foreach(mc_json_arr(call->in, "MetricDataQueries"), i, query)
		if (check_query(call, query, seen))
			return 1;
	return 0;
}

/* What numbers become a series by. */
static int64_t shortest_period(const json_t *queries, int64_t range)
{
	int64_t shortest = range / DATA_POINTS / 60 * 60 + 60;
	json_t *query;
	size_t i;

	json_array_foreach(queries, i, query) {
		int64_t period = mc_json_int(mc_json_obj(query, "MetricStat"), "Period", shortest);

		shortest = period < shortest ? period : shortest;
	}
	return shortest;
}

static int get_metric_data(struct call *call)
{
	struct asking a = { .call = call, .queries = mc_json_arr(call->in, "MetricDataQueries") };
	struct page page = { .room = (size_t)mc_json_int(call->in, "MaxDatapoints", DATA_POINTS), .results = json_array() };
	mc_autofree char *token = NULL;
	json_t *query;
	size_t i;
	int r;

	call->out = json_pack("{s:o, s:[]}", "MetricDataResults", page.results, "Messages");
	page.newest_first = strcmp(mc_json_str(call->in, "ScanBy", "TimestampDescending"), "TimestampDescending") == 0;
	if (take_range(call, &a.world.from, &a.world.to) || take_token(call, &page.skip))
		return 1;
	a.world.period = shortest_period(a.queries, a.world.to - a.world.from);
	a.world.from = metric_period_start(call->api->metrics, a.world.from, a.world.period, mc_clock_wall() / MC_SECOND);
	a.world.find = value_of;
	a.world.all = all_metrics;
	a.world.ctx = &a;
	json_array_foreach(a.queries, i, query)
		if ((r = answer_query(&a, query, &page)))
			return r;
	if (!page.more)
		return 0;
	token = mc_strf("%016llx-%llx", digest(call->in), (unsigned long long)page.passed);
	json_object_set_new(call->out, "NextToken", json_string(token));
	return 0;
}

#define READS ACTION_BACKEND | ACTION_GLOBAL
const struct action actions_metric_data[] = {
	{ .service = "monitoring", .name = "GetMetricStatistics", .fn = check_statistics, .flags = READS, .backend = get_metric_statistics },
	{ .service = "monitoring", .name = "GetMetricData", .fn = check_data, .flags = READS, .backend = get_metric_data },
	{ 0 },
};
