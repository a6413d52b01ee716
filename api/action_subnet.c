/* Subnets. */
#include <string.h>

#include "api/action.h"
#include "api/association.h"
#include "api/cidr.h"
#include "api/describe.h"
#include "api/metadata_tree.h"
#include "api/security_group.h"
#include "api/view.h"
#include "api/vpc.h"
#include "api/zone.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static const struct filter subnet_filters[] = {
	{ "availability-zone", "AvailabilityZone" },
	{ "availabilityZone", "AvailabilityZone" },
	{ "availability-zone-id", "AvailabilityZoneId" },
	{ "availabilityZoneId", "AvailabilityZoneId" },
	{ "available-ip-address-count", "AvailableIpAddressCount" },
	{ "cidr", "CidrBlock" },
	{ "cidr-block", "CidrBlock" },
	{ "cidrBlock", "CidrBlock" },
	{ "customer-owned-ipv4-pool", "CustomerOwnedIpv4Pool" },
	{ "default-for-az", "DefaultForAz" },
	{ "defaultForAz", "DefaultForAz" },
	{ "enable-dns64", "EnableDns64" },
	{ "enable-lni-at-device-index", "EnableLniAtDeviceIndex" },
	{ "ipv6-cidr-block-association.association-id", "Ipv6CidrBlockAssociationSet.AssociationId" },
	{ "ipv6-cidr-block-association.ipv6-cidr-block", "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock" },
	{ "ipv6-cidr-block-association.state", "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State" },
	{ "ipv6-native", "Ipv6Native" },
	{ "map-customer-owned-ip-on-launch", "MapCustomerOwnedIpOnLaunch" },
	{ "map-public-ip-on-launch", "MapPublicIpOnLaunch" },
	{ "outpost-arn", "OutpostArn" },
	{ "owner-id", "OwnerId" },
	{ "private-dns-name-options-on-launch.enable-resource-name-dns-a-record", "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord" },
	{ "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord" },
	{ "private-dns-name-options-on-launch.hostname-type", "PrivateDnsNameOptionsOnLaunch.HostnameType" },
	{ "state", "State" },
	{ "subnet-arn", "SubnetArn" },
	{ "subnet-id", "SubnetId" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *subnet_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "SubnetId", "OwnerId");
	mc_autofree char *arn = resource_arn(r);
	mc_autofree char *zone_id = metadata_zone_id(r->region, r->az);

	json_object_update_new(v, json_pack("{s:s, s:s, s:I, s:s, s:s}", "AvailabilityZone", r->az, "AvailabilityZoneId", zone_id,
		"AvailableIpAddressCount", (json_int_t)address_count_free(call->tx, r), "State", "available", "SubnetArn", arn));
	view_default(v, "MapPublicIpOnLaunch", json_false());
	view_default(v, "MapCustomerOwnedIpOnLaunch", json_false());
	view_default(v, "AssignIpv6AddressOnCreation", json_false());
	view_default(v, "Ipv6CidrBlockAssociationSet", json_array());
	view_default(v, "EnableDns64", json_false());
	view_default(v, "Ipv6Native", json_false());
	view_default(v, "PrivateDnsNameOptionsOnLaunch", json_pack("{s:s, s:b, s:b}", "HostnameType", "ip-name",
		"EnableResourceNameDnsARecord", 0, "EnableResourceNameDnsAAAARecord", 0));
	return v;
}

static int describe_subnets(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_SUBNET, .list = "Subnets", .ids = "SubnetIds", .filters = subnet_filters, .view = subnet_view,
		.page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- create --------------------------------------------------------------- */

static const char *const ipv6_members[] = { "Ipv6CidrBlock", "Ipv6Native", "Ipv6IpamPoolId", "Ipv6NetmaskLength", NULL };
static const char *const other_members[] = { "OutpostArn", "Ipv4IpamPoolId", "Ipv4NetmaskLength", NULL };

static int check_members(struct call *call)
{
	return action_refuse_members(call, ipv6_members, "it has IPv4 only") ||
	       action_refuse_members(call, other_members, "it has neither Outposts nor an IP address manager");
}

/* The zone asked for by its name, its id or not at all: allocated, NULL after action_fail. */
static char *zone_of_request(struct call *call)
{
	const char *name = action_text(call, "AvailabilityZone"), *id = action_text(call, "AvailabilityZoneId");
	const char *region = call->caller->region;
	mc_autofree char *zone = name ? zone_by_name(region, name) : id ? zone_by_id(region, id) : zone_at(region, 0);
	mc_autofree char *list = zone_list(region);

	if (name && id) {
		action_fail(call, API_PARAMETER_COMBINATION, "Only one of availabilityZone and availabilityZoneId may be specified");
		return NULL;
	}
	if (!zone)
		action_invalid(call, "Value (%s) for parameter %s is invalid. Subnets can currently only be created in the following "
			       "availability zones: %s.", name ? name : id, name ? "availabilityZone" : "availabilityZoneId", list);
	return MC_STEAL(zone);
}

static const struct resource *subnet_overlapping(struct store_tx *tx, const struct resource *vpc, struct cidr cidr)
{
	struct store_iter it = store_iter(tx, KIND_SUBNET, vpc->account, vpc->region);
	const struct resource *s;
	struct cidr other;

	while ((s = store_next_of(&it, vpc->id)))
		if (cidr_parse(mc_json_str(s->doc, "CidrBlock", NULL), &other) && cidr_overlaps(other, cidr))
			return s;
	return NULL;
}

static int read_block(struct call *call, const struct resource *vpc, struct cidr *ret)
{
	const char *text = action_text(call, "CidrBlock");

	if (!text)
		return action_fail(call, API_MISSING, "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.");
	if (!cidr_parse(text, ret))
		return action_invalid(call, "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text);
	if (ret->bits < 16 || ret->bits > 28 || !vpc_contains(vpc, *ret))
		return action_fail(call, API_SUBNET_RANGE, text);
	if (subnet_overlapping(call->tx, vpc, *ret))
		return action_fail(call, API_SUBNET_CONFLICT, text);
	return 0;
}

static int check_quota(struct call *call, const struct resource *vpc)
{
	long n = store_count(call->tx, KIND_SUBNET, vpc->account, vpc->region, vpc->id);

	return action_check_quota(call, n, call->api->config.quota_subnets, "SubnetLimitExceeded", "subnets");
}

static int answer(struct call *call, const struct resource *subnet)
{
	vpc_change(call, subnet->parent);
	call->out = json_pack("{s:o}", "Subnet", subnet_view(call, subnet));
	return 0;
}

static int create_subnet(struct call *call)
{
	static const char *const types[] = { "subnet", NULL };
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	mc_autofree char *zone = NULL;
	mc_autofree char *text = NULL;
	struct resource *subnet;
	struct cidr cidr;

	if (!vpc || check_members(call) || action_check_tag_types(call, types) || read_block(call, vpc, &cidr) ||
	    check_quota(call, vpc))
		return 1;
	zone = zone_of_request(call);
	if (!zone)
		return 1;
	text = cidr_text(cidr);
	subnet = subnet_insert(call->tx, vpc, zone, text, false);
	return action_apply_tags(call, "subnet", subnet) || answer(call, subnet);
}

/* --- default subnets ------------------------------------------------------ */

/* The first free /20 of the VPC, allocated; NULL where there is none (EC2 API
 * reference, CreateDefaultSubnet). */
static char *free_default_block(struct store_tx *tx, const struct resource *vpc)
{
	struct cidr block = { .bits = 20 }, whole;

	if (!cidr_parse(mc_json_str(vpc->doc, "CidrBlock", NULL), &whole))
		return NULL;
	for (block.base = whole.base; cidr_contains(whole, block); block.base += cidr_size(block))
		if (!subnet_overlapping(tx, vpc, block))
			return cidr_text(block);
	return NULL;
}

static const struct resource *default_subnet(struct call *call, const struct resource *vpc, const char *zone)
{
	struct store_iter it = store_iter(call->tx, KIND_SUBNET, vpc->account, vpc->region);
	const struct resource *s;

	while ((s = store_next_of(&it, vpc->id)))
		if (mc_json_bool(s->doc, "DefaultForAz", false) && strcmp(s->az, zone) == 0)
			return s;
	return NULL;
}

static int create_default_subnet(struct call *call)
{
	const struct resource *vpc = vpc_default(call), *there;
	mc_autofree char *zone = NULL;
	mc_autofree char *block = NULL;

	if (!vpc)
		return action_fail(call, API_DEFAULT_VPC_MISSING);
	if (check_members(call))
		return 1;
	zone = zone_of_request(call);
	if (!zone)
		return 1;
	there = default_subnet(call, vpc, zone);
	if (there)
		return action_fail(call, API_DEFAULT_SUBNET_EXISTS, there->id, zone);
	block = free_default_block(call->tx, vpc);
	if (!block)
		return action_fail(call, API_SUBNET_CONFLICT, mc_json_str(vpc->doc, "CidrBlock", ""));
	return answer(call, subnet_insert(call->tx, vpc, zone, block, true));
}

/* --- modify --------------------------------------------------------------- */

/* What can be asked for, and (member NULL) may only be what it is anyway. */
static const struct attribute {
	const char *request, *member;
} attributes[] = {
	{ "MapPublicIpOnLaunch", "MapPublicIpOnLaunch" },
	{ "AssignIpv6AddressOnCreation", NULL },
	{ "EnableDns64", NULL },
	{ "MapCustomerOwnedIpOnLaunch", NULL },
	{ "EnableResourceNameDnsARecordOnLaunch", NULL },
	{ "EnableResourceNameDnsAAAARecordOnLaunch", NULL },
};
static const char *const unbuilt_members[] = { "EnableLniAtDeviceIndex", "DisableLniAtDeviceIndex", "CustomerOwnedIpv4Pool", NULL };

static int set_attribute(struct call *call, const struct resource *subnet, const struct attribute *a)
{
	bool value = mc_json_bool(mc_json_obj(call->in, a->request), "Value", false);
	mc_autofree char *text = NULL;

	if (a->member) {
		json_object_set_new(store_edit(call->tx, subnet->id)->doc, a->member, json_boolean(value));
		return 0;
	}
	if (!value)
		return 0;
	text = mc_strf("The parameter %s is not supported by this cloud: it has IPv4 and names by address only", a->request);
	return action_fail(call, API_UNSUPPORTED, text);
}

static int modify_subnet_attribute(struct call *call)
{
	const struct resource *subnet = action_resource(call, KIND_SUBNET, mc_json_str(call->in, "SubnetId", NULL));
	const char *type = mc_json_str(call->in, "PrivateDnsHostnameTypeOnLaunch", "ip-name");
	const struct attribute *found = NULL;

	if (!subnet || action_refuse_members(call, unbuilt_members, "it has no Outposts"))
		return 1;
	if (strcmp(type, "ip-name") != 0)
		return action_fail(call, API_UNSUPPORTED, "Only the private DNS hostname type 'ip-name' is supported by this cloud yet");
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		if (!mc_json_obj(call->in, attributes[i].request))
			continue;
		if (found)
			return action_fail(call, API_PARAMETER_COMBINATION, "Only one subnet attribute can be modified at a time");
		found = &attributes[i];
	}
	if (!found && !json_object_get(call->in, "PrivateDnsHostnameTypeOnLaunch"))
		return action_fail(call, API_MISSING, "No attributes to modify were specified");
	return found ? set_attribute(call, subnet, found) : 0;
}

/* --- delete --------------------------------------------------------------- */

static bool has_interfaces(struct call *call, const struct resource *subnet)
{
	struct store_iter it = store_pass(call->tx, KIND_NETWORK_INTERFACE, NULL, subnet->region, subnet->id);
	const struct resource *eni;

	while ((eni = store_next_of(&it, subnet->parent)))
		if (strcmp(mc_json_str(eni->spec, "subnet", ""), subnet->id) == 0)
			return true;
	return false;
}

static int delete_subnet(struct call *call)
{
	const struct resource *subnet = action_resource(call, KIND_SUBNET, mc_json_str(call->in, "SubnetId", NULL));

	if (!subnet)
		return 1;
	if (has_interfaces(call, subnet))
		return action_fail(call, API_HAS_DEPENDENCIES, "subnet", subnet->id);
	association_forget(call->tx, KIND_NETWORK_ACL, subnet);
	association_forget(call->tx, KIND_ROUTE_TABLE, subnet);
	subnet_reservations_forget(call->tx, subnet);
	vpc_touch(call->tx, subnet->parent);
	store_delete(call->tx, subnet->id);
	return 0;
}

const struct action actions_subnet[] = {
	{ .service = "ec2", .name = "DescribeSubnets", .fn = describe_subnets },
	{ .service = "ec2", .name = "CreateSubnet", .fn = create_subnet, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "CreateDefaultSubnet", .fn = create_default_subnet, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifySubnetAttribute", .fn = modify_subnet_attribute, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteSubnet", .fn = delete_subnet, .flags = ACTION_WRITE },
	{ 0 },
};
