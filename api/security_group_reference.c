/* Who names whom: groups that peered VPCs name, rules that name what is gone, groups that
 * a VPC may use. */
#include <string.h>

#include "api/describe.h"
#include "api/peering.h"
#include "api/security_group.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/json.h"

/* --- references ----------------------------------------------------------- */

/* Append the VPCs whose rules name the group over an active peering, each once. */
static void add_references(struct call *call, const struct resource *group, json_t *list)
{
	struct store_iter it = store_pass(call->tx, KIND_SECURITY_GROUP_RULE, NULL, NULL, group->id);
	const struct resource *rule;
	mc_auto_json json_t *seen = json_object();

	while ((rule = store_next(&it))) {
		const json_t *info = mc_json_obj(rule->doc, "ReferencedGroupInfo");
		const struct resource *user = store_get(call->tx, rule->parent);
		const struct resource *peering;

		if (strcmp(mc_json_str(info, "GroupId", ""), group->id) != 0 || !user || strcmp(user->parent, group->parent) == 0)
			continue;
		peering = peering_between(call->tx, group->parent, user->parent);
		if (!peering || json_object_get(seen, user->parent))
			continue;
		json_object_set_new(seen, user->parent, json_true());
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "GroupId", group->id, "ReferencingVpcId", user->parent,
						      "VpcPeeringConnectionId", peering->id));
	}
}

static int describe_references(struct call *call)
{
	json_t *list = json_array(), *id;
	size_t i;

	call->out = json_pack("{s:o}", "SecurityGroupReferenceSet", list);
	json_array_foreach(mc_json_arr(call->in, "GroupId"), i, id) {
		const struct resource *group = action_resource(call, KIND_SECURITY_GROUP, json_is_string(id) ? json_string_value(id) : "");

		if (!group)
			return 1;
		add_references(call, group, list);
	}
	return 0;
}

/* --- stale rules ---------------------------------------------------------- */

/* The stale rules of the group and direction, as StaleIpPermissions. New reference. */
static json_t *stale_rules(struct call *call, const struct resource *group, bool egress)
{
	struct store_iter it = store_iter(call->tx, KIND_SECURITY_GROUP_RULE, group->account, group->region);
	mc_auto_json json_t *docs = json_array();
	const struct resource *rule;
	json_t *list, *one;
	size_t i;

	while ((rule = store_next_of(&it, group->id))) {
		const char *status = permission_peering_status(call->tx, rule->doc);

		if (mc_json_bool(rule->doc, "IsEgress", false) == egress && status && strcmp(status, "deleted") == 0)
			json_array_append(docs, rule->doc);
	}
	list = permission_list(call->tx, docs);
	json_array_foreach(list, i, one) {
		json_object_del(one, "Ipv6Ranges");
		json_object_set_new(one, "IpRanges", json_array());
		json_object_set_new(one, "PrefixListIds", json_array());
	}
	return list;
}

static json_t *stale_view(struct call *call, const struct resource *group)
{
	json_t *in, *out;

	if (strcmp(group->parent, mc_json_str(call->in, "VpcId", "")) != 0)
		return NULL;
	in = stale_rules(call, group, false);
	out = stale_rules(call, group, true);
	if (json_array_size(in) + json_array_size(out) == 0) {
		json_decref(in);
		json_decref(out);
		return NULL;
	}
	return json_pack("{s:O, s:s, s:O, s:o, s:o, s:s}", "Description", json_object_get(group->doc, "Description"), "GroupId", group->id,
			 "GroupName", json_object_get(group->doc, "GroupName"), "StaleIpPermissions", in, "StaleIpPermissionsEgress", out,
			 "VpcId", group->parent);
}

static int describe_stale(struct call *call)
{
	static const struct filter none[] = { { 0 } };
	static const struct describe d = {
		.kind = KIND_SECURITY_GROUP, .list = "StaleSecurityGroupSet", .filters = none, .view = stale_view,
		.page_min = 5, .page_max = 255,
	};

	return action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL)) ? describe_run(call, &d) : 1;
}

/* --- usable groups -------------------------------------------------------- */

static json_t *usable_view(struct call *call, const struct resource *group)
{
	json_t *v;

	if (strcmp(group->parent, mc_json_str(call->in, "VpcId", "")) != 0)
		return NULL;
	v = view_new(group, "GroupId", "OwnerId");
	json_object_del(v, "VpcId");
	json_object_set_new(v, "PrimaryVpcId", json_string(group->parent));
	return v;
}

static int get_for_vpc(struct call *call)
{
	static const struct filter filters[] = {
		{ "description", "Description" }, { "group-id", "GroupId" }, { "group-name", "GroupName" }, { "owner-id", "OwnerId" },
		{ "primary-vpc-id", "PrimaryVpcId" }, { 0 },
	};
	static const struct describe d = {
		.kind = KIND_SECURITY_GROUP, .list = "SecurityGroupForVpcs", .filters = filters, .view = usable_view,
		.page_min = 5, .page_max = 1000,
	};

	return action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL)) ? describe_run(call, &d) : 1;
}

const struct action actions_security_group_reference[] = {
	{ .service = "ec2", .name = "DescribeSecurityGroupReferences", .fn = describe_references },
	{ .service = "ec2", .name = "DescribeStaleSecurityGroups", .fn = describe_stale },
	{ .service = "ec2", .name = "GetSecurityGroupsForVpc", .fn = get_for_vpc },
	{ 0 },
};
