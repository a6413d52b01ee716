/* Network interfaces and elastic addresses, without daemons. */
#include "api/interface.h"
#include "api/state.h"
#include "tests/unit/api_fixture.h"

struct net {
	struct fixture *f;
	char *vpc, *subnet, *other; /* subnets of two zones */
	char *group;                /* the default one */
};

static char *first(struct fixture *f, const char *action, const char *in, const char *list, const char *member)
{
	fixture_ok(f, action, in);
	return mc_strdup(mc_json_str(json_array_get(fixture_list(f, list), 0), member, NULL));
}

static int setup(void **state)
{
	struct net *n = mc_alloc(sizeof(*n));

	fixture_setup(state);
	n->f = *state;
	n->vpc = first(n->f, "DescribeVpcs", "{}", "Vpcs", "VpcId");
	n->subnet = first(n->f, "DescribeSubnets", "{'Filters': [{'Name': 'availability-zone', 'Values': ['us-east-1a']}]}", "Subnets", "SubnetId");
	n->other = first(n->f, "DescribeSubnets", "{'Filters': [{'Name': 'availability-zone', 'Values': ['us-east-1b']}]}", "Subnets", "SubnetId");
	n->group = fixture_default_group(n->f);
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
	free(n->other);
	free(n->group);
	free(n);
	return fixture_teardown(&f);
}

/* An interface with this more in its request; its id, allocated. */
static char *make(struct net *n, const char *rest)
{
	mc_autofree char *in = mc_strf("{'SubnetId': '%s'%s}", n->subnet, rest);

	fixture_ok(n->f, "CreateNetworkInterface", in);
	return mc_strdup(mc_json_str(mc_json_obj(n->f->call.out, "NetworkInterface"), "NetworkInterfaceId", NULL));
}

/* An instance of the type in this state with one interface, both straight into the store. */
static char *instance(struct net *n, const char *type, int to)
{
	mc_autofree char *eni = make(n, "");
	struct store_tx *tx = store_write(n->f->api.store);
	struct resource *r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	char *id = mc_strdup(r->id);

	r->parent = mc_strdup(n->vpc);
	r->az = mc_strdup("us-east-1a");
	json_object_update_new(r->doc, json_pack("{s:s}", "InstanceType", type));
	json_object_update_new(r->spec, json_pack("{s:[], s:[]}", "enis", "volumes"));
	state_init(r, to);
	interface_attach(tx, store_edit(tx, eni), r, 0, true);
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

static void on(struct net *n, const char *action, const char *eni, const char *rest)
{
	mc_autofree char *in = mc_strf("{'NetworkInterfaceId': '%s'%s}", eni, rest);

	fixture_ok(n->f, action, in);
}

static void refused(struct net *n, const char *action, const char *eni, const char *rest, const char *code)
{
	mc_autofree char *in = mc_strf("{'NetworkInterfaceId': '%s'%s}", eni, rest);

	fixture_fails(n->f, action, in, code);
}

/* What DescribeNetworkInterfaces shows of it. Borrowed. */
static const json_t *shown(struct net *n, const char *eni)
{
	mc_autofree char *in = mc_strf("{'NetworkInterfaceIds': ['%s']}", eni);

	fixture_ok(n->f, "DescribeNetworkInterfaces", in);
	return json_array_get(fixture_list(n->f, "NetworkInterfaces"), 0);
}

/* --- own life --------------------------------------------------------------- */

static void made(void **state)
{
	struct net *n = *state;
	mc_autofree char *eni = make(n, ", 'Description': 'd', 'PrivateIpAddresses': [{'PrivateIpAddress': '172.31.0.40', 'Primary': true},"
		" {'PrivateIpAddress': '172.31.0.4'}], 'TagSpecifications': [{'ResourceType': 'network-interface', 'Tags': [{'Key': 'k', 'Value': 'v'}]}]");
	const json_t *v = shown(n, eni);

	assert_string_equal(mc_json_str(v, "Status", ""), "available");
	assert_string_equal(mc_json_str(v, "PrivateIpAddress", ""), "172.31.0.40");
	assert_int_equal(json_array_size(mc_json_arr(v, "PrivateIpAddresses")), 2);
	assert_int_equal(json_array_size(mc_json_arr(v, "Groups")), 1);
	assert_int_equal(json_array_size(mc_json_arr(v, "TagSet")), 1);
	assert_null(mc_json_obj(v, "Attachment"));
	on(n, "DeleteNetworkInterface", eni, "");
	refused(n, "DeleteNetworkInterface", eni, "", "InvalidNetworkInterfaceID.NotFound");
}

static void bad_creates(void **state)
{
	static const struct { const char *rest, *code; } rows[] = {
		{ "'PrivateIpAddress': '172.31.0.3'", "InvalidParameterValue" },
		{ "'PrivateIpAddress': '172.31.15.255'", "InvalidParameterValue" },
		{ "'PrivateIpAddress': '172.31.16.9'", "InvalidParameterValue" },
		{ "'PrivateIpAddress': 'nonsense'", "InvalidParameterValue" },
		{ "'PrivateIpAddress': '172.31.0.9'", "InvalidIPAddress.InUse" },
		{ "'PrivateIpAddress': '172.31.0.10'", "InvalidIPAddress.InUse" },
		{ "'PrivateIpAddresses': [{'PrivateIpAddress': '172.31.0.20'}, {'PrivateIpAddress': '172.31.0.20'}]", "InvalidParameterValue" },
		{ "'PrivateIpAddress': '172.31.0.20', 'PrivateIpAddresses': [{'PrivateIpAddress': '172.31.0.21', 'Primary': true}]",
		  "InvalidParameterCombination" },
		{ "'PrivateIpAddresses': [{'PrivateIpAddress': '172.31.0.20'}], 'SecondaryPrivateIpAddressCount': 1", "InvalidParameterCombination" },
		{ "'SecondaryPrivateIpAddressCount': 50", "PrivateIpAddressLimitExceeded" },
		{ "'SecondaryPrivateIpAddressCount': -1", "InvalidParameterValue" },
		{ "'Groups': ['sg-12345678']", "InvalidGroup.NotFound" },
		{ "'Groups': ['nonsense']", "InvalidGroupId.Malformed" },
		{ "'Ipv6AddressCount': 1", "UnsupportedOperation" },
		{ "'EnablePrimaryIpv6': true", "UnsupportedOperation" },
		{ "'Ipv6Addresses': [{'Ipv6Address': '::1'}]", "UnsupportedOperation" },
		{ "'Ipv4PrefixCount': 1", "UnsupportedOperation" },
		{ "'InterfaceType': 'efa'", "UnsupportedOperation" },
		{ "'TagSpecifications': [{'ResourceType': 'vpc', 'Tags': [{'Key': 'k', 'Value': 'v'}]}]", "InvalidParameterValue" },
	};
	struct net *n = *state;
	mc_autofree char *taken = make(n, ", 'PrivateIpAddresses': [{'PrivateIpAddress': '172.31.0.9', 'Primary': true}, {'PrivateIpAddress': '172.31.0.10'}]");

	assert_non_null(taken);
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'SubnetId': '%s', %s}", n->subnet, rows[i].rest);

		fixture_fails(n->f, "CreateNetworkInterface", in, rows[i].code);
	}
	fixture_fails(n->f, "CreateNetworkInterface", "{'SubnetId': 'subnet-12345678'}", "InvalidSubnetID.NotFound");
}

/* Up to five groups. */
static void groups(void **state)
{
	struct net *n = *state;
	mc_autofree char *eni = make(n, ""), *list = mc_strdup(""), *five = NULL, *six = NULL;

	for (int i = 0; i < 6; i++) {
		mc_autofree char *in = mc_strf("{'GroupName': 'g%d', 'Description': 'd'}", i);
		char *longer;

		fixture_ok(n->f, "CreateSecurityGroup", in);
		longer = mc_strf("%s%s'%s'", list, i ? ", " : "", mc_json_str(n->f->call.out, "GroupId", ""));
		free(list);
		list = longer;
		if (i == 4)
			five = mc_strf(", 'Groups': [%s]", list);
	}
	six = mc_strf(", 'Groups': [%s]", list);
	on(n, "ModifyNetworkInterfaceAttribute", eni, five);
	assert_int_equal(json_array_size(mc_json_arr(shown(n, eni), "Groups")), 5);
	refused(n, "ModifyNetworkInterfaceAttribute", eni, six, "SecurityGroupsPerInterfaceLimitExceeded");
}

static void attributes(void **state)
{
	struct net *n = *state;
	mc_autofree char *eni = make(n, "");
	mc_autofree char *groups = mc_strf(", 'Groups': ['%s']", n->group);

	refused(n, "ModifyNetworkInterfaceAttribute", eni, ", 'EnablePrimaryIpv6': true", "UnsupportedOperation");
	on(n, "ModifyNetworkInterfaceAttribute", eni, ", 'Description': {'Value': 'new'}");
	on(n, "ModifyNetworkInterfaceAttribute", eni, ", 'SourceDestCheck': {'Value': false}");
	on(n, "ModifyNetworkInterfaceAttribute", eni, groups);
	on(n, "DescribeNetworkInterfaceAttribute", eni, ", 'Attribute': 'sourceDestCheck'");
	assert_false(mc_json_bool(mc_json_obj(n->f->call.out, "SourceDestCheck"), "Value", true));
	on(n, "ResetNetworkInterfaceAttribute", eni, ", 'SourceDestCheck': 'x'");
	assert_true(mc_json_bool(shown(n, eni), "SourceDestCheck", false));
	assert_string_equal(mc_json_str(shown(n, eni), "Description", ""), "new");
	on(n, "DescribeNetworkInterfaceAttribute", eni, ", 'Attribute': 'groupSet'");
	assert_int_equal(json_array_size(fixture_list(n->f, "Groups")), 1);
	on(n, "DescribeNetworkInterfaceAttribute", eni, ", 'Attribute': 'attachment'");
	assert_null(json_object_get(n->f->call.out, "Attachment"));
	refused(n, "ModifyNetworkInterfaceAttribute", eni, "", "InvalidParameterCombination");
	refused(n, "ResetNetworkInterfaceAttribute", eni, "", "InvalidParameterCombination");
	refused(n, "ModifyNetworkInterfaceAttribute", eni, ", 'Description': {'Value': 'x'}, 'SourceDestCheck': {'Value': true}", "InvalidParameterCombination");
	refused(n, "ModifyNetworkInterfaceAttribute", eni, ", 'Groups': []", "InvalidParameterValue");
	refused(n, "ModifyNetworkInterfaceAttribute", eni, ", 'Attachment': {'AttachmentId': 'eni-attach-12345678'}", "InvalidAttachmentID.NotFound");
	refused(n, "ModifyNetworkInterfaceAttribute", eni, ", 'Groups': ['a', 'b', 'c', 'd', 'e', 'f']", "InvalidGroupId.Malformed");
}

static void secondary(void **state)
{
	struct net *n = *state;
	mc_autofree char *one = make(n, ", 'PrivateIpAddress': '172.31.0.9'");
	mc_autofree char *two = make(n, ", 'PrivateIpAddress': '172.31.0.10'");

	on(n, "AssignPrivateIpAddresses", one, ", 'SecondaryPrivateIpAddressCount': 2");
	assert_int_equal(json_array_size(fixture_list(n->f, "AssignedPrivateIpAddresses")), 2);
	on(n, "AssignPrivateIpAddresses", one, ", 'PrivateIpAddresses': ['172.31.0.30']");
	refused(n, "AssignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.30']", "Resource.AlreadyAssigned");
	refused(n, "AssignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.9'], 'AllowReassignment': true", "Resource.AlreadyAssigned");
	on(n, "AssignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.30'], 'AllowReassignment': true");
	assert_int_equal(json_array_size(mc_json_arr(shown(n, one), "PrivateIpAddresses")), 3);
	assert_int_equal(json_array_size(mc_json_arr(shown(n, two), "PrivateIpAddresses")), 2);
	refused(n, "UnassignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.10']", "InvalidParameterValue");
	refused(n, "UnassignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.31']", "InvalidParameterValue");
	refused(n, "UnassignPrivateIpAddresses", two, "", "MissingParameter");
	on(n, "UnassignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.30']");
	refused(n, "AssignPrivateIpAddresses", two, "", "InvalidParameterCombination");
	refused(n, "AssignPrivateIpAddresses", two, ", 'SecondaryPrivateIpAddressCount': 1, 'PrivateIpAddresses': ['172.31.0.50']", "InvalidParameterCombination");
	refused(n, "AssignPrivateIpAddresses", two, ", 'Ipv4PrefixCount': 1", "UnsupportedOperation");
	refused(n, "AssignPrivateIpAddresses", two, ", 'SecondaryPrivateIpAddressCount': 50", "PrivateIpAddressLimitExceeded");
}

/* EC2 API reference, AssignPrivateIpAddresses: "any Elastic IP address that is associated with the IP address is also moved". */
static void elastic_address_moves_along(void **state)
{
	struct net *n = *state;
	mc_autofree char *one = make(n, ""), *two = make(n, "");
	mc_autofree char *public_ip = NULL, *associate = NULL;
	const json_t *slot;

	fixture_ok(n->f, "AllocateAddress", "{}");
	public_ip = mc_strdup(mc_json_str(n->f->call.out, "PublicIp", ""));
	on(n, "AssignPrivateIpAddresses", one, ", 'PrivateIpAddresses': ['172.31.0.30']");
	associate = mc_strf("{'PublicIp': '%s', 'NetworkInterfaceId': '%s', 'PrivateIpAddress': '172.31.0.30'}", public_ip, one);
	fixture_ok(n->f, "AssociateAddress", associate);
	on(n, "AssignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.30'], 'AllowReassignment': true");
	slot = json_array_get(mc_json_arr(shown(n, one), "PrivateIpAddresses"), 1);
	assert_null(slot);
	slot = json_array_get(mc_json_arr(shown(n, two), "PrivateIpAddresses"), 1);
	assert_string_equal(mc_json_str(slot, "PrivateIpAddress", ""), "172.31.0.30");
	assert_string_equal(mc_json_str(mc_json_obj(slot, "Association"), "PublicIp", ""), public_ip);
	fixture_ok(n->f, "DescribeAddresses", "{}");
	slot = json_array_get(fixture_list(n->f, "Addresses"), 0);
	assert_string_equal(mc_json_str(slot, "NetworkInterfaceId", ""), two);
	assert_string_equal(mc_json_str(slot, "PrivateIpAddress", ""), "172.31.0.30");
	on(n, "UnassignPrivateIpAddresses", two, ", 'PrivateIpAddresses': ['172.31.0.30']");
	fixture_ok(n->f, "DescribeAddresses", "{}");
	assert_null(mc_json_str(json_array_get(fixture_list(n->f, "Addresses"), 0), "AssociationId", NULL));
}

/* --- attached --------------------------------------------------------------- */

static char *attach(struct net *n, const char *eni, const char *inst, int device_index, const char *code)
{
	mc_autofree char *in = mc_strf("{'NetworkInterfaceId': '%s', 'InstanceId': '%s', 'DeviceIndex': %d}", eni, inst, device_index);

	if (code)
		fixture_fails(n->f, "AttachNetworkInterface", in, code);
	else
		fixture_ok(n->f, "AttachNetworkInterface", in);
	return code ? NULL : mc_strdup(mc_json_str(n->f->call.out, "AttachmentId", NULL));
}

static void detach(struct net *n, const char *attachment, const char *code)
{
	mc_autofree char *in = mc_strf("{'AttachmentId': '%s'}", attachment);

	if (code)
		fixture_fails(n->f, "DetachNetworkInterface", in, code);
	else
		fixture_ok(n->f, "DetachNetworkInterface", in);
}

static void cold(void **state)
{
	struct net *n = *state;
	mc_autofree char *inst = instance(n, "t3.nano", INSTANCE_STOPPED);
	mc_autofree char *one = make(n, "");
	mc_autofree char *two = make(n, "");
	mc_autofree char *wide = make(n, ", 'SecondaryPrivateIpAddressCount': 2");
	mc_autofree char *mac = mc_strdup(mc_json_str(shown(n, one), "MacAddress", NULL));
	mc_autofree char *attachment = NULL;

	free(attach(n, one, inst, 0, "InvalidParameterValue"));
	free(attach(n, one, inst, -1, "InvalidParameterValue"));
	free(attach(n, one, inst, 32, "InvalidParameterValue"));
	free(attach(n, wide, inst, 1, "PrivateIpAddressLimitExceeded"));
	free(attach(n, one, "i-12345678", 1, "InvalidInstanceID.NotFound"));
	attachment = attach(n, one, inst, 1, NULL);
	assert_string_equal(mc_json_str(shown(n, one), "Status", ""), "in-use");
	assert_string_equal(mc_json_str(mc_json_obj(shown(n, one), "Attachment"), "Status", ""), "attached");
	free(attach(n, one, inst, 1, "InvalidNetworkInterface.InUse"));
	free(attach(n, two, inst, 1, "InvalidParameterValue"));
	free(attach(n, two, inst, 2, "AttachmentLimitExceeded"));
	refused(n, "DeleteNetworkInterface", one, "", "InvalidParameterValue");
	refused(n, "AssignPrivateIpAddresses", one, ", 'SecondaryPrivateIpAddressCount': 2", "PrivateIpAddressLimitExceeded");
	detach(n, attachment, NULL);
	detach(n, attachment, "InvalidAttachmentID.NotFound");
	detach(n, one, "InvalidNetworkInterfaceAttachmentId.Malformed");
	detach(n, "ela-attach-12345678", "OperationNotPermitted");
	assert_string_equal(mc_json_str(shown(n, one), "Status", ""), "available");
	assert_string_equal(mc_json_str(shown(n, one), "MacAddress", ""), mac);
}

static void hot(void **state)
{
	struct net *n = *state;
	mc_autofree char *inst = instance(n, "t3.nano", INSTANCE_RUNNING);
	mc_autofree char *pending = instance(n, "t3.nano", INSTANCE_PENDING);
	mc_autofree char *one = make(n, "");
	mc_autofree char *attachment = NULL, *primary = NULL, *rest = NULL;
	struct store_tx *tx;
	const json_t *v;

	free(attach(n, one, pending, 1, "IncorrectState"));
	attachment = attach(n, one, inst, 1, NULL);
	v = mc_json_obj(shown(n, one), "Attachment");
	assert_string_equal(mc_json_str(v, "Status", ""), "attaching");
	assert_false(mc_json_bool(v, "DeleteOnTermination", true));
	rest = mc_strf(", 'Attachment': {'AttachmentId': '%s', 'DeleteOnTermination': true}", attachment);
	on(n, "ModifyNetworkInterfaceAttribute", one, rest);
	detach(n, attachment, NULL);
	assert_string_equal(mc_json_str(mc_json_obj(shown(n, one), "Attachment"), "Status", ""), "detaching");
	assert_true(mc_json_bool(mc_json_obj(shown(n, one), "Attachment"), "DeleteOnTermination", false));
	fixture_ok(n->f, "DescribeNetworkInterfaces", "{'Filters': [{'Name': 'attachment.device-index', 'Values': ['0']}]}");
	primary = mc_strdup(mc_json_str(mc_json_obj(json_array_get(fixture_list(n->f, "NetworkInterfaces"), 0), "Attachment"), "AttachmentId", NULL));
	detach(n, primary, "OperationNotPermitted");
	/* Its machine ends before the guest has let go. */
	tx = store_write(n->f->api.store);
	interface_settle(tx, store_get(tx, inst));
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_string_equal(mc_json_str(shown(n, one), "Status", ""), "available");
}

static void ends_with_instance(void **state)
{
	struct net *n = *state;
	mc_autofree char *inst = instance(n, "t3.nano", INSTANCE_STOPPED);
	mc_autofree char *one = make(n, "");
	struct store_tx *tx;

	free(attach(n, one, inst, 1, NULL));
	tx = store_write(n->f->api.store);
	interface_release(tx, store_get(tx, inst));
	assert_int_equal(store_commit(tx, NULL), 0);
	fixture_ok(n->f, "DescribeNetworkInterfaces", "{}");
	assert_int_equal(json_array_size(fixture_list(n->f, "NetworkInterfaces")), 1);
	assert_string_equal(mc_json_str(shown(n, one), "Status", ""), "available");
}

/* --- elastic addresses -------------------------------------------------------- */

static char *allocate(struct net *n)
{
	fixture_ok(n->f, "AllocateAddress", "{'Domain': 'vpc'}");
	return mc_strdup(mc_json_str(n->f->call.out, "AllocationId", NULL));
}

static void quota(void **state)
{
	struct net *n = *state;
	mc_autofree char *id = NULL, *in = NULL, *elsewhere = NULL;

	for (int i = 0; i < 5; i++) {
		free(id);
		id = allocate(n);
	}
	fixture_fails(n->f, "AllocateAddress", "{}", "AddressLimitExceeded");
	in = mc_strf("{'AllocationId': '%s'}", id);
	elsewhere = mc_strf("{'AllocationId': '%s', 'NetworkBorderGroup': 'eu-west-1'}", id);
	fixture_fails(n->f, "ReleaseAddress", elsewhere, "InvalidAddress.NotFound");
	fixture_ok(n->f, "ReleaseAddress", in);
	fixture_fails(n->f, "ReleaseAddress", in, "InvalidAllocationID.NotFound");
	fixture_fails(n->f, "ReleaseAddress", "{}", "MissingParameter");
	fixture_fails(n->f, "ReleaseAddress", "{'PublicIp': '203.0.113.99'}", "InvalidAddress.NotFound");
	fixture_fails(n->f, "AllocateAddress", "{'Address': '203.0.114.1'}", "InvalidAddress.NotFound");
	fixture_fails(n->f, "AllocateAddress", "{'Address': '203.0.113.255'}", "InvalidAddress.NotFound");
	fixture_fails(n->f, "AllocateAddress", "{'Domain': 'standard'}", "UnsupportedOperation");
	fixture_fails(n->f, "AllocateAddress", "{'PublicIpv4Pool': 'x'}", "InvalidPublicIpv4PoolID.NotFound");
	fixture_fails(n->f, "AllocateAddress", "{'NetworkBorderGroup': 'eu-west-1'}", "InvalidParameterValue");
	fixture_ok(n->f, "AllocateAddress", "{'Address': '203.0.113.77'}");
	assert_string_equal(mc_json_str(n->f->call.out, "PublicIp", ""), "203.0.113.77");
}

static void associate(struct net *n, const char *eip, const char *eni, const char *rest, const char *code)
{
	mc_autofree char *in = mc_strf("{'AllocationId': '%s', 'NetworkInterfaceId': '%s'%s}", eip, eni, rest);

	if (code)
		fixture_fails(n->f, "AssociateAddress", in, code);
	else
		fixture_ok(n->f, "AssociateAddress", in);
}

static void bound(void **state)
{
	struct net *n = *state;
	mc_autofree char *one = make(n, ", 'PrivateIpAddresses': [{'PrivateIpAddress': '172.31.0.9', 'Primary': true}, {'PrivateIpAddress': '172.31.0.10'}]");
	mc_autofree char *two = make(n, "");
	mc_autofree char *eip = allocate(n), *other = allocate(n);
	mc_autofree char *in = mc_strf("{'AllocationId': '%s'}", eip), *association = NULL, *by_id = NULL;
	const json_t *v;

	associate(n, eip, one, ", 'PrivateIpAddress': '172.31.0.11'", "InvalidParameterValue");
	associate(n, eip, one, "", NULL);
	association = mc_strdup(mc_json_str(n->f->call.out, "AssociationId", NULL));
	associate(n, eip, one, "", NULL);
	assert_string_equal(mc_json_str(n->f->call.out, "AssociationId", ""), association);
	associate(n, other, one, ", 'PrivateIpAddress': '172.31.0.10'", NULL);
	v = mc_json_arr(shown(n, one), "PrivateIpAddresses");
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(mc_json_str(mc_json_obj(json_array_get(v, i), "Association"), "AllocationId", ""), i ? other : eip);
	fixture_fails(n->f, "ReleaseAddress", in, "InvalidIPAddress.InUse");
	associate(n, eip, two, ", 'AllowReassociation': false", "Resource.AlreadyAssociated");
	associate(n, eip, two, "", NULL);
	assert_null(mc_json_obj(shown(n, one), "Association"));
	assert_string_equal(mc_json_str(mc_json_obj(shown(n, two), "Association"), "IpOwnerId", ""), FIXTURE_ACCOUNT);
	/* What leads to an address goes with it, and with its interface. */
	on(n, "UnassignPrivateIpAddresses", one, ", 'PrivateIpAddresses': ['172.31.0.10']");
	on(n, "DeleteNetworkInterface", two, "");
	fixture_ok(n->f, "DescribeAddresses", "{}");
	for (size_t i = 0; i < 2; i++)
		assert_null(json_object_get(json_array_get(fixture_list(n->f, "Addresses"), i), "AssociationId"));
	by_id = mc_strf("{'AssociationId': '%s'}", association);
	fixture_fails(n->f, "DisassociateAddress", by_id, "InvalidAssociationID.NotFound");
	fixture_ok(n->f, "ReleaseAddress", in);
}

static void of_instances(void **state)
{
	struct net *n = *state;
	mc_autofree char *inst = instance(n, "t3.nano", INSTANCE_RUNNING);
	mc_autofree char *pending = instance(n, "t3.nano", INSTANCE_PENDING);
	mc_autofree char *eip = allocate(n), *one = make(n, "");
	mc_autofree char *in = mc_strf("{'AllocationId': '%s', 'InstanceId': '%s'}", eip, inst);
	mc_autofree char *early = mc_strf("{'AllocationId': '%s', 'InstanceId': '%s'}", eip, pending);
	mc_autofree char *both = mc_strf("{'AllocationId': '%s', 'InstanceId': '%s', 'NetworkInterfaceId': '%s'}", eip, inst, one);
	mc_autofree char *nothing = mc_strf("{'AllocationId': '%s'}", eip);

	fixture_fails(n->f, "AssociateAddress", early, "InvalidInstanceID");
	fixture_fails(n->f, "AssociateAddress", both, "InvalidParameterCombination");
	fixture_fails(n->f, "AssociateAddress", nothing, "MissingParameter");
	fixture_ok(n->f, "AssociateAddress", in);
	assert_true(mc_json_int(n->f->call.waits, n->vpc, 0) > 0);
	fixture_ok(n->f, "DescribeAddresses", "{'Filters': [{'Name': 'instance-id', 'Values': ['i-*']}]}");
	assert_string_equal(mc_json_str(json_array_get(fixture_list(n->f, "Addresses"), 0), "InstanceId", ""), inst);
	free(attach(n, one, inst, 1, NULL));
	fixture_fails(n->f, "AssociateAddress", in, "InvalidInstanceID");
}

static void names(void **state)
{
	struct net *n = *state;
	mc_autofree char *eip = allocate(n);
	mc_autofree char *set = mc_strf("{'AllocationId': '%s', 'DomainName': 'mail.example.com'}", eip);
	mc_autofree char *bad = mc_strf("{'AllocationId': '%s', 'DomainName': 'mail example'}", eip);
	mc_autofree char *reset = mc_strf("{'AllocationId': '%s', 'Attribute': 'domain-name'}", eip);

	fixture_fails(n->f, "ModifyAddressAttribute", bad, "InvalidParameterValue");
	fixture_ok(n->f, "ModifyAddressAttribute", set);
	fixture_ok(n->f, "DescribeAddressesAttribute", "{}");
	assert_string_equal(mc_json_str(json_array_get(fixture_list(n->f, "Addresses"), 0), "PtrRecord", ""), "mail.example.com.");
	fixture_ok(n->f, "ResetAddressAttribute", reset);
	assert_null(json_object_get(mc_json_obj(n->f->call.out, "Address"), "PtrRecord"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_creates, setup, teardown),
		cmocka_unit_test_setup_teardown(groups, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(secondary, setup, teardown),
		cmocka_unit_test_setup_teardown(elastic_address_moves_along, setup, teardown),
		cmocka_unit_test_setup_teardown(cold, setup, teardown),
		cmocka_unit_test_setup_teardown(hot, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_with_instance, setup, teardown),
		cmocka_unit_test_setup_teardown(quota, setup, teardown),
		cmocka_unit_test_setup_teardown(bound, setup, teardown),
		cmocka_unit_test_setup_teardown(of_instances, setup, teardown),
		cmocka_unit_test_setup_teardown(names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
