/* Network ACLs. */
#include "api/action.h"
#include "api/describe.h"
#include "api/view.h"
#include "common/json.h"

static const struct filter acl_filters[] = {
	{ "association.association-id", "Associations.NetworkAclAssociationId" },
	{ "association.network-acl-id", "Associations.NetworkAclId" },
	{ "association.subnet-id", "Associations.SubnetId" },
	{ "default", "IsDefault" },
	{ "entry.cidr", "Entries.CidrBlock" },
	{ "entry.egress", "Entries.Egress" },
	{ "entry.icmp.code", "Entries.IcmpTypeCode.Code" },
	{ "entry.icmp.type", "Entries.IcmpTypeCode.Type" },
	{ "entry.ipv6-cidr", "Entries.Ipv6CidrBlock" },
	{ "entry.port-range.from", "Entries.PortRange.From" },
	{ "entry.port-range.to", "Entries.PortRange.To" },
	{ "entry.protocol", "Entries.Protocol" },
	{ "entry.rule-action", "Entries.RuleAction" },
	{ "entry.rule-number", "Entries.RuleNumber" },
	{ "network-acl-id", "NetworkAclId" },
	{ "owner-id", "OwnerId" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *acl_view(struct call *call, const struct resource *r)
{
	(void)call;
	return view_new(r, "NetworkAclId", "OwnerId");
}

static int describe_network_acls(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_NETWORK_ACL, .list = "NetworkAcls", .ids = "NetworkAclIds", .filters = acl_filters,
		.view = acl_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

const struct action actions_network_acl[] = {
	{ .service = "ec2", .name = "DescribeNetworkAcls", .fn = describe_network_acls },
	{ 0 },
};
