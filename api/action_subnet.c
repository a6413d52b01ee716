/* Subnets. */
#include "api/action.h"
#include "api/describe.h"
#include "api/metadata_tree.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
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

const struct action actions_subnet[] = {
	{ .service = "ec2", .name = "DescribeSubnets", .fn = describe_subnets },
	{ 0 },
};
