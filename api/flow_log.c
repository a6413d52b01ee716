/* Flow logs: what passed at an interface, a subnet's or a VPC's, written to files by netd.
 * This cloud has no CloudWatch Logs, S3 or Firehose yet. A log for a log group, the API's
 * default, is a file; a bucket or a stream is refused. */
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/describe.h"
#include "api/interface.h"
#include "api/nat_gateway.h"
#include "api/view.h"
#include "api/vpc.h"
#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* VPC User Guide, "Flow log records": the fields of version 2. */
#define FORMAT "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} " \
	       "${bytes} ${start} ${end} ${action} ${log-status}"
#define MAX_INTERVAL 600

/* --- create --------------------------------------------------------------- */

static const struct {
	const char *type; /* ResourceType */
	enum kind kind;
} types[] = {
	{ "VPC", KIND_VPC }, { "Subnet", KIND_SUBNET }, { "NetworkInterface", KIND_NETWORK_INTERFACE },
};

/* KIND_MAX after action_fail. */
static enum kind kind_of_request(struct call *call)
{
	const char *type = mc_json_str(call->in, "ResourceType", "");
	mc_autofree char *text = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].kind;
	text = mc_strf("Flow logs of a %s are not supported by this cloud: it has none.", type);
	action_fail(call, API_UNSUPPORTED, text);
	return KIND_MAX;
}

static int check_destination(struct call *call)
{
	const char *type = mc_json_str(call->in, "LogDestinationType", "cloud-watch-logs");
	mc_autofree char *text = NULL;

	if (strcmp(type, "cloud-watch-logs") != 0 && strcmp(type, "file") != 0)
		text = mc_strf("The log destination type %s is not supported by this cloud: flow logs are files in its flow log directory. "
			       "Use cloud-watch-logs with a LogGroupName, or file.", type);
	else if (json_object_get(call->in, "LogDestination"))
		text = mc_strdup("LogDestination is not supported by this cloud: it chooses the file itself and shows it as LogDestination.");
	else if (json_object_get(call->in, "DestinationOptions") || json_object_get(call->in, "DeliverCrossAccountRole"))
		text = mc_strdup("DestinationOptions and DeliverCrossAccountRole are not supported by this cloud: flow logs are plain files.");
	else if (strcmp(mc_json_str(call->in, "LogFormat", FORMAT), FORMAT) != 0)
		text = mc_strdup("Only the default log format is supported by this cloud.");
	if (text)
		return action_fail(call, API_UNSUPPORTED, text);
	if (strcmp(type, "file") != 0 && !mc_json_str(call->in, "LogGroupName", NULL))
		return action_fail(call, API_MISSING_PARAMETER, "LogGroupName");
	return 0;
}

static int check_request(struct call *call)
{
	int64_t interval = mc_json_int(call->in, "MaxAggregationInterval", MAX_INTERVAL);

	if (interval != 60 && interval != MAX_INTERVAL)
		return action_invalid(call, "Invalid value for MaxAggregationInterval: it is 60 or 600 seconds.");
	if (!mc_json_str(call->in, "TrafficType", NULL))
		return action_fail(call, API_MISSING_PARAMETER, "TrafficType");
	if (json_array_size(mc_json_arr(call->in, "ResourceIds")) == 0)
		return action_fail(call, API_MISSING_PARAMETER, "ResourceIds");
	return check_destination(call);
}

static json_t *unsuccessful(const char *id, const char *code, const char *message)
{
	return json_pack("{s:s, s:{s:s, s:s}}", "ResourceId", id, "Error", "Code", code, "Message", message);
}

static bool exists(struct call *call, const char *resource)
{
	static const char *const same[] = { "TrafficType", "LogGroupName" };
	struct store_iter it = store_iter(call->tx, KIND_FLOW_LOG, call->caller->account, call->caller->region);
	const struct resource *log;

	while ((log = store_next(&it))) {
		bool equal = strcmp(mc_json_str(log->doc, "ResourceId", ""), resource) == 0;

		for (size_t i = 0; equal && i < MC_ARRAY_SIZE(same); i++)
			equal = strcmp(mc_json_str(log->doc, same[i], ""), mc_json_str(call->in, same[i], "")) == 0;
		if (equal)
			return true;
	}
	return false;
}

static int insert_log(struct call *call, const struct resource *of, json_t *ids)
{
	struct resource *log = store_insert(call->tx, KIND_FLOW_LOG, of->account, of->region);
	mc_autofree char *file = mc_strf("file://%s/%s.log", call->api->config.flow_log_dir, log->id);

	log->parent = mc_strdup(of->kind == KIND_VPC ? of->id : of->parent);
	json_object_update_new(log->doc, json_pack("{s:s, s:O, s:s, s:I, s:s, s:s, s:O*, s:O*}", "ResourceId", of->id, "TrafficType",
		json_object_get(call->in, "TrafficType"), "LogDestinationType",
		mc_json_str(call->in, "LogDestinationType", "cloud-watch-logs"), "MaxAggregationInterval",
		(json_int_t)mc_json_int(call->in, "MaxAggregationInterval", MAX_INTERVAL), "LogFormat", FORMAT, "LogDestination", file,
		"LogGroupName", json_object_get(call->in, "LogGroupName"), "DeliverLogsPermissionArn",
		json_object_get(call->in, "DeliverLogsPermissionArn")));
	json_array_append_new(ids, json_string(log->id));
	vpc_change(call, log->parent);
	return action_apply_tags(call, "vpc-flow-log", log);
}

/* One resource: what is wrong with it is told beside what went well. */
static int create_one(struct call *call, enum kind kind, const char *id, json_t *ids, json_t *failed)
{
	const struct kind_info *k = kind_info(kind);
	const struct resource *r = store_find(call->tx, kind, call->caller->account, call->caller->region, id);
	mc_autofree char *text = mc_strf("The %s '%s' does not exist", k->noun, id);

	if (!r)
		json_array_append_new(failed, unsuccessful(id, mc_id_valid(k->prefix, id) ? k->not_found : k->malformed, text));
	else if (exists(call, id))
		json_array_append_new(failed, unsuccessful(id, "FlowLogAlreadyExists", "There is an existing Flow Log with the same "
							   "configuration and log destination."));
	else
		return insert_log(call, r, ids);
	return 0;
}

static int create_flow_logs(struct call *call)
{
	static const char *const taggable[] = { "vpc-flow-log", NULL };
	json_t *ids, *failed, *id;
	enum kind kind;
	size_t i;

	if (action_check_tag_types(call, taggable) || check_request(call))
		return 1;
	kind = kind_of_request(call);
	if (kind == KIND_MAX)
		return 1;
	ids = json_array();
	failed = json_array();
	call->out = json_pack("{s:o, s:o, s:O*}", "FlowLogIds", ids, "Unsuccessful", failed, "ClientToken", json_object_get(call->in, "ClientToken"));
	json_array_foreach(mc_json_arr(call->in, "ResourceIds"), i, id)
		if (create_one(call, kind, json_is_string(id) ? json_string_value(id) : "", ids, failed))
			return 1;
	return 0;
}

/* --- delete and describe ---------------------------------------------------- */

static int delete_flow_logs(struct call *call)
{
	const struct kind_info *k = kind_info(KIND_FLOW_LOG);
	json_t *failed = json_array(), *one;
	size_t i;

	call->out = json_pack("{s:o}", "Unsuccessful", failed);
	json_array_foreach(mc_json_arr(call->in, "FlowLogIds"), i, one) {
		const char *id = json_is_string(one) ? json_string_value(one) : "";
		const struct resource *log = store_find(call->tx, KIND_FLOW_LOG, call->caller->account, call->caller->region, id);
		mc_autofree char *text = mc_strf("The %s '%s' does not exist", k->noun, id);

		if (!log) {
			json_array_append_new(failed, unsuccessful(id, k->not_found, text));
			continue;
		}
		vpc_change(call, log->parent);
		store_delete(call->tx, log->id);
	}
	return 0;
}

static json_t *flow_log_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "FlowLogId", NULL);
	char created[MC_ISO8601_LEN];

	(void)call;
	mc_clock_iso8601(r->created, created);
	json_object_update_new(v, json_pack("{s:s, s:s, s:s}", "CreationTime", created, "FlowLogStatus", "ACTIVE", "DeliverLogsStatus", "SUCCESS"));
	return v;
}

static int describe_flow_logs(struct call *call)
{
	static const struct filter filters[] = {
		{ "deliver-log-status", "DeliverLogsStatus" }, { "flow-log-id", "FlowLogId" }, { "log-destination-type", "LogDestinationType" },
		{ "log-group-name", "LogGroupName" }, { "resource-id", "ResourceId" }, { "traffic-type", "TrafficType" }, { 0 },
	};
	static const struct describe d = {
		.kind = KIND_FLOW_LOG, .list = "FlowLogs", .ids = "FlowLogIds", .filters = filters, .view = flow_log_view,
		.page_min = 1, .page_max = 1000,
	};

	return describe_run(call, &d);
}

const struct action actions_flow_log[] = {
	{ .service = "ec2", .name = "CreateFlowLogs", .fn = create_flow_logs, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteFlowLogs", .fn = delete_flow_logs, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeFlowLogs", .fn = describe_flow_logs },
	{ 0 },
};

/* --- for netd --------------------------------------------------------------- */

/* Does netd have this interface? */
static bool is_known(struct store_tx *tx, const struct resource *eni)
{
	const struct resource *nat = store_get(tx, mc_json_str(eni->spec, "requester", NULL));

	if (nat && nat->kind == KIND_NAT_GATEWAY)
		return nat_gateway_wanted(nat);
	return interface_attached(eni) || mc_json_str(eni->spec, "kind", NULL);
}

static json_t *enis_of(struct store_tx *tx, const struct resource *log)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, log->account, log->region, NULL);
	const char *of = mc_json_str(log->doc, "ResourceId", "");
	const struct resource *eni;
	json_t *list = json_array();

	while ((eni = store_next_of(&it, log->parent)))
		if (is_known(tx, eni) && (strcmp(of, eni->id) == 0 || strcmp(of, eni->parent) == 0 ||
					  strcmp(of, mc_json_str(eni->spec, "subnet", "")) == 0))
			json_array_append_new(list, json_string(eni->id));
	return list;
}

static const char *netd_traffic(const char *type)
{
	return strcmp(type, "ACCEPT") == 0 ? "accept" : strcmp(type, "REJECT") == 0 ? "reject" : "all";
}

json_t *vpc_part_flow_logs(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_FLOW_LOG, vpc->account, vpc->region);
	const struct resource *log;
	json_t *list = json_array();

	while ((log = store_next_of(&it, vpc->id))) {
		mc_autofree char *file = mc_strf("%s.log", log->id);

		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:I, s:s, s:s}", "id", log->id, "enis", enis_of(tx, log), "traffic",
			netd_traffic(mc_json_str(log->doc, "TrafficType", "")), "interval",
			(json_int_t)mc_json_int(log->doc, "MaxAggregationInterval", MAX_INTERVAL), "account", log->account, "file", file));
	}
	return list;
}
