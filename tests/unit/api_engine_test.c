/* What is generic about calls: client tokens, and the waits that come with them. */
#include "tests/unit/api_vpc_fixture.h"

#include "api/engine.h"

/* The region is there already. */
static int setup(void **state)
{
	struct fixture *f;
	struct store_tx *tx;

	fixture_setup(state);
	f = *state;
	tx = store_write(f->api.store);
	store_set_fact(tx, "region/" FIXTURE_ACCOUNT "/" FIXTURE_REGION, REGION_MADE);
	return store_commit(tx, NULL);
}

/* A whole call, as far as it goes without waiting. */
static struct engine_call *run(struct fixture *f, const char *name, const char *in, enum engine_result *ret)
{
	struct engine_call *ec = engine_call_new(&f->api);
	mc_autofree char *text = mc_strdup(in);

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	ec->caller = f->caller;
	ec->in = json_loads(text, 0, NULL);
	assert_non_null(ec->in);
	*ret = engine_run(ec, "ec2", model_operation(model_service("ec2"), name));
	return ec;
}

/* The same token: the same endpoint, and the wait for it; other parameters: refused. */
static void token_waits(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'ServiceName': 'com.amazonaws.us-east-1.ec2', 'VpcEndpointType': 'Interface', "
				       "'PrivateDnsEnabled': false, 'SubnetIds': ['%s'], 'ClientToken': 'a'}", vpc, subnet);
	mc_autofree char *other = mc_strf("{'VpcId': '%s', 'ServiceName': 'com.amazonaws.us-east-1.sts', 'VpcEndpointType': 'Interface', "
					  "'PrivateDnsEnabled': false, 'ClientToken': 'a'}", vpc);
	enum engine_result first_result, second_result, third_result;
	struct engine_call *first = run(f, "CreateVpcEndpoint", in, &first_result);
	struct engine_call *second = run(f, "CreateVpcEndpoint", in, &second_result);
	struct engine_call *third = run(f, "CreateVpcEndpoint", other, &third_result);
	int64_t generation = mc_json_int(first->call.waits, vpc, 0);

	assert_int_equal(first_result, ENGINE_WAIT);
	assert_true(generation > 0);
	assert_int_equal(second_result, ENGINE_WAIT);
	assert_int_equal(mc_json_int(second->call.waits, vpc, 0), generation);
	assert_true(json_equal(first->call.out, second->call.out));
	assert_string_equal(third->call.error_code, "IdempotentParameterMismatch");
	engine_call_free(first);
	engine_call_free(second);
	engine_call_free(third);
}

/* What waits for nothing is answered again at once. */
static void token_without_wait(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'ClientToken': 'b'}", vpc);
	enum engine_result first_result, second_result;
	struct engine_call *first = run(f, "CreateRouteTable", in, &first_result);
	struct engine_call *second = run(f, "CreateRouteTable", in, &second_result);

	assert_int_equal(first_result, ENGINE_DONE);
	assert_int_equal(second_result, ENGINE_DONE);
	assert_true(json_equal(first->call.out, second->call.out));
	engine_call_free(first);
	engine_call_free(second);
	assert_int_equal(json_array_size(of_vpc(f, "DescribeRouteTables", "RouteTables", vpc)), 2);
}

/* DryRun says whether it would succeed, and does nothing: not even its token is used. */
static void dry_run(void **state)
{
	static const struct { const char *name, *in, *code; } rows[] = {
		{ "CreateVpc", "'CidrBlock': '10.0.0.0/16'", "DryRunOperation" },
		{ "CreateVpc", "'CidrBlock': '10.0.0.0/8'", "InvalidVpc.Range" },
		{ "DeleteVpc", "'VpcId': 'vpc-12345678'", "InvalidVpcID.NotFound" },
		{ "DescribeVpcs", "'VpcIds': ['vpc-12345678']", "InvalidVpcID.NotFound" },
		{ "DescribeVpcs", "'VpcIds': []", "DryRunOperation" },
		{ "CreateSecurityGroup", "'GroupName': 'web', 'Description': 'd'", "DryRunOperation" },
		{ "AllocateAddress", "'Domain': 'vpc'", "DryRunOperation" },
		{ "CreateNatGateway", "'SubnetId': 'subnet-12345678', 'ConnectivityType': 'private', 'ClientToken': 'c'", "InvalidSubnetID.NotFound" },
	};
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *table = mc_strf("{'VpcId': '%s', 'ClientToken': 'd', 'DryRun': true}", vpc);
	mc_autofree char *same = mc_strf("{'VpcId': '%s', 'ClientToken': 'd'}", vpc);
	enum engine_result result;
	struct engine_call *ec;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{%s, 'DryRun': true}", rows[i].in);

		ec = run(f, rows[i].name, in, &result);
		assert_int_equal(result, ENGINE_DONE);
		assert_string_equal(ec->call.error_code, rows[i].code);
		engine_call_free(ec);
	}
	ec = run(f, "CreateRouteTable", table, &result);
	assert_string_equal(ec->call.error_code, "DryRunOperation");
	engine_call_free(ec);
	assert_int_equal(json_array_size(of_vpc(f, "DescribeRouteTables", "RouteTables", vpc)), 1);
	ec = run(f, "CreateRouteTable", same, &result);
	assert_null(ec->call.error_code);
	engine_call_free(ec);
	fixture_ok(f, "DescribeVpcs", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Vpcs")), 2);
	fixture_ok(f, "DescribeAddresses", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Addresses")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)
		T(token_waits), T(token_without_wait), T(dry_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
