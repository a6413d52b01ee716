/* Actions on elastic addresses. */
#include <string.h>

#include "api/api.h"
#include "api/describe.h"
#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/state.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define POOL "amazon"

/* --- allocate and release -------------------------------------------------- */

static int check_quota(struct call *call)
{
	long n = store_count(call->tx, KIND_ELASTIC_IP, call->caller->account, call->caller->region, NULL);

	return call->api->config.quota_addresses && n >= call->api->config.quota_addresses ? action_fail(call, API_ADDRESS_LIMIT) : 0;
}

static int check_place(struct call *call)
{
	const char *border = mc_json_str(call->in, "NetworkBorderGroup", call->caller->region);
	const char *pool = mc_json_str(call->in, "PublicIpv4Pool", POOL);
	mc_autofree char *text = NULL;

	if (strcmp(mc_json_str(call->in, "Domain", "vpc"), "vpc") != 0)
		return action_fail(call, API_UNSUPPORTED, "Only addresses of the domain 'vpc' are supported.");
	if (json_object_get(call->in, "CustomerOwnedIpv4Pool"))
		return action_fail(call, API_UNSUPPORTED, "Customer-owned pools are not supported by this cloud.");
	if (strcmp(pool, POOL) != 0) {
		text = mc_strf("The pool ID '%s' does not exist", pool);
		return action_fail(call, API_NOT_FOUND, "InvalidPublicIpv4PoolID.NotFound", text);
	}
	if (strcmp(border, call->caller->region) == 0)
		return 0;
	return action_invalid(call, "The network border group '%s' is not one of this region.", border);
}

/* The address asked for, or any free one. Allocated; NULL after action_fail. */
static char *choose(struct call *call)
{
	const char *pool = call->api->config.public_pool, *asked = mc_json_str(call->in, "Address", NULL);
	char *ip;

	if (asked && !address_public_free(call->tx, pool, asked)) {
		mc_autofree char *text = mc_strf("The address '%s' does not exist or is not available.", asked);

		action_fail(call, API_NOT_FOUND, "InvalidAddress.NotFound", text);
		return NULL;
	}
	ip = asked ? mc_strdup(asked) : address_free_public(call->tx, pool);
	if (!ip)
		action_fail(call, API_NO_FREE_ADDRESS);
	return ip;
}

static int allocate_address(struct call *call)
{
	static const char *const types[] = { "elastic-ip", NULL };
	mc_autofree char *ip = NULL;
	struct resource *eip;

	if (action_check_tag_types(call, types) || check_place(call) || check_quota(call))
		return 1;
	ip = choose(call);
	if (!ip)
		return 1;
	eip = store_insert(call->tx, KIND_ELASTIC_IP, call->caller->account, call->caller->region);
	json_object_update_new(eip->doc, json_pack("{s:s, s:s, s:s, s:s}", "PublicIp", ip, "Domain", "vpc", "PublicIpv4Pool", POOL,
						   "NetworkBorderGroup", eip->region));
	if (action_apply_tags(call, "elastic-ip", eip))
		return 1;
	call->out = json_copy(eip->doc);
	json_object_set_new(call->out, "AllocationId", json_string(eip->id));
	return 0;
}

static int release_address(struct call *call)
{
	const struct resource *eip = elastic_address_of_request(call);
	const char *border = mc_json_str(call->in, "NetworkBorderGroup", NULL);

	if (!eip)
		return 1;
	if (border && strcmp(border, eip->region) != 0)
		return action_refuse(call, "InvalidAddress.NotFound", "Address '%s' not found.", mc_json_str(eip->doc, "PublicIp", ""));
	if (mc_json_str(eip->spec, "eni", NULL))
		return action_fail(call, API_ADDRESS_IN_USE, mc_json_str(eip->doc, "PublicIp", ""));
	store_delete(call->tx, eip->id);
	return 0;
}

/* --- associate ------------------------------------------------------------ */

/* The only interface of the instance; NULL after action_fail. */
static const struct resource *interface_of(struct call *call, const char *id)
{
	const struct resource *inst = action_resource(call, KIND_INSTANCE, id);
	mc_autofree char *text = NULL;

	if (!inst)
		return NULL;
	if (inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_STOPPING && inst->state != INSTANCE_STOPPED)
		text = mc_strf("The %s instance '%s' is not in a valid state for this operation.", state_name(inst), id);
	else if (json_array_size(mc_json_arr(inst->spec, "enis")) > 1)
		text = mc_strf("There are multiple interfaces attached to instance '%s'. "
			       "Please specify an interface ID for the operation instead.", id);
	if (!text)
		return interface_primary(call->tx, inst);
	action_fail(call, API_INVALID_INSTANCE, text);
	return NULL;
}

static const struct resource *target_of(struct call *call)
{
	const char *instance = mc_json_str(call->in, "InstanceId", NULL), *eni = mc_json_str(call->in, "NetworkInterfaceId", NULL);
	const struct resource *r = NULL;

	if (instance && eni)
		action_fail(call, API_PARAMETER_COMBINATION, "You may specify an instance ID or a network interface ID, but not both.");
	else if (instance)
		r = interface_of(call, instance);
	else if (eni)
		r = action_resource(call, KIND_NETWORK_INTERFACE, eni);
	else
		action_fail(call, API_MISSING, "Either instance ID or network interface id must be specified");
	if (r && mc_json_str(r->spec, "kind", NULL)) {
		action_fail(call, API_NOT_PERMITTED, "You do not have permission to access the specified resource.");
		return NULL;
	}
	return r;
}

static int check_gateway(struct call *call, const char *vpc)
{
	struct store_iter it = store_iter(call->tx, KIND_INTERNET_GATEWAY, call->caller->account, call->caller->region);
	const struct resource *igw;

	while ((igw = store_next(&it)))
		if (igw->parent && strcmp(igw->parent, vpc) == 0)
			return 0;
	return action_fail(call, API_NO_GATEWAY, vpc);
}

/* With AllowReassociation=false nothing that leads somewhere is led elsewhere. */
static int check_reassociation(struct call *call, const struct resource *eip, const json_t *slot)
{
	const struct resource *other = store_get(call->tx, mc_json_str(slot, "allocation", NULL));
	const struct resource *taken = mc_json_str(eip->spec, "eni", NULL) ? eip : other;
	const struct resource *eni = store_get(call->tx, mc_json_str(eip->spec, "eni", NULL));

	if (eni && mc_json_str(eni->spec, "kind", NULL))
		return action_fail(call, API_ADDRESS_ASSOCIATED, eip->id, mc_json_str(eip->spec, "association", ""));
	if (!taken || mc_json_bool(call->in, "AllowReassociation", true))
		return 0;
	return action_fail(call, API_ADDRESS_ASSOCIATED, taken->id, mc_json_str(taken->spec, "association", ""));
}

/* EC2 User Guide, "Public IPv4 addresses": an instance that an elastic address leads to no more
 * gets a new one, where it was lent one before. eni may be NULL. */
static int lend_after(struct call *call, const struct resource *eni)
{
	const struct resource *inst = eni ? store_get(call->tx, mc_json_str(eni->spec, "instance", NULL)) : NULL;

	if (!inst || (inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_PENDING))
		return 0;
	return interface_lend_again(call, inst);
}

/* Whom it led to before, if that is another interface, is lent one again. */
static int bind(struct call *call, const struct resource *eip, const struct resource *eni, const char *ip)
{
	mc_autofree char *former = mc_strdup(mc_json_str(eip->spec, "eni", NULL));

	elastic_address_bind(call, eip->id, eni, ip);
	return former ? lend_after(call, store_get(call->tx, former)) : 0;
}

static int associate_address(struct call *call)
{
	const struct resource *eip = elastic_address_of_request(call), *eni = eip ? target_of(call) : NULL;
	const char *ip = mc_json_str(call->in, "PrivateIpAddress", NULL);
	const json_t *slot = eni ? interface_slot_of(eni, ip) : NULL;

	if (!eni)
		return 1;
	if (!slot) {
		return action_invalid(call, "The private IP address %s is not assigned to the network interface %s.", ip, eni->id);
	}
	if (strcmp(mc_json_str(slot, "allocation", ""), eip->id) == 0) {
		interface_change(call, store_edit(call->tx, eni->id)); /* a retry joins the wait */
	} else {
		if (check_gateway(call, eni->parent) || check_reassociation(call, eip, slot) ||
		    bind(call, eip, eni, mc_json_str(slot, "ip", "")))
			return 1;
	}
	eip = store_get(call->tx, eip->id);
	call->out = json_pack("{s:O}", "AssociationId", json_object_get(eip->spec, "association"));
	return 0;
}

/* --- disassociate --------------------------------------------------------- */

static const struct resource *by_association(struct call *call, const char *association)
{
	struct store_iter it = store_iter(call->tx, KIND_ELASTIC_IP, call->caller->account, call->caller->region);
	const struct resource *eip;
	mc_autofree char *text = NULL;

	while ((eip = store_next(&it)))
		if (strcmp(mc_json_str(eip->spec, "association", ""), association) == 0)
			return eip;
	text = mc_strf("The association ID '%s' does not exist", association);
	action_fail(call, API_NOT_FOUND, "InvalidAssociationID.NotFound", text);
	return NULL;
}

static int disassociate_address(struct call *call)
{
	const char *association = mc_json_str(call->in, "AssociationId", NULL), *ip = mc_json_str(call->in, "PublicIp", NULL);
	const struct resource *eip, *eni;
	char vpc[MC_ID_LEN];
	int64_t generation;

	if (association && ip)
		return action_fail(call, API_PARAMETER_COMBINATION, "You may specify public IP or association id, but not both in the same call");
	if (!association && !ip)
		return action_fail(call, API_MISSING, "Either public IP or association id must be specified");
	eip = association ? by_association(call, association) : elastic_address_of_request(call);
	if (!eip)
		return 1;
	eni = store_get(call->tx, mc_json_str(eip->spec, "eni", NULL));
	if (eni && mc_json_str(eni->spec, "kind", NULL))
		return action_fail(call, API_NOT_FOUND, "AuthFailure", "You do not have permission to access the specified resource.");
	generation = elastic_address_unbind(call->tx, eip->id, vpc);
	if (generation)
		action_wait(call, vpc, generation);
	return lend_after(call, eni);
}

/* --- describe ------------------------------------------------------------- */

static const struct filter address_filters[] = {
	{ "allocation-id", "AllocationId" },
	{ "association-id", "AssociationId" },
	{ "domain", "Domain" },
	{ "instance-id", "InstanceId" },
	{ "network-border-group", "NetworkBorderGroup" },
	{ "network-interface-id", "NetworkInterfaceId" },
	{ "network-interface-owner-id", "NetworkInterfaceOwnerId" },
	{ "private-ip-address", "PrivateIpAddress" },
	{ "public-ip", "PublicIp" },
	{ 0 },
};

static json_t *address_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "AllocationId", NULL);
	const struct resource *eni = store_get(call->tx, mc_json_str(r->spec, "eni", NULL));

	if (!eni)
		return v;
	json_object_set(v, "AssociationId", json_object_get(r->spec, "association"));
	json_object_set(v, "PrivateIpAddress", json_object_get(r->spec, "private_ip"));
	json_object_set_new(v, "NetworkInterfaceId", json_string(eni->id));
	json_object_set_new(v, "NetworkInterfaceOwnerId", json_string(eni->account));
	if (interface_attached(eni))
		json_object_set(v, "InstanceId", json_object_get(eni->spec, "instance"));
	return v;
}

static int describe_addresses(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_ELASTIC_IP, .list = "Addresses", .ids = "AllocationIds", .names = "PublicIps", .name_member = "PublicIp",
		.name_not_found = "InvalidAddress.NotFound", .filters = address_filters, .view = address_view,
	};

	return describe_run(call, &d);
}

/* --- the name of an address ----------------------------------------------- */

/* What its owner calls it. The Internet's DNS is not ours: it is kept and shown. */
static json_t *attribute_view(struct call *call, const struct resource *r)
{
	json_t *v = json_pack("{s:O, s:s}", "PublicIp", json_object_get(r->doc, "PublicIp"), "AllocationId", r->id);
	const char *name = mc_json_str(r->spec, "ptr", NULL);

	(void)call;
	if (name)
		json_object_set_new(v, "PtrRecord", json_string(name));
	return v;
}

/* Only those that have a name are listed: Terraform waits for a name that it took away to be gone from the list. */
static json_t *named_view(struct call *call, const struct resource *r)
{
	return mc_json_str(r->spec, "ptr", NULL) ? attribute_view(call, r) : NULL;
}

static int describe_addresses_attribute(struct call *call)
{
	static const struct filter none[] = { { 0 } };
	static const struct describe d = {
		.kind = KIND_ELASTIC_IP, .list = "Addresses", .ids = "AllocationIds", .filters = none, .view = named_view,
		.page_min = 1, .page_max = 1000,
	};

	return describe_run(call, &d);
}

static int set_name(struct call *call, const char *name)
{
	const struct resource *found = action_resource(call, KIND_ELASTIC_IP, mc_json_str(call->in, "AllocationId", NULL));
	struct resource *eip;

	if (!found)
		return 1;
	eip = store_edit(call->tx, found->id);
	if (name)
		json_object_set_new(eip->spec, "ptr", json_string(name));
	else
		json_object_del(eip->spec, "ptr");
	call->out = json_pack("{s:o}", "Address", attribute_view(call, eip));
	return 0;
}

static int modify_address_attribute(struct call *call)
{
	const char *name = mc_json_str(call->in, "DomainName", NULL);
	mc_autofree char *plain = name ? strndup(name, strlen(name) - (*name && name[strlen(name) - 1] == '.')) : NULL;
	mc_autofree char *full = plain ? mc_strf("%s.", plain) : NULL;

	if (!name)
		return action_fail(call, API_MISSING_PARAMETER, "DomainName");
	if (!mc_check_hostname(plain))
		return action_invalid(call, "The domain name is not valid.");
	return set_name(call, full);
}

static int reset_address_attribute(struct call *call)
{
	return set_name(call, NULL);
}

const struct action actions_address[] = {
	{ .service = "ec2", .name = "AllocateAddress", .fn = allocate_address, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ReleaseAddress", .fn = release_address, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AssociateAddress", .fn = associate_address, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisassociateAddress", .fn = disassociate_address, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeAddresses", .fn = describe_addresses },
	{ .service = "ec2", .name = "DescribeAddressesAttribute", .fn = describe_addresses_attribute },
	{ .service = "ec2", .name = "ModifyAddressAttribute", .fn = modify_address_attribute, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ResetAddressAttribute", .fn = reset_address_attribute, .flags = ACTION_WRITE },
	{ 0 },
};
