/* Security groups and their rules, without a network daemon: what is confirmed
 * is told to the waiters by hand. */
#include "tests/unit/api_fixture.h"

#include "api/vpc.h"

struct group {
	struct fixture *f;
	char *id, *vpc;
};

/* A group "web" in the default VPC. */
static int setup(void **state)
{
	struct group *g = mc_alloc(sizeof(*g));

	fixture_setup(state);
	g->f = *state;
	fixture_ok(g->f, "CreateSecurityGroup", "{'GroupName': 'web', 'Description': 'd', 'TagSpecifications': "
		   "[{'ResourceType': 'security-group', 'Tags': [{'Key': 'a', 'Value': 'b'}]}]}");
	g->id = mc_strdup(mc_json_str(g->f->call.out, "GroupId", NULL));
	fixture_ok(g->f, "DescribeVpcs", "{}");
	g->vpc = mc_strdup(mc_json_str(json_array_get(fixture_list(g->f, "Vpcs"), 0), "VpcId", NULL));
	waiters_confirm(g->f->api.waiters, g->vpc, 1000); /* whatever comes is in force at once */
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct group *g = *state;
	void *f = g->f;

	free(g->id);
	free(g->vpc);
	free(g);
	return fixture_teardown(&f);
}

/* {"GroupId": the group, REST}; allocated. */
static char *with_group(const struct group *g, const char *rest)
{
	return mc_strf("{'GroupId': '%s', %s}", g->id, rest);
}

static void ok(struct group *g, const char *action, const char *rest)
{
	mc_autofree char *in = with_group(g, rest);

	fixture_ok(g->f, action, in);
}

static void fails(struct group *g, const char *action, const char *rest, const char *code)
{
	mc_autofree char *in = with_group(g, rest);

	fixture_fails(g->f, action, in, code);
}

#define INGRESS "AuthorizeSecurityGroupIngress"
#define REVOKE "RevokeSecurityGroupIngress"
#define SSH "'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}]"

#define UNKNOWN "UnknownIpPermissions"

/* How many permissions the last revoke did not find: EC2 API reference, "For a default VPC ... no error is returned". */
static size_t unknown(const struct group *g)
{
	return json_array_size(mc_json_arr(g->f->call.out, UNKNOWN));
}

static size_t count_rules(struct group *g)
{
	mc_autofree char *in = mc_strf("{'Filters': [{'Name': 'group-id', 'Values': ['%s']}]}", g->id);

	fixture_ok(g->f, "DescribeSecurityGroupRules", in);
	return json_array_size(fixture_list(g->f, "SecurityGroupRules"));
}

static void names(void **state)
{
	static const struct { const char *name, *code; } rows[] = {
		{ "web", "InvalidGroup.Duplicate" }, { "web ", "InvalidGroup.Duplicate" }, { "WEB", "InvalidGroup.Duplicate" },
		{ "default ", "InvalidGroup.Reserved" }, { "  ", "MissingParameter" }, { "default", "InvalidGroup.Reserved" }, { "Default", "InvalidGroup.Reserved" },
		{ "", "MissingParameter" }, { "sg-1", "InvalidParameterValue" }, { "a\xc3\xa9", "InvalidParameterValue" },
		{ "a\\n", "InvalidParameterValue" },
	};
	struct group *g = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *in = mc_strf("{'GroupName': '%s', 'Description': 'd'}", rows[i].name);

		fixture_fails(g->f, "CreateSecurityGroup", in, rows[i].code);
	}
	fixture_fails(g->f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': ''}", "MissingParameter");
	fixture_fails(g->f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': 'd', 'VpcId': 'vpc-12345678'}", "InvalidVpcID.NotFound");
	fixture_ok(g->f, "CreateSecurityGroup", "{'GroupName': 'Test Security Group ', 'Description': 'd'}");
	fixture_ok(g->f, "DeleteSecurityGroup", "{'GroupName': 'Test Security Group'}");
	g->f->api.config.quota_groups = 2;
	fixture_fails(g->f, "CreateSecurityGroup", "{'GroupName': 'x', 'Description': 'd'}", "SecurityGroupLimitExceeded");
}

/* A new group lets everything out and nothing in; permissions of the same ports are shown as one. */
static void shown(void **state)
{
	struct group *g = *state;
	mc_autofree char *in = mc_strf("{'GroupIds': ['%s']}", g->id);
	mc_autofree char *peer = fixture_default_group(g->f);
	mc_autofree char *rules = mc_strf("'IpPermissions': [{'IpProtocol': 'TCP', 'FromPort': 22, 'ToPort': 22, 'IpRanges': "
		"[{'CidrIp': '100.68.0.18/18', 'Description': 'ssh'}, {'CidrIp': '0.0.0.0/0'}], 'UserIdGroupPairs': "
		"[{'GroupId': '%s'}, {'GroupName': 'web'}]}, {'IpProtocol': '50', 'IpRanges': [{'CidrIp': '10.0.0.0/8'}]}]", peer);
	const json_t *p;

	ok(g, INGRESS, rules);
	assert_int_equal(json_array_size(fixture_list(g->f, "SecurityGroupRules")), 5);
	fixture_ok(g->f, "DescribeSecurityGroups", in);
	p = json_array_get(fixture_list(g->f, "SecurityGroups"), 0);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(p, "Tags"), 0), "Key", ""), "a");
	assert_int_equal(json_array_size(mc_json_arr(p, "IpPermissionsEgress")), 1);
	assert_int_equal(json_array_size(mc_json_arr(p, "IpPermissions")), 2);
	p = json_array_get(mc_json_arr(p, "IpPermissions"), 0);
	assert_string_equal(mc_json_str(p, "IpProtocol", ""), "tcp");
	assert_int_equal(json_array_size(mc_json_arr(p, "IpRanges")), 2);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(p, "IpRanges"), 0), "CidrIp", ""), "100.68.0.0/18");
	assert_int_equal(json_array_size(mc_json_arr(p, "UserIdGroupPairs")), 2);
	assert_int_equal(json_array_size(mc_json_arr(p, "Ipv6Ranges")), 0);
}

static void bad_rules(void **state)
{
	static const struct { const char *rest, *code; } rows[] = {
		{ "'IpProtocol': 'foo', 'CidrIp': '1.2.3.4/32'", "InvalidParameterValue" },
		{ "'IpProtocol': '256', 'CidrIp': '1.2.3.4/32'", "InvalidParameterValue" },
		{ "'IpProtocol': '-2', 'CidrIp': '1.2.3.4/32'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'CidrIp': '1.2.3.4/32'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'FromPort': -1, 'ToPort': 5, 'CidrIp': '1.2.3.4/32'", "InvalidPermission.Malformed" },
		{ "'IpProtocol': 'udp', 'FromPort': 1, 'ToPort': 65536, 'CidrIp': '1.2.3.4/32'", "InvalidPermission.Malformed" },
		{ "'IpProtocol': 'tcp', 'FromPort': 9, 'ToPort': 5, 'CidrIp': '1.2.3.4/32'", "InvalidParameterValue" },
		{ "'IpProtocol': 'icmp', 'FromPort': -1, 'ToPort': 5, 'CidrIp': '1.2.3.4/32'", "InvalidPermission.Malformed" },
		{ "'IpProtocol': 'tcp', 'FromPort': 1, 'ToPort': 5, 'CidrIp': '1.2.3.4'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'FromPort': 1, 'ToPort': 5, 'CidrIp': '1.2.3.4/33'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'FromPort': 1, 'ToPort': 5, 'CidrIp': '1.2.3/24'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'FromPort': 1, 'ToPort': 5, 'CidrIp': '1.2.3.4/'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'FromPort': 1, 'ToPort': 5, 'CidrIp': '1.2.3.4/-1'", "InvalidParameterValue" },
		{ "'IpProtocol': 'tcp', 'FromPort': 1, 'ToPort': 5", "MissingParameter" },
		{ "'CidrIp': '1.2.3.4/32'", "MissingParameter" },
		{ "'DryRun': false", "MissingParameter" },
		{ "'SourceSecurityGroupName': 'nope'", "InvalidGroup.NotFound" },
		{ "'SourceSecurityGroupName': 'web', 'CidrIp': '1.2.3.4/32'", "InvalidParameterCombination" },
		{ SSH ", 'CidrIp': '1.2.3.4/32'", "InvalidParameterCombination" },
		{ SSH ", 'GroupName': 'web'", "InvalidParameterCombination" },
		{ "'IpPermissions': [{'IpProtocol': '-1'}]", "MissingParameter" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'UserIdGroupPairs': [{}]}]", "MissingParameter" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'UserIdGroupPairs': [{'GroupId': 'x'}]}]", "InvalidGroupId.Malformed" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'UserIdGroupPairs': [{'GroupId': 'sg-12345678'}]}]", "InvalidGroup.NotFound" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'Ipv6Ranges': [{'CidrIpv6': '::/0'}]}]", "UnsupportedOperation" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'PrefixListIds': [{'PrefixListId': 'pl-1'}]}]", "InvalidPrefixListId.Malformed" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'PrefixListIds': [{'PrefixListId': 'pl-12345678'}]}]", "InvalidPrefixListID.NotFound" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'IpRanges': [{'CidrIp': '1.0.0.1/8'}, {'CidrIp': '1.0.0.0/8'}]}]", "InvalidParameterValue" },
		{ "'IpPermissions': [{'IpProtocol': '-1', 'IpRanges': [{'CidrIp': '1.0.0.0/8', 'Description': '<'}]}]", "InvalidParameterValue" },
	};
	struct group *g = *state;
	size_t before = count_rules(g);

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		fails(g, INGRESS, rows[i].rest, rows[i].code);
	assert_int_equal(count_rules(g), before);
}

static void duplicates(void **state)
{
	struct group *g = *state;

	ok(g, INGRESS, SSH);
	fails(g, INGRESS, SSH, "InvalidPermission.Duplicate");
	assert_string_equal(g->f->call.error_message,
			    "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW\" already exists");
	/* The same towards the other direction is another rule. */
	ok(g, "AuthorizeSecurityGroupEgress", SSH);
	ok(g, REVOKE, SSH);
	assert_int_equal(unknown(g), 0);
	ok(g, REVOKE, SSH);
	assert_int_equal(unknown(g), 1);
}

/* A group of a default VPC loses what it has and is told of the rest; one of another VPC loses nothing. */
static void revoked_in_part(void **state)
{
	static const char rules[] = "'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}, "
				    "{'CidrIp': '10.0.0.0/8'}]}, {'IpProtocol': '-1', 'Ipv6Ranges': [{'CidrIpv6': '::/0'}]}]";
	struct group *g = *state;
	const json_t *p;
	mc_autofree char *vpc = NULL, *in = NULL;

	ok(g, INGRESS, SSH);
	ok(g, REVOKE, rules);
	assert_int_equal(json_array_size(fixture_list(g->f, "RevokedSecurityGroupRules")), 1);
	assert_int_equal(unknown(g), 2);
	p = json_array_get(fixture_list(g->f, UNKNOWN), 0);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(p, "IpRanges"), 0), "CidrIp", ""), "10.0.0.0/8");
	p = json_array_get(fixture_list(g->f, UNKNOWN), 1);
	assert_string_equal(mc_json_str(json_array_get(mc_json_arr(p, "Ipv6Ranges"), 0), "CidrIpv6", ""), "::/0");
	assert_int_equal(count_rules(g), 1);

	fixture_ok(g->f, "CreateVpc", "{'CidrBlock': '10.0.0.0/16'}");
	vpc = mc_strdup(mc_json_str(mc_json_obj(g->f->call.out, "Vpc"), "VpcId", ""));
	in = mc_strf("{'GroupName': 'web', 'Description': 'd', 'VpcId': '%s'}", vpc);
	fixture_ok(g->f, "CreateSecurityGroup", in);
	free(g->id);
	g->id = mc_strdup(mc_json_str(g->f->call.out, "GroupId", NULL));
	waiters_confirm(g->f->api.waiters, vpc, 1000);
	ok(g, INGRESS, SSH);
	fails(g, REVOKE, rules, "InvalidPermission.NotFound");
	fails(g, REVOKE, "'IpPermissions': [{'IpProtocol': '-1', 'Ipv6Ranges': [{'CidrIpv6': '::/0'}]}]", "InvalidPermission.NotFound");
	assert_int_equal(count_rules(g), 2);
}

/* The call waits for the generation that holds its change; a retry joins it. */
static void retries_join(void **state)
{
	struct group *g = *state;
	int64_t generation;

	waiters_forget(g->f->api.waiters, g->vpc);
	ok(g, INGRESS, SSH);
	generation = fixture_wait(g->f, g->vpc);
	assert_true(generation > 0);
	ok(g, INGRESS, SSH);
	assert_int_equal(fixture_wait(g->f, g->vpc), generation);
	assert_int_equal(json_array_size(fixture_list(g->f, "SecurityGroupRules")), 1);
	waiters_confirm(g->f->api.waiters, g->vpc, generation);
	fails(g, INGRESS, SSH, "InvalidPermission.Duplicate");
	ok(g, REVOKE, SSH);
	assert_int_equal(fixture_wait(g->f, g->vpc), generation + 1);
	ok(g, REVOKE, SSH);
	assert_int_equal(fixture_wait(g->f, g->vpc), generation + 1);
	assert_int_equal(unknown(g), 0);
	waiters_confirm(g->f->api.waiters, g->vpc, generation + 1);
	ok(g, REVOKE, SSH);
	assert_int_equal(unknown(g), 1);
}

static void limit(void **state)
{
	struct group *g = *state;

	g->f->api.config.quota_rules = 2;
	ok(g, INGRESS, SSH);
	fails(g, INGRESS, "'IpPermissions': [{'IpProtocol': 'icmp', 'FromPort': -1, 'ToPort': -1, 'IpRanges': "
	      "[{'CidrIp': '1.0.0.0/8'}, {'CidrIp': '2.0.0.0/8'}]}]", "RulesPerSecurityGroupLimitExceeded");
	ok(g, INGRESS, "'IpProtocol': '-1', 'CidrIp': '1.0.0.0/8'");
	fails(g, INGRESS, "'IpProtocol': '-1', 'CidrIp': '2.0.0.0/8'", "RulesPerSecurityGroupLimitExceeded");
}

static void by_rule_id(void **state)
{
	struct group *g = *state;
	mc_autofree char *rest = NULL;
	mc_autofree char *modify = NULL;
	const char *id;

	ok(g, INGRESS, SSH);
	id = mc_json_str(json_array_get(fixture_list(g->f, "SecurityGroupRules"), 0), "SecurityGroupRuleId", "");
	rest = mc_strf("'SecurityGroupRuleIds': ['%s']", id);
	modify = mc_strf("'SecurityGroupRules': [{'SecurityGroupRuleId': '%s', 'SecurityGroupRule': {'IpProtocol': 'udp', "
			 "'FromPort': 53, 'ToPort': 53, 'CidrIpv4': '10.0.0.0/8'}}]", id);
	ok(g, "ModifySecurityGroupRules", modify);
	ok(g, REVOKE, SSH);
	assert_int_equal(unknown(g), 1);
	fails(g, "RevokeSecurityGroupEgress", rest, "InvalidSecurityGroupRuleId.NotFound");
	ok(g, REVOKE, rest);
	assert_int_equal(json_array_size(fixture_list(g->f, "RevokedSecurityGroupRules")), 1);
	fails(g, REVOKE, rest, "InvalidSecurityGroupRuleId.NotFound");
	fails(g, REVOKE, "'SecurityGroupRuleIds': ['x']", "InvalidSecurityGroupRuleId.Malformed");
}

static void add_interface(struct group *g)
{
	struct store_tx *tx = store_write(g->f->api.store);
	struct resource *eni = store_insert(tx, KIND_NETWORK_INTERFACE, FIXTURE_ACCOUNT, FIXTURE_REGION);

	eni->parent = mc_strdup(g->vpc);
	json_object_update_new(eni->spec, json_pack("{s:[s]}", "groups", g->id));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void deletion(void **state)
{
	struct group *g = *state;
	mc_autofree char *group = fixture_default_group(g->f);
	mc_autofree char *main_group = mc_strf("{'GroupId': '%s'}", group);
	mc_autofree char *reference = mc_strf("{'GroupId': '%s', 'SourceSecurityGroupName': 'web'}", group);

	fixture_fails(g->f, "DeleteSecurityGroup", main_group, "CannotDelete");
	fixture_fails(g->f, "DeleteSecurityGroup", "{}", "MissingParameter");
	fixture_ok(g->f, INGRESS, reference);
	fixture_fails(g->f, "DeleteSecurityGroup", "{'GroupName': 'web'}", "DependencyViolation");
	fixture_ok(g->f, REVOKE, reference);
	ok(g, INGRESS, "'SourceSecurityGroupName': 'web'"); /* its own rules are no dependency */
	fixture_ok(g->f, "DeleteSecurityGroup", "{'GroupName': 'web'}");
	assert_int_equal(count_rules(g), 0);
	fixture_fails(g->f, "DeleteSecurityGroup", "{'GroupName': 'web'}", "InvalidGroup.NotFound");
}

static void in_use(void **state)
{
	struct group *g = *state;

	add_interface(g);
	fixture_fails(g->f, "DeleteSecurityGroup", "{'GroupName': 'web'}", "DependencyViolation");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* --- what netd is told ------------------------------------------------------- */

static json_t *document(struct group *g)
{
	struct store_tx *tx = store_read(g->f->api.store);
	json_t *doc = vpc_document(tx, g->vpc);

	store_end(tx);
	return doc;
}

static json_t *changes_since(struct group *g, const json_t *doc)
{
	struct store_tx *tx = store_read(g->f->api.store);
	json_t *changes = vpc_changes(tx, g->vpc, mc_json_int(doc, "generation", 0));

	store_end(tx);
	return changes;
}

static json_t *rules_of(const json_t *doc, const char *group, const char *direction)
{
	size_t i;
	json_t *one;

	json_array_foreach(mc_json_arr(doc, "security_groups"), i, one)
		if (strcmp(mc_json_str(one, "id", ""), group) == 0)
			return json_object_get(one, direction);
	fail_msg("no %s", group);
	return NULL;
}

static void take(json_t *rules, const json_t *rule)
{
	for (size_t i = 0; i < json_array_size(rules); i++)
		if (json_equal(json_array_get(rules, i), rule)) {
			json_array_remove(rules, i);
			return;
		}
	fail_msg("a rule that is not there goes");
}

/* The changes, done to the old document, give the new one. */
static void assert_leads(struct group *g, json_t *old)
{
	mc_auto_json json_t *changes = changes_since(g, old), *now = document(g);
	size_t i;
	json_t *one, *left;

	assert_non_null(changes);
	assert_int_equal(mc_json_int(changes, "generation", 0), mc_json_int(now, "generation", 0));
	json_array_foreach(mc_json_arr(changes, "changes"), i, one) {
		json_t *rules = rules_of(old, mc_json_str(one, "group", ""), mc_json_str(one, "direction", ""));

		if (strcmp(mc_json_str(one, "operation", ""), "add") == 0)
			json_array_append(rules, json_object_get(one, "rule"));
		else
			take(rules, json_object_get(one, "rule"));
	}
	left = rules_of(old, g->id, "ingress");
	assert_int_equal(json_array_size(left), json_array_size(rules_of(now, g->id, "ingress")));
	json_array_foreach(rules_of(now, g->id, "ingress"), i, one)
		take(left, one);
	json_object_set(old, "security_groups", json_object_get(now, "security_groups"));
	json_object_set(old, "generation", json_object_get(now, "generation"));
	assert_true(json_equal(old, now));
}

#define PORT(n) "'IpPermissions': [{'IpProtocol': 'tcp', 'FromPort': " #n ", 'ToPort': " #n ", 'IpRanges': [{'CidrIp': '10.0.0.0/8'}]}]"

static void told_by_changes(void **state)
{
	struct group *g = *state;
	mc_auto_json json_t *first = document(g), *second = NULL, *third = NULL, *none = NULL;
	mc_autofree char *self = mc_strf("'IpPermissions': [{'IpProtocol': '-1', 'UserIdGroupPairs': [{'GroupId': '%s'}]}]", g->id);

	ok(g, INGRESS, SSH);
	ok(g, INGRESS, self);
	ok(g, INGRESS, PORT(80));
	ok(g, REVOKE, SSH);
	assert_leads(g, first);
	/* What else comes is not told by rules, whatever follows. */
	second = document(g);
	ok(g, INGRESS, PORT(81));
	fixture_ok(g->f, "CreateSecurityGroup", "{'GroupName': 'other', 'Description': 'd'}");
	ok(g, INGRESS, PORT(82));
	none = changes_since(g, second);
	assert_null(none);
	third = document(g);
	ok(g, REVOKE, PORT(82));
	assert_leads(g, third);
	/* Nor is what is long past. */
	for (int i = 0; i < 12; i++) {
		ok(g, INGRESS, PORT(90));
		ok(g, REVOKE, PORT(90));
	}
	none = changes_since(g, third);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(names), WITH(shown), WITH(bad_rules), WITH(duplicates), WITH(retries_join), WITH(limit), WITH(by_rule_id),
		WITH(deletion), WITH(in_use), WITH(revoked_in_part), WITH(told_by_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
