/* Rules for prefix lists and for groups of peered VPCs, and who names whom. */
#include "tests/unit/api_vpc_fixture.h"

#include "api/reconciler.h"

struct pair {
	struct fixture *f;
	char *vpc[2], *group[2]; /* peered VPCs with a group in each */
	char *peering;
};

static char *create_group(struct fixture *f, const char *vpc, const char *name)
{
	mc_autofree char *in = mc_strf("{'GroupName': '%s', 'Description': 'd', 'VpcId': '%s'}", name, vpc);

	fixture_ok(f, "CreateSecurityGroup", in);
	return answered(f, NULL, "GroupId");
}

static int setup(void **state)
{
	struct pair *p = mc_alloc(sizeof(*p));
	int64_t delay;

	fixture_setup(state);
	p->f = *state;
	p->f->api.config.quota_vpcs = 5;
	for (int i = 0; i < 2; i++) {
		mc_autofree char *cidr = mc_strf("10.%d.0.0/16", i);

		p->vpc[i] = create_vpc(p->f, cidr);
		p->group[i] = create_group(p->f, p->vpc[i], "web");
		waiters_confirm(p->f->api.waiters, p->vpc[i], 1000);
	}
	ok2(p->f, "CreateVpcPeeringConnection", "VpcId", p->vpc[0], "PeerVpcId", p->vpc[1]);
	p->peering = answered(p->f, "VpcPeeringConnection", "VpcPeeringConnectionId");
	while (step_peering(&p->f->api, p->peering, &delay, NULL) == STEP_AGAIN)
		;
	ok2(p->f, "AcceptVpcPeeringConnection", "VpcPeeringConnectionId", p->peering, "DryRun", "");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;
	void *f = p->f;

	for (int i = 0; i < 2; i++) {
		free(p->vpc[i]);
		free(p->group[i]);
	}
	free(p->peering);
	free(p);
	return fixture_teardown(&f);
}

static void ok(struct pair *p, const char *action, const char *format, const char *a, const char *b)
{
	mc_autofree char *in = mc_strf("{'GroupId': '%s', %s'%s'%s}", a, format, b, strchr(format, '[') ? "}]}]" : "");

	fixture_ok(p->f, action, in);
}

#define FROM_GROUP "'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'UserIdGroupPairs': [{'GroupId': "
#define FROM_LIST "'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'PrefixListIds': [{'PrefixListId': "

/* The rules of the direction that netd is told of the group. New reference. */
static json_t *told(struct pair *p, int which, const char *direction)
{
	struct store_tx *tx = store_read(p->f->api.store);
	mc_auto_json json_t *doc = vpc_document(tx, p->vpc[which]);
	json_t *list = NULL, *group;
	size_t i;

	store_end(tx);
	json_array_foreach(mc_json_arr(doc, "security_groups"), i, group)
		if (strcmp(mc_json_str(group, "id", ""), p->group[which]) == 0)
			list = json_incref(mc_json_arr(group, direction));
	assert_non_null(list);
	return list;
}

static char *create_list(struct pair *p, const char *name, int max)
{
	mc_autofree char *in = mc_strf("{'PrefixListName': '%s', 'MaxEntries': %d, 'AddressFamily': 'IPv4', 'Entries': "
				       "[{'Cidr': '10.9.0.0/16'}, {'Cidr': '10.8.0.0/16'}]}", name, max);

	fixture_ok(p->f, "CreateManagedPrefixList", in);
	return answered(p->f, "PrefixList", "PrefixListId");
}

static void prefix_lists(void **state)
{
	struct pair *p = *state;
	mc_autofree char *list = create_list(p, "few", 3), *many = create_list(p, "many", 59);
	mc_autofree char *too_many = mc_strf("{'GroupId': '%s', " FROM_LIST "'%s'}]}]}", p->group[0], many);
	mc_auto_json json_t *rules = NULL, *none = NULL;
	const json_t *shown;

	ok(p, "AuthorizeSecurityGroupIngress", FROM_LIST, p->group[0], list);
	rules = told(p, 0, "ingress");
	assert_int_equal(json_array_size(rules), 2);
	assert_string_equal(mc_json_str(json_array_get(rules, 0), "cidr", ""), "10.9.0.0/16");
	/* It counts for as many rules as it may have entries. */
	fixture_fails(p->f, "AuthorizeSecurityGroupIngress", too_many, "RulesPerSecurityGroupLimitExceeded");
	fixture_ok(p->f, "DescribeSecurityGroups", "{'Filters': [{'Name': 'ip-permission.prefix-list-id', 'Values': ['pl-*']}]}");
	shown = json_array_get(mc_json_arr(json_array_get(fixture_list(p->f, "SecurityGroups"), 0), "IpPermissions"), 0);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(shown, "PrefixListIds"), 0), "PrefixListId", ""), list);
	ok(p, "RevokeSecurityGroupIngress", FROM_LIST, p->group[0], list);
	none = told(p, 0, "ingress");
	assert_int_equal(json_array_size(none), 0);
}

static void peers(void **state)
{
	struct pair *p = *state;
	mc_autofree char *references = mc_strf("{'GroupId': ['%s']}", p->group[1]);
	mc_autofree char *stale = mc_strf("{'VpcId': '%s'}", p->vpc[0]);
	mc_autofree char *third = create_vpc(p->f, "10.5.0.0/16"), *foreign = create_group(p->f, third, "web");
	mc_autofree char *refused = mc_strf("{'GroupId': '%s', " FROM_GROUP "'%s'}]}]}", p->group[0], foreign);
	mc_auto_json json_t *before = NULL, *after = NULL;
	const json_t *one;

	fixture_fails(p->f, "AuthorizeSecurityGroupIngress", refused, "InvalidGroup.NotFound");
	ok(p, "AuthorizeSecurityGroupIngress", FROM_GROUP, p->group[0], p->group[1]);
	before = told(p, 0, "ingress");
	assert_string_equal(mc_json_str(json_array_get(before, 0), "group", ""), p->group[1]);
	fixture_ok(p->f, "DescribeSecurityGroupReferences", references);
	one = json_array_get(fixture_list(p->f, "SecurityGroupReferenceSet"), 0);
	assert_string_equal(mc_json_str(one, "ReferencingVpcId", ""), p->vpc[0]);
	assert_string_equal(mc_json_str(one, "VpcPeeringConnectionId", ""), p->peering);
	fixture_ok(p->f, "DescribeStaleSecurityGroups", stale);
	assert_int_equal(json_array_size(fixture_list(p->f, "StaleSecurityGroupSet")), 0);
	ok2(p->f, "DeleteVpcPeeringConnection", "VpcPeeringConnectionId", p->peering, "DryRun", "");
	after = told(p, 0, "ingress");
	assert_int_equal(json_array_size(after), 0);
	fixture_ok(p->f, "DescribeSecurityGroupReferences", references);
	assert_int_equal(json_array_size(fixture_list(p->f, "SecurityGroupReferenceSet")), 0);
	fixture_ok(p->f, "DescribeStaleSecurityGroups", stale);
	one = json_array_get(fixture_list(p->f, "StaleSecurityGroupSet"), 0);
	one = json_array_get(mc_json_arr(json_array_get(mc_json_arr(one, "StaleIpPermissions"), 0), "UserIdGroupPairs"), 0);
	assert_string_equal(mc_json_str(one, "PeeringStatus", ""), "deleted");
	/* The peer's group goes; the rule is still there to be revoked. */
	ok2(p->f, "DeleteSecurityGroup", "GroupId", p->group[1], "DryRun", "");
	ok(p, "RevokeSecurityGroupIngress", FROM_GROUP, p->group[0], p->group[1]);
	fixture_ok(p->f, "DescribeStaleSecurityGroups", stale);
	assert_int_equal(json_array_size(fixture_list(p->f, "StaleSecurityGroupSet")), 0);
}

static void usable(void **state)
{
	struct pair *p = *state;
	mc_autofree char *in = mc_strf("{'VpcId': '%s', 'Filters': [{'Name': 'group-name', 'Values': ['web']}]}", p->vpc[1]);

	fixture_ok(p->f, "GetSecurityGroupsForVpc", in);
	assert_int_equal(json_array_size(fixture_list(p->f, "SecurityGroupForVpcs")), 1);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(p->f, "SecurityGroupForVpcs"), 0), "GroupId", ""), p->group[1]);
	fixture_fails(p->f, "GetSecurityGroupsForVpc", "{'VpcId': 'vpc-12345678'}", "InvalidVpcID.NotFound");
}

static void descriptions(void **state)
{
	struct pair *p = *state;
	mc_autofree char *in = mc_strf("{'GroupId': '%s', 'IpPermissions': [{'IpProtocol': '-1', 'IpRanges': [{'CidrIp': '0.0.0.0/0', "
				       "'Description': 'out'}]}]}", p->group[0]);
	mc_autofree char *both = mc_strf("{'GroupId': '%s'}", p->group[0]), *by_id = NULL, *find = NULL;
	const json_t *rule;

	fixture_fails(p->f, "UpdateSecurityGroupRuleDescriptionsIngress", in, "InvalidPermission.NotFound");
	fixture_fails(p->f, "UpdateSecurityGroupRuleDescriptionsEgress", both, "InvalidParameterCombination");
	fixture_ok(p->f, "UpdateSecurityGroupRuleDescriptionsEgress", in);
	assert_null(p->f->call.waits);
	find = mc_strf("{'Filters': [{'Name': 'group-id', 'Values': ['%s']}]}", p->group[0]);
	fixture_ok(p->f, "DescribeSecurityGroupRules", find);
	rule = json_array_get(fixture_list(p->f, "SecurityGroupRules"), 0);
	assert_string_equal(mc_json_str(rule, "Description", ""), "out");
	by_id = mc_strf("{'GroupId': '%s', 'SecurityGroupRuleDescriptions': [{'SecurityGroupRuleId': '%s'}]}", p->group[0],
			mc_json_str(rule, "SecurityGroupRuleId", ""));
	fixture_fails(p->f, "UpdateSecurityGroupRuleDescriptionsIngress", by_id, "InvalidPermission.NotFound");
	fixture_ok(p->f, "UpdateSecurityGroupRuleDescriptionsEgress", by_id);
	fixture_ok(p->f, "DescribeSecurityGroupRules", find);
	assert_null(json_object_get(json_array_get(fixture_list(p->f, "SecurityGroupRules"), 0), "Description"));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { WITH(prefix_lists), WITH(peers), WITH(usable), WITH(descriptions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
