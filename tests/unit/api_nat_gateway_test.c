/* NAT gateways: their states, their failures, what netd is told, what routes make of them. */
#include "tests/unit/api_vpc_fixture.h"

#include "api/reconciler.h"
#include "common/clock.h"

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
	assert_null(mc_json_str(mc_json_obj(n->f->call.out, "NatGateway"), "FailureCode", NULL)); /* it has not failed yet */
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
		{ ", 'AllocationId': 'x'", "InvalidAllocationID.NotFound" },
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

/* --- secondary addresses ------------------------------------------------------------- */

/* The i-th address as the API shows it after the workers had it: {…}. Borrowed. */
static const json_t *address_of(struct net *n, const char *id, size_t i)
{
	return json_array_get(mc_json_arr(look(n, id), "NatGatewayAddresses"), i);
}

static void expect_status(struct net *n, size_t i, const char *status)
{
	const json_t *one = json_array_get(mc_json_arr(n->f->call.out, "NatGatewayAddresses"), i);

	assert_string_equal(mc_json_str(one, "Status", ""), status);
}

static void elastic(void **state)
{
	struct net *n = *state;
	mc_autofree char *igw = create_gateway(n->f, n->vpc), *id = create_public(n), *more = NULL, *third = NULL, *in = NULL, *by = NULL;
	mc_autofree char *too_many = NULL, *primary = NULL, *release = NULL, *private = NULL;
	mc_auto_json json_t *document = NULL;

	fixture_ok(n->f, "AllocateAddress", "{}");
	more = answered(n->f, NULL, "AllocationId");
	fixture_ok(n->f, "AllocateAddress", "{}");
	third = answered(n->f, NULL, "AllocationId");
	in = mc_strf("{'NatGatewayId': '%s', 'AllocationIds': ['%s'], 'PrivateIpAddresses': ['10.0.1.99']}", id, more);
	assert_non_null(igw);
	fixture_fails(n->f, "AssociateNatGatewayAddress", in, "IncorrectState");
	assert_string_equal(mc_json_str(look(n, id), "State", ""), "available");
	fixture_ok(n->f, "AssociateNatGatewayAddress", in);
	assert_null(n->f->call.waits);
	expect_status(n, 0, "associating"); /* what was asked for, not the first one */
	assert_int_equal(json_array_size(mc_json_arr(n->f->call.out, "NatGatewayAddresses")), 1);
	fixture_ok(n->f, "AssociateNatGatewayAddress", in); /* repeated */
	too_many = mc_strf("{'NatGatewayId': '%s', 'AllocationIds': ['%s']}", id, third);
	fixture_fails(n->f, "AssociateNatGatewayAddress", too_many, "OperationInProgress");
	assert_string_equal(mc_json_str(address_of(n, id, 1), "Status", ""), "succeeded");
	assert_string_equal(mc_json_str(address_of(n, id, 1), "PrivateIp", ""), "10.0.1.99");
	fixture_fails(n->f, "AssociateNatGatewayAddress", too_many, "AddressLimitExceeded");
	private = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddressCount': 1}", id);
	fixture_fails(n->f, "AssignPrivateNatGatewayAddress", private, "InvalidParameterValue");
	document = told(n);
	assert_int_equal(json_array_size(mc_json_arr(json_array_get(document, 0), "secondary")), 1);

	primary = mc_strf("{'NatGatewayId': '%s', 'AssociationIds': ['%s']}", id, mc_json_str(address_of(n, id, 0), "AssociationId", ""));
	fixture_fails(n->f, "DisassociateNatGatewayAddress", primary, "InvalidParameterValue");
	by = mc_strf("{'NatGatewayId': '%s', 'AssociationIds': ['%s'], 'MaxDrainDurationSeconds': 60}", id,
		     mc_json_str(address_of(n, id, 1), "AssociationId", ""));
	fixture_ok(n->f, "DisassociateNatGatewayAddress", by);
	expect_status(n, 0, "disassociating");
	fixture_ok(n->f, "DisassociateNatGatewayAddress", by); /* repeated */
	fixture_fails(n->f, "AssociateNatGatewayAddress", in, "OperationInProgress");
	json_decref(document);
	document = told(n);
	assert_true(mc_json_bool(json_array_get(mc_json_arr(json_array_get(document, 0), "secondary"), 0), "draining", false));
	release = mc_strf("{'AllocationId': '%s'}", more);
	fixture_fails(n->f, "ReleaseAddress", release, "InvalidIPAddress.InUse");
	assert_string_equal(mc_json_str(address_of(n, id, 1), "Status", ""), "disassociating");
	mc_clock_step(61 * MC_SECOND, 61 * MC_SECOND); /* netd is not there to say how many connections there are */
	assert_null(address_of(n, id, 1));
	fixture_ok(n->f, "ReleaseAddress", release);
}

static void assigned(void **state)
{
	struct net *n = *state;
	mc_autofree char *id = create(n, ", 'ConnectivityType': 'private', 'SecondaryPrivateIpAddressCount': 2"), *one = NULL, *seven = NULL;
	mc_autofree char *primary = NULL, *away = NULL, *strange = NULL, *both = NULL;

	assert_int_equal(json_array_size(mc_json_arr(look(n, id), "NatGatewayAddresses")), 3);
	one = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddresses': ['10.0.1.50']}", id);
	fixture_ok(n->f, "AssignPrivateNatGatewayAddress", one);
	expect_status(n, 0, "assigning");
	assert_string_equal(mc_json_str(address_of(n, id, 3), "Status", ""), "succeeded");
	seven = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddressCount': 5}", id);
	fixture_fails(n->f, "AssignPrivateNatGatewayAddress", seven, "PrivateIpAddressLimitExceeded");
	both = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddressCount': 1, 'PrivateIpAddresses': ['10.0.1.51']}", id);
	fixture_fails(n->f, "AssignPrivateNatGatewayAddress", both, "InvalidParameterCombination");
	primary = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddresses': ['%s']}", id, mc_json_str(address_of(n, id, 0), "PrivateIp", ""));
	fixture_fails(n->f, "UnassignPrivateNatGatewayAddress", primary, "InvalidParameterValue");
	strange = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddresses': ['10.0.1.200']}", id);
	fixture_fails(n->f, "UnassignPrivateNatGatewayAddress", strange, "InvalidParameterValue");
	away = mc_strf("{'NatGatewayId': '%s', 'PrivateIpAddresses': ['10.0.1.50']}", id);
	fixture_ok(n->f, "UnassignPrivateNatGatewayAddress", away);
	expect_status(n, 0, "unassigning");
	mc_clock_step(351 * MC_SECOND, 351 * MC_SECOND);
	assert_null(address_of(n, id, 3));
	assert_non_null(address_of(n, id, 2));
}

static void made_with_several(void **state)
{
	struct net *n = *state;
	mc_autofree char *igw = create_gateway(n->f, n->vpc), *more = NULL, *rest = NULL, *id = NULL;
	static const struct { const char *rest, *code; } rows[] = {
		{ "'ConnectivityType': 'private', 'SecondaryAllocationIds': ['eipalloc-12345678']", "InvalidParameterCombination" },
		{ "'ConnectivityType': 'private', 'SecondaryPrivateIpAddressCount': 8", "PrivateIpAddressLimitExceeded" },
		{ "'ConnectivityType': 'private', 'SecondaryPrivateIpAddresses': ['10.0.1.60', '10.0.1.60']", "Resource.AlreadyAssigned" },
	};

	assert_non_null(igw);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'SubnetId': '%s', %s}", n->subnet, rows[i].rest);

		fixture_fails(n->f, "CreateNatGateway", in, rows[i].code);
	}
	fixture_ok(n->f, "AllocateAddress", "{}");
	more = answered(n->f, NULL, "AllocationId");
	rest = mc_strf(", 'AllocationId': '%s', 'SecondaryAllocationIds': ['%s']", n->eip, more);
	id = create(n, rest);
	assert_string_equal(mc_json_str(look(n, id), "State", ""), "available");
	assert_string_equal(mc_json_str(address_of(n, id, 1), "AllocationId", ""), more);
	assert_string_equal(mc_json_str(address_of(n, id, 1), "Status", ""), "succeeded");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { WITH(life), WITH(failures), WITH(private), WITH(refused), WITH(elastic), WITH(assigned),
		WITH(made_with_several) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
