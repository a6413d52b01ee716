/* VPC endpoints: what is taken, what is shown, what netd is told. */
#include "api/gateway_endpoint.h"
#include "tests/unit/api_vpc_fixture.h"

#define EC2 "com.amazonaws.us-east-1.ec2"

struct place {
	struct fixture *f;
	char *vpc, *a, *b;
};

/* A VPC with names, and two subnets in two zones. */
static int setup(void **state)
{
	struct place *p = mc_alloc(sizeof(*p));
	struct store_tx *tx;
	mc_autofree char *names = NULL;
	mc_autofree char *second = NULL;

	fixture_setup(state);
	p->f = *state;
	tx = store_write(p->f->api.store);
	gateway_endpoint_offer(tx, FIXTURE_ACCOUNT, FIXTURE_REGION);
	gateway_endpoint_offer(tx, FIXTURE_ACCOUNT, FIXTURE_REGION);
	assert_int_equal(store_commit(tx, NULL), 0);
	p->vpc = create_vpc(p->f, "10.0.0.0/16");
	p->a = create_subnet(p->f, p->vpc, "10.0.1.0/24");
	second = mc_strf("{'VpcId': '%s', 'CidrBlock': '10.0.2.0/24', 'AvailabilityZone': 'us-east-1b'}", p->vpc);
	fixture_ok(p->f, "CreateSubnet", second);
	p->b = answered(p->f, "Subnet", "SubnetId");
	names = mc_strf("{'VpcId': '%s', 'EnableDnsHostnames': {'Value': true}}", p->vpc);
	fixture_ok(p->f, "ModifyVpcAttribute", names);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	void *f = p->f;

	free(p->vpc);
	free(p->a);
	free(p->b);
	free(p);
	return fixture_teardown(&f);
}

/* An endpoint of a service in the VPC; code NULL: it works. */
static void create(struct place *p, const char *service, const char *rest, const char *code)
{
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'ServiceName': '%s'%s%s}", p->vpc, service, rest ? ", " : "", rest ? rest : "");

	if (code)
		fixture_fails(p->f, "CreateVpcEndpoint", in, code);
	else
		fixture_ok(p->f, "CreateVpcEndpoint", in);
}

static void modify(struct place *p, const char *id, const char *rest, const char *code)
{
	mc_autofree char *in = mc_strf("{'VpcEndpointId': '%s', %s}", id, rest);

	if (code)
		fixture_fails(p->f, "ModifyVpcEndpoint", in, code);
	else
		fixture_ok(p->f, "ModifyVpcEndpoint", in);
}

static void services(void **state)
{
	struct place *p = *state;
	const json_t *one;

	fixture_ok(p->f, "DescribeVpcEndpointServices", "{}");
	assert_int_equal(json_array_size(fixture_list(p->f, "ServiceNames")), 3);
	fixture_ok(p->f, "DescribeVpcEndpointServices", "{'ServiceNames': ['" EC2 "'], 'Filters': [{'Name': 'service-type', 'Values': ['Interface']}]}");
	one = json_array_get(fixture_list(p->f, "ServiceDetails"), 0);
	assert_string_equal(mc_json_str(one, "PrivateDnsName", ""), "ec2.us-east-1.amazonaws.com");
	assert_true(mc_id_valid_any(mc_json_str(one, "ServiceId", "") + strlen("vpce-")));
	fixture_fails(p->f, "DescribeVpcEndpointServices", "{'ServiceNames': ['com.amazonaws.us-east-1.s3']}", "InvalidServiceName");
	fixture_fails(p->f, "DescribeVpcEndpointServices", "{'Filters': [{'Name': 'x', 'Values': ['y']}]}", "InvalidParameterValue");
}

static void refused(void **state)
{
	struct place *p = *state;
	static const struct { const char *service, *rest, *code; } rows[] = {
		{ "com.amazonaws.us-east-1.s3", NULL, "InvalidServiceName" },
		{ "com.amazonaws.eu-west-1.ec2", "'VpcEndpointType': 'Interface'", "InvalidServiceName" },
		{ EC2, "'VpcEndpointType': 'GatewayLoadBalancer'", "InvalidParameter" },
		{ EC2, "'SubnetIds': ['subnet-12345678']", "InvalidParameter" },
		{ EC2, "'SecurityGroupIds': ['sg-12345678']", "InvalidParameter" },
		{ EC2, "'PrivateDnsEnabled': true", "InvalidParameter" },
		{ EC2, "'RouteTableIds': ['rtb-12345678']", "InvalidRouteTableID.NotFound" },
		{ EC2, "'VpcEndpointType': 'Interface', 'IpAddressType': 'dualstack'", "UnsupportedOperation" },
		{ EC2, "'VpcEndpointType': 'Interface', 'PolicyDocument': 'x'", "InvalidPolicyDocument" },
		{ EC2, "'VpcEndpointType': 'Interface', 'SubnetIds': ['subnet-12345678']", "InvalidSubnetID.NotFound" },
		{ EC2, "'VpcEndpointType': 'Interface', 'SecurityGroupIds': ['sg-12345678']", "InvalidGroup.NotFound" },
		{ EC2, "'VpcEndpointType': 'Interface', 'RouteTableIds': ['rtb-12345678']", "InvalidParameter" },
	};
	mc_autofree char *twice = mc_strf("'VpcEndpointType': 'Interface', 'SubnetIds': ['%s', '%s']", p->a, p->a);

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		create(p, rows[i].service, rows[i].rest, rows[i].code);
	create(p, EC2, twice, "DuplicateSubnetsInSameZone");
	create(p, EC2, "'VpcEndpointType': 'Interface'", NULL);
	create(p, EC2, "'VpcEndpointType': 'Interface'", "InvalidParameter"); /* the name is taken */
	create(p, EC2, "'VpcEndpointType': 'Interface', 'PrivateDnsEnabled': false", NULL);
	p->f->api.config.quota_endpoints = 2;
	create(p, "com.amazonaws.us-east-1.sts", "'VpcEndpointType': 'Interface'", "VpcEndpointLimitExceeded");
	fails1(p->f, "DeleteVpc", "VpcId", p->vpc, "DependencyViolation");
}

/* The endpoint rows that netd gets. New reference. */
static json_t *rows(struct place *p)
{
	mc_auto_json json_t *doc = wanted_vpc(p->f, p->vpc);

	return json_incref(mc_json_arr(doc, "endpoints"));
}

static void life(void **state)
{
	struct place *p = *state;
	struct fixture *f = p->f;
	mc_autofree char *in = mc_strf("'VpcEndpointType': 'Interface', 'SubnetIds': ['%s']", p->a);
	mc_autofree char *add = mc_strf("'AddSubnetIds': ['%s'], 'RemoveSubnetIds': ['%s'], 'PrivateDnsEnabled': false", p->b, p->a);
	mc_autofree char *group_in = mc_strf("{'GroupName': 'g', 'Description': 'd', 'VpcId': '%s'}", p->vpc);
	mc_autofree char *group = NULL;
	mc_autofree char *swap = NULL;
	mc_autofree char *id = NULL;
	mc_autofree char *gone = NULL;
	mc_auto_json json_t *first = NULL, *second = NULL, *none = NULL;
	const json_t *shown, *row;

	create(p, EC2, in, NULL);
	assert_true(fixture_wait(f, p->vpc) > 0);
	id = answered(f, "VpcEndpoint", "VpcEndpointId");
	shown = mc_json_obj(f->call.out, "VpcEndpoint");
	assert_string_equal(mc_json_str(shown, "State", ""), "available");
	assert_int_equal(json_array_size(mc_json_arr(shown, "DnsEntries")), 3);
	assert_int_equal(json_array_size(mc_json_arr(shown, "Groups")), 1);
	assert_non_null(strstr(mc_json_str(shown, "PolicyDocument", ""), "Allow"));
	fixture_ok(f, "DescribeNetworkInterfaces", "{'Filters': [{'Name': 'interface-type', 'Values': ['vpc_endpoint']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "NetworkInterfaces")), 1);
	fails1(f, "DeleteSubnet", "SubnetId", p->a, "DependencyViolation");
	first = rows(p);
	row = json_array_get(first, 0);
	assert_string_equal(mc_json_str(row, "id", ""), id);
	assert_string_equal(mc_json_str(row, "ip", ""), "10.0.1.4");
	assert_true(mc_json_has_str(mc_json_arr(row, "names"), "ec2.us-east-1.amazonaws.com"));
	fixture_ok(f, "CreateSecurityGroup", group_in);
	group = answered(f, NULL, "GroupId");
	swap = mc_strf("'AddSecurityGroupIds': ['%s'], 'RemoveSecurityGroupIds': ['%s'], 'PolicyDocument': '{\\\"Statement\\\": []}'", group,
		       mc_json_at(mc_json_arr(row, "groups"), 0));
	modify(p, id, swap, NULL);
	modify(p, id, add, NULL);
	assert_true(fixture_wait(f, p->vpc) > 0);
	second = rows(p);
	assert_int_equal(json_array_size(second), 1);
	row = json_array_get(second, 0);
	assert_string_equal(mc_json_str(row, "subnet", ""), p->b);
	assert_string_equal(mc_json_at(mc_json_arr(row, "groups"), 0), group);
	assert_false(mc_json_has_str(mc_json_arr(row, "names"), "ec2.us-east-1.amazonaws.com"));
	modify(p, id, "'ResetPolicy': true, 'PolicyDocument': '{\\\"Statement\\\": []}'", "InvalidParameterCombination");
	modify(p, id, "'RemoveSubnetIds': ['subnet-12345678']", "InvalidParameterValue");
	ok1(f, "DeleteSubnet", "SubnetId", p->a);
	fails1(f, "DeleteSecurityGroup", "GroupId", group, "DependencyViolation");
	gone = mc_strf("{'VpcEndpointIds': ['%s', 'vpce-12345678']}", id);
	fixture_ok(f, "DeleteVpcEndpoints", gone);
	assert_int_equal(json_array_size(fixture_list(f, "Unsuccessful")), 1);
	none = rows(p);
	assert_int_equal(json_array_size(none), 0);
	fixture_ok(f, "DescribeVpcEndpoints", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "VpcEndpoints")), 0);
	ok1(f, "DeleteSecurityGroup", "GroupId", group);
	ok1(f, "DeleteSubnet", "SubnetId", p->b);
	ok1(f, "DeleteVpc", "VpcId", p->vpc);
}

static void policies(void **state)
{
	struct place *p = *state;
	static const struct { const char *policy, *code; } rows[] = {
		{ "{}", "InvalidPolicyDocument" },
		{ "[]", "InvalidPolicyDocument" },
		{ "{\\\"Statement\\\": \\\"x\\\"}", "InvalidPolicyDocument" },
		{ "{\\\"Statement\\\": [{\\\"Effect\\\": \\\"Allow\\\"}]}", "InvalidPolicyDocument" },
		{ "{\\\"Statement\\\": {\\\"Effect\\\": \\\"allow\\\", \\\"Action\\\": \\\"*\\\", \\\"Resource\\\": \\\"*\\\", "
		  "\\\"Principal\\\": \\\"*\\\"}}", "InvalidPolicyDocument" },
		{ "{\\\"Version\\\": \\\"2020-01-01\\\", \\\"Statement\\\": []}", "InvalidPolicyDocument" },
		{ "{\\\"Version\\\": \\\"2012-10-17\\\", \\\"Statement\\\": {\\\"Effect\\\": \\\"Deny\\\", \\\"NotAction\\\": \\\"*\\\", "
		  "\\\"Resource\\\": \\\"*\\\", \\\"Principal\\\": \\\"*\\\"}}", NULL },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *rest = mc_strf("'PolicyDocument': '%s'", rows[i].policy);

		create(p, EC2, rest, rows[i].code);
	}
	assert_non_null(strstr(mc_json_str(mc_json_obj(p->f->call.out, "VpcEndpoint"), "PolicyDocument", ""), "NotAction"));
}

/* The prefix list of a service, as two actions show it. Allocated. */
static char *service_list(struct fixture *f)
{
	const json_t *one;
	char *id;

	fixture_ok(f, "DescribePrefixLists", "{'Filters': [{'Name': 'prefix-list-name', 'Values': ['" EC2 "']}]}");
	one = json_array_get(fixture_list(f, "PrefixLists"), 0);
	assert_string_equal(mc_json_at(mc_json_arr(one, "Cidrs"), 0), "198.19.255.1/32");
	id = mc_strdup(mc_json_str(one, "PrefixListId", NULL));
	ok1(f, "GetManagedPrefixListEntries", "PrefixListId", id);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "Entries"), 0), "Cidr", ""), "198.19.255.1/32");
	fixture_ok(f, "DescribeManagedPrefixLists", "{'Filters': [{'Name': 'owner-id', 'Values': ['AWS']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "PrefixLists")), 3);
	fails1(f, "DeleteManagedPrefixList", "PrefixListId", id, "OperationNotPermitted");
	return id;
}

/* The route to the endpoint that the table shows; NULL: it has none. Borrowed. */
static const json_t *route_of(struct fixture *f, const char *table, const char *endpoint)
{
	mc_autofree char *in = mc_strf("{'RouteTableIds': ['%s']}", table);
	const json_t *routes;
	size_t i;
	json_t *route;

	fixture_ok(f, "DescribeRouteTables", in);
	routes = mc_json_arr(json_array_get(fixture_list(f, "RouteTables"), 0), "Routes");
	json_array_foreach(routes, i, route)
		if (strcmp(mc_json_str(route, "GatewayId", ""), endpoint) == 0)
			return route;
	return NULL;
}

/* Has the subnet's document the route, and the VPC's the endpoint? */
static void told(struct place *p, const char *endpoint, bool route)
{
	mc_auto_json json_t *doc = wanted_vpc(p->f, p->vpc);
	const json_t *routes = mc_json_arr(json_array_get(mc_json_arr(doc, "subnets"), 0), "routes");
	const json_t *first = json_array_get(routes, json_array_size(routes) - 1);

	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(doc, "gateway_endpoints"), 0), "id", ""), endpoint);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(mc_json_obj(doc, "dns"), "names"), 0), "ip", ""), "198.19.255.1");
	assert_int_equal(route, first && strcmp(mc_json_str(first, "target", ""), endpoint) == 0 &&
				strcmp(mc_json_str(first, "destination", ""), "198.19.255.1/32") == 0);
}

static void gateways(void **state)
{
	struct place *p = *state;
	struct fixture *f = p->f;
	mc_autofree char *table = main_table(f, p->vpc), *other = create_table(f, p->vpc), *list = service_list(f), *id = NULL, *second = NULL;
	mc_autofree char *in = mc_strf("'RouteTableIds': ['%s']", table);
	mc_autofree char *add = mc_strf("'AddRouteTableIds': ['%s'], 'RemoveRouteTableIds': ['%s']", other, table);
	mc_autofree char *back = mc_strf("'AddRouteTableIds': ['%s']", table);
	mc_autofree char *drop = mc_strf("{'RouteTableId': '%s', 'DestinationPrefixListId': '%s'}", table, list);
	mc_autofree char *own = NULL, *gone = NULL;

	create(p, EC2, in, NULL);
	assert_true(fixture_wait(f, p->vpc) > 0);
	id = answered(f, "VpcEndpoint", "VpcEndpointId");
	assert_string_equal(mc_json_at(mc_json_arr(mc_json_obj(f->call.out, "VpcEndpoint"), "RouteTableIds"), 0), table);
	assert_int_equal(json_array_size(mc_json_arr(mc_json_obj(f->call.out, "VpcEndpoint"), "DnsEntries")), 0);
	assert_string_equal(mc_json_str(route_of(f, table, id), "DestinationPrefixListId", ""), list);
	assert_string_equal(mc_json_str(route_of(f, table, id), "State", ""), "active");
	told(p, id, true);
	/* One route by one list. */
	create(p, EC2, in, "RouteAlreadyExists");
	create(p, "com.amazonaws.us-east-1.sts", in, NULL);
	fixture_fails(f, "DeleteRoute", drop, "InvalidParameterValue");
	own = mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '9.0.0.0/8', 'GatewayId': '%s'}", table, id);
	fixture_fails(f, "CreateRoute", own, "InvalidParameterValue");
	modify(p, id, add, NULL);
	assert_true(fixture_wait(f, p->vpc) > 0);
	assert_null(route_of(f, table, id));
	assert_non_null(route_of(f, other, id));
	modify(p, id, add, "InvalidParameterValue");
	modify(p, id, "'AddSubnetIds': ['subnet-12345678']", "InvalidParameter");
	modify(p, id, "'PrivateDnsEnabled': true", "InvalidParameter");
	modify(p, id, "'PolicyDocument': 'x'", "InvalidPolicyDocument");
	ok1(f, "DeleteRouteTable", "RouteTableId", other);
	modify(p, id, back, NULL);
	/* Another one for other tables is fine. */
	create(p, EC2, NULL, NULL);
	second = answered(f, "VpcEndpoint", "VpcEndpointId");
	modify(p, second, back, "RouteAlreadyExists");
	f->api.config.quota_gateway_endpoints = 3;
	create(p, EC2, NULL, "VpcEndpointLimitExceeded");
	fails1(f, "DeleteVpc", "VpcId", p->vpc, "DependencyViolation");
	gone = mc_strf("{'VpcEndpointIds': ['%s', '%s']}", id, second);
	fixture_ok(f, "DeleteVpcEndpoints", gone);
	assert_int_equal(json_array_size(fixture_list(f, "Unsuccessful")), 0);
	assert_null(route_of(f, table, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(services), T(refused), T(life), T(policies), T(gateways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
