/* Flow logs: what is refused, what netd is told. */
#include "tests/unit/api_vpc_fixture.h"

static json_t *told(struct fixture *f, const char *vpc)
{
	struct store_tx *tx = store_read(f->api.store);
	mc_auto_json json_t *doc = vpc_document(tx, vpc);

	store_end(tx);
	return json_incref(mc_json_arr(doc, "flow_logs"));
}

static void refused(void **state)
{
	static const struct { const char *in, *code; } rows[] = {
		{ "'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogDestinationType': 's3', 'LogDestination': 'arn:aws:s3:::b'", "UnsupportedOperation" },
		{ "'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogDestinationType': 'kinesis-data-firehose'", "UnsupportedOperation" },
		{ "'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogDestinationType': 'file', 'LogDestination': '/etc/passwd'", "UnsupportedOperation" },
		{ "'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogGroupName': 'g', 'LogFormat': '${version}'", "UnsupportedOperation" },
		{ "'ResourceType': 'VPC', 'TrafficType': 'ALL'", "MissingParameter" },
		{ "'ResourceType': 'VPC', 'LogGroupName': 'g'", "MissingParameter" },
		{ "'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogGroupName': 'g', 'MaxAggregationInterval': 61", "InvalidParameterValue" },
		{ "'ResourceType': 'TransitGateway', 'TrafficType': 'ALL', 'LogGroupName': 'g'", "UnsupportedOperation" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'ResourceIds': ['vpc-12345678'], %s}", rows[i].in);

		fixture_fails(f, "CreateFlowLogs", in, rows[i].code);
	}
	fixture_ok(f, "CreateFlowLogs", "{'ResourceIds': ['vpc-12345678'], 'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogGroupName': 'g'}");
	assert_string_equal(mc_json_str(mc_json_obj(json_array_get(fixture_list(f, "Unsuccessful"), 0), "Error"), "Code", ""), "InvalidVpcID.NotFound");
	assert_int_equal(json_array_size(fixture_list(f, "FlowLogIds")), 0);
	fixture_ok(f, "DeleteFlowLogs", "{'FlowLogIds': ['fl-12345678']}");
	assert_string_equal(mc_json_str(mc_json_obj(json_array_get(fixture_list(f, "Unsuccessful"), 0), "Error"), "Code", ""), "InvalidFlowLogId.NotFound");
}

static void life(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16"), *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *nat = mc_strf("{'SubnetId': '%s', 'ConnectivityType': 'private'}", subnet);
	mc_autofree char *in = mc_strf("{'ResourceIds': ['%s'], 'ResourceType': 'Subnet', 'TrafficType': 'REJECT', 'LogDestinationType': 'file', "
				       "'MaxAggregationInterval': 60}", subnet);
	mc_autofree char *id = NULL, *del = NULL;
	mc_auto_json json_t *logs = NULL, *after = NULL;
	const json_t *log;

	fixture_ok(f, "CreateNatGateway", nat);
	fixture_ok(f, "CreateFlowLogs", in);
	id = mc_strdup(mc_json_at(fixture_list(f, "FlowLogIds"), 0));
	fixture_ok(f, "CreateFlowLogs", in);
	assert_string_equal(mc_json_str(mc_json_obj(json_array_get(fixture_list(f, "Unsuccessful"), 0), "Error"), "Code", ""), "FlowLogAlreadyExists");
	logs = told(f, vpc);
	assert_int_equal(json_array_size(logs), 1);
	log = json_array_get(logs, 0);
	assert_string_equal(mc_json_str(log, "traffic", ""), "reject");
	assert_int_equal(mc_json_int(log, "interval", 0), 60);
	assert_int_equal(json_array_size(mc_json_arr(log, "enis")), 1);
	fixture_ok(f, "DescribeFlowLogs", "{'Filter': [{'Name': 'traffic-type', 'Values': ['REJECT']}]}");
	log = json_array_get(fixture_list(f, "FlowLogs"), 0);
	assert_string_equal(mc_json_str(log, "FlowLogStatus", ""), "ACTIVE");
	assert_non_null(strstr(mc_json_str(log, "LogDestination", ""), id));
	del = mc_strf("{'FlowLogIds': ['%s']}", id);
	fixture_ok(f, "DeleteFlowLogs", del);
	assert_int_equal(json_array_size(fixture_list(f, "Unsuccessful")), 0);
	after = told(f, vpc);
	assert_int_equal(json_array_size(after), 0);
}

/* Of how many interfaces the log of this resource tells. */
static size_t logged(struct fixture *f, const char *vpc, const char *type, const char *resource)
{
	mc_autofree char *in = mc_strf("{'ResourceIds': ['%s'], 'ResourceType': '%s', 'TrafficType': 'ALL', 'LogDestinationType': 'file'}", resource, type);
	mc_autofree char *del = NULL;
	mc_auto_json json_t *logs = NULL;

	fixture_ok(f, "CreateFlowLogs", in);
	del = mc_strf("{'FlowLogIds': ['%s']}", mc_json_at(fixture_list(f, "FlowLogIds"), 0));
	logs = told(f, vpc);
	fixture_ok(f, "DeleteFlowLogs", del);
	return json_array_size(mc_json_arr(json_array_get(logs, 0), "enis"));
}

/* One interface in the first subnet, two in the second. */
/* EC2 API reference, DeleteVpc: "flow logs for deleted VPCs are eventually automatically removed". */
static void goes_with_its_vpc(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *in = mc_strf("{'ResourceIds': ['%s'], 'ResourceType': 'VPC', 'TrafficType': 'ALL', 'LogGroupName': 'g'}", vpc);

	fixture_ok(f, "CreateFlowLogs", in);
	fixture_ok(f, "DescribeFlowLogs", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "FlowLogs")), 1);
	ok2(f, "DeleteVpc", "VpcId", vpc, "DryRun", "");
	fixture_ok(f, "DescribeFlowLogs", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "FlowLogs")), 0);
}

static void scopes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16"), *one = create_subnet(f, vpc, "10.0.1.0/24"), *two = create_subnet(f, vpc, "10.0.2.0/24");
	const char *const subnets[] = { one, two, two };
	mc_autofree char *eni = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(subnets); i++) {
		mc_autofree char *nat = mc_strf("{'SubnetId': '%s', 'ConnectivityType': 'private'}", subnets[i]);

		fixture_ok(f, "CreateNatGateway", nat);
	}
	fixture_ok(f, "DescribeNetworkInterfaces", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "NetworkInterfaces")), 3);
	eni = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "NetworkInterfaces"), 2), "NetworkInterfaceId", NULL));
	assert_int_equal(logged(f, vpc, "VPC", vpc), 3);
	assert_int_equal(logged(f, vpc, "Subnet", one), 1);
	assert_int_equal(logged(f, vpc, "Subnet", two), 2);
	assert_int_equal(logged(f, vpc, "NetworkInterface", eni), 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { WITH(refused), WITH(life), WITH(scopes), WITH(goes_with_its_vpc) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
