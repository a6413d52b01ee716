/* VPCs, subnets, route tables, internet gateways: what is made, shown and refused. */
#include "tests/unit/api_vpc_fixture.h"

#include "api/cidr.h"
#include "api/state.h"

/* --- blocks ------------------------------------------------------------------- */

static void blocks(void **state)
{
	static const struct { const char *text, *canonical; } rows[] = {
		{ "10.0.0.0/16", "10.0.0.0/16" }, { "100.68.0.18/18", "100.68.0.0/18" }, { "1.2.3.4/32", "1.2.3.4/32" },
		{ "255.255.255.255/0", "0.0.0.0/0" }, { "10.0.0.0", NULL }, { "10.0.0.0/", NULL }, { "10.0.0.0/33", NULL },
		{ "10.0.0/8", NULL }, { "10.0.0.0/-1", NULL }, { "10.0.0.0/016", NULL }, { "10.0.0.256/8", NULL }, { "/8", NULL },
		{ "", NULL }, { "::/0", NULL }, { "10.0.0.0/1 ", NULL }, { "1111.2222.3333.4444.5/8", NULL },
	};
	struct cidr a = { 0, 0 }, b = { 0, 0 }, c = { 0, 0 };

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *text = NULL;

		assert_int_equal(cidr_parse(rows[i].text, &c), rows[i].canonical != NULL);
		text = rows[i].canonical ? cidr_text(c) : NULL;
		if (text)
			assert_string_equal(text, rows[i].canonical);
	}
	assert_false(cidr_parse(NULL, &c));
	assert_true(cidr_parse("10.0.0.0/16", &a) && cidr_parse("10.0.255.0/24", &b));
	assert_true(cidr_contains(a, b) && !cidr_contains(b, a) && cidr_overlaps(b, a) && cidr_contains(a, a));
	assert_true(cidr_parse("10.1.0.0/24", &b));
	assert_true(!cidr_overlaps(a, b) && cidr_size(b) == 256);
	assert_true(cidr_parse("0.0.0.0/0", &b) && cidr_contains(b, a) && !cidr_contains(a, b));
}

/* --- VPCs --------------------------------------------------------------------- */

static void born_with(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.7/16");
	json_t *list, *one;

	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "Vpc"), "CidrBlock", ""), "10.0.0.0/16");
	list = of_vpc(f, "DescribeRouteTables", "RouteTables", vpc);
	assert_int_equal(json_array_size(list), 1);
	one = json_array_get(list, 0);
	assert_true(mc_json_bool(json_array_get(mc_json_arr(one, "Associations"), 0), "Main", false));
	assert_int_equal(json_array_size(mc_json_arr(one, "Routes")), 1);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(one, "Routes"), 0), "GatewayId", ""), "local");
	list = of_vpc(f, "DescribeNetworkAcls", "NetworkAcls", vpc);
	assert_int_equal(json_array_size(list), 1);
	assert_true(mc_json_bool(json_array_get(list, 0), "IsDefault", false));
	assert_int_equal(json_array_size(mc_json_arr(json_array_get(list, 0), "Entries")), 4);
	list = of_vpc(f, "DescribeSecurityGroups", "SecurityGroups", vpc);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(mc_json_str(json_array_get(list, 0), "GroupName", ""), "default");
	fixture_ok(f, "DescribeDhcpOptions", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "DhcpOptions")), 1); /* the one of the default VPC */
	assert_int_equal(json_array_size(of_vpc(f, "DescribeSubnets", "Subnets", vpc)), 0);
}

static void bad_vpcs(void **state)
{
	static const struct { const char *in, *code; } rows[] = {
		{ "{}", "MissingParameter" },
		{ "{'CidrBlock': '10.0.0.0/15'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '10.0.0.0/29'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '0.0.0.0/16'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '127.0.0.0/16'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '169.254.0.0/16'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '224.0.0.0/24'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '255.255.255.0/24'}", "InvalidVpc.Range" },
		{ "{'CidrBlock': '10.0.0.0'}", "InvalidParameterValue" },
		{ "{'CidrBlock': '10.0.0.0/16', 'AmazonProvidedIpv6CidrBlock': true}", "UnsupportedOperation" },
		{ "{'CidrBlock': '10.0.0.0/16', 'Ipv6CidrBlock': '2001:db8::/56'}", "UnsupportedOperation" },
		{ "{'Ipv4IpamPoolId': 'ipam-pool-1'}", "UnsupportedOperation" },
		{ "{'CidrBlock': '10.0.0.0/16', 'InstanceTenancy': 'dedicated'}", "UnsupportedOperation" },
		{ "{'CidrBlock': '10.0.0.0/16', 'TagSpecifications': [{'ResourceType': 'subnet', 'Tags': [{'Key': 'a'}]}]}", "InvalidParameterValue" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		fixture_fails(f, "CreateVpc", rows[i].in, rows[i].code);
	fixture_ok(f, "CreateVpc", "{'CidrBlock': '10.0.0.0/16', 'AmazonProvidedIpv6CidrBlock': false, 'InstanceTenancy': 'default'}");
	f->api.config.quota_vpcs = 2;
	fixture_fails(f, "CreateVpc", "{'CidrBlock': '10.0.0.0/16'}", "VpcLimitExceeded");
	fixture_fails(f, "CreateDefaultVpc", "{}", "DefaultVpcAlreadyExists");
}

static void vpc_attributes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *hostnames = mc_strf("{'VpcId': '%s', 'EnableDnsHostnames': {'Value': true}}", vpc);
	mc_autofree char *support = mc_strf("{'VpcId': '%s', 'EnableDnsSupport': {'Value': false}}", vpc);
	mc_autofree char *both = mc_strf("{'VpcId': '%s', 'EnableDnsSupport': {'Value': true}, 'EnableDnsHostnames': {'Value': true}}", vpc);
	mc_autofree char *ask = mc_strf("{'VpcId': '%s', 'Attribute': 'enableDnsHostnames'}", vpc);

	fixture_ok(f, "DescribeVpcAttribute", ask);
	assert_false(mc_json_bool(mc_json_obj(f->call.out, "EnableDnsHostnames"), "Value", true));
	fixture_ok(f, "ModifyVpcAttribute", hostnames);
	assert_true(fixture_wait(f, vpc) > 1);
	fixture_ok(f, "DescribeVpcAttribute", ask);
	assert_true(mc_json_bool(mc_json_obj(f->call.out, "EnableDnsHostnames"), "Value", false));
	fixture_ok(f, "ModifyVpcAttribute", support);
	fixture_fails(f, "ModifyVpcAttribute", hostnames, "InvalidParameterValue");
	fixture_fails(f, "ModifyVpcAttribute", both, "InvalidParameterCombination");
	fails1(f, "ModifyVpcAttribute", "VpcId", vpc, "MissingParameter");
	fails2(f, "DescribeVpcAttribute", "VpcId", vpc, "Attribute", "colour", "InvalidParameterValue");
}

static void further_blocks(void **state)
{
	static const struct { const char *block, *code; } rows[] = {
		{ "10.0.128.0/17", "InvalidVpc.Range" }, { "10.1.0.0/15", "InvalidVpc.Range" }, { "172.16.0.0/16", "InvalidVpc.Range" },
		{ "192.168.0.0/24", "InvalidVpc.Range" }, { "198.19.0.0/24", "InvalidVpc.Range" }, { "169.254.1.0/24", "InvalidVpc.Range" }, { "x", "InvalidParameterValue" },
	};
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'AmazonProvidedIpv6CidrBlock': true}", vpc);
	mc_autofree char *first = NULL;
	mc_autofree char *second = NULL;
	mc_autofree char *subnet = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		fails2(f, "AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", rows[i].block, rows[i].code);
	fixture_fails(f, "AssociateVpcCidrBlock", in, "UnsupportedOperation");
	ok2(f, "AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", "100.64.1.0/24");
	second = answered(f, "CidrBlockAssociation", "AssociationId");
	subnet = create_subnet(f, vpc, "100.64.1.0/28");
	fails1(f, "DisassociateVpcCidrBlock", "AssociationId", second, "InvalidCidrBlock.InUse");
	ok1(f, "DeleteSubnet", "SubnetId", subnet);
	ok1(f, "DisassociateVpcCidrBlock", "AssociationId", second);
	fails1(f, "DisassociateVpcCidrBlock", "AssociationId", second, "InvalidVpcCidrBlockAssociationID.NotFound");
	fixture_ok(f, "DescribeVpcs", "{}");
	first = mc_strdup(mc_json_str(json_array_get(mc_json_arr(json_array_get(fixture_list(f, "Vpcs"), 1), "CidrBlockAssociationSet"), 0),
				      "AssociationId", NULL));
	fails1(f, "DisassociateVpcCidrBlock", "AssociationId", first, "OperationNotPermitted");
	f->api.config.quota_vpc_cidrs = 1;
	fails2(f, "AssociateVpcCidrBlock", "VpcId", vpc, "CidrBlock", "10.1.0.0/16", "CidrLimitExceeded");
}

/* --- subnets ------------------------------------------------------------------ */

static void subnets(void **state)
{
	static const struct { const char *rest, *code; } rows[] = {
		{ "'CidrBlock': '10.0.0.0/15'", "InvalidSubnet.Range" }, { "'CidrBlock': '10.0.0.0/29'", "InvalidSubnet.Range" },
		{ "'CidrBlock': '10.1.0.0/24'", "InvalidSubnet.Range" }, { "'CidrBlock': '10.0.1.128/25'", "InvalidSubnet.Conflict" },
		{ "'CidrBlock': '10.0.0.0/16'", "InvalidSubnet.Conflict" }, { "'CidrBlock': 'x'", "InvalidParameterValue" },
		{ "'CidrBlock': '10.0.2.0/24', 'AvailabilityZone': 'us-east-1d'", "InvalidParameterValue" },
		{ "'CidrBlock': '10.0.2.0/24', 'AvailabilityZoneId': 'use2-az1'", "InvalidParameterValue" },
		{ "'CidrBlock': '10.0.2.0/24', 'AvailabilityZoneId': 'use1-az1', 'AvailabilityZone': 'us-east-1a'", "InvalidParameterCombination" },
		{ "'Ipv6Native': true", "UnsupportedOperation" }, { "'DryRun': false", "MissingParameter" },
	};
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.9/24");
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'CidrBlock': '10.0.3.0/28', 'AvailabilityZoneId': 'use1-az2'}", vpc);
	const json_t *shown = mc_json_obj(f->call.out, "Subnet");

	assert_string_equal(mc_json_str(shown, "CidrBlock", ""), "10.0.1.0/24");
	assert_int_equal(mc_json_int(shown, "AvailableIpAddressCount", 0), 251);
	assert_false(mc_json_bool(shown, "MapPublicIpOnLaunch", true));
	assert_string_equal(mc_json_str(shown, "AvailabilityZone", ""), "us-east-1a");
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *bad = mc_strf("{'VpcId': '%s', %s}", vpc, rows[i].rest);

		fixture_fails(f, "CreateSubnet", bad, rows[i].code);
	}
	fixture_ok(f, "CreateSubnet", in);
	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "Subnet"), "AvailabilityZone", ""), "us-east-1b");
	assert_int_equal(mc_json_int(mc_json_obj(f->call.out, "Subnet"), "AvailableIpAddressCount", 0), 11);
	f->api.config.quota_subnets = 2;
	fails2(f, "CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.9.0/24", "SubnetLimitExceeded");
	/* Each is in the default ACL until it goes. */
	assert_int_equal(json_array_size(mc_json_arr(json_array_get(of_vpc(f, "DescribeNetworkAcls", "NetworkAcls", vpc), 0), "Associations")), 2);
	ok1(f, "DeleteSubnet", "SubnetId", subnet);
	assert_int_equal(json_array_size(mc_json_arr(json_array_get(of_vpc(f, "DescribeNetworkAcls", "NetworkAcls", vpc), 0), "Associations")), 1);
	fails1(f, "DeleteSubnet", "SubnetId", subnet, "InvalidSubnetID.NotFound");
}

static void subnet_attributes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	static const struct { const char *rest, *code; } rows[] = {
		{ "'MapPublicIpOnLaunch': {'Value': true}", NULL },
		{ "'AssignIpv6AddressOnCreation': {'Value': false}", NULL },
		{ "'PrivateDnsHostnameTypeOnLaunch': 'ip-name'", NULL },
		{ "'AssignIpv6AddressOnCreation': {'Value': true}", "UnsupportedOperation" },
		{ "'EnableDns64': {'Value': true}", "UnsupportedOperation" },
		{ "'PrivateDnsHostnameTypeOnLaunch': 'resource-name'", "UnsupportedOperation" },
		{ "'MapPublicIpOnLaunch': {'Value': true}, 'EnableDns64': {'Value': false}", "InvalidParameterCombination" },
		{ "'DryRun': false", "MissingParameter" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'SubnetId': '%s', %s}", subnet, rows[i].rest);

		if (rows[i].code)
			fixture_fails(f, "ModifySubnetAttribute", in, rows[i].code);
		else
			fixture_ok(f, "ModifySubnetAttribute", in);
	}
	assert_true(mc_json_bool(json_array_get(of_vpc(f, "DescribeSubnets", "Subnets", vpc), 0), "MapPublicIpOnLaunch", false));
}

/* A range that is kept is given to who names an address of it, and to nobody else; it goes with its subnet. */
static void subnet_reservations(void **state)
{
	static const struct { const char *cidr, *type, *code, *text; } rows[] = {
		{ "10.0.1.0/28", "explicit", NULL, NULL }, { "10.0.1.16/28", "prefix", NULL, NULL },
		{ "10.0.1.8/29", "explicit", "InvalidParameterValue", "Reservation CIDR 10.0.1.8/29 has overlap with existing reserved CIDR block" },
		{ "10.0.2.0/28", "explicit", "InvalidParameterValue", NULL }, { "10.0.0.0/23", "explicit", "InvalidParameterValue", NULL },
		{ "fd00::/80", "prefix", "UnsupportedOperation", NULL }, { "x", "prefix", "InvalidParameterValue", NULL },
	};
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *named = mc_strf("{'SubnetId': '%s', 'PrivateIpAddress': '10.0.1.5'}", subnet);
	mc_autofree char *second = NULL;
	json_t *list;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'SubnetId': '%s', 'Cidr': '%s', 'ReservationType': '%s'}", subnet, rows[i].cidr, rows[i].type);

		if (rows[i].code)
			fixture_fails(f, "CreateSubnetCidrReservation", in, rows[i].code);
		else
			fixture_ok(f, "CreateSubnetCidrReservation", in);
		if (rows[i].text)
			assert_string_equal(f->call.error_message, rows[i].text);
	}
	ok1(f, "GetSubnetCidrReservations", "SubnetId", subnet);
	list = fixture_list(f, "SubnetIpv4CidrReservations");
	assert_int_equal(json_array_size(list), 2);
	second = mc_strdup(mc_json_str(json_array_get(list, 1), "SubnetCidrReservationId", NULL));
	ok1(f, "CreateNetworkInterface", "SubnetId", subnet);
	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "NetworkInterface"), "PrivateIpAddress", ""), "10.0.1.32");
	ok1(f, "DeleteNetworkInterface", "NetworkInterfaceId", mc_json_str(mc_json_obj(f->call.out, "NetworkInterface"), "NetworkInterfaceId", ""));
	ok1(f, "DeleteSubnetCidrReservation", "SubnetCidrReservationId", second);
	fails1(f, "DeleteSubnetCidrReservation", "SubnetCidrReservationId", second, "InvalidSubnetCidrReservationID.NotFound");
	ok1(f, "CreateNetworkInterface", "SubnetId", subnet);
	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "NetworkInterface"), "PrivateIpAddress", ""), "10.0.1.16");
	ok1(f, "DeleteNetworkInterface", "NetworkInterfaceId", mc_json_str(mc_json_obj(f->call.out, "NetworkInterface"), "NetworkInterfaceId", ""));
	fixture_ok(f, "CreateNetworkInterface", named);
	ok1(f, "DeleteNetworkInterface", "NetworkInterfaceId", mc_json_str(mc_json_obj(f->call.out, "NetworkInterface"), "NetworkInterfaceId", ""));
	ok1(f, "DeleteSubnet", "SubnetId", subnet);
	fails1(f, "GetSubnetCidrReservations", "SubnetId", subnet, "InvalidSubnetID.NotFound");
	ok1(f, "DeleteVpc", "VpcId", vpc);
}

/* The default VPC's subnets, one of them and all of it taken away and made again. */
static void defaults(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = NULL;
	mc_autofree char *igw = NULL;
	json_t *subnets, *subnet;
	mc_auto_json json_t *ids = json_array();
	size_t i;

	fixture_ok(f, "DescribeSubnets", "{}");
	subnets = fixture_list(f, "Subnets");
	vpc = mc_strdup(mc_json_str(json_array_get(subnets, 0), "VpcId", NULL));
	json_array_foreach(subnets, i, subnet)
		json_array_append(ids, json_object_get(subnet, "SubnetId"));
	fails1(f, "CreateDefaultSubnet", "AvailabilityZone", "us-east-1b", "DefaultSubnetAlreadyExistsInAvailabilityZone");
	ok1(f, "DeleteSubnet", "SubnetId", mc_json_at(ids, 1));
	ok1(f, "CreateDefaultSubnet", "AvailabilityZone", "us-east-1b");
	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "Subnet"), "CidrBlock", ""), "172.31.16.0/20");
	assert_true(mc_json_bool(mc_json_obj(f->call.out, "Subnet"), "MapPublicIpOnLaunch", false));
	json_array_set_new(ids, 1, json_string(mc_json_str(mc_json_obj(f->call.out, "Subnet"), "SubnetId", "")));
	fails1(f, "DeleteVpc", "VpcId", vpc, "DependencyViolation");
	for (i = 0; i < 3; i++)
		ok1(f, "DeleteSubnet", "SubnetId", mc_json_at(ids, i));
	fails1(f, "DeleteVpc", "VpcId", vpc, "DependencyViolation");
	fixture_ok(f, "DescribeInternetGateways", "{}");
	igw = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "InternetGateways"), 0), "InternetGatewayId", NULL));
	fails1(f, "DeleteInternetGateway", "InternetGatewayId", igw, "DependencyViolation");
	ok2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	ok1(f, "DeleteInternetGateway", "InternetGatewayId", igw);
	ok1(f, "DeleteVpc", "VpcId", vpc);
	fails1(f, "CreateDefaultSubnet", "AvailabilityZone", "us-east-1b", "DefaultVpcDoesNotExist");
	fixture_ok(f, "DescribeSecurityGroupRules", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "SecurityGroupRules")), 0);
	fixture_ok(f, "CreateDefaultVpc", "{}");
	assert_true(mc_json_bool(mc_json_obj(f->call.out, "Vpc"), "IsDefault", false));
	fixture_ok(f, "DescribeSubnets", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Subnets")), 3);
}

/* --- gateways ----------------------------------------------------------------- */

static void add_interface(struct fixture *f, const char *vpc, const char *subnet, const char *public_ip)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *eni = store_insert(tx, KIND_NETWORK_INTERFACE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	eni->parent = mc_strdup(vpc);
	json_object_update_new(eni->spec, json_pack("{s:s, s:s, s:s*, s:[]}", "subnet", subnet, "ip", "10.0.1.4", "public_ip", public_ip, "groups"));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void gateways(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *other = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *igw = create_gateway(f, vpc);
	mc_autofree char *second = create_gateway(f, NULL);

	confirm_all(f, vpc);
	fails2(f, "AttachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc, "Resource.AlreadyAssociated");
	fails2(f, "AttachInternetGateway", "InternetGatewayId", igw, "VpcId", other, "Resource.AlreadyAssociated");
	fails2(f, "AttachInternetGateway", "InternetGatewayId", second, "VpcId", vpc, "InvalidParameterValue");
	fails2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", other, "Gateway.NotAttached");
	add_interface(f, vpc, subnet, "203.0.113.9");
	fails2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc, "DependencyViolation");
	fails1(f, "DeleteSubnet", "SubnetId", subnet, "DependencyViolation");
	ok1(f, "DeleteInternetGateway", "InternetGatewayId", second);
	fails1(f, "DeleteInternetGateway", "InternetGatewayId", second, "InvalidInternetGatewayID.NotFound");
}

/* An answer that came too late: the client's second try waits for the first one's change. */
static void retries_join(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *igw = create_gateway(f, vpc);
	int64_t generation = fixture_wait(f, vpc);

	assert_true(generation > 0);
	ok2(f, "AttachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	assert_int_equal(fixture_wait(f, vpc), generation);
	waiters_confirm(f->api.waiters, vpc, generation);
	fails2(f, "AttachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc, "Resource.AlreadyAssociated");
	ok2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	ok2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	assert_int_equal(fixture_wait(f, vpc), generation + 1);
	waiters_confirm(f->api.waiters, vpc, generation + 1);
	fails2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc, "Gateway.NotAttached");
}

/* --- route tables --------------------------------------------------------------- */

/* The State of the table's route to the destination. Borrowed. */
static const char *route_state(struct fixture *f, const char *table, const char *destination)
{
	mc_autofree char *in = mc_strf("{'RouteTableIds': ['%s']}", table);
	json_t *route;
	size_t i;

	fixture_ok(f, "DescribeRouteTables", in);
	json_array_foreach(mc_json_arr(json_array_get(fixture_list(f, "RouteTables"), 0), "Routes"), i, route)
		if (strcmp(mc_json_str(route, "DestinationCidrBlock", ""), destination) == 0)
			return mc_json_str(route, "State", "");
	return "none";
}

static char *route_in(const char *table, const char *destination, const char *rest)
{
	return mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '%s'%s%s}", table, destination, rest ? ", " : "", rest ? rest : "");
}

static void routes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *other = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *igw = create_gateway(f, vpc);
	mc_autofree char *foreign = create_gateway(f, other);
	mc_autofree char *table = create_table(f, vpc);
	mc_autofree char *to_igw = mc_strf("'GatewayId': '%s'", igw);
	mc_autofree char *to_foreign = mc_strf("'GatewayId': '%s'", foreign);
	mc_autofree char *two = mc_strf("'GatewayId': '%s', 'NetworkInterfaceId': 'eni-12345678'", igw);
	const struct { const char *action, *destination, *rest, *code; } rows[] = {
		{ "CreateRoute", "0.0.0.0/0", NULL, "MissingParameter" },
		{ "CreateRoute", "0.0.0.0/0", two, "InvalidParameterCombination" },
		{ "CreateRoute", "0.0.0.0/0", to_foreign, "InvalidParameterValue" },
		{ "CreateRoute", "0.0.0.0/0", "'GatewayId': 'igw-12345678'", "InvalidGatewayID.NotFound" },
		{ "CreateRoute", "0.0.0.0/0", "'GatewayId': 'x'", "InvalidGatewayID.NotFound" },
		{ "CreateRoute", "0.0.0.0/0", "'NatGatewayId': 'nat-12345678'", "InvalidNatGatewayID.NotFound" },
		{ "CreateRoute", "0.0.0.0/0", "'TransitGatewayId': 'tgw-12345678'", "UnsupportedOperation" },
		{ "CreateRoute", "0.0.0.0/0", "'InstanceId': 'i-12345678'", "InvalidInstanceID.NotFound" },
		{ "CreateRoute", "10.0.0.0/16", to_igw, "RouteAlreadyExists" },
		{ "CreateRoute", "10.0.1.0/24", to_igw, "InvalidParameterValue" },
		{ "CreateRoute", "169.254.169.254/32", to_igw, "InvalidParameterValue" },
		{ "CreateRoute", "x", to_igw, "InvalidParameterValue" },
		{ "ReplaceRoute", "0.0.0.0/0", to_igw, "InvalidParameterValue" },
		{ "ReplaceRoute", "10.0.0.0/16", to_igw, "InvalidParameterValue" },
		{ "DeleteRoute", "0.0.0.0/0", NULL, "InvalidRoute.NotFound" },
		{ "DeleteRoute", "10.0.0.0/16", NULL, "InvalidParameterValue" },
		{ "CreateRoute", "1.2.3.4/8", to_igw, NULL },
		{ "CreateRoute", "1.0.0.0/8", to_igw, "RouteAlreadyExists" },
		{ "ReplaceRoute", "1.0.0.0/8", to_igw, NULL },
		{ "DeleteRoute", "1.0.0.9/8", NULL, NULL },
		{ "DeleteRoute", "1.0.0.0/8", NULL, "InvalidRoute.NotFound" },
		{ "CreateRoute", "0.0.0.0/0", to_igw, NULL },
	};

	confirm_all(f, vpc);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = route_in(table, rows[i].destination, rows[i].rest);

		if (rows[i].code)
			fixture_fails(f, rows[i].action, in, rows[i].code);
		else
			fixture_ok(f, rows[i].action, in);
	}
	assert_string_equal(route_state(f, table, "0.0.0.0/0"), "active");
	ok2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	assert_string_equal(route_state(f, table, "0.0.0.0/0"), "blackhole");
	f->api.config.quota_routes = 1;
	ok2(f, "AttachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	assert_string_equal(route_state(f, table, "0.0.0.0/0"), "active");
	{
		mc_autofree char *in = route_in(table, "2.0.0.0/8", to_igw);

		fixture_fails(f, "CreateRoute", in, "RouteLimitExceeded");
	}
}

/* A running instance with one interface, as a route's target. Allocated ids. */
static void add_instance(struct fixture *f, const char *vpc, const char *subnet, char **ret_instance, char **ret_eni)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *eni = store_insert(tx, KIND_NETWORK_INTERFACE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	struct resource *inst = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	eni->parent = mc_strdup(vpc);
	inst->parent = mc_strdup(vpc);
	json_object_update_new(eni->spec, json_pack("{s:s, s:s, s:[], s:s}", "subnet", subnet, "ip", "10.0.1.4", "groups", "instance", inst->id));
	json_object_update_new(inst->spec, json_pack("{s:[s]}", "enis", eni->id));
	state_init(inst, INSTANCE_RUNNING);
	*ret_instance = mc_strdup(inst->id);
	*ret_eni = mc_strdup(eni->id);
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* An instance as router: by its interface, also of traffic inside the VPC; it leads
 * nowhere while the instance is off. */
static void route_to_instance(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *second = create_subnet(f, vpc, "10.0.2.0/24");
	mc_autofree char *table = main_table(f, vpc);
	mc_autofree char *instance = NULL;
	mc_autofree char *eni = NULL;
	mc_autofree char *by_instance = NULL;
	mc_autofree char *inside = NULL;
	mc_autofree char *in = NULL;
	mc_auto_json json_t *doc = NULL;
	const json_t *route;

	assert_non_null(second);
	add_instance(f, vpc, subnet, &instance, &eni);
	by_instance = mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '0.0.0.0/0', 'InstanceId': '%s'}", table, instance);
	inside = mc_strf("{'RouteTableId': '%s', 'DestinationCidrBlock': '10.0.2.0/24', 'NetworkInterfaceId': '%s'}", table, eni);
	in = mc_strf("{'RouteTableIds': ['%s']}", table);
	fixture_ok(f, "CreateRoute", by_instance);
	fixture_ok(f, "CreateRoute", inside);
	fixture_ok(f, "DescribeRouteTables", in);
	route = json_array_get(mc_json_arr(json_array_get(fixture_list(f, "RouteTables"), 0), "Routes"), 1);
	assert_string_equal(mc_json_str(route, "InstanceId", ""), instance);
	assert_string_equal(mc_json_str(route, "InstanceOwnerId", ""), FIXTURE_ACCOUNT);
	assert_string_equal(mc_json_str(route, "NetworkInterfaceId", ""), eni);
	assert_string_equal(route_state(f, table, "0.0.0.0/0"), "active");
	fixture_set_state(f, instance, INSTANCE_STOPPING);
	assert_string_equal(route_state(f, table, "0.0.0.0/0"), "blackhole");
	doc = wanted_vpc(f, vpc);
	route = json_array_get(mc_json_arr(json_array_get(mc_json_arr(doc, "subnets"), 0), "routes"), 0);
	assert_string_equal(mc_json_str(route, "target", ""), eni);
}

/* The local route with another target, and as it was. */
static void local_elsewhere(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16"), *subnet = create_subnet(f, vpc, "10.0.1.0/24"), *table = main_table(f, vpc);
	mc_autofree char *instance = NULL, *eni = NULL, *there = NULL, *by_eni = NULL, *back = NULL, *gone = NULL;
	mc_auto_json json_t *doc = NULL, *after = NULL;
	const json_t *route;

	add_instance(f, vpc, subnet, &instance, &eni);
	by_eni = mc_strf("'NetworkInterfaceId': '%s'", eni);
	there = route_in(table, "10.0.0.0/16", by_eni);
	back = route_in(table, "10.0.0.0/16", "'LocalTarget': true");
	gone = route_in(table, "10.0.0.0/16", NULL);
	fixture_fails(f, "CreateRoute", there, "RouteAlreadyExists");
	fixture_ok(f, "ReplaceRoute", there);
	fixture_ok(f, "ReplaceRoute", there);
	assert_string_equal(route_state(f, table, "10.0.0.0/16"), "active");
	fixture_fails(f, "DeleteRoute", gone, "InvalidParameterValue");
	doc = wanted_vpc(f, vpc);
	route = json_array_get(mc_json_arr(json_array_get(mc_json_arr(doc, "subnets"), 0), "routes"), 0);
	assert_string_equal(mc_json_str(route, "destination", ""), "10.0.0.0/16");
	assert_string_equal(mc_json_str(route, "target", ""), eni);
	fixture_set_state(f, instance, INSTANCE_STOPPING);
	assert_string_equal(route_state(f, table, "10.0.0.0/16"), "blackhole");
	fixture_ok(f, "ReplaceRoute", back);
	fixture_ok(f, "ReplaceRoute", back);
	assert_string_equal(route_state(f, table, "10.0.0.0/16"), "active");
	after = wanted_vpc(f, vpc);
	assert_int_equal(json_array_size(mc_json_arr(json_array_get(mc_json_arr(after, "subnets"), 0), "routes")), 0);
}

static size_t gateway_routes(struct fixture *f, const char *vpc)
{
	mc_auto_json json_t *doc = wanted_vpc(f, vpc);

	return json_array_size(mc_json_arr(doc, "igw_routes"));
}

/* The route table of an internet gateway. */
static void gateway_table(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16"), *subnet = create_subnet(f, vpc, "10.0.1.0/24"), *table = create_table(f, vpc);
	mc_autofree char *igw = create_gateway(f, vpc), *loose = create_gateway(f, NULL), *other = create_table(f, vpc), *instance = NULL, *eni = NULL;
	mc_autofree char *first = NULL, *id = NULL, *by_eni = NULL, *in = NULL, *half = NULL, *out = NULL, *by_igw = NULL, *both = NULL, *move = NULL;

	add_instance(f, vpc, subnet, &instance, &eni);
	by_eni = mc_strf("'NetworkInterfaceId': '%s'", eni);
	by_igw = mc_strf("'GatewayId': '%s'", igw);
	in = route_in(table, "10.0.1.0/24", by_eni);
	half = route_in(table, "10.0.1.0/25", by_eni);
	out = route_in(table, "0.0.0.0/0", by_igw);
	both = mc_strf("{'RouteTableId': '%s', 'GatewayId': '%s', 'SubnetId': '%s'}", table, igw, subnet);
	fixture_fails(f, "AssociateRouteTable", both, "InvalidParameterCombination");
	assert_int_not_equal(call2(f, "AssociateRouteTable", "RouteTableId", table, "GatewayId", loose), 0);
	fixture_ok(f, "CreateRoute", out);
	assert_int_not_equal(call2(f, "AssociateRouteTable", "RouteTableId", table, "GatewayId", igw), 0);
	assert_string_equal(f->call.error_code, "InvalidParameterValue");
	fixture_ok(f, "DeleteRoute", out);
	ok2(f, "AssociateRouteTable", "RouteTableId", table, "GatewayId", igw);
	first = answered(f, NULL, "AssociationId");
	ok2(f, "AssociateRouteTable", "RouteTableId", table, "GatewayId", igw); /* repeated */
	id = answered(f, NULL, "AssociationId");
	assert_string_equal(id, first);
	assert_int_not_equal(call2(f, "AssociateRouteTable", "RouteTableId", other, "GatewayId", igw), 0);
	assert_string_equal(f->call.error_code, "Resource.AlreadyAssociated");
	fixture_fails(f, "CreateRoute", out, "InvalidParameterValue");
	assert_string_equal(f->call.error_message, "Route target is not supported. This route only supports interface and instance targets.");
	fixture_fails(f, "CreateRoute", half, "InvalidParameterValue");
	assert_non_null(strstr(f->call.error_message, "the whole CIDR block"));
	fixture_ok(f, "CreateRoute", in);
	assert_int_equal(gateway_routes(f, vpc), 1);
	assert_int_not_equal(call2(f, "DeleteRouteTable", "RouteTableId", table, "RouteTableId", table), 0);
	move = mc_strf("{'AssociationId': '%s', 'RouteTableId': '%s'}", id, other);
	fixture_ok(f, "ReplaceRouteTableAssociation", move);
	assert_int_equal(gateway_routes(f, vpc), 0);
	fixture_ok(f, "DescribeRouteTables", "{'Filters': [{'Name': 'association.gateway-id', 'Values': ['igw-*']}]}");
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "RouteTables"), 0), "RouteTableId", ""), other);
	ok2(f, "DetachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc);
	fixture_ok(f, "DescribeRouteTables", "{'Filters': [{'Name': 'association.gateway-id', 'Values': ['igw-*']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "RouteTables")), 0);
}

/* What netd gets for the subnet: how many routes. */
static size_t wanted_routes(struct fixture *f, const char *vpc)
{
	mc_auto_json json_t *doc = wanted_vpc(f, vpc);

	return json_array_size(mc_json_arr(json_array_get(mc_json_arr(doc, "subnets"), 0), "routes"));
}

static void associations(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *other = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *subnet = create_subnet(f, vpc, "10.0.1.0/24");
	mc_autofree char *igw = create_gateway(f, vpc);
	mc_autofree char *table = create_table(f, vpc);
	mc_autofree char *second = create_table(f, vpc);
	mc_autofree char *foreign = create_table(f, other);
	mc_autofree char *main_one = main_table(f, vpc);
	mc_autofree char *to_igw = mc_strf("'GatewayId': '%s'", igw);
	mc_autofree char *in = route_in(table, "0.0.0.0/0", to_igw);
	mc_autofree char *id = NULL;
	mc_autofree char *next = NULL;
	mc_autofree char *main_id = NULL;

	fixture_ok(f, "CreateRoute", in);
	assert_int_equal(wanted_routes(f, vpc), 0);
	fails2(f, "AssociateRouteTable", "RouteTableId", foreign, "SubnetId", subnet, "InvalidParameterValue");
	fails2(f, "AssociateRouteTable", "RouteTableId", table, "GatewayId", igw, "InvalidParameterValue");
	fails1(f, "AssociateRouteTable", "RouteTableId", table, "MissingParameter");
	ok2(f, "AssociateRouteTable", "RouteTableId", table, "SubnetId", subnet);
	id = answered(f, NULL, "AssociationId");
	assert_int_equal(wanted_routes(f, vpc), 1);
	ok2(f, "AssociateRouteTable", "RouteTableId", table, "SubnetId", subnet);
	assert_string_equal(mc_json_str(f->call.out, "AssociationId", ""), id);
	fails2(f, "AssociateRouteTable", "RouteTableId", second, "SubnetId", subnet, "Resource.AlreadyAssociated");
	fails1(f, "DeleteRouteTable", "RouteTableId", table, "DependencyViolation");
	fails1(f, "DeleteRouteTable", "RouteTableId", main_one, "DependencyViolation");
	ok2(f, "ReplaceRouteTableAssociation", "AssociationId", id, "RouteTableId", second);
	next = answered(f, NULL, "NewAssociationId");
	assert_int_equal(wanted_routes(f, vpc), 0);
	fails2(f, "ReplaceRouteTableAssociation", "AssociationId", id, "RouteTableId", table, "InvalidAssociationID.NotFound");
	fails2(f, "ReplaceRouteTableAssociation", "AssociationId", next, "RouteTableId", foreign, "InvalidParameterValue");
	ok1(f, "DisassociateRouteTable", "AssociationId", next);
	/* Another main table: the subnet without one of its own follows. */
	fixture_ok(f, "DescribeRouteTables", "{'Filters': [{'Name': 'association.main', 'Values': ['true']}]}");
	main_id = mc_strdup(mc_json_str(json_array_get(mc_json_arr(json_array_get(fixture_list(f, "RouteTables"), 1), "Associations"), 0),
					"RouteTableAssociationId", NULL));
	fails1(f, "DisassociateRouteTable", "AssociationId", main_id, "InvalidParameterValue");
	ok2(f, "ReplaceRouteTableAssociation", "AssociationId", main_id, "RouteTableId", table);
	assert_int_equal(wanted_routes(f, vpc), 1);
	ok1(f, "DeleteRouteTable", "RouteTableId", main_one);
	fails1(f, "DeleteRouteTable", "RouteTableId", table, "DependencyViolation");
	f->api.config.quota_route_tables = 2;
	fails1(f, "CreateRouteTable", "VpcId", vpc, "RouteTableLimitExceeded");
}

/* A VPC goes when nothing made later is left in it. */
static void deletion(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *table = create_table(f, vpc);
	mc_autofree char *group_in = mc_strf("{'GroupName': 'x', 'Description': 'x', 'VpcId': '%s'}", vpc);
	mc_autofree char *group = NULL;

	fails1(f, "DeleteVpc", "VpcId", vpc, "DependencyViolation");
	ok1(f, "DeleteRouteTable", "RouteTableId", table);
	fixture_ok(f, "CreateSecurityGroup", group_in);
	group = answered(f, NULL, "GroupId");
	fails1(f, "DeleteVpc", "VpcId", vpc, "DependencyViolation");
	ok1(f, "DeleteSecurityGroup", "GroupId", group);
	ok1(f, "DeleteVpc", "VpcId", vpc);
	assert_int_equal(json_array_size(of_vpc(f, "DescribeRouteTables", "RouteTables", vpc)), 0);
	assert_int_equal(json_array_size(of_vpc(f, "DescribeNetworkAcls", "NetworkAcls", vpc)), 0);
	assert_int_equal(json_array_size(of_vpc(f, "DescribeSecurityGroups", "SecurityGroups", vpc)), 0);
	fails1(f, "DeleteVpc", "VpcId", vpc, "InvalidVpcID.NotFound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
		T(born_with), T(bad_vpcs), T(vpc_attributes), T(further_blocks), T(subnets), T(subnet_attributes), T(subnet_reservations), T(defaults),
		T(gateways), T(retries_join), T(routes), T(route_to_instance), T(local_elsewhere), T(gateway_table), T(associations), T(deletion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
