/* What there is of networks: described. */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/dns_name.h"
#include "api/metadata_tree.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* --- VPCs ----------------------------------------------------------------- */

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

/* --- subnets -------------------------------------------------------------- */

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

/* --- internet gateways ---------------------------------------------------- */

static const struct filter gateway_filters[] = {
	{ "attachment.state", "Attachments.State" },
	{ "attachment.vpc-id", "Attachments.VpcId" },
	{ "internet-gateway-id", "InternetGatewayId" },
	{ "owner-id", "OwnerId" },
	{ 0 },
};

static json_t *gateway_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "InternetGatewayId", "OwnerId");

	(void)call;
	view_default(v, "Attachments", json_array());
	return v;
}

static int describe_internet_gateways(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_INTERNET_GATEWAY, .list = "InternetGateways", .ids = "InternetGatewayIds",
		.filters = gateway_filters, .view = gateway_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- route tables --------------------------------------------------------- */

static const struct filter route_table_filters[] = {
	{ "association.gateway-id", "Associations.GatewayId" },
	{ "association.main", "Associations.Main" },
	{ "association.route-table-association-id", "Associations.RouteTableAssociationId" },
	{ "association.route-table-id", "Associations.RouteTableId" },
	{ "association.subnet-id", "Associations.SubnetId" },
	{ "owner-id", "OwnerId" },
	{ "route-table-id", "RouteTableId" },
	{ "route.destination-cidr-block", "Routes.DestinationCidrBlock" },
	{ "route.destination-ipv6-cidr-block", "Routes.DestinationIpv6CidrBlock" },
	{ "route.destination-prefix-list-id", "Routes.DestinationPrefixListId" },
	{ "route.egress-only-internet-gateway-id", "Routes.EgressOnlyInternetGatewayId" },
	{ "route.gateway-id", "Routes.GatewayId" },
	{ "route.instance-id", "Routes.InstanceId" },
	{ "route.nat-gateway-id", "Routes.NatGatewayId" },
	{ "route.origin", "Routes.Origin" },
	{ "route.state", "Routes.State" },
	{ "route.transit-gateway-id", "Routes.TransitGatewayId" },
	{ "route.vpc-peering-connection-id", "Routes.VpcPeeringConnectionId" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *route_table_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "RouteTableId", "OwnerId");

	(void)call;
	view_default(v, "Associations", json_array());
	view_default(v, "PropagatingVgws", json_array());
	view_default(v, "Routes", json_array());
	return v;
}

static int describe_route_tables(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_ROUTE_TABLE, .list = "RouteTables", .ids = "RouteTableIds", .filters = route_table_filters,
		.view = route_table_view, .page_min = 5, .page_max = 100,
	};

	return describe_run(call, &d);
}

/* --- network ACLs --------------------------------------------------------- */

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

/* --- DHCP options --------------------------------------------------------- */

static const struct filter dhcp_filters[] = {
	{ "dhcp-options-id", "DhcpOptionsId" },
	{ "key", "DhcpConfigurations.Key" },
	{ "owner-id", "OwnerId" },
	{ "value", "DhcpConfigurations.Values.Value" },
	{ 0 },
};

static json_t *dhcp_view(struct call *call, const struct resource *r)
{
	(void)call;
	return view_new(r, "DhcpOptionsId", "OwnerId");
}

static int describe_dhcp_options(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_DHCP_OPTIONS, .list = "DhcpOptions", .ids = "DhcpOptionsIds", .filters = dhcp_filters,
		.view = dhcp_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- network interfaces --------------------------------------------------- */

static const struct filter interface_filters[] = {
	{ "addresses.association.owner-id", "PrivateIpAddresses.Association.IpOwnerId" },
	{ "addresses.association.public-ip", "PrivateIpAddresses.Association.PublicIp" },
	{ "addresses.primary", "PrivateIpAddresses.Primary" },
	{ "addresses.private-ip-address", "PrivateIpAddresses.PrivateIpAddress" },
	{ "association.allocation-id", "Association.AllocationId" },
	{ "association.association-id", "Association.AssociationId" },
	{ "association.ip-owner-id", "Association.IpOwnerId" },
	{ "association.public-dns-name", "Association.PublicDnsName" },
	{ "association.public-ip", "Association.PublicIp" },
	{ "attachment.attach-time", "Attachment.AttachTime" },
	{ "attachment.attachment-id", "Attachment.AttachmentId" },
	{ "attachment.delete-on-termination", "Attachment.DeleteOnTermination" },
	{ "attachment.device-index", "Attachment.DeviceIndex" },
	{ "attachment.instance-id", "Attachment.InstanceId" },
	{ "attachment.instance-owner-id", "Attachment.InstanceOwnerId" },
	{ "attachment.status", "Attachment.Status" },
	{ "availability-zone", "AvailabilityZone" },
	{ "description", "Description" },
	{ "group-id", "Groups.GroupId" },
	{ "group-name", "Groups.GroupName" },
	{ "interface-type", "InterfaceType" },
	{ "ipv6-addresses.ipv6-address", "Ipv6Addresses.Ipv6Address" },
	{ "mac-address", "MacAddress" },
	{ "network-interface-id", "NetworkInterfaceId" },
	{ "owner-id", "OwnerId" },
	{ "private-dns-name", "PrivateDnsName" },
	{ "private-ip-address", "PrivateIpAddress" },
	{ "requester-id", "RequesterId" },
	{ "requester-managed", "RequesterManaged" },
	{ "source-dest-check", "SourceDestCheck" },
	{ "status", "Status" },
	{ "subnet-id", "SubnetId" },
	{ "vpc-id", "VpcId" },
	{ 0 },
};

static json_t *association_view(const struct resource *r, const char *ip)
{
	mc_autofree char *name = dns_name_public(r->region, ip);

	return json_pack("{s:s, s:s, s:s}", "IpOwnerId", "amazon", "PublicDnsName", name, "PublicIp", ip);
}

static json_t *attachment_view(const struct resource *r, const char *instance)
{
	mc_autofree char *id = mc_strf("eni-attach-%s", strchr(r->id, '-') + 1);
	char since[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, since);
	return json_pack("{s:s, s:s, s:b, s:I, s:i, s:s, s:s, s:s}", "AttachTime", mc_json_str(r->spec, "attached", since),
		"AttachmentId", id, "DeleteOnTermination", mc_json_bool(r->spec, "delete_on_termination", true), "DeviceIndex",
		(json_int_t)mc_json_int(r->spec, "device_index", 0), "NetworkCardIndex", 0, "InstanceId", instance,
		"InstanceOwnerId", r->account, "Status", "attached");
}

static json_t *interface_groups(struct call *call, const struct resource *r)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "groups"), i, id) {
		const struct resource *g = store_get(call->tx, json_string_value(id));

		if (g)
			json_array_append_new(list, json_pack("{s:s, s:s}", "GroupName", mc_json_str(g->doc, "GroupName", ""),
							      "GroupId", g->id));
	}
	return list;
}

static void add_addresses(const struct resource *r, json_t *v)
{
	const char *ip = mc_json_str(r->spec, "ip", ""), *public_ip = mc_json_str(r->spec, "public_ip", NULL);
	mc_autofree char *name = dns_name_private(r->region, ip);
	json_t *association = public_ip ? association_view(r, public_ip) : NULL;

	json_object_set_new(v, "PrivateDnsName", json_string(name));
	json_object_set_new(v, "PrivateIpAddress", json_string(ip));
	json_object_set_new(v, "PrivateIpAddresses", json_pack("[{s:O*, s:b, s:s, s:s}]", "Association", association, "Primary", 1,
							       "PrivateDnsName", name, "PrivateIpAddress", ip));
	json_object_set_new(v, "Ipv6Addresses", json_array());
	if (association)
		json_object_set_new(v, "Association", association);
}

static json_t *interface_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "NetworkInterfaceId", "OwnerId"), *tags = json_object_get(v, "Tags");
	const char *instance = mc_json_str(r->spec, "instance", NULL);

	json_object_set_new(v, "TagSet", tags ? json_incref(tags) : json_array());
	json_object_del(v, "Tags");
	json_object_update_new(v, json_pack("{s:s, s:o, s:s, s:s, s:b, s:b, s:s, s:s, s:s}", "AvailabilityZone", r->az, "Groups",
		interface_groups(call, r), "InterfaceType", "interface", "MacAddress", mc_json_str(r->spec, "mac", ""),
		"RequesterManaged", 0, "SourceDestCheck", mc_json_bool(r->spec, "source_dest_check", true), "Status",
		instance ? "in-use" : "available", "SubnetId", mc_json_str(r->spec, "subnet", ""), "VpcId", r->parent));
	view_default(v, "Description", json_string(""));
	add_addresses(r, v);
	if (instance)
		json_object_set_new(v, "Attachment", attachment_view(r, instance));
	return v;
}

static int describe_network_interfaces(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_NETWORK_INTERFACE, .list = "NetworkInterfaces", .ids = "NetworkInterfaceIds",
		.filters = interface_filters, .view = interface_view, .page_min = 5, .page_max = 1000,
		.ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

const struct action actions_network[] = {
	{ .service = "ec2", .name = "DescribeVpcs", .fn = describe_vpcs },
	{ .service = "ec2", .name = "DescribeVpcAttribute", .fn = describe_vpc_attribute },
	{ .service = "ec2", .name = "DescribeSubnets", .fn = describe_subnets },
	{ .service = "ec2", .name = "DescribeInternetGateways", .fn = describe_internet_gateways },
	{ .service = "ec2", .name = "DescribeRouteTables", .fn = describe_route_tables },
	{ .service = "ec2", .name = "DescribeNetworkAcls", .fn = describe_network_acls },
	{ .service = "ec2", .name = "DescribeDhcpOptions", .fn = describe_dhcp_options },
	{ .service = "ec2", .name = "DescribeNetworkInterfaces", .fn = describe_network_interfaces },
	{ 0 },
};
