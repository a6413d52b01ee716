/* VPCs, their blocks and their attributes. */
#include <string.h>

#include "api/action.h"
#include "api/cidr.h"
#include "api/describe.h"
#include "api/peering.h"
#include "api/route_table.h"
#include "api/security_group.h"
#include "api/view.h"
#include "api/vpc.h"
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

/* --- attributes ----------------------------------------------------------- */

static const struct attribute {
	const char *attribute, *member, *spec;
	bool def;
} attributes[] = {
	{ "enableDnsSupport", "EnableDnsSupport", "enable_dns_support", true },
	{ "enableDnsHostnames", "EnableDnsHostnames", "enable_dns_hostnames", false },
	{ "enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics", "enable_usage_metrics", false },
};

static int describe_vpc_attribute(struct call *call)
{
	const char *attribute = mc_json_str(call->in, "Attribute", "");
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));

	if (!vpc)
		return 1;
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		if (strcmp(attributes[i].attribute, attribute) != 0)
			continue;
		call->out = json_pack("{s:s, s:{s:b}}", "VpcId", vpc->id, attributes[i].member, "Value",
				      mc_json_bool(vpc->spec, attributes[i].spec, attributes[i].def));
		return 0;
	}
	return action_invalid(call, "Value (%s) for parameter attribute is invalid. Unknown attribute.", attribute);
}

/* The one attribute the request sets; NULL after action_fail. */
static const struct attribute *attribute_of_request(struct call *call)
{
	const struct attribute *found = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		if (!mc_json_obj(call->in, attributes[i].member))
			continue;
		if (found) {
			action_fail(call, API_PARAMETER_COMBINATION, "Fields for multiple attribute types specified");
			return NULL;
		}
		found = &attributes[i];
	}
	if (!found)
		action_fail(call, API_MISSING, "Either enableDnsHostnames, enableDnsSupport or enableNetworkAddressUsageMetrics must be specified");
	return found;
}

static int modify_vpc_attribute(struct call *call)
{
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	const struct attribute *a = vpc ? attribute_of_request(call) : NULL;
	bool value = a && mc_json_bool(mc_json_obj(call->in, a->member), "Value", a->def);

	if (!a)
		return 1;
	if (value && strcmp(a->attribute, "enableDnsHostnames") == 0 && !mc_json_bool(vpc->spec, "enable_dns_support", true))
		return action_invalid(call, "DNS hostnames can only be enabled for %s while DNS support is enabled", vpc->id);
	json_object_set_new(store_edit(call->tx, vpc->id)->spec, a->spec, json_boolean(value));
	vpc_change(call, vpc->id);
	return 0;
}

/* --- create --------------------------------------------------------------- */

static const char no_ipv6[] = "it has IPv4 only";
static const char no_ipam[] = "it has no IP address manager";
static const char *const ipv6_members[] = { "AmazonProvidedIpv6CidrBlock", "Ipv6CidrBlock", "Ipv6Pool",
					    "Ipv6CidrBlockNetworkBorderGroup", "Ipv6IpamPoolId", "Ipv6NetmaskLength", NULL };
static const char *const ipam_members[] = { "Ipv4IpamPoolId", "Ipv4NetmaskLength", NULL };

/* No host of a VPC may have them: this network, loopback, link-local (169.254.169.254 and its like), multicast and what
 * is reserved beyond it (RFC 6890). */
static const struct cidr special_ranges[] = { { 0, 8 }, { 0x7f000000, 8 }, { 0xa9fe0000, 16 }, { 0xe0000000, 3 } };

static bool is_special(struct cidr cidr)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(special_ranges); i++)
		if (cidr_overlaps(special_ranges[i], cidr))
			return true;
	return false;
}

/* The CidrBlock of the request, of a size that a VPC may have: 0, or action_fail. */
static int read_block(struct call *call, struct cidr *ret)
{
	const char *text = action_text(call, "CidrBlock");

	if (action_refuse_members(call, ipv6_members, no_ipv6) || action_refuse_members(call, ipam_members, no_ipam))
		return 1;
	if (!text)
		return action_fail(call, API_MISSING_PARAMETER, "cidrBlock");
	if (!cidr_parse(text, ret))
		return action_invalid(call, "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text);
	if (ret->bits < 16 || ret->bits > 28 || is_special(*ret))
		return action_fail(call, API_VPC_RANGE, text);
	return 0;
}

static int check_tenancy(struct call *call)
{
	if (strcmp(mc_json_str(call->in, "InstanceTenancy", "default"), "default") == 0)
		return 0;
	return action_fail(call, API_UNSUPPORTED, "Only the instance tenancy 'default' is supported by this cloud: it is one host.");
}

static int check_quota(struct call *call)
{
	long n = store_count(call->tx, KIND_VPC, call->caller->account, call->caller->region, NULL);

	return action_check_quota(call, n, call->api->config.quota_vpcs, "VpcLimitExceeded", "VPCs");
}

static int create_vpc(struct call *call)
{
	static const char *const types[] = { "vpc", NULL };
	struct resource *vpc;
	mc_autofree char *text = NULL;
	struct cidr cidr;

	if (read_block(call, &cidr) || check_tenancy(call) || action_check_tag_types(call, types) || check_quota(call))
		return 1;
	text = cidr_text(cidr);
	vpc = vpc_insert(call->tx, call->caller->account, call->caller->region, text, false);
	if (action_apply_tags(call, "vpc", vpc))
		return 1;
	call->out = json_pack("{s:o}", "Vpc", vpc_view(call, vpc));
	return 0;
}

static int create_default_vpc(struct call *call)
{
	if (vpc_default(call))
		return action_fail(call, API_DEFAULT_VPC_EXISTS);
	if (check_quota(call))
		return 1;
	call->out = json_pack("{s:o}", "Vpc", vpc_view(call, vpc_create_default(call->tx, call->caller->account, call->caller->region)));
	return 0;
}

static int modify_vpc_tenancy(struct call *call)
{
	if (!action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL)) || check_tenancy(call))
		return 1;
	call->out = json_pack("{s:b}", "ReturnValue", 1);
	return 0;
}

/* --- further blocks ------------------------------------------------------- */

/* The private ranges of RFC 1918: a VPC's blocks come from one of them alone (VPC User
 * Guide, "IPv4 CIDR block association restrictions"). */
static const struct cidr private_ranges[] = { { 0x0a000000, 8 }, { 0xac100000, 12 }, { 0xc0a80000, 16 } };
static const struct cidr reserved_range = { 0xc6130000, 16 };

static int range_of(struct cidr cidr)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(private_ranges); i++)
		if (cidr_overlaps(private_ranges[i], cidr))
			return (int)i;
	return -1;
}

/* May the block join these? */
static int check_range(struct call *call, const struct resource *vpc, struct cidr cidr, const char *text)
{
	struct cidr first = { 0 };
	mc_autofree char *message = NULL;

	cidr_parse(mc_json_str(vpc->doc, "CidrBlock", NULL), &first);
	if (vpc_overlaps(vpc, cidr))
		return action_fail(call, API_VPC_RANGE, text);
	if (!cidr_overlaps(reserved_range, cidr) && (range_of(cidr) < 0 || range_of(cidr) == range_of(first)))
		return 0;
	message = mc_strf("The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, "
			  "or use a publicly-routable CIDR.", text);
	return action_fail(call, API_VPC_RANGE_TEXT, message);
}

/* A route to the block's addresses would be lost to the new local one. */
static int check_routes(struct call *call, const struct resource *vpc, struct cidr cidr, const char *text)
{
	struct store_iter it = store_iter(call->tx, KIND_ROUTE_TABLE, vpc->account, vpc->region);
	const struct resource *table;
	struct cidr destination;
	size_t i;
	json_t *route;

	while ((table = store_next_of(&it, vpc->id)))
		json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route)
			if (cidr_parse(mc_json_str(route, "DestinationCidrBlock", NULL), &destination) &&
			    cidr_contains(cidr, destination)) {
				mc_autofree char *message = mc_strf("The CIDR '%s' is the same as or larger than the destination of a "
								    "route in route table %s.", text, table->id);

				return action_fail(call, API_VPC_RANGE_TEXT, message);
			}
	return 0;
}

/* Nor may it share an address with a peer. */
static int check_peers(struct call *call, const struct resource *vpc, struct cidr cidr, const char *text)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;

	while ((r = peering_next_active(&it, vpc->id))) {
		const struct resource *other = store_get(call->tx, mc_json_str(peering_other_end(r, vpc->id), "vpc", NULL));
		mc_autofree char *message = NULL;

		if (!other || !vpc_overlaps(other, cidr))
			continue;
		message = mc_strf("The CIDR '%s' conflicts with a CIDR block of the peered VPC %s", text, other->id);
		return action_fail(call, API_VPC_RANGE_TEXT, message);
	}
	return 0;
}

static int check_block(struct call *call, const struct resource *vpc, struct cidr cidr, const char *text)
{
	long quota = call->api->config.quota_vpc_cidrs;

	if (check_range(call, vpc, cidr, text) || check_routes(call, vpc, cidr, text) || check_peers(call, vpc, cidr, text))
		return 1;
	if (quota && (long)json_array_size(mc_json_arr(vpc->doc, "CidrBlockAssociationSet")) >= quota)
		return action_fail(call, API_VPC_CIDR_LIMIT, vpc->id, (int)quota);
	return 0;
}

static int associate_vpc_cidr_block(struct call *call)
{
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	mc_autofree char *text = NULL;
	json_t *association;
	struct cidr cidr;

	if (!vpc || read_block(call, &cidr))
		return 1;
	text = cidr_text(cidr);
	if (check_block(call, vpc, cidr, text))
		return 1;
	association = vpc_cidr_association(text);
	json_array_append_new(mc_json_arr(store_edit(call->tx, vpc->id)->doc, "CidrBlockAssociationSet"), association);
	vpc_change_blocks(call, vpc->id);
	call->out = json_pack("{s:O, s:s}", "CidrBlockAssociation", association, "VpcId", vpc->id);
	return 0;
}

/* The VPC with this association, and its place in it; NULL: there is none. */
static const struct resource *find_association(struct call *call, const char *id, size_t *ret_place)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC, call->caller->account, call->caller->region);
	const struct resource *vpc;
	size_t i;
	json_t *a;

	while ((vpc = store_next(&it)))
		json_array_foreach(mc_json_arr(vpc->doc, "CidrBlockAssociationSet"), i, a)
			if (strcmp(mc_json_str(a, "AssociationId", ""), id) == 0) {
				*ret_place = i;
				return vpc;
			}
	return NULL;
}

static bool has_subnet_in(struct call *call, const struct resource *vpc, const char *block)
{
	struct store_iter it = store_iter(call->tx, KIND_SUBNET, vpc->account, vpc->region);
	const struct resource *s;
	struct cidr outer = { 0 }, inner;

	cidr_parse(block, &outer);
	while ((s = store_next_of(&it, vpc->id)))
		if (cidr_parse(mc_json_str(s->doc, "CidrBlock", NULL), &inner) && cidr_contains(outer, inner))
			return true;
	return false;
}

static int disassociate_vpc_cidr_block(struct call *call)
{
	const char *id = mc_json_str(call->in, "AssociationId", ""), *block;
	size_t place = 0;
	const struct resource *vpc = find_association(call, id, &place);
	mc_auto_json json_t *view = NULL;

	if (!vpc)
		return action_fail(call, API_VPC_CIDR_NOT_FOUND, id);
	view = json_deep_copy(json_array_get(mc_json_arr(vpc->doc, "CidrBlockAssociationSet"), place));
	block = mc_json_str(view, "CidrBlock", "");
	if (strcmp(block, mc_json_str(vpc->doc, "CidrBlock", "")) == 0)
		return action_fail(call, API_VPC_CIDR_PRIMARY, id);
	if (has_subnet_in(call, vpc, block))
		return action_fail(call, API_VPC_CIDR_IN_USE, vpc->id, block);
	json_array_remove(mc_json_arr(store_edit(call->tx, vpc->id)->doc, "CidrBlockAssociationSet"), place);
	route_table_forget_block(call->tx, vpc, block);
	vpc_change_blocks(call, vpc->id);
	json_object_set_new(mc_json_obj(view, "CidrBlockState"), "State", json_string("disassociating"));
	call->out = json_pack("{s:O, s:s}", "CidrBlockAssociation", view, "VpcId", vpc->id);
	return 0;
}

/* --- delete --------------------------------------------------------------- */

static bool is_default_group(const struct resource *r)
{
	return strcmp(mc_json_str(r->doc, "GroupName", ""), "default") == 0;
}

static bool is_main_table(const struct resource *r)
{
	return route_table_main_place(r) >= 0;
}

static bool is_default_acl(const struct resource *r)
{
	return mc_json_bool(r->doc, "IsDefault", false);
}

/* A flow log of anything in it: EC2 API reference, DeleteVpc. */
static bool goes_along(const struct resource *r)
{
	(void)r;
	return true;
}

/* What belongs to a VPC and so keeps it, but for the one of its kind that it was born with,
 * and but for its flow logs. */
static const struct part {
	enum kind kind;
	bool (*inborn)(const struct resource *r);
} parts[] = {
	{ KIND_SUBNET, NULL },
	{ KIND_INTERNET_GATEWAY, NULL },
	{ KIND_NETWORK_INTERFACE, NULL },
	{ KIND_VPC_ENDPOINT, NULL },
	{ KIND_SECURITY_GROUP, is_default_group },
	{ KIND_ROUTE_TABLE, is_main_table },
	{ KIND_NETWORK_ACL, is_default_acl },
	{ KIND_FLOW_LOG, goes_along },
};

static bool has_dependencies(struct call *call, const struct resource *vpc)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(parts); i++) {
		struct store_iter it = store_iter(call->tx, parts[i].kind, NULL, vpc->region);
		const struct resource *r;

		while ((r = store_next_of(&it, vpc->id)))
			if (!parts[i].inborn || !parts[i].inborn(r))
				return true;
	}
	return false;
}

static void delete_children(struct store_tx *tx, enum kind kind, const char *parent)
{
	struct store_iter it = store_iter(tx, kind, NULL, NULL);
	const struct resource *r;

	while ((r = store_next_of(&it, parent))) {
		if (kind == KIND_SECURITY_GROUP)
			delete_children(tx, KIND_SECURITY_GROUP_RULE, r->id);
		store_delete(tx, r->id);
	}
}

static int delete_vpc(struct call *call)
{
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	mc_autofree char *id = NULL;

	if (!vpc)
		return 1;
	if (has_dependencies(call, vpc))
		return action_fail(call, API_HAS_DEPENDENCIES, "vpc", vpc->id);
	id = mc_strdup(vpc->id);
	peering_forget_vpc(call->tx, vpc);
	for (size_t i = 0; i < MC_ARRAY_SIZE(parts); i++)
		delete_children(call->tx, parts[i].kind, id);
	store_delete(call->tx, id);
	return 0;
}

const struct action actions_vpc[] = {
	{ .service = "ec2", .name = "DescribeVpcs", .fn = describe_vpcs },
	{ .service = "ec2", .name = "DescribeVpcAttribute", .fn = describe_vpc_attribute },
	{ .service = "ec2", .name = "ModifyVpcAttribute", .fn = modify_vpc_attribute, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "CreateVpc", .fn = create_vpc, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "CreateDefaultVpc", .fn = create_default_vpc, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyVpcTenancy", .fn = modify_vpc_tenancy, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AssociateVpcCidrBlock", .fn = associate_vpc_cidr_block, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisassociateVpcCidrBlock", .fn = disassociate_vpc_cidr_block, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteVpc", .fn = delete_vpc, .flags = ACTION_WRITE },
	{ 0 },
};
