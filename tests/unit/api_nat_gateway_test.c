/* NAT gateways: their states, their failures, what netd is told, what routes make of them. */
#include "tests/unit/api_vpc_fixture.h"

#include "api/reconciler.h"

struct net {
	struct fixture *f;
	char *vpc, *subnet, *eip;
};

static int setup(void **state)
{
	struct net *n = mc_alloc(sizeof(*n));

	fixture_setup(state);
	n->f = *state;
	n->vpc = create_vpc(n->f, "10.0.0.0/16");
	n->subnet = create_subnet(n->f, n->vpc, "10.0.1.0/24");
	fixture_ok(n->f, "AllocateAddress", "{}");
	n->eip = answered(n->f, NULL, "AllocationId");
	waiters_confirm(n->f->api.waiters, n->vpc, 1000);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	struct net *n = *state;
	void *f = n->f;

	free(n->vpc);
	free(n->subnet);
	free(n->eip);
	free(n);
	return fixture_teardown(&f);
}

static char *create(struct net *n, const char *rest)
{
	mc_autofree char *in = mc_strf("{'SubnetId': '%s'%s}", n->subnet, rest);

	fixture_ok(n->f, "CreateNatGateway", in);
	assert_string_equal(mc_json_str(mc_json_obj(n->f->call.out, "NatGateway"), "State", ""), "pending");
	assert_null(n->f->call.waits);
	return answered(n->f, "NatGateway", "NatGatewayId");
}

static char *create_public(struct net *n)
{
	mc_autofree char *rest = mc_strf(", 'AllocationId': '%s'", n->eip);

	return create(n, rest);
}

/* What is shown of it after the workers had it. Borrowed. */
static const json_t *look(struct net *n, const char *id)
{
	mc_autofree char *in = mc_strf("{'NatGatewayIds': ['%s'], 'Filter': [{'Name': 'vpc-id', 'Values': ['%s']}]}", id, n->vpc);
	int64_t delay = 0;

	while (step_nat_gateway(&n->f->api, id, &delay, NULL) == STEP_AGAIN)
		;
	fixture_ok(n->f, "DescribeNatGateways", in);
	return json_array_get(fixture_list(n->f, "NatGateways"), 0);
}

static json_t *told(struct net *n)
{
	struct store_tx *tx = store_read(n->f->api.store);
	mc_auto_json json_t *doc = vpc_document(tx, n->vpc);

	store_end(tx);
	return json_incref(mc_json_arr(doc, "nat_gateways"));
}

static void life(void **state)
{
	struct net *n = *state;
	mc_autofree char *igw = create_gateway(n->f, n->vpc), *table = create_table(n->f, n->vpc), *id = create_public(n);
	mc_autofree char *route = mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '0.0.0.0/0', 'NatGatewayId': '%s'}", table, id);
	mc_autofree char *one = mc_strf("{'RouteTableIds': ['%s'], 'Filters': [{'Name': 'route.state', 'Values': ['blackhole']}]}", table);
	mc_autofree char *by_nat = mc_strf("{'NatGatewayId': '%s'}", id), *eni = NULL, *del = NULL, *release = NULL;
	mc_auto_json json_t *before = NULL, *after = NULL;
	const json_t *v = look(n, id), *address;

	assert_non_null(igw);
	assert_string_equal(mc_json_str(v, "State", ""), "available");
	address = json_array_get(mc_json_arr(v, "NatGatewayAddresses"), 0);
	assert_string_equal(mc_json_str(address, "AllocationId", ""), n->eip);
	eni = mc_strdup(mc_json_str(address, "NetworkInterfaceId", NULL));
	before = told(n);
	assert_int_equal(json_array_size(before), 1);
	assert_non_null(mc_json_str(json_array_get(before, 0), "public_ip", NULL));
	fixture_ok(n->f, "CreateRoute", route);
	fixture_ok(n->f, "DescribeRouteTables", one);
	assert_int_equal(json_array_size(fixture_list(n->f, "RouteTables")), 0);
	/* Its interface and its address are its own. */
	del = mc_strf("{'NetworkInterfaceId': '%s'}", eni);
	fixture_fails(n->f, "DeleteNetworkInterface", del, "OperationNotPermitted");
	release = mc_strf("{'AllocationId': '%s'}", n->eip);
	fixture_fails(n->f, "ReleaseAddress", release, "InvalidIPAddress.InUse");
	fixture_ok(n->f, "DeleteNatGateway", by_nat);
	after = told(n);
	assert_int_equal(json_array_size(after), 0);
	fixture_ok(n->f, "DescribeRouteTables", one);
	assert_int_equal(json_array_size(fixture_list(n->f, "RouteTables")), 1);
	v = look(n, id);
	assert_string_equal(mc_json_str(v, "State", ""), "deleted");
	assert_non_null(mc_json_str(v, "DeleteTime", NULL));
	assert_int_equal(json_array_size(mc_json_arr(v, "NatGatewayAddresses")), 1);
	fixture_ok(n->f, "ReleaseAddress", release);
	fixture_ok(n->f, "DeleteNatGateway", by_nat);
}

static void failures(void **state)
{
	struct net *n = *state;
	mc_autofree char *early = create_public(n), *igw = NULL, *good = NULL, *second = NULL;
	const json_t *v = look(n, early);

	assert_string_equal(mc_json_str(v, "State", ""), "failed");
	assert_string_equal(mc_json_str(v, "FailureCode", ""), "Gateway.NotAttached");
	igw = create_gateway(n->f, n->vpc);
	good = create_public(n);
	assert_string_equal(mc_json_str(look(n, good), "State", ""), "available");
	second = create_public(n);
	v = look(n, second);
	assert_string_equal(mc_json_str(v, "FailureCode", ""), "Resource.AlreadyAssociated");
	fixture_ok(n->f, "DescribeNetworkInterfaces", "{}");
	assert_int_equal(json_array_size(fixture_list(n->f, "NetworkInterfaces")), 1);
}

static void private(void **state)
{
	struct net *n = *state;
	mc_autofree char *id = create(n, ", 'ConnectivityType': 'private', 'PrivateIpAddress': '10.0.1.77'");
	const json_t *address = json_array_get(mc_json_arr(look(n, id), "NatGatewayAddresses"), 0);

	assert_string_equal(mc_json_str(address, "PrivateIp", ""), "10.0.1.77");
	assert_null(json_object_get(address, "PublicIp"));
}

static void refused(void **state)
{
	struct net *n = *state;
	static const struct { const char *rest, *code; } rows[] = {
		{ "", "MissingParameter" },
		{ ", 'AllocationId': 'eipalloc-12345678'", "InvalidAllocationID.NotFound" },
		{ ", 'AllocationId': 'x'", "InvalidAllocationID.Malformed" },
		{ ", 'AllocationId': 'x', 'ConnectivityType': 'private'", "InvalidParameterCombination" },
		{ ", 'ConnectivityType': 'private', 'PrivateIpAddress': '10.0.2.7'", "InvalidParameterValue" },
		{ ", 'ConnectivityType': 'private', 'TagSpecifications': [{'ResourceType': 'vpc', 'Tags': [{'Key': 'k', 'Value': 'v'}]}]", "InvalidParameterValue" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'SubnetId': '%s'%s}", n->subnet, rows[i].rest);

		fixture_fails(n->f, "CreateNatGateway", in, rows[i].code);
	}
	fixture_fails(n->f, "CreateNatGateway", "{'SubnetId': 'subnet-12345678'}", "InvalidSubnetID.NotFound");
	fixture_fails(n->f, "DeleteNatGateway", "{'NatGatewayId': 'nat-12345678'}", "NatGatewayNotFound");
	n->f->api.config.quota_nat_gateways = 1;
	free(create(n, ", 'ConnectivityType': 'private'"));
	{
		mc_autofree char *in = mc_strf("{'SubnetId': '%s', 'ConnectivityType': 'private'}", n->subnet);

		fixture_fails(n->f, "CreateNatGateway", in, "NatGatewayLimitExceeded");
	}
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { WITH(life), WITH(failures), WITH(private), WITH(refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
