/* tests/golden/netd/full.json as netd understands it, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/wanted.h"

#define FULL "tests/golden/netd/full.json"
#define VPC "vpc-00000000000000001"

static const struct cidr pool = { 0xcb007100, 24 };

static struct wanted *parse(const json_t *doc, mc_err **err)
{
	if (mc_fields_check(wanted_fields, doc, err) < 0)
		return NULL;
	return wanted_parse(VPC, doc, &pool, err);
}

static void full(void **state)
{
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *doc = mc_json_load(FULL, &err);
	auto_wanted struct wanted *w = parse(doc, &err);

	(void)state;
	if (!w)
		fail_msg("%s", mc_err_msg(err));
	assert_int_equal(w->n_enis, 4);
	assert_int_equal(w->n_places, 6);
	assert_int_equal(w->acls[0].entries[WANTED_INGRESS][0].number, 100);
	assert_int_equal(w->subnets[1].acl, 1);
	assert_int_equal(w->subnets[2].acl, -1);
	assert_int_equal(w->foreign[0].members[0], 0x0a010005);
	assert_string_equal(wanted_eni_by_ip(w, 0x0a000005)->id, "eni-a000000000000000a");
	assert_int_equal(wanted_addr_by_ip(w, 0x0a00000c)->public_ip, 0xcb007106);
	assert_null(wanted_eni_by_ip(w, 0x0a000006));
	assert_int_equal(wanted_eni_by_ip(w, 0x0a000014)->kind, WANTED_NAT);
	assert_false(wanted_eni_by_ip(w, 0x0a000014)->source_dest_check);
	assert_string_equal(wanted_eni_by_ip(w, 0x0a000114)->mac, "06:00:00:00:00:0d");
	assert_string_equal(w->subnets[1].routes[1].id, "eni-a000000000000000a");
	assert_string_equal(w->subnets[0].routes[0].id, "");
	assert_int_equal(w->dhcp.dns.addrs[0], 0x0a000009);
	assert_int_equal(w->dhcp.dns.addrs[1], 0x0a000002);
}

/* One member of the whole document, by its way from the root, put in the place of the good one. */
struct bad {
	const char *way[4]; /* member or index, ended by NULL */
	const char *value;
};

static const struct bad bads[] = {
	{ { "cidrs", "1" }, "\"10.0.128.0/24\"" },
	{ { "cidrs", "1" }, "\"10.0.0.0/8\"" },
	{ { "dns", "names", "0", "name" }, "\"a\\nb\"" },
	{ { "dns", "public_domain" }, "\"a/b\"" },
	{ { "dhcp", "domain_name" }, "\"a\\nb\"" },
	{ { "dhcp", "domain_name" }, "\"a,b\"" },
	{ { "dhcp", "domain_name" }, "\"10.0.0.1\"" },
	{ { "dhcp", "domain_name_servers", "0" }, "\"ns.example\"" },
	{ { "dhcp", "ntp_servers" }, "[\"1.1.1.1\", \"1.1.1.2\", \"1.1.1.3\", \"1.1.1.4\", \"1.1.1.5\"]" },
	{ { "dhcp", "netbios_node_type" }, "9" },
	{ { "acls", "0", "id" }, "\"acl-0000000000000000b\"" },
	{ { "acls", "0", "id" }, "\"acl-0000000000000000c\"" },
	{ { "acls", "0", "ingress" }, "[{\"number\": 1, \"action\": \"pass\", \"protocol\": \"all\", \"cidr\": \"0.0.0.0/0\"}]" },
	{ { "acls", "0", "ingress" }, "[{\"number\": 0, \"action\": \"deny\", \"protocol\": \"all\", \"cidr\": \"0.0.0.0/0\"}]" },
	{ { "acls", "0", "ingress" }, "[{\"number\": 1, \"action\": \"deny\", \"protocol\": \"all\"}]" },
	{ { "acls", "0", "ingress", "0" }, "{\"number\": 100, \"action\": \"deny\", \"protocol\": \"all\", \"cidr\": \"0.0.0.0/0\"}" },
	{ { "subnets", "0", "acl" }, "\"acl-00000000000000009\"" },
	{ { "subnets", "0", "cidr" }, "\"10.0.1.0/25\"" },
	{ { "subnets", "0", "routes", "1" }, "{\"destination\": \"0.0.0.0/0\", \"target\": \"blackhole\"}" },
	{ { "subnets", "0", "routes", "1" }, "{\"destination\": \"1.0.0.0/8\", \"target\": \"vgw-00000000000000001\"}" },
	{ { "subnets", "0", "routes", "1" }, "{\"destination\": \"1.0.0.0/8\", \"target\": \"nat-\"}" },
	{ { "foreign_groups", "0", "id" }, "\"sg-0000000000000000a\"" },
	{ { "foreign_groups", "0", "members", "0" }, "\"10.0.0.10\"" },
	{ { "foreign_groups", "0", "members", "0" }, "\"10.1.0.5\"" },
	{ { "enis", "0", "kind" }, "\"router\"" },
	{ { "enis", "0", "secondary", "0" }, "{\"ip\": \"10.0.0.10\"}" },
	{ { "enis", "0", "secondary", "0" }, "{\"ip\": \"10.0.1.12\"}" },
	{ { "enis", "0", "secondary", "0" }, "{\"ip\": \"10.0.0.3\"}" },
	{ { "enis", "0", "secondary", "0" }, "{\"ip\": \"10.0.0.12\", \"public_ip\": \"203.0.113.5\"}" },
	{ { "enis", "0", "secondary", "0" }, "{\"ip\": \"10.0.0.12\", \"public_ip\": \"8.8.8.8\"}" },
	{ { "enis", "0", "public_name" }, "\"a b\"" },
	{ { "nat_gateways", "0", "id" }, "\"nat-x\"" },
	{ { "nat_gateways", "0", "ip" }, "\"10.0.0.12\"" },
	{ { "nat_gateways", "0", "mac" }, "\"06:00:00:00:00:0a\"" },
	{ { "nat_gateways", "0", "eni" }, "\"eni-a000000000000000a\"" },
	{ { "nat_gateways", "0", "subnet" }, "\"subnet-90000000000000009\"" },
	{ { "peerings", "0", "cidrs" }, "[\"10.0.5.0/24\"]" },
	{ { "peerings", "0", "cidrs" }, "[]" },
	{ { "peerings", "0", "vpc" }, "\"" VPC "\"" },
	{ { "endpoints", "0", "ip" }, "\"10.0.1.10\"" },
	{ { "endpoints", "0", "names", "0" }, "\"a/b\"" },
	{ { "endpoints", "0", "names", "0" }, "\"*\"" },
	{ { "endpoints", "0", "groups", "0" }, "\"sg-0000000000000000f\"" },
	{ { "flow_logs", "0", "file" }, "\"../x\"" },
	{ { "flow_logs", "0", "file" }, "\".x\"" },
	{ { "flow_logs", "0", "interval" }, "61" },
	{ { "flow_logs", "0", "account" }, "\"12345678901\"" },
	{ { "flow_logs", "0", "traffic" }, "\"some\"" },
};

static json_t *at(json_t *doc, const char *step)
{
	return json_is_array(doc) ? json_array_get(doc, strtoul(step, NULL, 10))
				  : json_object_get(doc, step);
}

static void put(json_t *doc, const struct bad *b)
{
	json_t *value = json_loads(b->value, JSON_DECODE_ANY, NULL);
	size_t last = 0;

	assert_non_null(value);
	while (last + 1 < 4 && b->way[last + 1])
		doc = at(doc, b->way[last++]);
	assert_non_null(doc);
	if (json_is_array(doc))
		json_array_set_new(doc, strtoul(b->way[last], NULL, 10), value);
	else
		json_object_set_new(doc, b->way[last], value);
}

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(bads); i++) {
		mc_auto_json json_t *doc = mc_json_load(FULL, NULL);
		mc_auto_err mc_err *err = NULL;
		auto_wanted struct wanted *w = NULL;

		put(doc, &bads[i]);
		w = parse(doc, &err);
		if (w)
			fail_msg("%s %s = %s was taken", bads[i].way[0],
				 bads[i].way[1] ? bads[i].way[1] : "", bads[i].value);
		assert_non_null(err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
