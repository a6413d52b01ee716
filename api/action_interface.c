/* Actions on network interfaces that stand alone; what binds them to instances is in
 * api/interface_attach.c. */
#include <string.h>

#include "api/describe.h"
#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

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
	{ "availability-zone-id", "@zone-id" },
	{ "description", "Description" },
	{ "group-id", "Groups.GroupId" },
	{ "group-name", "Groups.GroupName" },
	{ "interface-type", "InterfaceType" },
	{ "ipv6-addresses.ipv6-address", "Ipv6Addresses.Ipv6Address" },
	{ "mac-address", "MacAddress" },
	{ "network-interface-id", "NetworkInterfaceId" },
	{ "operator.managed", "=false" },
	{ "operator.principal", "Operator.Principal" },
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

/* --- create and delete ---------------------------------------------------- */

static int create_interface(struct call *call)
{
	static const char *const types[] = { "network-interface", NULL };
	const struct resource *subnet;
	struct interface_plan p;
	struct resource *eni;
	int failed;

	if (action_check_tag_types(call, types))
		return 1;
	subnet = action_resource(call, KIND_SUBNET, mc_json_str(call->in, "SubnetId", NULL));
	if (!subnet || interface_plan_read(call, call->in, subnet, &p))
		return 1;
	eni = interface_insert(call, &p);
	failed = !eni || interface_fill(call, eni, &p) || action_apply_tags(call, "network-interface", eni);
	interface_plan_deinit(&p);
	if (failed)
		return 1;
	call->out = json_pack("{s:o}", "NetworkInterface", interface_view(call, eni));
	if (mc_json_str(call->in, "ClientToken", NULL))
		json_object_set(call->out, "ClientToken", json_object_get(call->in, "ClientToken"));
	return 0;
}

/* The interface of the request that its owner may change: not one that a NAT gateway or
 * an endpoint keeps. NULL after action_fail. */
static const struct resource *own_interface(struct call *call)
{
	const struct resource *eni = action_resource(call, KIND_NETWORK_INTERFACE, mc_json_str(call->in, "NetworkInterfaceId", NULL));

	if (!eni || !mc_json_str(eni->spec, "kind", NULL))
		return eni;
	action_fail(call, API_NOT_PERMITTED, "You do not have permission to access the specified resource.");
	return NULL;
}

static int delete_interface(struct call *call)
{
	const struct resource *eni = own_interface(call);

	if (!eni)
		return 1;
	if (interface_attached(eni)) {
		return action_invalid(call, "Network interface '%s' is currently in use.", eni->id);
	}
	interface_delete(call->tx, eni->id);
	return 0;
}

/* --- attributes ----------------------------------------------------------- */

static int set_description(struct call *call, struct resource *eni)
{
	json_object_set_new(eni->doc, "Description", json_string(mc_json_str(mc_json_obj(call->in, "Description"), "Value", "")));
	return 0;
}

int interface_set_groups(struct call *call, struct resource *eni, const json_t *ids)
{
	json_t *groups;

	if (json_array_size(ids) == 0)
		return action_invalid(call, "You must specify at least one security group.");
	if (interface_read_groups(call, ids, eni->parent, &groups))
		return 1;
	json_object_set_new(eni->spec, "groups", groups);
	interface_change(call, eni);
	return 0;
}

void interface_set_check(struct call *call, struct resource *eni, bool on)
{
	json_object_set_new(eni->spec, "source_dest_check", json_boolean(on));
	interface_change(call, eni);
}

static int set_groups(struct call *call, struct resource *eni)
{
	return interface_set_groups(call, eni, mc_json_arr(call->in, "Groups"));
}

static int set_check(struct call *call, struct resource *eni)
{
	interface_set_check(call, eni, mc_json_bool(mc_json_obj(call->in, "SourceDestCheck"), "Value", true));
	return 0;
}

static int set_attachment(struct call *call, struct resource *eni)
{
	const json_t *changes = mc_json_obj(call->in, "Attachment");
	const char *asked = mc_json_str(changes, "AttachmentId", "");
	mc_autofree char *id = interface_attached(eni) ? interface_attachment_id(eni) : NULL;

	if (!id || strcmp(id, asked) != 0)
		return interface_refuse_attachment(call, asked);
	if (json_object_get(changes, "DeleteOnTermination"))
		json_object_set(eni->spec, "delete_on_termination", json_object_get(changes, "DeleteOnTermination"));
	return 0;
}

static int modify_interface(struct call *call)
{
	static const struct {
		const char *member;
		int (*set)(struct call *call, struct resource *eni);
	} attributes[] = {
		{ "Description", set_description }, { "Groups", set_groups }, { "SourceDestCheck", set_check },
		{ "Attachment", set_attachment },
	};
	const struct resource *eni = own_interface(call);
	int (*set)(struct call *call, struct resource *eni) = NULL;

	if (!eni)
		return 1;
	if (mc_json_bool(call->in, "EnablePrimaryIpv6", false))
		return action_fail(call, API_UNSUPPORTED, "EnablePrimaryIpv6 is not supported by this cloud: interfaces have IPv4 addresses alone.");
	if (json_object_get(call->in, "EnaSrdSpecification"))
		return action_fail(call, API_UNSUPPORTED, "ENA Express is not supported by this cloud.");
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		if (!json_object_get(call->in, attributes[i].member))
			continue;
		if (set)
			return action_fail(call, API_PARAMETER_COMBINATION, "Fields for multiple attribute types specified");
		set = attributes[i].set;
	}
	return set ? set(call, store_edit(call->tx, eni->id)) : action_fail(call, API_PARAMETER_COMBINATION, "No attributes specified.");
}

static int reset_interface(struct call *call)
{
	const struct resource *eni = own_interface(call);

	if (!eni)
		return 1;
	if (!json_object_get(call->in, "SourceDestCheck"))
		return action_fail(call, API_PARAMETER_COMBINATION, "No attributes specified.");
	interface_set_check(call, store_edit(call->tx, eni->id), true);
	return 0;
}

static int describe_attribute(struct call *call)
{
	static const struct { const char *attribute, *member; bool wrapped; } attributes[] = {
		{ "description", "Description", true }, { "groupSet", "Groups", false },
		{ "sourceDestCheck", "SourceDestCheck", true }, { "attachment", "Attachment", false },
	};
	const char *attribute = mc_json_str(call->in, "Attribute", "description");
	const struct resource *eni = action_resource(call, KIND_NETWORK_INTERFACE, mc_json_str(call->in, "NetworkInterfaceId", NULL));
	mc_auto_json json_t *view = eni ? interface_view(call, eni) : NULL;

	if (!eni)
		return 1;
	call->out = json_pack("{s:s}", "NetworkInterfaceId", eni->id);
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		json_t *value = json_object_get(view, attributes[i].member);

		if (strcmp(attributes[i].attribute, attribute) == 0 && value)
			json_object_set_new(call->out, attributes[i].member,
					    attributes[i].wrapped ? json_pack("{s:O}", "Value", value) : json_incref(value));
	}
	return 0;
}

/* --- secondary addresses -------------------------------------------------- */

/* Take the address from the interface that has it as a secondary one; *ret_allocation is of the elastic address that
 * led there. */
static int take_over(struct call *call, const struct resource *to, const char *ip, char **ret_allocation)
{
	struct store_iter it = store_pass(call->tx, KIND_NETWORK_INTERFACE, to->account, to->region, ip);
	const struct resource *eni;

	while ((eni = store_next_of(&it, to->parent))) {
		if (!interface_slot_of(eni, ip))
			continue;
		if (eni == to || interface_slot_of(eni, ip) == eni->spec || mc_json_str(eni->spec, "kind", NULL))
			return action_fail(call, API_ADDRESS_ASSIGNED, ip);
		*ret_allocation = mc_strdup(mc_json_str(interface_slot_of(eni, ip), "allocation", NULL));
		interface_remove_secondary(call, store_edit(call->tx, eni->id), ip);
		return 0;
	}
	return 0;
}

static int assign_asked(struct call *call, struct resource *eni, const json_t *ips)
{
	const struct resource *subnet = store_get(call->tx, mc_json_str(eni->spec, "subnet", ""));
	size_t i;
	json_t *one;

	json_array_foreach(ips, i, one) {
		const char *ip = json_is_string(one) ? json_string_value(one) : "";
		mc_autofree char *allocation = NULL;

		if (mc_json_bool(call->in, "AllowReassignment", false) && take_over(call, eni, ip, &allocation))
			return 1;
		if (interface_check_secondary(call, subnet, ip) || interface_add_secondary(call, eni, ip))
			return 1;
		if (allocation) /* it moves with the address: EC2 API reference, AssignPrivateIpAddresses */
			elastic_address_bind(call, allocation, eni, ip);
	}
	return 0;
}

static int assign_addresses(struct call *call)
{
	const struct resource *found = own_interface(call);
	const json_t *ips = mc_json_arr(call->in, "PrivateIpAddresses");
	int64_t more = mc_json_int(call->in, "SecondaryPrivateIpAddressCount", 0);
	size_t before;
	struct resource *eni;
	json_t *shown;

	if (!found)
		return 1;
	if (json_object_get(call->in, "Ipv4Prefixes") || json_object_get(call->in, "Ipv4PrefixCount"))
		return action_fail(call, API_UNSUPPORTED, "Prefixes are not supported by this cloud: assign addresses one by one.");
	if (!json_array_size(ips) == (more <= 0))
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "Specify either privateIpAddresses or a positive secondaryPrivateIpAddressCount.");
	if (interface_check_count(call, found, interface_slots(found) + json_array_size(ips) + (size_t)(more > 0 ? more : 0)))
		return 1;
	eni = store_edit(call->tx, found->id);
	before = interface_slots(eni);
	if (assign_asked(call, eni, ips))
		return 1;
	for (int64_t n = 0; n < more; n++)
		if (interface_add_secondary(call, eni, NULL))
			return 1;
	interface_change(call, eni);
	shown = json_array();
	for (size_t i = before; i < interface_slots(eni); i++)
		json_array_append_new(shown, json_pack("{s:O}", "PrivateIpAddress", json_object_get(interface_slot(eni, i), "ip")));
	call->out = json_pack("{s:s, s:o, s:[]}", "NetworkInterfaceId", eni->id, "AssignedPrivateIpAddresses", shown, "AssignedIpv4Prefixes");
	return 0;
}

static int check_unassign(struct call *call, const struct resource *eni, const char *ip)
{
	const json_t *slot = interface_slot_of(eni, ip);
	mc_autofree char *text = NULL;

	if (!slot)
		text = mc_strf("Some of the requested addresses are not assigned to interface %s", eni->id);
	else if (slot == eni->spec)
		text = mc_strf("The primary IP address %s of a network interface cannot be unassigned.", ip);
	return text ? action_fail(call, API_INVALID_PARAMETER, text) : 0;
}

static int unassign_addresses(struct call *call)
{
	const struct resource *found = own_interface(call);
	const json_t *ips = mc_json_arr(call->in, "PrivateIpAddresses");
	struct resource *eni;
	size_t i;
	json_t *ip;

	if (!found)
		return 1;
	if (json_array_size(ips) == 0)
		return action_fail(call, API_MISSING_PARAMETER, "privateIpAddresses");
	eni = store_edit(call->tx, found->id);
	json_array_foreach(ips, i, ip) {
		if (check_unassign(call, eni, json_is_string(ip) ? json_string_value(ip) : ""))
			return 1;
		interface_remove_secondary(call, eni, json_string_value(ip));
	}
	return 0;
}

const struct action actions_interface[] = {
	{ .service = "ec2", .name = "DescribeNetworkInterfaces", .fn = describe_interfaces },
	{ .service = "ec2", .name = "CreateNetworkInterface", .fn = create_interface, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteNetworkInterface", .fn = delete_interface, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyNetworkInterfaceAttribute", .fn = modify_interface, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ResetNetworkInterfaceAttribute", .fn = reset_interface, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeNetworkInterfaceAttribute", .fn = describe_attribute },
	{ .service = "ec2", .name = "AssignPrivateIpAddresses", .fn = assign_addresses, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "UnassignPrivateIpAddresses", .fn = unassign_addresses, .flags = ACTION_WRITE },
	{ 0 },
};
