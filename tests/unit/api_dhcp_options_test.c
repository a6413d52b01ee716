/* DHCP options sets: what is taken, and what netd is told. */
#include "tests/unit/api_vpc_fixture.h"

static void refused(void **state)
{
	static const struct { const char *options, *code; } rows[] = {
		{ "", "MissingParameter" },
		{ "{'Key': 'colour', 'Values': ['red']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': []}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': ['a', 'b']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': ['a..b']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': ['10.0.0.1']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': ['a 12']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': [' ']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name-servers', 'Values': ['2001:db8::1']}", "UnsupportedOperation" },
		{ "{'Key': 'domain-name', 'Values': ['a\\ndhcp-option=3']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name', 'Values': ['a']}, {'Key': 'domain-name', 'Values': ['b']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name-servers', 'Values': ['1.2.3']}", "InvalidParameterValue" },
		{ "{'Key': 'domain-name-servers', 'Values': ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4', '1.1.1.5']}", "InvalidParameterValue" },
		{ "{'Key': 'ntp-servers', 'Values': ['AmazonProvidedDNS']}", "InvalidParameterValue" },
		{ "{'Key': 'netbios-node-type', 'Values': ['3']}", "InvalidParameterValue" },
		{ "{'Key': 'ipv6-address-preferred-lease-time', 'Values': ['140']}", "UnsupportedOperation" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'DhcpConfigurations': [%s]}", rows[i].options);

		fixture_fails(f, "CreateDhcpOptions", in, rows[i].code);
	}
}

static void life(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *vpc = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *id = NULL;
	mc_auto_json json_t *before = wanted_vpc(f, vpc), *after = NULL, *none = NULL;
	const json_t *dhcp = mc_json_obj(before, "dhcp");

	assert_string_equal(mc_json_str(dhcp, "domain_name", ""), "ec2.internal");
	assert_string_equal(mc_json_at(mc_json_arr(dhcp, "domain_name_servers"), 0), "AmazonProvidedDNS");
	fixture_ok(f, "CreateDhcpOptions", "{'DhcpConfigurations': [{'Key': 'domain-name', 'Values': [' Example.org  example.net ']}, "
		   "{'Key': 'domain-name-servers', 'Values': ['10.0.0.9', 'AmazonProvidedDNS']}, {'Key': 'ntp-servers', 'Values': ['1.2.3.4']}, "
		   "{'Key': 'netbios-node-type', 'Values': ['2']}]}");
	id = answered(f, "DhcpOptions", "DhcpOptionsId");
	ok2(f, "AssociateDhcpOptions", "DhcpOptionsId", id, "VpcId", vpc);
	assert_true(fixture_wait(f, vpc) > 0);
	after = wanted_vpc(f, vpc);
	dhcp = mc_json_obj(after, "dhcp");
	assert_string_equal(mc_json_str(dhcp, "domain_name", ""), "example.org example.net");
	assert_int_equal(json_array_size(mc_json_arr(dhcp, "domain_name_servers")), 2);
	assert_string_equal(mc_json_at(mc_json_arr(dhcp, "ntp_servers"), 0), "1.2.3.4");
	assert_int_equal(mc_json_int(dhcp, "netbios_node_type", 0), 2);
	fails1(f, "DeleteDhcpOptions", "DhcpOptionsId", id, "DependencyViolation");
	fails2(f, "AssociateDhcpOptions", "DhcpOptionsId", "dopt-12345678", "VpcId", vpc, "InvalidDhcpOptionID.NotFound");
	ok2(f, "AssociateDhcpOptions", "DhcpOptionsId", "default", "VpcId", vpc);
	none = wanted_vpc(f, vpc);
	assert_non_null(mc_json_obj(none, "dhcp"));
	assert_int_equal(json_object_size(mc_json_obj(none, "dhcp")), 0);
	ok1(f, "DeleteDhcpOptions", "DhcpOptionsId", id);
	fails1(f, "DeleteDhcpOptions", "DhcpOptionsId", id, "InvalidDhcpOptionID.NotFound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
		T(refused), T(life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
