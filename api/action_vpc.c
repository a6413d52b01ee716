/* VPCs and their attributes. */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static const struct filter vpc_filters[] = {
	{ "cidr", "CidrBlock" },
	{ "cidr-block", "CidrBlock" },
	{ "cidr-block-association.association-id", "CidrBlockAssociationSet.AssociationId" },
	{ "cidr-block-association.cidr-block", "CidrBlockAssociationSet.CidrBlock" },
	{ "cidr-block-association.state", "CidrBlockAssociationSet.CidrBlockState.State" },
	{ "dhcp-options-id", "DhcpOptionsId" },
	{ "ipv6-cidr-block-association.association-id", "Ipv6CidrBlockAssociationSet.AssociationId" },
	{ "ipv6-cidr-block-association.ipv6-cidr-block", "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock" },
	{ "ipv6-cidr-block-association.ipv6-pool", "Ipv6CidrBlockAssociationSet.Ipv6Pool" },
	{ "ipv6-cidr-block-association.state", "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State" },
	{ "is-default", "IsDefault" },
	{ "isDefault", "IsDefault" },
	{ "owner-id", "OwnerId" },
	{ "state", "State" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *vpc_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "VpcId", "OwnerId");

	(void)call;
	json_object_set_new(v, "State", json_string("available"));
	return v;
}

static int describe_vpcs(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VPC, .list = "Vpcs", .ids = "VpcIds", .filters = vpc_filters, .view = vpc_view,
		.page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

static int describe_vpc_attribute(struct call *call)
{
	static const struct {
		const char *attribute, *member, *spec;
		bool def;
	} attributes[] = {
		{ "enableDnsSupport", "EnableDnsSupport", "enable_dns_support", true },
		{ "enableDnsHostnames", "EnableDnsHostnames", "enable_dns_hostnames", false },
		{ "enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics", "enable_usage_metrics", false },
	};
	const char *attribute = mc_json_str(call->in, "Attribute", "");
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	mc_autofree char *message = NULL;

	if (!vpc)
		return 1;
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		if (strcmp(attributes[i].attribute, attribute) != 0)
			continue;
		call->out = json_pack("{s:s, s:{s:b}}", "VpcId", vpc->id, attributes[i].member, "Value",
				      mc_json_bool(vpc->spec, attributes[i].spec, attributes[i].def));
		return 0;
	}
	message = mc_strf("Value (%s) for parameter attribute is invalid. Unknown attribute.", attribute);
	return action_fail(call, API_INVALID_PARAMETER, message);
}

const struct action actions_vpc[] = {
	{ .service = "ec2", .name = "DescribeVpcs", .fn = describe_vpcs },
	{ .service = "ec2", .name = "DescribeVpcAttribute", .fn = describe_vpc_attribute },
	{ 0 },
};
