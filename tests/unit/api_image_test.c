/* Images in the API: what is refused, who sees whose, what an image is made of. */
#include "tests/unit/api_fixture.h"

#include "api/imaging.h"
#include "api/reconciler.h"
#include "common/clock.h"

#define OTHER "210987654321"
#define HVM "'Architecture': 'x86_64', 'VirtualizationType': 'hvm', 'RootDeviceName': '/dev/xvda'"

static int setup(void **state)
{
	int r = fixture_setup(state);
	struct fixture *f = *state;

	f->api.config.quota_instances = 100;
	return r;
}

static int state_of(struct fixture *f, const char *id)
{
	struct store_tx *tx = store_read(f->api.store);
	const struct resource *r = store_get(tx, id);
	int state = r ? r->state : -1;

	store_end(tx);
	return state;
}

/* A completed snapshot of so many GiB. */
static char *snapshot(struct fixture *f, int gib)
{
	mc_autofree char *vol = fixture_volume_of(f, gib);

	return fixture_snapshot(f, vol);
}

static char *registered(struct fixture *f, const char *name, const char *snap)
{
	/* Terraform sends what is not there as an empty text. */
	mc_autofree char *in = mc_strf("{'Name': '%s', 'ImageLocation': '', 'KernelId': '', " HVM ", 'BlockDeviceMappings': "
				       "[{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': '%s'}}]}", name, snap);

	fixture_ok(f, "RegisterImage", in);
	return fixture_kept(f, "ImageId");
}

static size_t seen(struct fixture *f, const char *in)
{
	fixture_ok(f, "DescribeImages", in);
	return json_array_size(fixture_list(f, "Images"));
}

static const json_t *first(struct fixture *f)
{
	return json_array_get(fixture_list(f, "Images"), 0);
}

/* Call an operation on an image. */
static int on(struct fixture *f, const char *name, const char *image, const char *more)
{
	mc_autofree char *in = mc_strf("{'ImageId': '%s'%s}", image, more);

	return fixture_call(f, name, in);
}

static void refused(struct fixture *f, const char *name, const char *image, const char *more, const char *code)
{
	mc_autofree char *in = mc_strf("{'ImageId': '%s'%s}", image, more);

	fixture_fails(f, name, in, code);
}

/* --- registering ------------------------------------------------------------ */

static void test_register(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 2);
	mc_autofree char *image = registered(f, "one (1) /a.b-c_d", snap);
	mc_autofree char *delete = mc_strf("{'SnapshotId': '%s'}", snap);
	mc_autofree char *filter = mc_strf("{'Filters': [{'Name': 'block-device-mapping.snapshot-id', 'Values': ['%s']}]}", snap);
	const json_t *ebs;

	assert_int_equal(seen(f, "{'Owners': ['self']}"), 1);
	assert_string_equal(mc_json_str(first(f), "State", ""), "available");
	assert_string_equal(mc_json_str(first(f), "ImageLocation", ""), FIXTURE_ACCOUNT "/one (1) /a.b-c_d");
	ebs = mc_json_obj(json_array_get(mc_json_arr(first(f), "BlockDeviceMappings"), 0), "Ebs");
	assert_int_equal(mc_json_int(ebs, "VolumeSize", 0), 2);
	assert_string_equal(mc_json_str(ebs, "VolumeType", ""), "gp2");
	assert_null(json_object_get(ebs, "Iops"));
	assert_null(json_object_get(ebs, "Size"));
	assert_int_equal(seen(f, filter), 1);
	fixture_fails(f, "DeleteSnapshot", delete, "InvalidSnapshot.InUse");
	assert_int_equal(on(f, "DeregisterImage", image, ""), 0);
	assert_int_equal(seen(f, "{}"), 0);
	refused(f, "DeregisterImage", image, "", "InvalidAMIID.NotFound");
	fixture_ok(f, "DeleteSnapshot", delete);
}

static void test_register_refusals(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 2);
	static const struct {
		const char *in, *code; /* $: the snapshot */
	} cases[] = {
		{ "{'Name': 'no'}", "InvalidAMIName.Malformed" },
		{ "{'Name': 'what?'}", "InvalidAMIName.Malformed" },
		{ "{'Name': 'taken'}", "InvalidAMIName.Duplicate" },
		{ "{'Name': 'other', " HVM "}", "InvalidBlockDeviceMapping" },
		{ "{'Name': 'other', " HVM ", 'BlockDeviceMappings': [{'DeviceName': '/dev/sdf', 'Ebs': {'SnapshotId': '$'}}]}",
		  "InvalidBlockDeviceMapping" },
		{ "{'Name': 'other', " HVM ", 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': {'VolumeSize': 3}}]}",
		  "InvalidBlockDeviceMapping" },
		{ "{'Name': 'other', " HVM ", 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': '$', 'VolumeSize': 1}}]}",
		  "InvalidBlockDeviceMapping" },
		{ "{'Name': 'other', " HVM ", 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': '$'}},"
		  " {'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': '$'}}]}", "InvalidBlockDeviceMapping" },
		{ "{'Name': 'other', " HVM ", 'BlockDeviceMappings': [{'DeviceName': 'nonsense', 'Ebs': {'SnapshotId': '$'}}]}",
		  "InvalidBlockDeviceMapping" },
		{ "{'Name': 'other', " HVM ", 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': 'snap-00000000000000000'}}]}",
		  "InvalidSnapshot.NotFound" },
		{ "{'Name': 'other', 'ImageLocation': 'bucket/manifest.xml'}", "UnsupportedOperation" },
		{ "{'Name': 'other', 'VirtualizationType': 'none'}", "InvalidParameterValue" },
		{ "{'Name': 'other', 'TpmSupport': 'v2.0'}", "InvalidParameterCombination" },
	};

	free(registered(f, "taken", snap));
	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		const char *p = cases[i].in, *mark;
		mc_autofree char *in = mc_strdup("");

		while ((mark = strchr(p, '$'))) {
			char *longer = mc_strf("%s%.*s%s", in, (int)(mark - p), p, snap);

			free(in);
			in = longer;
			p = mark + 1;
		}
		mc_autofree char *whole = mc_strf("%s%s", in, p);

		fixture_fails(f, "RegisterImage", whole, cases[i].code);
	}
	fixture_as(f, OTHER); /* names are an account's own, snapshots too */
	mc_autofree char *theirs = mc_strf("{'Name': 'taken', " HVM ", 'BlockDeviceMappings': [{'DeviceName': '/dev/xvda', 'Ebs': "
					   "{'SnapshotId': '%s'}}]}", snap);
	fixture_fails(f, "RegisterImage", theirs, "InvalidSnapshot.NotFound");
}

static void test_deregister_with_snapshots(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *one = registered(f, "one", snap);
	mc_autofree char *two = registered(f, "two", snap);

	assert_int_equal(on(f, "DeregisterImage", one, ", 'DeleteAssociatedSnapshots': true"), 0);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "DeleteSnapshotResults"), 0), "ReturnCode", ""), "skipped");
	assert_int_equal(state_of(f, snap), SNAPSHOT_COMPLETED);
	assert_int_equal(on(f, "DeregisterImage", two, ", 'DeleteAssociatedSnapshots': true"), 0);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "DeleteSnapshotResults"), 0), "ReturnCode", ""), "success");
	assert_int_equal(state_of(f, snap), SNAPSHOT_DELETING);
}

/* --- who may ---------------------------------------------------------------- */

static int launch(struct fixture *f, const char *image)
{
	mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1}", image);

	return fixture_call(f, "RunInstances", in);
}

static void give_default_vpc(struct fixture *f, const char *account)
{
	struct store_tx *tx = store_write(f->api.store);

	vpc_create_default(tx, account, FIXTURE_REGION);
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void test_sharing(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "shared", snap);

	give_default_vpc(f, OTHER);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 0);
	assert_int_equal(launch(f, image), 1);
	assert_string_equal(f->call.error_code, "InvalidAMIID.NotFound");
	refused(f, "ModifyImageAttribute", image, ", 'Description': {'Value': 'mine'}", "InvalidAMIID.NotFound");
	fixture_as(f, FIXTURE_ACCOUNT);
	refused(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'UserId': 'me'}]}", "InvalidAMIAttributeItemValue");
	refused(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'OrganizationArn': 'arn'}]}", "UnsupportedOperation");
	refused(f, "ModifyImageAttribute", image, "", "MissingParameter");
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'UserId': '" OTHER "'}]}"), 0);
	assert_int_equal(on(f, "DescribeImageAttribute", image, ", 'Attribute': 'launchPermission'"), 0);
	assert_int_equal(json_array_size(fixture_list(f, "LaunchPermissions")), 1);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{'ExecutableUsers': ['self']}"), 1);
	assert_int_equal(seen(f, "{'ExecutableUsers': ['all']}"), 0);
	assert_int_equal(seen(f, "{'Owners': ['self']}"), 0);
	assert_int_equal(seen(f, "{'Owners': ['" FIXTURE_ACCOUNT "']}"), 1);
	assert_int_equal(launch(f, image), 0);
	refused(f, "DeregisterImage", image, "", "AuthFailure");
	refused(f, "DescribeImageAttribute", image, ", 'Attribute': 'description'", "AuthFailure");
	fixture_as(f, FIXTURE_ACCOUNT);
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'Attribute': 'launchPermission', 'OperationType': 'remove', "
			    "'UserIds': ['" OTHER "']"), 0);
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'Group': 'all'}]}"), 0);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{'Filters': [{'Name': 'is-public', 'Values': ['true']}]}"), 1);
	assert_int_equal(seen(f, "{'ExecutableUsers': ['all']}"), 1);
	fixture_as(f, FIXTURE_ACCOUNT);
	assert_int_equal(on(f, "ResetImageAttribute", image, ", 'Attribute': 'launchPermission'"), 0);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 0);
}

static void test_attributes(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "described", snap);

	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'Description': {'Value': 'a word'}"), 0);
	assert_int_equal(on(f, "DescribeImageAttribute", image, ", 'Attribute': 'description'"), 0);
	assert_string_equal(mc_json_str(mc_json_obj(f->call.out, "Description"), "Value", ""), "a word");
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'Attribute': 'description', 'Value': 'older'"), 0);
	assert_int_equal(seen(f, "{'Filters': [{'Name': 'description', 'Values': ['older']}]}"), 1);
	refused(f, "ModifyImageAttribute", image, ", 'Attribute': 'kernel', 'Value': 'x'", "InvalidParameterValue");
	refused(f, "ModifyImageAttribute", image, ", 'ImdsSupport': {'Value': 'v1.0'}", "InvalidParameterValue");
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'ImdsSupport': {'Value': 'v2.0'}"), 0);
	assert_int_equal(seen(f, "{'Filters': [{'Name': 'imds-support', 'Values': ['v2.0']}]}"), 1);
	assert_int_equal(on(f, "DescribeImageAttribute", image, ", 'Attribute': 'blockDeviceMapping'"), 0);
	assert_int_equal(json_array_size(fixture_list(f, "BlockDeviceMappings")), 1);
}

static void test_disable(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "off", snap);

	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'Group': 'all'}]}"), 0);
	assert_int_equal(on(f, "DisableImage", image, ""), 0);
	assert_int_equal(seen(f, "{}"), 0);
	assert_int_equal(seen(f, "{'IncludeDisabled': true}"), 1);
	assert_string_equal(mc_json_str(first(f), "State", ""), "disabled");
	assert_int_equal(launch(f, image), 1);
	assert_string_equal(f->call.error_code, "InvalidAMIID.Unavailable");
	assert_int_equal(on(f, "EnableImage", image, ""), 0);
	assert_int_equal(seen(f, "{}"), 1);
	assert_false(mc_json_bool(first(f), "Public", true));
	assert_int_equal(launch(f, image), 0);
	assert_int_equal(seen(f, "{}"), 1);
	assert_non_null(mc_json_str(first(f), "LastLaunchedTime", NULL));
}

static void test_deprecation(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "old", snap);
	mc_autofree char *more = NULL;
	char soon[MC_ISO8601_LEN];
	struct store_tx *tx;

	mc_clock_iso8601(mc_clock_wall() + 3600 * MC_SECOND, soon);
	more = mc_strf(", 'DeprecateAt': '%s'", soon);
	refused(f, "EnableImageDeprecation", image, ", 'DeprecateAt': '2001-01-01T00:00:00.000Z'", "InvalidParameterValue");
	refused(f, "EnableImageDeprecation", image, ", 'DeprecateAt': '2901-01-01T00:00:00.000Z'", "InvalidParameterValue");
	assert_int_equal(on(f, "EnableImageDeprecation", image, more), 0);
	assert_int_equal(seen(f, "{}"), 1);
	assert_string_equal(mc_json_str(first(f), "DeprecationTime", "") + strlen("2026-11-21T04:05"), ":00.000Z");
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'Group': 'all'}]}"), 0);
	tx = store_write(f->api.store); /* the time has come */
	json_object_set_new(store_edit(tx, image)->doc, "DeprecationTime", json_string("2001-01-01T00:00:00.000Z"));
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_int_equal(seen(f, "{}"), 1);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 0);
	assert_int_equal(seen(f, "{'IncludeDeprecated': true}"), 1);
	fixture_as(f, FIXTURE_ACCOUNT);
	assert_int_equal(on(f, "DisableImageDeprecation", image, ""), 0);
	fixture_as(f, OTHER);
	assert_int_equal(seen(f, "{}"), 1);
}

static void test_protection(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "kept", snap);

	assert_int_equal(on(f, "EnableImageDeregistrationProtection", image, ""), 0);
	refused(f, "DeregisterImage", image, "", "OperationNotPermitted");
	assert_int_equal(on(f, "DisableImageDeregistrationProtection", image, ""), 0);
	assert_int_equal(on(f, "DeregisterImage", image, ""), 0);
}

/* --- launching -------------------------------------------------------------- */

static void test_launch_checks(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 2);
	static const struct {
		const char *words, *code;
	} cases[] = {
		{ "'Architecture': 'arm64', 'VirtualizationType': 'hvm'", "InvalidParameterValue" },
		{ "'Architecture': 'x86_64'", "InvalidParameterCombination" },
		{ "'Architecture': 'x86_64', 'VirtualizationType': 'hvm', 'BootMode': 'uefi'", "InvalidParameterCombination" },
		{ "'Architecture': 'x86_64', 'VirtualizationType': 'hvm', 'BootMode': 'uefi-preferred'", NULL },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(cases); i++) {
		mc_autofree char *in = mc_strf("{'Name': 'image-%zu', %s, 'BlockDeviceMappings': [{'DeviceName': '/dev/sda1', 'Ebs': "
					       "{'SnapshotId': '%s'}}]}", i, cases[i].words, snap);
		mc_autofree char *image = NULL;

		fixture_ok(f, "RegisterImage", in);
		image = fixture_kept(f, "ImageId");
		assert_int_equal(launch(f, image), cases[i].code ? 1 : 0);
		if (cases[i].code)
			assert_string_equal(f->call.error_code, cases[i].code);
	}
	assert_int_equal(seen(f, "{}"), MC_ARRAY_SIZE(cases));
}

/* What asks for IPv6 is not passed over. */
static void test_launch_ipv6(void **state)
{
	static const char *const asked[] = {
		"'Ipv6AddressCount': 1", "'Ipv6Addresses': [{'Ipv6Address': '2001:db8::1'}]", "'MetadataOptions': {'HttpProtocolIpv6': 'enabled'}",
		"'NetworkInterfaces': [{'DeviceIndex': 0, 'Ipv6AddressCount': 1}]",
	};
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "source", snap);

	for (size_t i = 0; i < MC_ARRAY_SIZE(asked); i++) {
		mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, %s}", image, asked[i]);

		fixture_fails(f, "RunInstances", in, "UnsupportedOperation");
	}
	assert_int_equal(launch(f, image), 0);
}

/* Asked for by the older parameter of RunInstances. */
static void test_launch_at_an_address(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1), *image = registered(f, "source", snap);
	mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, "
				       "'PrivateIpAddress': '172.31.0.117'}", image);

	fixture_ok(f, "RunInstances", in);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "Instances"), 0), "PrivateIpAddress", ""), "172.31.0.117");
	fixture_fails(f, "RunInstances", in, "InvalidIPAddress.InUse");
}

/* Groups and subnets that do not fit together, in AWS's words. */
static void test_launch_between_networks(void **state)
{
	enum { NONE, GROUP, SUBNET };
	static const struct { const char *before; int what; const char *after, *code; } rows[] = {
		{ "'SecurityGroupIds': ['", GROUP, "']", "InvalidParameter" },
		{ "'NetworkInterfaces': [{'DeviceIndex': 0, 'Groups': ['", GROUP, "']}]", "InvalidParameter" },
		{ "'SubnetId': '", SUBNET, "', 'SecurityGroups': ['default']", "InvalidParameterCombination" },
		{ "'SubnetId': '", SUBNET, "', 'NetworkInterfaces': [{'DeviceIndex': 0}]", "InvalidParameterCombination" },
		{ "'SecurityGroups': ['nobody']", NONE, "", "InvalidGroup.NotFound" },
		{ "'SecurityGroups': ['default']", NONE, "", NULL },
	};
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1), *image = registered(f, "source", snap), *group = NULL, *subnet = NULL, *in = NULL;

	fixture_ok(f, "CreateVpc", "{'CidrBlock': '10.0.0.0/16'}");
	in = mc_strf("{'VpcId': '%s', 'GroupName': 'x', 'Description': 'x'}", mc_json_str(mc_json_obj(f->call.out, "Vpc"), "VpcId", ""));
	fixture_ok(f, "CreateSecurityGroup", in);
	group = mc_strdup(mc_json_str(f->call.out, "GroupId", ""));
	fixture_ok(f, "DescribeSubnets", "{}");
	subnet = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Subnets"), 0), "SubnetId", ""));
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		const char *id = rows[i].what == GROUP ? group : rows[i].what == SUBNET ? subnet : "";
		mc_autofree char *ask = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, %s%s%s}", image,
						rows[i].before, id, rows[i].after);

		if (rows[i].code)
			fixture_fails(f, "RunInstances", ask, rows[i].code);
		else
			fixture_ok(f, "RunInstances", ask);
	}
}

/* Where the default VPC has no subnet, or not there, or is none. */
static void test_launch_without_default_subnet(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1), *image = registered(f, "source", snap), *vpc = NULL;
	mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1}", image);
	mc_autofree char *there = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, "
					  "'Placement': {'AvailabilityZone': 'us-east-1a'}}", image);
	mc_auto_json json_t *subnets = NULL;
	mc_autofree char *wanted = NULL;
	size_t i;
	json_t *one;

	fixture_ok(f, "DescribeSubnets", "{}");
	subnets = json_incref(fixture_list(f, "Subnets"));
	vpc = mc_strdup(mc_json_str(json_array_get(subnets, 0), "VpcId", ""));
	wanted = mc_strf("No subnets found for the default VPC '%s'. Please specify a subnet.", vpc);
	json_array_foreach(subnets, i, one) {
		mc_autofree char *del = mc_strf("{'SubnetId': '%s'}", mc_json_str(one, "SubnetId", ""));

		fixture_ok(f, "DeleteSubnet", del);
		fixture_fails(f, "RunInstances", there, "MissingInput");
		assert_string_equal(f->call.error_message, i + 1 < json_array_size(subnets) ?
				    "No default subnet for availability zone: 'us-east-1a'." : wanted);
	}
	fixture_fails(f, "RunInstances", in, "MissingInput");
}

/* Addresses that the type has not; and none left to lend. */
static void test_launch_without_addresses(void **state)
{
	static const struct { const char *interface, *code; } rows[] = {
		{ "'SecondaryPrivateIpAddressCount': 2", "InvalidInterface.IpAddressLimitExceeded" },
		{ "'AssociatePublicIpAddress': true", "InsufficientAddressCapacity" },
	};
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1), *image = registered(f, "source", snap);

	f->api.config.public_pool = "203.0.113.0/30";
	while (fixture_call(f, "AllocateAddress", "{}") == 0)
		;
	assert_string_equal(f->call.error_code, "InsufficientAddressCapacity");
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, "
					       "'NetworkInterfaces': [{'DeviceIndex': 0, %s}]}", image, rows[i].interface);

		fixture_fails(f, "RunInstances", in, rows[i].code);
	}
}

/* With its family's credit mode, or the one that is asked for. */
static void test_launch_with_credits(void **state)
{
	static const char *const rows[][2] = { { "", "standard" }, { ", 'CreditSpecification': {'CpuCredits': 'unlimited'}", "unlimited" } };
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1), *image = registered(f, "source", snap);

	fixture_ok(f, "ModifyDefaultCreditSpecification", "{'InstanceFamily': 't3', 'CpuCredits': 'standard'}");
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1%s}", image, rows[i][0]);
		mc_autofree char *ask = NULL;

		fixture_ok(f, "RunInstances", in);
		ask = mc_strf("{'InstanceIds': ['%s']}", mc_json_str(json_array_get(fixture_list(f, "Instances"), 0), "InstanceId", ""));
		fixture_ok(f, "DescribeInstanceCreditSpecifications", ask);
		assert_string_equal(mc_json_str(json_array_get(fixture_list(f, "InstanceCreditSpecifications"), 0), "CpuCredits", ""), rows[i][1]);
	}
}

/* --- making one of an instance ---------------------------------------------- */

/* An instance whose volumes are there, in this state. */
static char *instance(struct fixture *f, const char *image, int to)
{
	mc_autofree char *in = mc_strf("{'ImageId': '%s', 'InstanceType': 't3.nano', 'MinCount': 1, 'MaxCount': 1, "
				       "'BlockDeviceMappings': [{'DeviceName': '/dev/sdf', 'Ebs': {'VolumeSize': 3, 'VolumeType': 'gp3', "
				       "'DeleteOnTermination': false}}]}", image);
	struct store_tx *tx;
	struct store_iter it;
	const struct resource *r;
	char *id;

	fixture_ok(f, "RunInstances", in);
	id = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Instances"), 0), "InstanceId", ""));
	tx = store_write(f->api.store);
	it = store_iter(tx, KIND_VOLUME, NULL, NULL);
	while ((r = store_next(&it)))
		if (json_array_size(mc_json_arr(r->spec, "instances")))
			state_set(tx, store_edit(tx, r->id), VOLUME_IN_USE);
	state_set(tx, store_edit(tx, id), INSTANCE_RUNNING);
	if (to == INSTANCE_STOPPED) {
		state_set(tx, store_edit(tx, id), INSTANCE_STOPPING);
		state_set(tx, store_edit(tx, id), INSTANCE_STOPPED);
	}
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 2);
	mc_autofree char *image = registered(f, "source", snap);
	mc_autofree char *inst = instance(f, image, INSTANCE_STOPPED);
	mc_autofree char *in = mc_strf("{'InstanceId': '%s', 'Name': 'made', 'TagSpecifications': [{'ResourceType': 'snapshot', 'Tags': "
				       "[{'Key': 'a', 'Value': 'b'}]}, {'ResourceType': 'image', 'Tags': [{'Key': 'c', 'Value': 'd'}]}]}", inst);
	mc_autofree char *without = mc_strf("{'InstanceId': '%s', 'Name': 'without', 'BlockDeviceMappings': [{'DeviceName': '/dev/sdf', "
					    "'NoDevice': ''}, {'DeviceName': '/dev/sdg', 'Ebs': {'VolumeSize': 7}}]}", inst);
	mc_autofree char *rootless = mc_strf("{'InstanceId': '%s', 'Name': 'rootless', 'BlockDeviceMappings': [{'DeviceName': "
					     "'/dev/xvda', 'NoDevice': ''}]}", inst);
	mc_autofree char *made = NULL;
	const json_t *list, *ebs;
	int64_t delay = 0;

	fixture_ok(f, "CreateImage", in);
	made = fixture_kept(f, "ImageId");
	assert_int_equal(seen(f, "{'Filters': [{'Name': 'tag:c', 'Values': ['d']}]}"), 1);
	assert_string_equal(mc_json_str(first(f), "State", ""), "pending");
	assert_string_equal(mc_json_str(first(f), "SourceInstanceId", ""), inst);
	list = mc_json_arr(first(f), "BlockDeviceMappings");
	assert_int_equal(json_array_size(list), 2);
	ebs = mc_json_obj(json_array_get(list, 1), "Ebs");
	assert_int_equal(mc_json_int(ebs, "VolumeSize", 0), 3);
	assert_int_equal(mc_json_int(ebs, "Iops", 0), 3000);
	assert_false(mc_json_bool(ebs, "DeleteOnTermination", true));
	assert_int_equal(launch(f, made), 1);
	assert_string_equal(f->call.error_code, "InvalidAMIID.Unavailable");
	fixture_ok(f, "DescribeSnapshots", "{'Filters': [{'Name': 'tag:a', 'Values': ['b']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 2);
	mc_autofree char *one = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Snapshots"), 0), "SnapshotId", ""));
	mc_autofree char *two = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Snapshots"), 1), "SnapshotId", ""));

	assert_int_equal(step_image(&f->api, made, &delay, NULL), STEP_NOT_YET);
	fixture_set_state(f, one, SNAPSHOT_COMPLETED);
	fixture_set_state(f, two, SNAPSHOT_COMPLETED);
	assert_int_equal(step_image(&f->api, made, &delay, NULL), STEP_DONE);
	assert_int_equal(state_of(f, made), IMAGE_AVAILABLE);
	assert_int_equal(launch(f, made), 0);
	fixture_fails(f, "CreateImage", in, "InvalidAMIName.Duplicate");
	fixture_ok(f, "CreateImage", without);
	assert_int_equal(seen(f, "{'Filters': [{'Name': 'name', 'Values': ['without']}]}"), 1);
	list = mc_json_arr(first(f), "BlockDeviceMappings");
	assert_int_equal(json_array_size(list), 2);
	ebs = mc_json_obj(json_array_get(list, 1), "Ebs");
	assert_int_equal(mc_json_int(ebs, "VolumeSize", 0), 7);
	assert_null(json_object_get(ebs, "SnapshotId"));
	fixture_fails(f, "CreateImage", rootless, "InvalidBlockDeviceMapping");
}

/* A volume that another instance writes to, too, has no moment together with others. */
static void test_shared(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "source", snap);
	mc_autofree char *one = instance(f, image, INSTANCE_RUNNING);
	mc_autofree char *other = instance(f, image, INSTANCE_RUNNING);
	mc_autofree char *shared = fixture_volume(f, "{'AvailabilityZone': 'us-east-1a', 'Size': 4, 'VolumeType': 'io2', 'Iops': 100, "
						     "'MultiAttachEnabled': true}");
	const char *const both[] = { one, other };
	mc_autofree char *set = mc_strf("{'InstanceSpecification': {'InstanceId': '%s'}}", one);
	mc_autofree char *alone = NULL;
	mc_autofree char *reboot = mc_strf("{'InstanceId': '%s', 'Name': 'reboot'}", one);
	mc_autofree char *running = mc_strf("{'InstanceId': '%s', 'Name': 'running', 'NoReboot': true}", one);
	mc_autofree char *without = mc_strf("{'InstanceId': '%s', 'Name': 'without', 'NoReboot': true, 'BlockDeviceMappings': [{'DeviceName': "
					    "'/dev/sdg', 'NoDevice': ''}]}", one);

	for (size_t i = 0; i < MC_ARRAY_SIZE(both); i++) {
		mc_autofree char *attach = mc_strf("{'VolumeId': '%s', 'InstanceId': '%s', 'Device': '/dev/sdg'}", shared, both[i]);

		fixture_ok(f, "AttachVolume", attach);
	}
	fixture_fails(f, "CreateSnapshots", set, "IncorrectState");
	fixture_fails(f, "CreateImage", running, "IncorrectState");
	fixture_fails(f, "CreateImage", reboot, "IncorrectState");
	fixture_ok(f, "CreateImage", without);
	fixture_ok(f, "DescribeVolumes", "{'Filters': [{'Name': 'attachment.device', 'Values': ['/dev/sdf']}]}");
	alone = mc_strf("{'InstanceSpecification': {'InstanceId': '%s', 'ExcludeBootVolume': true, 'ExcludeDataVolumeIds': ['%s', '%s']}}", one,
			mc_json_str(json_array_get(fixture_list(f, "Volumes"), 0), "VolumeId", ""),
			mc_json_str(json_array_get(fixture_list(f, "Volumes"), 1), "VolumeId", ""));
	fixture_ok(f, "CreateSnapshots", alone);
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 1);
	/* With a reboot the instance itself is no hindrance. */
	fixture_set_state(f, other, INSTANCE_STOPPING);
	fixture_set_state(f, other, INSTANCE_STOPPED);
	fixture_fails(f, "CreateImage", running, "IncorrectState");
	fixture_ok(f, "CreateImage", reboot);
}

static void test_failed(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "source", snap);
	mc_autofree char *inst = instance(f, image, INSTANCE_STOPPED);
	mc_autofree char *in = mc_strf("{'InstanceId': '%s', 'Name': 'made'}", inst);
	mc_autofree char *made = NULL;
	struct store_tx *tx;
	struct store_iter it;
	const struct resource *r;
	int64_t delay = 0;

	fixture_ok(f, "CreateImage", in);
	made = fixture_kept(f, "ImageId");
	tx = store_write(f->api.store);
	it = store_iter(tx, KIND_SNAPSHOT, NULL, NULL);
	while ((r = store_next(&it)))
		if (r->state == SNAPSHOT_PENDING)
			state_set(tx, store_edit(tx, r->id), SNAPSHOT_ERROR);
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_int_equal(step_image(&f->api, made, &delay, NULL), STEP_DONE);
	assert_int_equal(seen(f, "{'Filters': [{'Name': 'state', 'Values': ['failed']}]}"), 1);
	assert_string_equal(mc_json_str(mc_json_obj(first(f), "StateReason"), "Code", ""), "Server.InternalError");
}

/* With a reboot the snapshots wait for the guest; an instance that is stopped meanwhile lets them go on. */
static void test_reboot(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 1);
	mc_autofree char *image = registered(f, "source", snap);
	mc_autofree char *inst = instance(f, image, INSTANCE_RUNNING);
	mc_autofree char *in = mc_strf("{'InstanceId': '%s', 'Name': 'made'}", inst);
	mc_autofree char *again = mc_strf("{'InstanceId': '%s', 'Name': 'again'}", inst);
	mc_autofree char *live = mc_strf("{'InstanceId': '%s', 'Name': 'live', 'NoReboot': true}", inst);
	struct store_iter it;
	const struct resource *r, *held = NULL;
	struct resource *copy, *i;
	struct store_tx *tx;

	fixture_ok(f, "CreateImage", live);
	assert_int_equal(json_array_size(f->call.job), 2);
	fixture_ok(f, "CreateImage", in);
	assert_null(f->call.job);
	fixture_fails(f, "CreateImage", again, "IncorrectState");
	tx = store_read(f->api.store);
	it = store_iter(tx, KIND_SNAPSHOT, NULL, NULL);
	while ((r = store_next(&it)))
		held = r->state == SNAPSHOT_PENDING ? r : held;
	assert_non_null(held);
	copy = resource_clone(held);
	i = resource_clone(store_get(tx, inst));
	store_end(tx);
	assert_true(imaging_under_way(i));
	assert_false(imaging_is_down(i));
	assert_true(imaging_holds(&f->api, copy));
	fixture_set_state(f, inst, INSTANCE_STOPPING);
	assert_false(imaging_holds(&f->api, copy));
	resource_free(copy);
	resource_free(i);
	fixture_fails(f, "CreateImage", again, "IncorrectInstanceState");
}

/* --- copying ---------------------------------------------------------------- */

static void test_copy(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *snap = snapshot(f, 2);
	mc_autofree char *image = registered(f, "near", snap);
	mc_autofree char *in = mc_strf("{'Name': 'far', 'SourceRegion': 'us-east-1', 'SourceImageId': '%s'}", image);
	mc_autofree char *nowhere = mc_strf("{'Name': 'far', 'SourceRegion': 'mars-1', 'SourceImageId': '%s'}", image);
	mc_autofree char *wrong = mc_strf("{'Name': 'far', 'SourceRegion': 'eu-west-1', 'SourceImageId': '%s'}", image);

	snprintf(f->caller.region, sizeof(f->caller.region), "eu-west-1");
	fixture_fails(f, "CopyImage", nowhere, "InvalidParameterValue");
	fixture_fails(f, "CopyImage", wrong, "InvalidAMIID.NotFound");
	fixture_ok(f, "CopyImage", in);
	assert_int_equal(seen(f, "{}"), 1);
	assert_string_equal(mc_json_str(first(f), "SourceImageId", ""), image);
	assert_string_equal(mc_json_str(first(f), "SourceImageRegion", ""), "us-east-1");
	assert_string_equal(mc_json_str(first(f), "State", ""), "pending");
	fixture_ok(f, "DescribeSnapshots", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Snapshots")), 1);
	fixture_fails(f, "CopyImage", in, "InvalidAMIName.Duplicate");
	snprintf(f->caller.region, sizeof(f->caller.region), "us-east-1");
	assert_int_equal(on(f, "ModifyImageAttribute", image, ", 'LaunchPermission': {'Add': [{'UserId': '" OTHER "'}]}"), 0);
	fixture_as(f, OTHER); /* who may launch it may not read it */
	fixture_fails(f, "CopyImage", in, "InvalidRequest");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_register), T(test_register_refusals), T(test_deregister_with_snapshots), T(test_sharing), T(test_attributes),
		T(test_disable), T(test_deprecation), T(test_protection), T(test_launch_checks), T(test_create), T(test_shared), T(test_failed),
		T(test_reboot), T(test_copy), T(test_launch_ipv6), T(test_launch_at_an_address), T(test_launch_without_addresses),
		T(test_launch_between_networks), T(test_launch_without_default_subnet),
		T(test_launch_with_credits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
