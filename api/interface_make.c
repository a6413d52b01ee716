/* Interfaces made, changed and deleted. */
#include <string.h>

#include "api/api.h"
#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/security_group.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define GROUPS_PER_INTERFACE 5
#define ADDRESSES_PER_INTERFACE 50 /* the most of any type: EC2 User Guide, "IP addresses per network interface" */

/* --- what requests say ---------------------------------------------------- */

int interface_check_address(struct call *call, const struct resource *subnet, const char *ip)
{

	switch (address_check_private(call->tx, subnet, ip)) {
	case ADDRESS_FREE:
		return 0;
	case ADDRESS_MALFORMED:
		return action_invalid(call, "invalid value for parameter address: [%s]", ip);
	case ADDRESS_OUTSIDE:
		return action_invalid(call, "Address does not fall within the subnet's address range");
	case ADDRESS_RESERVED:
		return action_invalid(call, "Address is in subnet's reserved address range");
	case ADDRESS_TAKEN:
		break;
	}
	return action_fail(call, API_ADDRESS_IN_USE, ip);
}

int interface_check_secondary(struct call *call, const struct resource *subnet, const char *ip)
{
	if (address_check_private(call->tx, subnet, ip) == ADDRESS_TAKEN)
		return action_fail(call, API_ADDRESS_ASSIGNED, ip);
	return interface_check_address(call, subnet, ip);
}

static int add_group(struct call *call, const char *vpc, const char *id, json_t *groups)
{
	const struct resource *g = action_resource(call, KIND_SECURITY_GROUP, id);

	if (!g)
		return 1;
	if (strcmp(g->parent, vpc) != 0)
		return action_refuse(call, kind_info(KIND_SECURITY_GROUP)->not_found, "You have specified two resources that belong to different networks.");
	if (!mc_json_has_str(groups, id))
		json_array_append_new(groups, json_string(id));
	return 0;
}

int interface_read_groups(struct call *call, const json_t *ids, const char *vpc, json_t **ret)
{
	mc_auto_json json_t *groups = json_array();
	const struct resource *standard;
	size_t i;
	json_t *id;

	json_array_foreach(ids, i, id)
		if (add_group(call, vpc, json_is_string(id) ? json_string_value(id) : "", groups))
			return 1;
	standard = json_array_size(groups) == 0 ? security_group_by_name(call, vpc, "default") : NULL;
	if (standard)
		json_array_append_new(groups, json_string(standard->id));
	if (json_array_size(groups) > GROUPS_PER_INTERFACE)
		return action_fail(call, API_GROUPS_PER_INTERFACE_LIMIT);
	*ret = MC_STEAL(groups);
	return 0;
}

/* What AWS has and this cloud not: refused by its name. */
static int check_unbuilt(struct call *call, const json_t *in)
{
	static const char *const members[] = {
		"Ipv6AddressCount", "Ipv6Addresses", "Ipv6Prefixes", "Ipv6PrefixCount", "PrimaryIpv6", "EnablePrimaryIpv6", "Ipv4Prefixes", "Ipv4PrefixCount",
		"EnaSrdSpecification", "ConnectionTrackingSpecification", "AssociateCarrierIpAddress",
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++) {
		const json_t *value = json_object_get(in, members[i]);
		mc_autofree char *text = NULL;

		if (!value || json_is_false(value) || (json_is_array(value) && json_array_size(value) == 0) ||
		    (json_is_integer(value) && json_integer_value(value) == 0))
			continue;
		text = mc_strf("%s is not supported by this cloud: interfaces have IPv4 addresses, one by one.", members[i]);
		return action_fail(call, API_UNSUPPORTED, text);
	}
	return 0;
}

static int check_limit(struct call *call, size_t n, int64_t limit)
{
	return n > (size_t)limit ? action_fail(call, API_ADDRESSES_PER_INTERFACE_LIMIT) : 0;
}

int interface_check_count(struct call *call, const struct resource *eni, size_t n)
{
	const struct resource *inst = store_get(call->tx, mc_json_str(eni->spec, "instance", NULL));

	return check_limit(call, n, inst ? interface_type_limit(call->api, mc_json_str(inst->doc, "InstanceType", ""),
								"Ipv4AddressesPerInterface") : ADDRESSES_PER_INTERFACE);
}

int64_t interface_type_limit(const struct api *api, const char *type, const char *member)
{
	const json_t *doc = mc_json_obj(json_object_get(api->types, type), "doc");

	return mc_json_int(mc_json_obj(doc, "NetworkInfo"), member, 1);
}

static int plan_address(struct call *call, struct interface_plan *p, const char *ip, bool primary)
{
	if (!ip || !*ip)
		return 0;
	if (interface_check_address(call, p->subnet, ip))
		return 1;
	if (mc_json_has_str(p->secondary, ip) || (p->primary && strcmp(p->primary, ip) == 0))
		return action_invalid(call, "The same private IP address must not appear more than once.");
	if (primary && p->primary)
		return action_fail(call, API_PARAMETER_COMBINATION, "Only one primary private IP address can be specified.");
	if (primary)
		p->primary = ip;
	else
		json_array_append_new(p->secondary, json_string(ip));
	return 0;
}

static int read_addresses(struct call *call, const json_t *in, struct interface_plan *p)
{
	json_t *one;
	size_t i;

	p->secondary = json_array();
	p->more = mc_json_int(in, "SecondaryPrivateIpAddressCount", 0);
	if (plan_address(call, p, mc_json_str(in, "PrivateIpAddress", NULL), true))
		return 1;
	json_array_foreach(mc_json_arr(in, "PrivateIpAddresses"), i, one)
		if (plan_address(call, p, mc_json_str(one, "PrivateIpAddress", NULL), mc_json_bool(one, "Primary", false)))
			return 1;
	if (p->more && json_array_size(p->secondary))
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "The parameters secondaryPrivateIpAddressCount and privateIpAddresses cannot be used together.");
	if (p->more < 0)
		return action_invalid(call, "secondaryPrivateIpAddressCount must not be negative.");
	return check_limit(call, 1 + (size_t)p->more + json_array_size(p->secondary), ADDRESSES_PER_INTERFACE);
}

int interface_plan_read(struct call *call, const json_t *in, const struct resource *subnet, struct interface_plan *ret)
{
	struct interface_plan p = { .subnet = subnet, .description = mc_json_str(in, "Description", "") };
	const char *type = mc_json_str(in, "InterfaceType", "interface");
	int failed = 0;

	if (strcmp(type, "interface") != 0)
		return action_fail(call, API_UNSUPPORTED, "Only interfaces of the type 'interface' are supported by this cloud.");
	failed = check_unbuilt(call, in) || read_addresses(call, in, &p) ||
		 interface_read_groups(call, mc_json_arr(in, "Groups"), subnet->parent, &p.groups);
	if (failed)
		interface_plan_deinit(&p);
	else
		*ret = p;
	return failed;
}

void interface_plan_deinit(struct interface_plan *p)
{
	json_decref(p->groups);
	json_decref(p->secondary);
	p->groups = p->secondary = NULL;
}

/* --- making --------------------------------------------------------------- */

/* One more address, this or any free one. */
int interface_add_secondary(struct call *call, struct resource *eni, const char *ip)
{
	const struct resource *subnet = store_get(call->tx, mc_json_str(eni->spec, "subnet", ""));
	mc_autofree char *given = ip ? mc_strdup(ip) : address_free_private(call->tx, subnet);
	json_t *list = mc_json_arr(eni->spec, "secondary");

	if (!given)
		return action_fail(call, API_INSUFFICIENT_ADDRESSES, subnet->id);
	if (!list) {
		list = json_array();
		json_object_set_new(eni->spec, "secondary", list);
	}
	json_array_append_new(list, json_pack("{s:s}", "ip", given));
	return 0;
}

struct resource *interface_insert(struct call *call, const struct interface_plan *p)
{
	struct resource *eni = store_insert(call->tx, KIND_NETWORK_INTERFACE, call->caller->account, call->caller->region);
	char mac[MC_MAC_LEN];
	json_t *one;
	size_t i;

	mc_id_mac(eni->id, mac);
	eni->parent = mc_strdup(p->subnet->parent);
	eni->az = mc_strdup(p->subnet->az);
	eni->host = mc_strdup("local");
	json_object_set_new(eni->doc, "Description", json_string(p->description));
	json_object_update_new(eni->spec, json_pack("{s:s, s:s, s:O, s:s, s:b}", "ip", p->primary ? p->primary : "", "mac", mac,
						    "groups", p->groups, "subnet", p->subnet->id, "source_dest_check", 1));
	json_array_foreach(p->secondary, i, one)
		if (interface_add_secondary(call, eni, json_string_value(one)))
			return NULL;
	return eni;
}

int interface_fill(struct call *call, struct resource *eni, const struct interface_plan *p)
{
	mc_autofree char *ip = p->primary ? mc_strdup(p->primary) : address_free_private(call->tx, p->subnet);

	if (!ip)
		return action_fail(call, API_INSUFFICIENT_ADDRESSES, p->subnet->id);
	json_object_set_new(eni->spec, "ip", json_string(ip));
	for (int64_t n = 0; n < p->more; n++)
		if (interface_add_secondary(call, eni, NULL))
			return 1;
	return 0;
}

/* --- changing ------------------------------------------------------------- */

/* Does netd know it? */
static bool interface_known(const struct resource *eni)
{
	return interface_attached(eni) || mc_json_str(eni->spec, "kind", NULL);
}

int64_t interface_touch(struct store_tx *tx, struct resource *eni)
{
	int64_t generation = interface_known(eni) ? vpc_touch(tx, eni->parent) : 0;

	if (generation)
		json_object_set_new(eni->spec, "generation", json_integer(generation));
	return generation;
}

void interface_change(struct call *call, struct resource *eni)
{
	if (interface_known(eni))
		json_object_set_new(eni->spec, "generation", json_integer(vpc_change(call, eni->parent)));
}

void interface_remove_secondary(struct call *call, struct resource *eni, const char *ip)
{
	json_t *list = mc_json_arr(eni->spec, "secondary"), *slot;
	size_t i;

	elastic_address_unbind(call->tx, mc_json_str(interface_slot_of(eni, ip), "allocation", NULL), NULL);
	json_array_foreach(list, i, slot) {
		if (strcmp(mc_json_str(slot, "ip", ""), ip) != 0)
			continue;
		json_array_remove(list, i);
		break;
	}
	interface_change(call, eni);
}

void interface_delete(struct store_tx *tx, const char *id)
{
	struct resource *eni = store_edit(tx, id);

	if (!eni)
		return;
	for (size_t i = 0; i < interface_slots(eni); i++)
		elastic_address_unbind(tx, mc_json_str(interface_slot(eni, i), "allocation", NULL), NULL);
	interface_touch(tx, eni);
	store_delete(tx, id);
}

/* --- lent public addresses ------------------------------------------------ */

int interface_lend(struct call *call, struct resource *eni)
{
	mc_autofree char *ip = address_free_public(call->tx, call->api->config.public_pool);

	if (!ip)
		return action_fail(call, API_NO_FREE_ADDRESS);
	json_object_set_new(eni->spec, "public_ip", json_string(ip));
	return 0;
}

/* EC2 User Guide, "Public IPv4 addresses": only the single interface of an instance is
 * lent one again, and not while an elastic address leads to another of its addresses. */
int interface_lend_again(struct call *call, const struct resource *instance)
{
	const struct resource *found = interface_primary(call->tx, instance);
	struct resource *eni;

	if (!found || json_array_size(mc_json_arr(instance->spec, "enis")) != 1 || !mc_json_bool(found->spec, "auto_public", false))
		return 0;
	for (size_t i = 0; i < interface_slots(found); i++)
		if (mc_json_str(interface_slot(found, i), "public_ip", NULL))
			return 0;
	eni = store_edit(call->tx, found->id);
	if (interface_lend(call, eni))
		return 1;
	interface_touch(call->tx, eni);
	return 0;
}

void interface_take_back(struct store_tx *tx, const struct resource *instance)
{
	json_t *id;
	size_t i;

	json_array_foreach(mc_json_arr(instance->spec, "enis"), i, id) {
		const struct resource *found = store_get(tx, json_string_value(id));
		struct resource *eni;

		if (!found || !mc_json_str(found->spec, "public_ip", NULL) || mc_json_str(found->spec, "allocation", NULL))
			continue;
		eni = store_edit(tx, found->id);
		json_object_del(eni->spec, "public_ip");
		interface_touch(tx, eni);
	}
}
