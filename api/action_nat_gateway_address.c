/* The secondary addresses of NAT gateways. A public one gets elastic addresses, each on a private address of its
 * own; a private one private addresses alone (VPC User Guide, "Work with NAT gateways"). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/nat_gateway.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define ADDRESSES_MAX 8 /* of any kind, the first one included: "Amazon VPC quotas" */
#define DRAIN_S 350     /* where the request does not say */

bool nat_gateway_is_public(const struct resource *nat)
{
	return strcmp(mc_json_str(nat->doc, "ConnectivityType", "public"), "public") == 0;
}

/* --- shown ---------------------------------------------------------------- */

/* Of a secondary one: the primary one's slot is the interface's whole spec. */
static const char *status_of(const struct resource *nat, const json_t *slot)
{
	bool is_public = nat_gateway_is_public(nat);

	if (json_object_get(slot, "until"))
		return is_public ? "disassociating" : "unassigning";
	if (json_object_get(slot, "generation"))
		return is_public ? "associating" : "assigning";
	return "succeeded";
}

static json_t *address_view(struct store_tx *tx, const struct resource *nat, const struct resource *eni, size_t i)
{
	const json_t *slot = interface_slot(eni, i);
	const struct resource *eip = store_get(tx, mc_json_str(slot, "allocation", NULL));

	return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b, s:s}", "NetworkInterfaceId", eni->id, "PrivateIp",
			 mc_json_str(slot, "ip", ""), "PublicIp", mc_json_str(slot, "public_ip", NULL), "AllocationId",
			 eip ? eip->id : NULL, "AssociationId", eip ? mc_json_str(eip->spec, "association", NULL) : NULL, "IsPrimary", i == 0,
			 "Status", i == 0 ? "succeeded" : status_of(nat, slot));
}

json_t *nat_gateway_addresses(struct store_tx *tx, const struct resource *nat)
{
	const struct resource *eni = store_get(tx, mc_json_str(nat->spec, "eni", NULL));
	json_t *kept = mc_json_arr(nat->spec, "addresses"), *list;

	if (!eni)
		return kept ? json_incref(kept) : json_array();
	list = json_array();
	for (size_t i = 0; i < interface_slots(eni); i++)
		json_array_append_new(list, address_view(tx, nat, eni, i));
	return list;
}

/* Its owner looks on while it comes about: shown is what comes or goes, which is what was asked for, since there is
 * one change at a time. */
static int answer(struct call *call, struct resource *nat)
{
	mc_auto_json json_t *all = nat_gateway_addresses(call->tx, nat);
	json_t *changing = json_array(), *one;
	size_t i;

	json_array_foreach(all, i, one)
		if (!mc_json_bool(one, "IsPrimary", false) && strcmp(mc_json_str(one, "Status", ""), "succeeded") != 0)
			json_array_append(changing, one);
	json_decref(call->waits);
	call->waits = NULL;
	call->out = json_pack("{s:s, s:o}", "NatGatewayId", nat->id, "NatGatewayAddresses", changing);
	return 0;
}

/* --- more ------------------------------------------------------------------ */

/* One more slot, on this private address or any (NULL), and the elastic address that leads there (NULL: none). */
static int add_slot(struct call *call, struct resource *eni, const char *ip, const struct resource *eip)
{
	const struct resource *subnet = store_get(call->tx, mc_json_str(eni->spec, "subnet", ""));
	json_t *slot;

	if ((ip && interface_check_secondary(call, subnet, ip)) || interface_add_secondary(call, eni, ip))
		return 1;
	slot = interface_slot(eni, interface_slots(eni) - 1);
	if (eip)
		elastic_address_bind(call, eip->id, eni, mc_json_str(slot, "ip", ""));
	json_object_set_new(slot, "generation", json_integer(interface_touch(call->tx, eni)));
	return 0;
}

static int check_count(struct call *call, size_t n, bool is_public)
{
	size_t max = is_public && call->api->config.quota_nat_addresses ? (size_t)call->api->config.quota_nat_addresses : ADDRESSES_MAX;

	if (n <= max)
		return 0;
	return is_public ? action_fail(call, API_ADDRESS_LIMIT) : action_fail(call, API_ADDRESSES_PER_INTERFACE_LIMIT);
}

static bool names_twice(const json_t *list)
{
	mc_auto_json json_t *seen = json_object();
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		json_object_set_new(seen, json_string_value(one), json_true());
	return json_object_size(seen) != json_array_size(list);
}

/* The elastic address, free to be bound; NULL after action_fail. */
static const struct resource *free_address(struct call *call, const char *allocation)
{
	const struct resource *eip = action_resource(call, KIND_ELASTIC_IP, allocation);

	if (!eip || !mc_json_str(eip->spec, "eni", NULL))
		return eip;
	action_fail(call, API_ADDRESS_ASSOCIATED, eip->id, mc_json_str(eip->spec, "association", ""));
	return NULL;
}

/* ips may be shorter than allocations: the others are any. */
static int add_public(struct call *call, struct resource *eni, const json_t *allocations, const json_t *ips)
{
	size_t n = json_array_size(allocations);

	if (json_array_size(ips) > n)
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "There must be as many Elastic IP addresses as there are private IP addresses.");
	if (names_twice(allocations))
		return action_invalid(call, "The same Elastic IP address may not be specified twice.");
	if (check_count(call, interface_slots(eni) + n, true))
		return 1;
	for (size_t i = 0; i < n; i++) {
		const struct resource *eip = free_address(call, mc_json_at(allocations, i));

		if (!eip || add_slot(call, eni, i < json_array_size(ips) ? mc_json_at(ips, i) : NULL, eip))
			return 1;
	}
	return 0;
}

static int add_private(struct call *call, struct resource *eni, const json_t *ips, int64_t more)
{
	size_t n = json_array_size(ips);

	if (n && more)
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "The number of private IP addresses may not be specified along with private IP addresses.");
	if (check_count(call, interface_slots(eni) + n + (size_t)more, false))
		return 1;
	for (size_t i = 0; i < n; i++)
		if (add_slot(call, eni, mc_json_at(ips, i), NULL))
			return 1;
	for (int64_t i = 0; i < more; i++)
		if (add_slot(call, eni, NULL, NULL))
			return 1;
	return 0;
}

int nat_gateway_add_secondary(struct call *call, const struct resource *nat, struct resource *eni)
{
	const json_t *allocations = mc_json_arr(call->in, "SecondaryAllocationIds"), *ips = mc_json_arr(call->in, "SecondaryPrivateIpAddresses");
	int64_t more = mc_json_int(call->in, "SecondaryPrivateIpAddressCount", 0);

	if (nat_gateway_is_public(nat))
		return more ? action_fail(call, API_PARAMETER_COMBINATION,
					  "The SecondaryPrivateIpAddressCount parameter cannot be specified for a public NAT gateway.")
			    : add_public(call, eni, allocations, ips);
	if (allocations)
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "The SecondaryAllocationIds parameter cannot be specified for a private NAT gateway.");
	return add_private(call, eni, ips, more);
}

/* --- what may be changed --------------------------------------------------- */

/* The NAT gateway of the request, which is of this kind and there; NULL after action_fail. */
static const struct resource *nat_of_request(struct call *call, bool is_public)
{
	const struct resource *nat = action_resource(call, KIND_NAT_GATEWAY, mc_json_str(call->in, "NatGatewayId", NULL));
	mc_autofree char *text = NULL;

	if (!nat)
		return NULL;
	if (nat_gateway_is_public(nat) != is_public) {
		action_invalid(call, "The NAT gateway %s is not a %s NAT gateway.", nat->id, is_public ? "public" : "private");
		return NULL;
	}
	if (nat->state == NAT_GATEWAY_AVAILABLE && store_get(call->tx, mc_json_str(nat->spec, "eni", NULL)))
		return nat;
	text = mc_strf("The NAT gateway %s is not in the state 'available'.", nat->id);
	action_fail(call, API_INCORRECT_STATE, text);
	return NULL;
}

/* One change at a time: 0 where none is under way, else action_fail. */
static int check_idle(struct call *call, const struct resource *nat, const struct resource *eni)
{
	char status[24];

	for (size_t i = 1; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);

		snprintf(status, sizeof(status), "%s", status_of(nat, slot));
		if (strcmp(status, "succeeded") == 0)
			continue;
		for (char *c = status; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		return action_refuse(call, "OperationInProgress", "Service is currently %s the following %s: [%s].", status,
				     nat_gateway_is_public(nat) ? "EIPs" : "IPs",
				     mc_json_str(slot, "allocation", mc_json_str(slot, "ip", "")));
	}
	return 0;
}

/* The secondary slot whose member is this; NULL for none. */
static json_t *slot_by(const struct resource *eni, const char *member, const char *value)
{
	for (size_t i = 1; i < interface_slots(eni); i++)
		if (strcmp(mc_json_str(interface_slot(eni, i), member, ""), value) == 0)
			return interface_slot(eni, i);
	return NULL;
}

/* Has it all of these already, or are they on their way? A request that is repeated is no failure. */
static bool has_all(const struct resource *eni, const char *member, const json_t *values)
{
	json_t *one;
	size_t i;

	json_array_foreach(values, i, one) {
		const json_t *slot = slot_by(eni, member, json_string_value(one));

		if (!slot || json_object_get(slot, "until"))
			return false;
	}
	return json_array_size(values) > 0;
}

/* --- actions --------------------------------------------------------------- */

static int associate(struct call *call)
{
	const struct resource *nat = nat_of_request(call, true), *eni;
	const json_t *allocations = mc_json_arr(call->in, "AllocationIds");

	if (!nat)
		return 1;
	eni = store_get(call->tx, mc_json_str(nat->spec, "eni", NULL));
	if (has_all(eni, "allocation", allocations))
		return answer(call, store_edit(call->tx, nat->id));
	if (check_idle(call, nat, eni) ||
	    add_public(call, store_edit(call->tx, eni->id), allocations, mc_json_arr(call->in, "PrivateIpAddresses")))
		return 1;
	return answer(call, store_edit(call->tx, nat->id));
}

static int assign(struct call *call)
{
	const struct resource *nat = nat_of_request(call, false), *eni;
	const json_t *ips = mc_json_arr(call->in, "PrivateIpAddresses");
	int64_t more = mc_json_int(call->in, "PrivateIpAddressCount", 0);

	if (!nat)
		return 1;
	if (!json_array_size(ips) && !more)
		return action_fail(call, API_MISSING_PARAMETER, "privateIpAddresses or privateIpAddressCount");
	eni = store_get(call->tx, mc_json_str(nat->spec, "eni", NULL));
	if (!more && has_all(eni, "ip", ips))
		return answer(call, store_edit(call->tx, nat->id));
	if (check_idle(call, nat, eni) || add_private(call, store_edit(call->tx, eni->id), ips, more))
		return 1;
	return answer(call, store_edit(call->tx, nat->id));
}

/* The private address that an association leads to; allocated, NULL after action_fail. */
static char *ip_of_association(struct call *call, const struct resource *eni, const char *association)
{
	for (size_t i = 0; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);
		const struct resource *eip = store_get(call->tx, mc_json_str(slot, "allocation", NULL));

		if (eip && strcmp(mc_json_str(eip->spec, "association", ""), association) == 0)
			return mc_strdup(mc_json_str(slot, "ip", NULL));
	}
	action_fail(call, API_ASSOCIATION_NOT_FOUND, association);
	return NULL;
}

/* The slot that is to go; NULL after action_fail. */
static json_t *leaving_slot(struct call *call, struct resource *eni, const char *ip)
{
	json_t *slot = slot_by(eni, "ip", ip);

	if (!slot && strcmp(mc_json_str(eni->spec, "ip", ""), ip) == 0)
		action_invalid(call, "The primary address %s of a NAT gateway cannot be taken from it.", ip);
	else if (!slot)
		action_invalid(call, "The NAT gateway does not have the private IP address %s.", ip);
	return slot;
}

/* Let the slots of these private addresses drain. Those that do already go on as they are. */
static int drain(struct call *call, const struct resource *nat, const json_t *ips)
{
	struct resource *eni = store_edit(call->tx, mc_json_str(nat->spec, "eni", NULL));
	int64_t until = mc_clock_wall() + mc_json_int(call->in, "MaxDrainDurationSeconds", DRAIN_S) * MC_SECOND;
	bool fresh = false;
	json_t *one, *slot;
	size_t i;

	json_array_foreach(ips, i, one) {
		slot = leaving_slot(call, eni, json_string_value(one));
		if (!slot)
			return 1;
		fresh = fresh || !json_object_get(slot, "until");
	}
	if (!fresh)
		return answer(call, store_edit(call->tx, nat->id));
	if (check_idle(call, nat, eni))
		return 1;
	json_array_foreach(ips, i, one) {
		slot = slot_by(eni, "ip", json_string_value(one));
		json_object_set_new(slot, "until", json_integer(until));
		json_object_set_new(slot, "generation", json_integer(interface_touch(call->tx, eni)));
	}
	return answer(call, store_edit(call->tx, nat->id));
}

static int disassociate(struct call *call)
{
	const struct resource *nat = nat_of_request(call, true), *eni;
	mc_auto_json json_t *ips = json_array();
	json_t *one;
	size_t i;

	if (!nat)
		return 1;
	eni = store_get(call->tx, mc_json_str(nat->spec, "eni", NULL));
	json_array_foreach(mc_json_arr(call->in, "AssociationIds"), i, one) {
		mc_autofree char *ip = ip_of_association(call, eni, json_string_value(one));

		if (!ip)
			return 1;
		json_array_append_new(ips, json_string(ip));
	}
	return drain(call, nat, ips);
}

static int unassign(struct call *call)
{
	const struct resource *nat = nat_of_request(call, false);

	return nat ? drain(call, nat, mc_json_arr(call->in, "PrivateIpAddresses")) : 1;
}

const struct action actions_nat_gateway_address[] = {
	{ .service = "ec2", .name = "AssociateNatGatewayAddress", .fn = associate, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisassociateNatGatewayAddress", .fn = disassociate, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AssignPrivateNatGatewayAddress", .fn = assign, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "UnassignPrivateNatGatewayAddress", .fn = unassign, .flags = ACTION_WRITE },
	{ 0 },
};
