/* Tags, places and instance types. */
#include "tests/unit/api_fixture.h"

static char *vpc_of(struct fixture *f)
{
	fixture_ok(f, "DescribeVpcs", "{}");
	return mc_strdup(mc_json_str(json_array_get(fixture_list(f, "Vpcs"), 0), "VpcId", NULL));
}

/* --- tags -------------------------------------------------------------------- */

static void tag(struct fixture *f, const char *action, const char *id, const char *tags, const char *code)
{
	mc_autofree char *in = mc_strf("{'Resources': ['%s'], 'Tags': [%s]}", id, tags);

	if (code)
		fixture_fails(f, action, in, code);
	else
		fixture_ok(f, action, in);
}

static size_t count_tags(struct fixture *f, const char *in)
{
	fixture_ok(f, "DescribeTags", in);
	return json_array_size(fixture_list(f, "Tags"));
}

static void tags(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = vpc_of(f);

	tag(f, "CreateTags", vpc, "{'Key': 'Name', 'Value': 'x'}, {'Key': 'empty', 'Value': ''}, {'Key': 'none'}", NULL);
	tag(f, "CreateTags", vpc, "{'Key': 'Name', 'Value': 'y'}", NULL); /* replaces */
	assert_int_equal(count_tags(f, "{}"), 3);
	assert_int_equal(count_tags(f, "{'Filters': [{'Name': 'key', 'Values': ['Na*']}, {'Name': 'value', 'Values': ['y']}]}"), 1);
	assert_int_equal(count_tags(f, "{'Filters': [{'Name': 'resource-type', 'Values': ['vpc']}]}"), 3);
	assert_int_equal(count_tags(f, "{'Filters': [{'Name': 'resource-id', 'Values': ['subnet-*']}]}"), 0);
	tag(f, "DeleteTags", vpc, "{'Key': 'Name', 'Value': 'other'}", NULL); /* another value stays */
	assert_int_equal(count_tags(f, "{}"), 3);
	tag(f, "DeleteTags", vpc, "{'Key': 'Name'}, {'Key': 'empty', 'Value': ''}", NULL);
	assert_int_equal(count_tags(f, "{}"), 1);
	tag(f, "DeleteTags", vpc, "", NULL); /* all */
	assert_int_equal(count_tags(f, "{}"), 0);
}

static void bad_tags(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = vpc_of(f), *long_key = NULL, *long_value = NULL, *many = mc_strdup("{'Key': 'a'}");
	mc_autofree char *text = mc_alloc(258);

	memset(text, 'k', 257);
	long_value = mc_strf("{'Key': 'a', 'Value': '%s'}", text);
	text[129] = '\0';
	long_key = mc_strf("{'Key': '%s', 'Value': ''}", text);
	tag(f, "CreateTags", vpc, long_value, "InvalidParameterValue");
	tag(f, "CreateTags", vpc, long_key, "InvalidParameterValue");
	tag(f, "CreateTags", vpc, "{'Key': '', 'Value': ''}", "InvalidParameterValue");
	tag(f, "CreateTags", vpc, "{'Key': 'AWS:x', 'Value': ''}", "InvalidParameterValue");
	tag(f, "CreateTags", vpc, "{'Key': 'a', 'Value': ''}, {'Key': 'a', 'Value': 'b'}", "InvalidParameterValue");
	tag(f, "CreateTags", "foo", "{'Key': 'a'}", "InvalidID");
	tag(f, "CreateTags", "vpc-12345678", "{'Key': 'a'}", "InvalidVpcID.NotFound");
	for (int i = 0; i < 50; i++) {
		char *longer = mc_strf("%s, {'Key': 'k%d'}", many, i);

		free(many);
		many = longer;
	}
	tag(f, "CreateTags", vpc, many, "TagLimitExceeded");
	assert_int_equal(count_tags(f, "{}"), 0); /* all or nothing */
}

static void tag_specifications(void **state)
{
	struct fixture *f = *state;

	fixture_fails(f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': 'd', 'TagSpecifications': "
		      "[{'ResourceType': 'instance', 'Tags': [{'Key': 'a'}]}]}", "InvalidParameterValue");
	fixture_fails(f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': 'd', 'TagSpecifications': "
		      "[{'ResourceType': 'security-group', 'Tags': []}]}", "InvalidParameterValue");
	fixture_fails(f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': 'd', 'TagSpecifications': "
		      "[{'Tags': [{'Key': 'a'}]}]}", "MissingParameter");
	fixture_fails(f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': 'd', 'TagSpecifications': "
		      "[{'ResourceType': 'security-group', 'Tags': [{'Key': 'a'}, {'Key': 'a'}]}]}", "InvalidParameterValue");
}

/* --- places ------------------------------------------------------------------ */

static void places(void **state)
{
	struct fixture *f = *state;
	const json_t *zone;

	fixture_ok(f, "DescribeRegions", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "Regions")), 2);
	fixture_ok(f, "DescribeRegions", "{'Filters': [{'Name': 'region-name', 'Values': ['eu-*']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "Regions")), 1);
	fixture_fails(f, "DescribeRegions", "{'RegionNames': ['mars-1']}", "InvalidParameterValue");
	fixture_ok(f, "DescribeAvailabilityZones", "{'ZoneIds': ['use1-az2']}");
	assert_int_equal(json_array_size(fixture_list(f, "AvailabilityZones")), 1);
	zone = json_array_get(fixture_list(f, "AvailabilityZones"), 0);
	assert_string_equal(mc_json_str(zone, "ZoneName", ""), "us-east-1b");
	fixture_fails(f, "DescribeAvailabilityZones", "{'ZoneNames': ['us-east-1z']}", "InvalidParameterValue");
	fixture_ok(f, "DescribeAccountAttributes", "{'AttributeNames': ['default-vpc']}");
	assert_int_equal(json_array_size(fixture_list(f, "AccountAttributes")), 1);
}

/* --- instance types ---------------------------------------------------------- */

static void types(void **state)
{
	struct fixture *f = *state;
	const json_t *nano = json_object_get(f->api.types, "t3.nano");

	assert_int_equal(mc_json_int(nano, "vcpus", 0), 2);
	assert_int_equal(mc_json_int(nano, "memory_mib", 0), 512);
	fixture_ok(f, "DescribeInstanceTypes", "{'InstanceTypes': ['t3.nano', 't2.micro']}");
	assert_int_equal(json_array_size(fixture_list(f, "InstanceTypes")), 2);
	fixture_fails(f, "DescribeInstanceTypes", "{'InstanceTypes': ['t3.nano', 'a.b', 'c.d']}", "InvalidInstanceType");
	assert_string_equal(f->call.error_message, "The following supplied instance types do not exist: [a.b, c.d]");
	fixture_ok(f, "DescribeInstanceTypes", "{'Filters': [{'Name': 'processor-info.sustained-clock-speed-in-ghz', "
		   "'Values': ['2.5']}, {'Name': 'memory-info.size-in-mib', 'Values': ['512']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "InstanceTypes")), 1);
	fixture_ok(f, "DescribeInstanceTypeOfferings", "{'LocationType': 'availability-zone-id', 'Filters': "
		   "[{'Name': 'instance-type', 'Values': ['t3.nano']}]}");
	assert_int_equal(json_array_size(fixture_list(f, "InstanceTypeOfferings")), 3);
}

static void bad_type_files(void **state)
{
	static const char *const rows[] = {
		"{}", "[]", "{\"families\": [], \"types\": []}",
		"{\"families\": [{\"family\": \"t3\", \"current_generation\": true, \"burstable\": true, \"hypervisor\": \"nitro\"}],"
		" \"types\": [{\"type\": \"t4.nano\", \"vcpus\": 1, \"memory_mib\": 512, \"network\": \"x\", \"interfaces\": 1, \"addresses\": 1}]}",
		"{\"families\": [{\"family\": \"t3\", \"current_generation\": true, \"burstable\": true, \"hypervisor\": \"nitro\"}],"
		" \"types\": [{\"type\": \"t3.nano\", \"vcpus\": 0, \"memory_mib\": 512, \"network\": \"x\", \"interfaces\": 1, \"addresses\": 1}]}",
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_auto_json json_t *file = json_loads(rows[i], 0, NULL);
		mc_auto_err mc_err *err = NULL;

		assert_non_null(file);
		assert_null(instance_types_read(file, &err));
		assert_non_null(err);
	}
	assert_null(instance_types_load("/nonexistent", NULL));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(tags), WITH(bad_tags), WITH(tag_specifications), WITH(places), WITH(types), cmocka_unit_test(bad_type_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
