/* Network ACLs: entries, associations, what netd gets of them. */
#include "tests/unit/api_vpc_fixture.h"

#define CREATE "CreateNetworkAclEntry"
#define ALL "'Protocol': '-1', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0'"

struct place {
	struct fixture *f;
	char *vpc, *subnet, *acl;
};

/* A VPC with a subnet, and an ACL that nothing has. */
static int setup(void **state)
{
	struct place *p = mc_alloc(sizeof(*p));
	mc_autofree char *in = NULL;

	fixture_setup(state);
	p->f = *state;
	p->vpc = create_vpc(p->f, "10.0.0.0/16");
	p->subnet = create_subnet(p->f, p->vpc, "10.0.1.0/24");
	in = mc_strf("{'VpcId': '%s', 'TagSpecifications': [{'ResourceType': 'network-acl', 'Tags': [{'Key': 'a', 'Value': 'b'}]}]}", p->vpc);
	fixture_ok(p->f, "CreateNetworkAcl", in);
	p->acl = answered(p->f, "NetworkAcl", "NetworkAclId");
	confirm_all(p->f, p->vpc);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	void *f = p->f;

	free(p->vpc);
	free(p->subnet);
	free(p->acl);
	free(p);
	return fixture_teardown(&f);
}

/* One entry action on the ACL; code NULL: it works. */
static void entry(struct place *p, const char *action, int number, bool egress, const char *rest, const char *code)
{
	mc_autofree char *in = mc_strf("{'NetworkAclId': '%s', 'RuleNumber': %d, 'Egress': %s%s%s}", p->acl, number,
				       egress ? "true" : "false", rest ? ", " : "", rest ? rest : "");

	if (code)
		fixture_fails(p->f, action, in, code);
	else
		fixture_ok(p->f, action, in);
}

/* The ACL as it is shown. Borrowed. */
static json_t *shown(struct place *p)
{
	mc_autofree char *in = mc_strf("{'NetworkAclIds': ['%s']}", p->acl);

	fixture_ok(p->f, "DescribeNetworkAcls", in);
	return json_array_get(fixture_list(p->f, "NetworkAcls"), 0);
}

static void bad_entries(void **state)
{
	static const struct { int number; const char *rest, *code; } rows[] = {
		{ 0, ALL, "InvalidParameterValue" },
		{ 32767, ALL, "InvalidParameterValue" },
		{ 1, "'Protocol': 'foo', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0'", "InvalidParameterValue" },
		{ 1, "'Protocol': '256', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0'", "InvalidParameterValue" },
		{ 1, "'Protocol': '-1', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0'", "InvalidParameterValue" },
		{ 1, "'Protocol': '-1', 'RuleAction': 'allow'", "MissingParameter" },
		{ 1, "'Protocol': '-1', 'RuleAction': 'allow', 'Ipv6CidrBlock': '::/0'", "UnsupportedOperation" },
		{ 1, "'Protocol': 'tcp', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0'", "MissingParameter" },
		{ 1, "'Protocol': '17', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0', 'PortRange': {'From': 9, 'To': 8}", "InvalidParameterValue" },
		{ 1, "'Protocol': '6', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0', 'PortRange': {'From': 9, 'To': 65536}", "InvalidParameterValue" },
		{ 1, "'Protocol': '6', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0', 'PortRange': {'To': 6}", "InvalidParameterValue" },
		{ 1, "'Protocol': 'icmp', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0'", "MissingParameter" },
		{ 1, "'Protocol': '1', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0', 'IcmpTypeCode': {'Type': -1, 'Code': 3}", "InvalidParameterValue" },
		{ 1, "'Protocol': '1', 'RuleAction': 'allow', 'CidrBlock': '0.0.0.0/0', 'IcmpTypeCode': {'Type': 256, 'Code': 0}", "InvalidParameterValue" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		entry(p, CREATE, rows[i].number, false, rows[i].rest, rows[i].code);
	entry(p, "ReplaceNetworkAclEntry", 1, false, ALL, "InvalidNetworkAclEntry.NotFound");
	entry(p, "DeleteNetworkAclEntry", 1, false, NULL, "InvalidNetworkAclEntry.NotFound");
	entry(p, "DeleteNetworkAclEntry", 32767, false, NULL, "InvalidParameterValue");
	assert_int_equal(json_array_size(mc_json_arr(shown(p), "Entries")), 2);
}

static void entries(void **state)
{
	static const int order[] = { 10, 200, 32767, 5, 32767 };
	struct place *p = *state;
	const json_t *list;

	entry(p, CREATE, 200, true, ALL, NULL);
	entry(p, CREATE, 10, true, "'Protocol': 'tcp', 'RuleAction': 'deny', 'CidrBlock': '10.0.0.9/8', 'PortRange': {'From': 22, 'To': 23}", NULL);
	entry(p, CREATE, 10, true, ALL, "NetworkAclEntryAlreadyExists");
	entry(p, CREATE, 5, false, ALL, NULL);
	list = mc_json_arr(shown(p), "Entries");
	assert_int_equal(json_array_size(list), MC_ARRAY_SIZE(order));
	for (size_t i = 0; i < MC_ARRAY_SIZE(order); i++) {
		const json_t *e = json_array_get(list, i);

		assert_int_equal(mc_json_int(e, "RuleNumber", 0), order[i]);
		assert_int_equal(mc_json_bool(e, "Egress", false), i < 3);
	}
	assert_string_equal(mc_json_str(json_array_get(list, 0), "Protocol", ""), "6");
	assert_string_equal(mc_json_str(json_array_get(list, 0), "CidrBlock", ""), "10.0.0.0/8");
	entry(p, "ReplaceNetworkAclEntry", 5, false, "'Protocol': 'udp', 'RuleAction': 'deny', 'CidrBlock': '0.0.0.0/0', 'PortRange': {'From': 53, 'To': 53}", NULL);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(shown(p), "Entries"), 3), "Protocol", ""), "17");
	p->f->api.config.quota_acl_entries = 3; /* the last one counts */
	entry(p, CREATE, 11, true, ALL, "NetworkAclEntryLimitExceeded");
	entry(p, CREATE, 11, false, ALL, NULL);
	entry(p, "DeleteNetworkAclEntry", 10, true, NULL, NULL);
	entry(p, "DeleteNetworkAclEntry", 10, true, NULL, "InvalidNetworkAclEntry.NotFound");
}

/* A retry of what is not in force yet joins the wait. */
static void retries_join(void **state)
{
	struct place *p = *state;
	int64_t generation;

	waiters_forget(p->f->api.waiters, p->vpc);
	entry(p, CREATE, 1, false, ALL, NULL);
	generation = fixture_wait(p->f, p->vpc);
	assert_true(generation > 0);
	entry(p, CREATE, 1, false, ALL, NULL);
	assert_int_equal(fixture_wait(p->f, p->vpc), generation);
	entry(p, CREATE, 1, false, "'Protocol': '-1', 'RuleAction': 'deny', 'CidrBlock': '0.0.0.0/0'", "NetworkAclEntryAlreadyExists");
	entry(p, "DeleteNetworkAclEntry", 1, false, NULL, NULL);
	entry(p, "DeleteNetworkAclEntry", 1, false, NULL, NULL);
	assert_int_equal(fixture_wait(p->f, p->vpc), generation + 1);
}

/* The id of the association that the subnet has. Allocated. */
static char *association(struct place *p)
{
	mc_autofree char *in = mc_strf("{'Filters': [{'Name': 'association.subnet-id', 'Values': ['%s']}]}", p->subnet);

	fixture_ok(p->f, "DescribeNetworkAcls", in);
	return mc_strdup(mc_json_str(json_array_get(mc_json_arr(json_array_get(fixture_list(p->f, "NetworkAcls"), 0), "Associations"), 0),
				     "NetworkAclAssociationId", NULL));
}

/* What netd is told: nothing of an ACL that drops nothing. */
static void wanted(void **state)
{
	struct place *p = *state;
	mc_auto_json json_t *open = wanted_vpc(p->f, p->vpc);
	mc_auto_json json_t *closed = NULL;
	mc_autofree char *id = association(p);
	const json_t *acl, *e;

	assert_int_equal(json_array_size(mc_json_arr(open, "acls")), 0);
	assert_null(json_object_get(json_array_get(mc_json_arr(open, "subnets"), 0), "acl"));
	entry(p, CREATE, 7, false, "'Protocol': 'icmp', 'RuleAction': 'allow', 'CidrBlock': '10.0.0.0/8', 'IcmpTypeCode': {'Type': 8, 'Code': -1}", NULL);
	ok2(p->f, "ReplaceNetworkAclAssociation", "AssociationId", id, "NetworkAclId", p->acl);
	assert_true(fixture_wait(p->f, p->vpc) > 0);
	closed = wanted_vpc(p->f, p->vpc);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(closed, "subnets"), 0), "acl", ""), p->acl);
	acl = json_array_get(mc_json_arr(closed, "acls"), 0);
	assert_int_equal(json_array_size(mc_json_arr(acl, "egress")), 0);
	e = json_array_get(mc_json_arr(acl, "ingress"), 0);
	assert_int_equal(mc_json_int(e, "number", 0), 7);
	assert_int_equal(mc_json_int(e, "from", 0), 8);
	assert_int_equal(mc_json_int(e, "to", 0), -1);
	assert_string_equal(mc_json_str(e, "action", ""), "allow");
	assert_string_equal(mc_json_str(e, "protocol", ""), "1");
}

static void associations(void **state)
{
	struct place *p = *state;
	struct fixture *f = p->f;
	mc_autofree char *id = association(p);
	mc_autofree char *other = create_vpc(f, "10.0.0.0/16");
	mc_autofree char *foreign = NULL;
	mc_autofree char *fresh = NULL;
	mc_autofree char *first = NULL;

	fixture_ok(f, "DescribeNetworkAcls", "{}");
	first = mc_strdup(mc_json_str(json_array_get(fixture_list(f, "NetworkAcls"), 1), "NetworkAclId", NULL));
	ok1(f, "CreateNetworkAcl", "VpcId", other);
	foreign = answered(f, "NetworkAcl", "NetworkAclId");
	fails2(f, "ReplaceNetworkAclAssociation", "AssociationId", id, "NetworkAclId", foreign, "InvalidParameterValue");
	fails2(f, "ReplaceNetworkAclAssociation", "AssociationId", "aclassoc-1", "NetworkAclId", p->acl, "InvalidAssociationID.NotFound");
	ok2(f, "ReplaceNetworkAclAssociation", "AssociationId", id, "NetworkAclId", p->acl);
	fresh = answered(f, NULL, "NewAssociationId");
	fails1(f, "DeleteNetworkAcl", "NetworkAclId", p->acl, "DependencyViolation");
	fails1(f, "DeleteNetworkAcl", "NetworkAclId", first, "InvalidParameterValue");
	ok2(f, "ReplaceNetworkAclAssociation", "AssociationId", fresh, "NetworkAclId", first);
	fails1(f, "DeleteVpc", "VpcId", other, "DependencyViolation");
	ok1(f, "DeleteNetworkAcl", "NetworkAclId", foreign);
	ok1(f, "DeleteNetworkAcl", "NetworkAclId", p->acl);
	fails1(f, "DeleteNetworkAcl", "NetworkAclId", p->acl, "InvalidNetworkAclID.NotFound");
	ok1(f, "DeleteVpc", "VpcId", other);
	f->api.config.quota_acls = 1;
	fails1(f, "CreateNetworkAcl", "VpcId", p->vpc, "NetworkAclLimitExceeded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(bad_entries), T(entries), T(retries_join), T(wanted), T(associations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
