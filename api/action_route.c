/* The routes of a route table: created, replaced, deleted. */
#include <string.h>

#include "api/action.h"
#include "api/cidr.h"
#include "api/gateway_endpoint.h"
#include "api/peering.h"
#include "api/pending.h"
#include "api/prefix_list.h"
#include "api/route_table.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- destinations ------------------------------------------------------------- */

/* What a route is known by within its table. */
struct destination {
	const char *member; /* of the route: "DestinationCidrBlock" */
	const char *filter; /* how messages call it: "destination-cidr-block" */
	char *value;        /* canonical, owned */
	struct cidr cidr;
};

/* VPC User Guide, "Route table concepts": the range of AWS's own link-local services. */
static const struct cidr service_range = { 0xa9fea800, 22 };

static int check_destination(struct call *call, const char *text, struct cidr cidr)
{
	if (cidr_overlaps(service_range, cidr) && cidr.bits >= service_range.bits)
		return action_invalid(call, "The destination CIDR block %s is reserved and cannot be used in a route", text);
	return 0;
}

static int read_block(struct call *call, const char *text, struct destination *ret)
{
	struct cidr cidr;

	if (!cidr_parse(text, &cidr))
		return action_invalid(call, "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.",
				      text);
	if (check_destination(call, text, cidr))
		return 1;
	*ret = (struct destination){ "DestinationCidrBlock", "destination-cidr-block", cidr_text(cidr), cidr };
	return 0;
}

static int read_prefix_list(struct call *call, const char *id, struct destination *ret)
{
	if (!action_resource(call, KIND_PREFIX_LIST, id))
		return 1;
	*ret = (struct destination){ "DestinationPrefixListId", "destination-prefix-list-id", mc_strdup(id), { 0, 0 } };
	return 0;
}

static int read_destination(struct call *call, struct destination *ret)
{
	static const char *const unbuilt[] = { "DestinationIpv6CidrBlock", NULL };
	const char *text = action_text(call, "DestinationCidrBlock"), *list = action_text(call, "DestinationPrefixListId");

	if (action_refuse_members(call, unbuilt, "it has IPv4 only"))
		return 1;
	if (text && list)
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "The parameters destinationCidrBlock and destinationPrefixListId cannot be used together");
	if (list)
		return read_prefix_list(call, list, ret);
	return text ? read_block(call, text, ret) : action_fail(call, API_MISSING_PARAMETER, "destinationCidrBlock");
}

/* The place of the route in the table's own routes, -1: there is none. */
static int place_of(const struct resource *table, const struct destination *d)
{
	return route_table_place(table, d->member, d->value);
}

/* Is it one of the local routes, which come and go with the VPC's blocks? */
static bool is_local(struct call *call, const struct resource *table, const struct destination *d)
{
	const struct resource *vpc = store_get(call->tx, table->parent);
	mc_auto_json json_t *cidrs = vpc ? vpc_cidrs(vpc) : NULL;

	return mc_json_has_str(cidrs, d->value);
}

/* How many routes it counts for. */
static int64_t weight_of(struct call *call, const struct destination *d)
{
	return strchr(d->value, '/') ? 1 : prefix_list_weight(call->tx, d->value);
}

/* --- targets ------------------------------------------------------------------- */

typedef const struct resource *find_fn(struct call *call, const struct resource *table, const char *id);

static int foreign(struct call *call, const struct resource *table, const char *noun, const struct resource *target)
{
	return action_invalid(call, "route table %s and %s %s belong to different networks", table->id, noun, target->id);
}

/* Those to gateway endpoints come and go with the endpoint's tables (PrivateLink Guide, "Gateway endpoints"). */
static int refuse_endpoint(struct call *call, const struct resource *table, const char *endpoint)
{
	return action_invalid(call, "Routes to the VPC endpoint %s cannot be changed in the route table %s: associate the endpoint with the route table, or disassociate it.",
			      endpoint, table->id);
}

static const struct resource *find_endpoint(struct call *call, const struct resource *table, const char *id)
{
	if (action_resource(call, KIND_VPC_ENDPOINT, id))
		refuse_endpoint(call, table, id);
	return NULL;
}

static const struct resource *find_gateway(struct call *call, const struct resource *table, const char *id)
{
	const struct resource *igw;

	if (mc_id_valid("vpce", id))
		return find_endpoint(call, table, id);
	igw = action_target(call, KIND_INTERNET_GATEWAY, id, "InvalidGatewayID.NotFound", "gateway");
	if (igw && (!igw->parent || strcmp(igw->parent, table->parent) != 0)) {
		foreign(call, table, "network gateway", igw);
		return NULL;
	}
	return igw;
}

static const struct resource *find_interface(struct call *call, const struct resource *table, const char *id)
{
	const struct resource *eni = action_resource(call, KIND_NETWORK_INTERFACE, id);

	if (eni && strcmp(eni->parent, table->parent) != 0) {
		foreign(call, table, "interface", eni);
		return NULL;
	}
	return eni;
}

static const struct resource *find_nat_gateway(struct call *call, const struct resource *table, const char *id)
{
	const struct resource *nat = action_target(call, KIND_NAT_GATEWAY, id, "InvalidNatGatewayID.NotFound", "natGateway");

	if (nat && strcmp(nat->parent ? nat->parent : "", table->parent) != 0) {
		foreign(call, table, "NAT gateway", nat);
		return NULL;
	}
	return nat;
}

/* A request will do: the route leads nowhere until it is accepted. */
static const struct resource *find_peering(struct call *call, const struct resource *table, const char *id)
{
	const struct resource *r = peering_find(call, id);

	if (r && !peering_end(r, table->parent)) {
		foreign(call, table, "VPC peering connection", r);
		return NULL;
	}
	return r;
}

/* A route to an instance is one to its only interface. */
static const struct resource *find_instance(struct call *call, const struct resource *table, const char *id)
{
	const struct resource *instance = action_resource(call, KIND_INSTANCE, id);
	const json_t *enis = instance ? mc_json_arr(instance->spec, "enis") : NULL;
	mc_autofree char *text = NULL;

	if (!instance)
		return NULL;
	if (json_array_size(enis) == 1)
		return find_interface(call, table, mc_json_at(enis, 0));
	text = mc_strf("There are %s interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.",
		       json_array_size(enis) ? "multiple" : "no", id);
	action_fail(call, API_INSTANCE_INTERFACES, text);
	return NULL;
}

static const struct target {
	const char *request; /* member of the request */
	const char *member;  /* of the route */
	find_fn *find;       /* NULL: not built */
	bool inside;         /* may take traffic from one part of the VPC to another */
} targets[] = {
	{ "GatewayId", "GatewayId", find_gateway, false },
	{ "NetworkInterfaceId", "NetworkInterfaceId", find_interface, true },
	{ "InstanceId", "NetworkInterfaceId", find_instance, true },
	{ "NatGatewayId", "NatGatewayId", find_nat_gateway, true },
	{ "VpcPeeringConnectionId", "VpcPeeringConnectionId", find_peering, false },
	{ "VpcEndpointId", "GatewayId", find_endpoint, false },
	{ "TransitGatewayId", NULL, NULL, false },
	{ "EgressOnlyInternetGatewayId", NULL, NULL, false },
	{ "LocalGatewayId", NULL, NULL, false },
	{ "CarrierGatewayId", NULL, NULL, false },
	{ "CoreNetworkArn", NULL, NULL, false },
};

/* The one target of the request; NULL after action_fail. */
static const struct target *target_of_request(struct call *call)
{
	const struct target *found = NULL;
	mc_autofree char *text = NULL;

	for (size_t i = 0; i < MC_ARRAY_SIZE(targets); i++) {
		if (!action_text(call, targets[i].request))
			continue;
		if (found) {
			text = mc_strf("The parameters %s and %s cannot be used together", found->request, targets[i].request);
			action_fail(call, API_PARAMETER_COMBINATION, text);
			return NULL;
		}
		found = &targets[i];
	}
	if (!found)
		action_fail(call, API_MISSING, "The request must contain exactly one target: gatewayId, natGatewayId, networkInterfaceId, "
			    "instanceId or vpcPeeringConnectionId");
	return found;
}

/* A table that a gateway is associated with takes what goes for gateways alone. */
static int check_gateway(struct call *call, const struct resource *table, const struct destination *d, bool inside, const json_t *target)
{
	mc_auto_json json_t *route = json_pack("{s:s}", d->member, d->value);

	json_object_update(route, (json_t *)target);
	if (route_table_gateway_place(table, NULL) < 0 || route_table_fits_gateway(call->tx, table, route))
		return 0;
	if (!inside)
		return action_invalid(call, "Route target is not supported. This route only supports interface and instance targets.");
	return action_invalid(call, "Route table %s is associated with a gateway: the destination of its routes must be the whole CIDR block "
			      "of the VPC or of one of its subnets.", table->id);
}

/* {MEMBER: id} of the route's target, checked: 0 and *ret (new reference, of a failure too), or action_fail. */
static int read_target(struct call *call, const struct resource *table, const struct destination *d, json_t **ret)
{
	const struct resource *vpc = store_get(call->tx, table->parent), *resource;
	const struct target *t = target_of_request(call);
	mc_autofree char *text = NULL;

	if (!t)
		return 1;
	if (!t->find) {
		text = mc_strf("Routes to a %s are not supported by this cloud yet", t->request);
		return action_fail(call, API_UNSUPPORTED, text);
	}
	resource = t->find(call, table, action_text(call, t->request));
	if (!resource)
		return 1;
	if (!t->inside && vpc && strchr(d->value, '/') && vpc_contains(vpc, d->cidr))
		return action_invalid(call, "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. "
				      "This route can target only an interface or an instance.", d->value);
	*ret = json_pack("{s:s}", t->member, resource->id);
	return check_gateway(call, table, d, t->inside, *ret);
}

/* --- actions -------------------------------------------------------------------- */

/* "create 10.0.0.0/8 {…}", "delete 10.0.0.0/8": what a repeated request is known by. Allocated. */
static char *note_of(const char *verb, const struct destination *d, const json_t *target)
{
	mc_autofree char *what = target ? json_dumps(target, JSON_COMPACT | JSON_SORT_KEYS) : mc_strdup("");

	return mc_strf("%s %s %s", verb, d->value, what);
}

static const struct resource *table_of_request(struct call *call)
{
	return action_resource(call, KIND_ROUTE_TABLE, mc_json_str(call->in, "RouteTableId", NULL));
}

static int put_route(struct call *call, const struct resource *table, const struct destination *d, json_t *target, int place)
{
	struct resource *edited = store_edit(call->tx, table->id);
	mc_autofree char *note = note_of("create", d, target);
	mc_auto_json json_t *route = json_pack("{s:s, s:s}", d->member, d->value, "Origin", "CreateRoute");
	json_t *routes = mc_json_arr(edited->doc, "Routes");

	json_object_update(route, target);
	if (place < 0)
		json_array_append(routes, route);
	else
		json_array_set(routes, (size_t)place, route);
	pending_note(call, edited, table->parent, note, vpc_change(call, table->parent));
	return 0;
}

static int create(struct call *call, const struct resource *table, const struct destination *d)
{
	mc_auto_json json_t *target = NULL;
	mc_autofree char *note = NULL;

	if (is_local(call, table, d))
		return action_fail(call, API_ROUTE_EXISTS, d->value);
	if (read_target(call, table, d, &target))
		return 1;
	call->out = json_pack("{s:b}", "Return", 1);
	note = note_of("create", d, target);
	if (place_of(table, d) >= 0)
		return pending_join(call, table, table->parent, note) ? 0 : action_fail(call, API_ROUTE_EXISTS, d->value);
	if (action_check_quota(call, (long)(route_table_weight(call->tx, table) + weight_of(call, d) - 1),
			       call->api->config.quota_routes, "RouteLimitExceeded", "routes"))
		return 1;
	return put_route(call, table, d, target, -1);
}

/* A whole block of the VPC by way of something inside it, or as it was. Without a place the route is local. */
static int replace_local(struct call *call, const struct resource *table, const struct destination *d, int place)
{
	mc_auto_json json_t *target = NULL;

	if (!mc_json_bool(call->in, "LocalTarget", false))
		return read_target(call, table, d, &target) || put_route(call, table, d, target, place);
	if (place >= 0)
		json_array_remove(mc_json_arr(store_edit(call->tx, table->id)->doc, "Routes"), (size_t)place);
	vpc_change(call, table->parent);
	return 0;
}

static int replace(struct call *call, const struct resource *table, const struct destination *d)
{
	int place = place_of(table, d);
	mc_auto_json json_t *target = NULL;

	if (is_local(call, table, d))
		return replace_local(call, table, d, place);
	if (place < 0)
		return action_invalid(call, "There is no route defined for '%s' in the route table. Use CreateRoute instead.", d->value);
	if (mc_json_bool(call->in, "LocalTarget", false))
		return action_invalid(call, "The destination %s is none of the VPC's CIDR blocks and cannot have the local target", d->value);
	return read_target(call, table, d, &target) || put_route(call, table, d, target, place);
}

static int delete(struct call *call, const struct resource *table, const struct destination *d)
{
	int place = place_of(table, d);
	mc_autofree char *note = note_of("delete", d, NULL);
	struct resource *edited;

	if (is_local(call, table, d))
		return action_invalid(call, "cannot remove local route %s in route table %s", d->value, table->id);
	if (place < 0)
		return pending_join(call, table, table->parent, note)
			       ? 0
			       : action_fail(call, API_ROUTE_NOT_FOUND, d->filter, d->value, table->id);
	edited = store_edit(call->tx, table->id);
	json_array_remove(mc_json_arr(edited->doc, "Routes"), (size_t)place);
	pending_note(call, edited, table->parent, note, vpc_change(call, table->parent));
	return 0;
}

typedef int change_fn(struct call *call, const struct resource *table, const struct destination *d);

static int change(struct call *call, change_fn *fn)
{
	const struct resource *table = table_of_request(call), *endpoint;
	struct destination d = { 0 };
	int r;

	if (!table || read_destination(call, &d))
		return 1;
	endpoint = gateway_endpoint_of(call->tx, table, d.value);
	r = endpoint ? refuse_endpoint(call, table, endpoint->id) : fn(call, table, &d);
	free(d.value);
	return r;
}

static int create_route(struct call *call)
{
	return change(call, create);
}

static int replace_route(struct call *call)
{
	return change(call, replace);
}

static int delete_route(struct call *call)
{
	return change(call, delete);
}

const struct action actions_route[] = {
	{ .service = "ec2", .name = "CreateRoute", .fn = create_route, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ReplaceRoute", .fn = replace_route, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteRoute", .fn = delete_route, .flags = ACTION_WRITE },
	{ 0 },
};
