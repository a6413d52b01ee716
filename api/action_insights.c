/* Reachability Analyzer: paths, and their analyses by api/reach.h. */
#include <stdio.h>
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/reach.h"
#include "api/reach_rule.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define ANY_PORT 80 /* where neither the request nor a rule names one */

/* --- paths ---------------------------------------------------------------- */

/* The resource by id or ARN that may be an end of a path; NULL after action_fail. */
static const struct resource *end_of(struct call *call, const char *text)
{
	const char *slash = strrchr(text, '/'), *id = slash ? slash + 1 : text;
	enum kind kind = kind_by_id(id);

	if (kind == KIND_INSTANCE || kind == KIND_NETWORK_INTERFACE || kind == KIND_INTERNET_GATEWAY)
		return action_resource(call, kind, id);
	action_invalid(call, "'%s' cannot be an end of a path in this cloud: use an instance, a network interface or an internet gateway.", text);
	return NULL;
}

/* Either the older flat members or the filters, which say the same in newer clients. */
static int check_filters(struct call *call)
{
	static const char *const filters[] = { "FilterAtSource", "FilterAtDestination" };
	static const char *const flat[] = { "SourceIp", "DestinationIp", "DestinationPort" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(filters); i++)
		for (size_t k = 0; k < MC_ARRAY_SIZE(flat); k++)
			if (json_object_get(call->in, filters[i]) && json_object_get(call->in, flat[k]))
				return action_fail(call, API_PARAMETER_COMBINATION, "Filters cannot be used with sourceIp, destinationIp or destinationPort.");
	return 0;
}

static int check_address(struct call *call, const char *text)
{
	return !text || reach_ip(text) ? 0 : action_invalid(call, "Invalid IP address: %s", text);
}

static json_t *end_doc(const struct resource *r, const char *name)
{
	mc_autofree char *arn = resource_arn(r), *member = mc_strf("%sArn", name);

	return json_pack("{s:s, s:s}", name, r->id, member, arn);
}

static json_t *path_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "NetworkInsightsPathId", NULL);
	mc_autofree char *arn = resource_arn(r);
	char created[MC_ISO8601_LEN];

	(void)call;
	mc_clock_iso8601(r->created, created);
	json_object_set_new(v, "NetworkInsightsPathArn", json_string(arn));
	json_object_set_new(v, "CreatedDate", json_string(created));
	view_default(v, "Tags", json_array());
	return v;
}

static int create_path(struct call *call)
{
	static const char *const types[] = { "network-insights-path", NULL };
	static const char *const same[] = { "SourceIp", "DestinationIp", "Protocol", "DestinationPort", "FilterAtSource", "FilterAtDestination" };
	const char *to = action_text(call, "Destination"), *ip = action_text(call, "DestinationIp");
	const struct resource *source, *destination = NULL;
	struct resource *path;

	if (action_check_tag_types(call, types) || check_filters(call) || check_address(call, action_text(call, "SourceIp")) ||
	    check_address(call, ip))
		return 1;
	if (!to && !ip && !json_object_get(call->in, "FilterAtDestination") && !json_object_get(call->in, "FilterAtSource"))
		return action_fail(call, API_MISSING_PARAMETER, "Destination or DestinationIp");
	source = end_of(call, mc_json_str(call->in, "Source", ""));
	if (!source || (to && !(destination = end_of(call, to))))
		return 1;
	path = store_insert(call->tx, KIND_INSIGHTS_PATH, call->caller->account, call->caller->region);
	json_object_update_new(path->doc, end_doc(source, "Source"));
	if (destination)
		json_object_update_new(path->doc, end_doc(destination, "Destination"));
	for (size_t i = 0; i < MC_ARRAY_SIZE(same); i++)
		if (json_object_get(call->in, same[i]))
			json_object_set_new(path->doc, same[i], json_deep_copy(json_object_get(call->in, same[i])));
	if (action_apply_tags(call, "network-insights-path", path))
		return 1;
	call->out = json_pack("{s:o}", "NetworkInsightsPath", path_view(call, path));
	return 0;
}

static bool has_analyses(struct call *call, const char *path)
{
	struct store_iter it = store_iter(call->tx, KIND_INSIGHTS_ANALYSIS, call->caller->account, call->caller->region);

	return store_next_of(&it, path) != NULL;
}

static int delete_path(struct call *call)
{
	const struct resource *path = action_resource(call, KIND_INSIGHTS_PATH, mc_json_str(call->in, "NetworkInsightsPathId", NULL));
	mc_autofree char *text = NULL;

	if (!path)
		return 1;
	if (has_analyses(call, path->id)) {
		text = mc_strf("The path %s has analyses; delete them first.", path->id);
		return action_fail(call, API_NOT_FOUND, "AnalysisExistsForNetworkInsightsPath", text);
	}
	call->out = json_pack("{s:s}", "NetworkInsightsPathId", path->id);
	store_delete(call->tx, path->id);
	return 0;
}

static int describe_paths(struct call *call)
{
	static const struct filter filters[] = {
		{ "destination", "Destination" }, { "protocol", "Protocol" }, { "source", "Source" },
		{ "filter-at-source.source-address", "FilterAtSource.SourceAddress" },
		{ "filter-at-source.source-port-range.from-port", "FilterAtSource.SourcePortRange.FromPort" },
		{ "filter-at-source.source-port-range.to-port", "FilterAtSource.SourcePortRange.ToPort" },
		{ "filter-at-source.destination-address", "FilterAtSource.DestinationAddress" },
		{ "filter-at-source.destination-port-range.from-port", "FilterAtSource.DestinationPortRange.FromPort" },
		{ "filter-at-source.destination-port-range.to-port", "FilterAtSource.DestinationPortRange.ToPort" },
		{ 0 },
	};
	static const struct describe d = {
		.kind = KIND_INSIGHTS_PATH, .list = "NetworkInsightsPaths", .ids = "NetworkInsightsPathIds", .filters = filters,
		.view = path_view, .page_min = 1, .page_max = 100,
	};

	return describe_run(call, &d);
}

/* --- analyses ------------------------------------------------------------- */

/* An address of the path: flat, or in one of the filters. 0: any. */
static uint32_t address_of(const json_t *path, const char *flat, const char *in_filter)
{
	uint32_t ip = reach_ip(mc_json_str(path, flat, NULL));

	if (!ip)
		ip = reach_ip(mc_json_str(mc_json_obj(path, "FilterAtSource"), in_filter, NULL));
	return ip ? ip : reach_ip(mc_json_str(mc_json_obj(path, "FilterAtDestination"), in_filter, NULL));
}

/* The destination port, -1: any will do. */
static int port_of(const json_t *path)
{
	static const char *const filters[] = { "FilterAtSource", "FilterAtDestination" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(filters); i++) {
		const json_t *range = mc_json_obj(mc_json_obj(path, filters[i]), "DestinationPortRange");

		if (json_object_get(range, "FromPort"))
			return (int)mc_json_int(range, "FromPort", 0);
	}
	return (int)mc_json_int(path, "DestinationPort", -1);
}

/* Ports that rules of the destination name: one of them may do where none is asked for. */
static json_t *ports_in(struct store_tx *tx, const struct resource *destination)
{
	struct store_iter it = store_iter(tx, KIND_SECURITY_GROUP_RULE, destination ? destination->account : NULL, NULL);
	const struct resource *rule;
	json_t *list = json_array();

	while (destination && (rule = store_next(&it)))
		if (!mc_json_bool(rule->doc, "IsEgress", false) && mc_json_int(rule->doc, "FromPort", -1) > 0)
			json_array_append(list, json_object_get(rule->doc, "FromPort"));
	return list;
}

static void analyse(struct call *call, const json_t *path, struct reach_answer *ret)
{
	int port = port_of(path);
	struct reach_question q = {
		.source = store_get(call->tx, mc_json_str(path, "Source", NULL)),
		.destination = store_get(call->tx, mc_json_str(path, "Destination", NULL)),
		.source_ip = address_of(path, "SourceIp", "SourceAddress"),
		.destination_ip = address_of(path, "DestinationIp", "DestinationAddress"),
		.protocol = strcmp(mc_json_str(path, "Protocol", "tcp"), "udp") == 0 ? REACH_UDP : REACH_TCP,
		.port = port < 0 ? ANY_PORT : port,
	};
	mc_auto_json json_t *ports = ports_in(call->tx, q.destination);

	reach_analyse(call->tx, &q, ret);
	for (size_t i = 0; port < 0 && !ret->found && i < json_array_size(ports); i++) {
		struct reach_answer other;

		q.port = (int)json_integer_value(json_array_get(ports, i));
		reach_analyse(call->tx, &q, &other);
		reach_answer_deinit(other.found ? ret : &other);
		if (other.found)
			*ret = other;
	}
}

/* AWS's members alone. */
static json_t *explanations_view(const json_t *explanations)
{
	json_t *list = json_deep_copy(explanations), *one, *value;
	const char *key;
	void *next;
	size_t i;

	json_array_foreach(list, i, one)
		json_object_foreach_safe(one, next, key, value)
			if (*key == REACH_OWN)
				json_object_del(one, key);
	return list;
}

static json_t *analysis_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "NetworkInsightsAnalysisId", NULL);
	mc_autofree char *arn = resource_arn(r);
	const char *path = mc_json_str(call->in, "NetworkInsightsPathId", r->parent);
	char created[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, created);
	json_object_update_new(v, json_pack("{s:s, s:s, s:s, s:s}", "NetworkInsightsAnalysisArn", arn, "NetworkInsightsPathId", r->parent,
					    "StartDate", created, "Status", "succeeded"));
	view_default(v, "Tags", json_array());
	if (strcmp(path, r->parent) == 0 && strcmp(created, mc_json_str(call->in, "AnalysisStartTime", created)) >= 0 &&
	    strcmp(created, mc_json_str(call->in, "AnalysisEndTime", created)) <= 0) /* all of one form */
		return v;
	json_decref(v);
	return NULL;
}

static bool ends_exist(struct call *call, const json_t *path)
{
	static const char *const ends[] = { "Source", "Destination" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(ends); i++) {
		const char *id = mc_json_str(path, ends[i], NULL);

		if (id && !end_of(call, id))
			return false;
	}
	return true;
}

static int start_analysis(struct call *call)
{
	static const char *const types[] = { "network-insights-analysis", NULL };
	static const char *const unbuilt[] = { "AdditionalAccounts", "FilterInArns", NULL };
	const struct resource *path;
	struct reach_answer answer;
	struct resource *r;

	if (action_check_tag_types(call, types) ||
	    action_refuse_members(call, unbuilt, "Analyses of this cloud look at the whole way, in all its accounts."))
		return 1;
	path = action_resource(call, KIND_INSIGHTS_PATH, mc_json_str(call->in, "NetworkInsightsPathId", NULL));
	if (!path || !ends_exist(call, path->doc))
		return 1;
	analyse(call, path->doc, &answer);
	r = store_insert(call->tx, KIND_INSIGHTS_ANALYSIS, call->caller->account, call->caller->region);
	r->parent = mc_strdup(path->id);
	json_object_update_new(r->doc, json_pack("{s:b, s:O, s:O, s:o}", "NetworkPathFound", answer.found, "ForwardPathComponents", answer.forward,
						 "ReturnPathComponents", answer.back, "Explanations", explanations_view(answer.explanations)));
	if (answer.forwarded)
		json_object_set_new(r->doc, "WarningMessage", json_string("An instance is on the way: whether its guest forwards packets is not known."));
	reach_answer_deinit(&answer);
	if (action_apply_tags(call, "network-insights-analysis", r))
		return 1;
	call->out = json_pack("{s:o}", "NetworkInsightsAnalysis", analysis_view(call, r));
	return 0;
}

static int delete_analysis(struct call *call)
{
	const struct resource *r = action_resource(call, KIND_INSIGHTS_ANALYSIS, mc_json_str(call->in, "NetworkInsightsAnalysisId", NULL));

	if (!r)
		return 1;
	call->out = json_pack("{s:s}", "NetworkInsightsAnalysisId", r->id);
	store_delete(call->tx, r->id);
	return 0;
}

static int describe_analyses(struct call *call)
{
	static const struct filter filters[] = { { "path-found", "NetworkPathFound" }, { "status", "Status" }, { 0 } };
	static const struct describe d = {
		.kind = KIND_INSIGHTS_ANALYSIS, .list = "NetworkInsightsAnalyses", .ids = "NetworkInsightsAnalysisIds", .filters = filters,
		.view = analysis_view, .page_min = 1, .page_max = 100,
	};

	return describe_run(call, &d);
}

const struct action actions_insights[] = {
	{ .service = "ec2", .name = "CreateNetworkInsightsPath", .fn = create_path, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteNetworkInsightsPath", .fn = delete_path, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeNetworkInsightsPaths", .fn = describe_paths },
	{ .service = "ec2", .name = "StartNetworkInsightsAnalysis", .fn = start_analysis, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteNetworkInsightsAnalysis", .fn = delete_analysis, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeNetworkInsightsAnalyses", .fn = describe_analyses },
	{ 0 },
};
