/* Network interfaces: described. */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/dns_name.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

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
	{ .service = "ec2", .name = "DescribeNetworkInterfaces", .fn = describe_network_interfaces },
	{ 0 },
};
