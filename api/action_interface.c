/* Actions on network interfaces. */
#include <string.h>

#include "api/describe.h"
#include "api/interface.h"

/* --- describe ------------------------------------------------------------- */

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

static int describe_interfaces(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_NETWORK_INTERFACE, .list = "NetworkInterfaces", .ids = "NetworkInterfaceIds",
		.filters = interface_filters, .view = interface_view, .page_min = 5, .page_max = 1000,
		.ids_with_page_refused = true,
	};

	return describe_run(call, &d);
}

const struct action actions_interface[] = {
	{ .service = "ec2", .name = "DescribeNetworkInterfaces", .fn = describe_interfaces },
	{ 0 },
};
