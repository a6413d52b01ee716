#include "api/interface.h"

#include <string.h>

#include "api/dns_name.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* --- addresses ------------------------------------------------------------ */

size_t interface_slots(const struct resource *eni)
{
	return 1 + json_array_size(mc_json_arr(eni->spec, "secondary"));
}

json_t *interface_slot(const struct resource *eni, size_t i)
{
	return i == 0 ? eni->spec : json_array_get(mc_json_arr(eni->spec, "secondary"), i - 1);
}

json_t *interface_slot_of(const struct resource *eni, const char *ip)
{
	for (size_t i = 0; i < interface_slots(eni); i++) {
		json_t *slot = interface_slot(eni, i);

		if (!ip || strcmp(mc_json_str(slot, "ip", ""), ip) == 0)
			return slot;
	}
	return NULL;
}

bool interface_attached(const struct resource *eni)
{
	return mc_json_str(eni->spec, "instance", NULL) != NULL;
}

const struct resource *interface_primary(struct store_tx *tx, const struct resource *instance)
{
	const struct resource *first = NULL;
	json_t *id;
	size_t i;

	json_array_foreach(mc_json_arr(instance->spec, "enis"), i, id) {
		const struct resource *eni = store_get(tx, json_string_value(id));

		if (eni && (!first || mc_json_int(eni->spec, "device_index", 0) < mc_json_int(first->spec, "device_index", 0)))
			first = eni;
	}
	return first;
}

/* --- what is shown -------------------------------------------------------- */

json_t *interface_association(struct store_tx *tx, const struct resource *eni, const json_t *slot, enum interface_shape shape)
{
	const char *ip = mc_json_str(slot, "public_ip", NULL), *allocation = mc_json_str(slot, "allocation", NULL);
	const struct resource *eip = allocation ? store_get(tx, allocation) : NULL;
	const struct resource *vpc = store_peek(tx, eni->parent);
	mc_autofree char *name = ip && vpc && vpc_names_hosts(vpc) ? dns_name_public(eni->region, ip) : mc_strdup("");
	json_t *view;

	if (!ip)
		return NULL;
	view = json_pack("{s:s, s:s, s:s}", "IpOwnerId", eip ? eip->account : "amazon", "PublicDnsName", name, "PublicIp", ip);
	if (eip && shape == INTERFACE_WHOLE) {
		json_object_set_new(view, "AllocationId", json_string(eip->id));
		json_object_set(view, "AssociationId", json_object_get(eip->spec, "association"));
	}
	return view;
}

json_t *interface_addresses(struct store_tx *tx, const struct resource *eni, enum interface_shape shape)
{
	json_t *list = json_array();

	for (size_t i = 0; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);
		const char *ip = mc_json_str(slot, "ip", "");
		mc_autofree char *name = dns_name_private(eni->region, ip);

		json_array_append_new(list, json_pack("{s:b, s:s, s:s, s:o*}", "Primary", i == 0, "PrivateDnsName", name,
			"PrivateIpAddress", ip, "Association", interface_association(tx, eni, slot, shape)));
	}
	return list;
}

json_t *interface_groups(struct store_tx *tx, const struct resource *eni)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(eni->spec, "groups"), i, id) {
		const struct resource *g = store_get(tx, json_string_value(id));

		if (g)
			json_array_append_new(list, json_pack("{s:s, s:s}", "GroupName", mc_json_str(g->doc, "GroupName", ""),
							      "GroupId", g->id));
	}
	return list;
}

/* Interfaces of launches have kept no id of their own before there were others. */
char *interface_attachment_id(const struct resource *eni)
{
	const char *id = mc_json_str(eni->spec, "attachment", NULL);

	return id ? mc_strdup(id) : mc_strf("eni-attach-%s", strchr(eni->id, '-') + 1);
}

/* Of one that a gateway or an endpoint keeps. */
static json_t *kept_attachment(const struct resource *eni)
{
	mc_autofree char *id = mc_strf("ela-attach-%s", strchr(eni->id, '-') + 1);
	char since[MC_ISO8601_LEN];

	mc_clock_iso8601(eni->created, since);
	return json_pack("{s:s, s:s, s:b, s:i, s:s, s:s}", "AttachTime", since, "AttachmentId", id, "DeleteOnTermination", 0, "DeviceIndex", 1,
			 "InstanceOwnerId", "amazon-aws", "Status", "attached");
}

json_t *interface_attachment(const struct resource *eni, enum interface_shape shape)
{
	mc_autofree char *id = interface_attachment_id(eni);
	char since[MC_ISO8601_LEN];
	json_t *view;

	if (mc_json_str(eni->spec, "kind", NULL))
		return kept_attachment(eni);
	if (!interface_attached(eni))
		return NULL;
	mc_clock_iso8601(eni->created, since);
	view = json_pack("{s:s, s:s, s:b, s:I, s:i, s:s}", "AttachTime", mc_json_str(eni->spec, "attached", since), "AttachmentId", id,
		"DeleteOnTermination", mc_json_bool(eni->spec, "delete_on_termination", true), "DeviceIndex",
		(json_int_t)mc_json_int(eni->spec, "device_index", 0), "NetworkCardIndex", 0, "Status",
		mc_json_str(eni->spec, "attachment_state", "attached"));
	if (shape == INTERFACE_WHOLE) {
		json_object_set(view, "InstanceId", json_object_get(eni->spec, "instance"));
		json_object_set_new(view, "InstanceOwnerId", json_string(eni->account));
	}
	return view;
}

/* InterfaceType by what keeps it. */
static const char *type_of(const struct resource *eni)
{
	static const char *const types[][2] = { { "nat", "nat_gateway" }, { "endpoint", "vpc_endpoint" } };
	const char *kind = mc_json_str(eni->spec, "kind", "");

	for (size_t i = 0; i < MC_ARRAY_SIZE(types); i++)
		if (strcmp(kind, types[i][0]) == 0)
			return types[i][1];
	return "interface";
}

/* What both shapes have. */
static void add_network(struct store_tx *tx, const struct resource *r, enum interface_shape shape, json_t *v)
{
	const char *ip = mc_json_str(r->spec, "ip", "");
	mc_autofree char *name = dns_name_private(r->region, ip);
	json_t *association = interface_association(tx, r, r->spec, shape), *attachment = interface_attachment(r, shape);

	json_object_update_new(v, json_pack("{s:o, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:o, s:[], s:s}", "Groups",
		interface_groups(tx, r), "InterfaceType", type_of(r), "MacAddress", mc_json_str(r->spec, "mac", ""),
		"PrivateDnsName", name, "PrivateIpAddress", ip, "SourceDestCheck",
		mc_json_bool(r->spec, "source_dest_check", true), "Status", attachment ? "in-use" : "available", "SubnetId",
		mc_json_str(r->spec, "subnet", ""), "PrivateIpAddresses", interface_addresses(tx, r, shape), "Ipv6Addresses",
		"VpcId", r->parent));
	view_default(v, "Description", json_string(""));
	if (association)
		json_object_set_new(v, "Association", association);
	if (attachment)
		json_object_set_new(v, "Attachment", attachment);
}

json_t *interface_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "NetworkInterfaceId", "OwnerId"), *tags = json_object_get(v, "Tags");

	json_object_set_new(v, "TagSet", tags ? json_incref(tags) : json_array());
	json_object_del(v, "Tags");
	json_object_set_new(v, "AvailabilityZone", json_string(r->az));
	json_object_set_new(v, "RequesterManaged", json_boolean(mc_json_str(r->spec, "kind", NULL)));
	add_network(call->tx, r, INTERFACE_WHOLE, v);
	return v;
}

json_t *interface_of_instance(struct store_tx *tx, const struct resource *r)
{
	json_t *v = json_pack("{s:s, s:s, s:s}", "Description", mc_json_str(r->doc, "Description", ""), "NetworkInterfaceId", r->id,
			      "OwnerId", r->account);

	add_network(tx, r, INTERFACE_OF_INSTANCE, v);
	return v;
}
