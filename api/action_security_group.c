#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/describe.h"
#include "api/security_group.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- finding -------------------------------------------------------------- */

const struct resource *vpc_default(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC, call->caller->account, call->caller->region);
	const struct resource *vpc;

	while ((vpc = store_next(&it)))
		if (mc_json_bool(vpc->doc, "IsDefault", false))
			return vpc;
	return NULL;
}

const struct resource *security_group_by_name(struct call *call, const char *vpc, const char *name)
{
	struct store_iter it = store_iter(call->tx, KIND_SECURITY_GROUP, call->caller->account, call->caller->region);
	const struct resource *g;

	while ((g = store_next(&it)))
		if (strcmp(g->parent, vpc) == 0 && strcmp(mc_json_str(g->doc, "GroupName", ""), name) == 0)
			return g;
	return NULL;
}

static const struct resource *in_default_vpc(struct call *call, const char *name)
{
	const struct resource *vpc = vpc_default(call), *group;
	mc_autofree char *message = NULL;

	if (!vpc) {
		action_fail(call, API_VPC_UNSPECIFIED);
		return NULL;
	}
	group = security_group_by_name(call, vpc->id, name);
	if (group)
		return group;
	message = mc_strf("The security group '%s' does not exist in default VPC '%s'", name, vpc->id);
	action_fail(call, API_NOT_FOUND, kind_info(KIND_SECURITY_GROUP)->not_found, message);
	return NULL;
}

const struct resource *security_group_of_request(struct call *call)
{
	const char *id = mc_json_str(call->in, "GroupId", NULL), *name = mc_json_str(call->in, "GroupName", NULL);

	if (id && name) {
		action_fail(call, API_PARAMETER_COMBINATION, "The parameter groupName cannot be used with the parameter groupId");
		return NULL;
	}
	if (id)
		return action_resource(call, KIND_SECURITY_GROUP, id);
	if (name)
		return in_default_vpc(call, name);
	action_fail(call, API_MISSING_PARAMETER, "groupName or groupId");
	return NULL;
}

/* --- describe ------------------------------------------------------------- */

#define PERMISSION_FILTERS(prefix, member) \
	{ prefix "ip-permission.cidr", member ".IpRanges.CidrIp" }, \
	{ prefix "ip-permission.from-port", member ".FromPort" }, \
	{ prefix "ip-permission.group-id", member ".UserIdGroupPairs.GroupId" }, \
	{ prefix "ip-permission.group-name", member ".UserIdGroupPairs.GroupName" }, \
	{ prefix "ip-permission.ipv6-cidr", member ".Ipv6Ranges.CidrIpv6" }, \
	{ prefix "ip-permission.prefix-list-id", member ".PrefixListIds.PrefixListId" }, \
	{ prefix "ip-permission.protocol", member ".IpProtocol" }, \
	{ prefix "ip-permission.to-port", member ".ToPort" }, \
	{ prefix "ip-permission.user-id", member ".UserIdGroupPairs.UserId" }

static const struct filter group_filters[] = {
	{ "description", "Description" },
	{ "group-id", "GroupId" },
	{ "group-name", "GroupName" },
	{ "owner-id", "OwnerId" },
	{ "vpc-id", "VpcId" },
	PERMISSION_FILTERS("", "IpPermissions"),
	PERMISSION_FILTERS("egress.", "IpPermissionsEgress"),
	{ 0 },
};

/* All rules by group, {sg: [[ingress docs], [egress docs]]}: one pass over the
 * rules serves every group of the answer. Kept in call->job, which a reading
 * action has no other use for. */
static json_t *rules_by_group(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_SECURITY_GROUP_RULE, call->caller->account, call->caller->region);
	const struct resource *rule;

	if (call->job)
		return call->job;
	call->job = json_object();
	while ((rule = store_next(&it))) {
		json_t *pair = json_object_get(call->job, rule->parent);

		if (!pair) {
			pair = json_pack("[[], []]");
			json_object_set_new(call->job, rule->parent, pair);
		}
		json_array_append(json_array_get(pair, mc_json_bool(rule->doc, "IsEgress", false)), rule->doc);
	}
	return call->job;
}

static json_t *group_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "GroupId", "OwnerId"), *pair = json_object_get(rules_by_group(call), r->id);
	mc_autofree char *arn = resource_arn(r);

	json_object_set_new(v, "IpPermissions", permission_list(call->tx, json_array_get(pair, 0)));
	json_object_set_new(v, "IpPermissionsEgress", permission_list(call->tx, json_array_get(pair, 1)));
	json_object_set_new(v, "SecurityGroupArn", json_string(arn));
	return v;
}

/* Names mean groups of the default VPC: EC2 API reference, DescribeSecurityGroups. */
static bool group_named(struct call *call, const struct resource *r)
{
	const struct resource *vpc = store_get(call->tx, r->parent);

	return vpc && mc_json_bool(vpc->doc, "IsDefault", false);
}

static int describe_security_groups(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_SECURITY_GROUP, .list = "SecurityGroups", .ids = "GroupIds", .names = "GroupNames",
		.name_member = "GroupName", .name_not_found = "InvalidGroup.NotFound", .named = group_named,
		.filters = group_filters, .view = group_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- create --------------------------------------------------------------- */

static int check_text(struct call *call, const char *parameter, const char *text)
{
	mc_autofree char *message = NULL;

	if (!*text)
		return action_fail(call, API_MISSING_PARAMETER, parameter);
	if (security_group_text_valid(text))
		return 0;
	message = mc_strf("Value (%s) for parameter %s is invalid. Valid are less than 256 characters from the following set: "
			  "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*", text, parameter);
	return action_fail(call, API_INVALID_PARAMETER, message);
}

static int check_name(struct call *call, const char *name)
{
	mc_autofree char *message = NULL;

	if (check_text(call, "GroupName", name))
		return 1;
	if (strcasecmp(name, "default") == 0)
		return action_fail(call, API_GROUP_RESERVED, name);
	if (strncmp(name, "sg-", 3) != 0)
		return 0;
	message = mc_strf("Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name);
	return action_fail(call, API_INVALID_PARAMETER, message);
}

static int check_quota(struct call *call)
{
	long n = store_count(call->tx, KIND_SECURITY_GROUP, call->caller->account, call->caller->region, NULL);

	return call->api->config.quota_groups && n >= call->api->config.quota_groups ? action_fail(call, API_GROUPS_LIMIT) : 0;
}

/* The VPC asked for, or the default one; NULL after action_fail. */
static const struct resource *vpc_of_request(struct call *call)
{
	const char *id = mc_json_str(call->in, "VpcId", NULL);
	const struct resource *vpc;

	if (id)
		return action_resource(call, KIND_VPC, id);
	vpc = vpc_default(call);
	if (!vpc)
		action_fail(call, API_VPC_UNSPECIFIED);
	return vpc;
}

/* Every new group lets everything out. */
static void insert_egress(struct call *call, const struct resource *group, int64_t generation)
{
	struct resource *rule = store_insert(call->tx, KIND_SECURITY_GROUP_RULE, group->account, group->region);

	rule->parent = mc_strdup(group->id);
	json_object_update_new(rule->doc, json_pack("{s:s, s:b, s:s, s:i, s:i, s:s}", "GroupId", group->id, "IsEgress", 1,
						    "IpProtocol", "-1", "FromPort", -1, "ToPort", -1, "CidrIpv4", "0.0.0.0/0"));
	json_object_set_new(rule->spec, "generation", json_integer(generation));
}

static int insert_group(struct call *call, const struct resource *vpc, const char *name)
{
	struct resource *g = store_insert(call->tx, KIND_SECURITY_GROUP, vpc->account, vpc->region);
	mc_autofree char *arn = resource_arn(g);
	json_t *tags;

	g->parent = mc_strdup(vpc->id);
	json_object_update_new(g->doc, json_pack("{s:s, s:O, s:s}", "GroupName", name,
						 "Description", json_object_get(call->in, "Description"), "VpcId", vpc->id));
	if (action_apply_tags(call, "security-group", g))
		return 1;
	insert_egress(call, g, vpc_touch(call->tx, vpc->id));
	call->out = json_pack("{s:s, s:s}", "GroupId", g->id, "SecurityGroupArn", arn);
	tags = resource_tag_list(g);
	if (tags)
		json_object_set_new(call->out, "Tags", tags);
	return 0;
}

/* What is stored of a name: spaces at its end are none of it (VPC User Guide, "Create a security group"). Allocated. */
static char *trimmed(const char *name)
{
	size_t n = strlen(name);

	while (n > 0 && name[n - 1] == ' ')
		n--;
	return mc_strf("%.*s", (int)n, name);
}

/* Names differ by more than case (EC2 API reference, CreateSecurityGroup). */
static bool name_taken(struct call *call, const struct resource *vpc, const char *name)
{
	struct store_iter it = store_iter(call->tx, KIND_SECURITY_GROUP, vpc->account, vpc->region);
	const struct resource *g;

	while ((g = store_next_of(&it, vpc->id)))
		if (strcasecmp(mc_json_str(g->doc, "GroupName", ""), name) == 0)
			return true;
	return false;
}

static int create_security_group(struct call *call)
{
	static const char *const types[] = { "security-group", NULL };
	mc_autofree char *name = trimmed(mc_json_str(call->in, "GroupName", ""));
	const struct resource *vpc;

	if (check_name(call, name) || check_text(call, "GroupDescription", mc_json_str(call->in, "Description", "")) ||
	    action_check_tag_types(call, types) || check_quota(call))
		return 1;
	vpc = vpc_of_request(call);
	if (!vpc)
		return 1;
	if (name_taken(call, vpc, name))
		return action_fail(call, API_GROUP_DUPLICATE, name, vpc->id);
	return insert_group(call, vpc, name);
}

/* --- delete --------------------------------------------------------------- */

static bool used_by_interface(struct call *call, const struct resource *group)
{
	struct store_iter it = store_pass(call->tx, KIND_NETWORK_INTERFACE, NULL, group->region, group->id);
	const struct resource *eni;

	while ((eni = store_next(&it)))
		if (mc_json_has_str(mc_json_arr(eni->spec, "groups"), group->id))
			return true;
	return false;
}

/* Rules of peered VPCs do not keep it: they become stale. */
static bool used_by_rule(struct call *call, const struct resource *group)
{
	struct store_iter it = store_pass(call->tx, KIND_SECURITY_GROUP_RULE, NULL, group->region, group->id);
	const struct resource *rule;

	while ((rule = store_next(&it))) {
		const json_t *info = mc_json_obj(rule->doc, "ReferencedGroupInfo");

		if (strcmp(rule->parent, group->id) != 0 && strcmp(mc_json_str(info, "GroupId", ""), group->id) == 0 &&
		    !json_object_get(info, "VpcId"))
			return true;
	}
	return false;
}

static void delete_group(struct call *call, const struct resource *group)
{
	struct store_iter it = store_pass(call->tx, KIND_SECURITY_GROUP_RULE, group->account, group->region, NULL);
	const struct resource *rule;

	while ((rule = store_next_of(&it, group->id)))
		store_delete(call->tx, rule->id);
	vpc_touch(call->tx, group->parent);
	store_delete(call->tx, group->id);
}

static int delete_security_group(struct call *call)
{
	const struct resource *group = security_group_of_request(call);

	if (!group)
		return 1;
	if (strcmp(mc_json_str(group->doc, "GroupName", ""), "default") == 0)
		return action_fail(call, API_CANNOT_DELETE, group->id);
	if (used_by_interface(call, group) || used_by_rule(call, group))
		return action_fail(call, API_GROUP_IN_USE, group->id);
	call->out = json_pack("{s:b, s:s}", "Return", 1, "GroupId", group->id);
	delete_group(call, group);
	return 0;
}

const struct action actions_security_group[] = {
	{ .service = "ec2", .name = "DescribeSecurityGroups", .fn = describe_security_groups },
	{ .service = "ec2", .name = "CreateSecurityGroup", .fn = create_security_group, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteSecurityGroup", .fn = delete_security_group, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AuthorizeSecurityGroupIngress", .fn = rule_authorize_ingress, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AuthorizeSecurityGroupEgress", .fn = rule_authorize_egress, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "RevokeSecurityGroupIngress", .fn = rule_revoke_ingress, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "RevokeSecurityGroupEgress", .fn = rule_revoke_egress, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifySecurityGroupRules", .fn = rule_modify, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "UpdateSecurityGroupRuleDescriptionsIngress", .fn = rule_describe_ingress, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "UpdateSecurityGroupRuleDescriptionsEgress", .fn = rule_describe_egress, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeSecurityGroupRules", .fn = rule_describe },
	{ 0 },
};
