#include "api/route_table.h"

#include <string.h>

#include "api/association.h"
#include "api/gateway_endpoint.h"
#include "api/prefix_list.h"
#include "api/state.h"
#include "api/vpc.h"
#include "api/vpc_part.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* --- associations ----------------------------------------------------------- */

struct resource *route_table_insert(struct store_tx *tx, const struct resource *vpc, bool is_main)
{
	struct resource *t = store_insert(tx, KIND_ROUTE_TABLE, vpc->account, vpc->region);

	t->parent = mc_strdup(vpc->id);
	json_object_update_new(t->doc, json_pack("{s:s, s:[], s:[], s:[]}", "VpcId", vpc->id, "PropagatingVgws", "Associations",
						 "Routes"));
	if (is_main)
		route_table_associate(t, NULL);
	return t;
}

const struct resource *route_table_main(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_ROUTE_TABLE, vpc->account, vpc->region);
	const struct resource *t;

	while ((t = store_next_of(&it, vpc->id)) && route_table_main_place(t) < 0)
		;
	return t;
}

const char *route_table_associate(struct resource *table, const char *of)
{
	const char *member = of && mc_id_valid("igw", of) ? "GatewayId" : "SubnetId";
	json_t *association;
	char id[MC_ID_LEN];

	mc_id_new("rtbassoc", id);
	association = json_pack("{s:b, s:s, s:s, s:s*, s:{s:s}}", "Main", !of, "RouteTableAssociationId", id, "RouteTableId",
				table->id, member, of, "AssociationState", "State", "associated");
	json_array_append_new(mc_json_arr(table->doc, "Associations"), association);
	return mc_json_str(association, "RouteTableAssociationId", "");
}

int route_table_gateway_place(const struct resource *table, const char *gateway)
{
	size_t i;
	json_t *a;

	json_array_foreach(mc_json_arr(table->doc, "Associations"), i, a) {
		const char *id = mc_json_str(a, "GatewayId", NULL);

		if (id && (!gateway || strcmp(id, gateway) == 0))
			return (int)i;
	}
	return -1;
}

const struct resource *route_table_of_gateway(struct store_tx *tx, const struct resource *igw)
{
	struct store_iter it = store_iter(tx, KIND_ROUTE_TABLE, igw->account, igw->region);
	const struct resource *t = NULL;

	while (igw->parent && (t = store_next_of(&it, igw->parent)) && route_table_gateway_place(t, igw->id) < 0)
		;
	return t;
}

/* It leads to an interface, and to one of the VPC's networks or subnets as a whole (VPC User Guide, "Gateway
 * route tables"). */
bool route_table_fits_gateway(struct store_tx *tx, const struct resource *table, const json_t *route)
{
	const struct resource *vpc = store_get(tx, table->parent), *subnet;
	const char *cidr = mc_json_str(route, "DestinationCidrBlock", "");
	mc_auto_json json_t *cidrs = vpc ? vpc_cidrs(vpc) : NULL;
	struct store_iter it = store_iter(tx, KIND_SUBNET, table->account, table->region);

	if (!mc_json_str(route, "NetworkInterfaceId", NULL))
		return false;
	if (mc_json_has_str(cidrs, cidr))
		return true;
	while ((subnet = store_next_of(&it, table->parent)))
		if (strcmp(mc_json_str(subnet->doc, "CidrBlock", ""), cidr) == 0)
			return true;
	return false;
}

/* --- local routes with another target ------------------------------------------ */

int route_table_place(const struct resource *table, const char *member, const char *destination)
{
	size_t i;
	json_t *route;

	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route)
		if (strcmp(mc_json_str(route, member, ""), destination) == 0)
			return (int)i;
	return -1;
}

void route_table_forget_block(struct store_tx *tx, const struct resource *vpc, const char *cidr)
{
	struct store_iter it = store_iter(tx, KIND_ROUTE_TABLE, vpc->account, vpc->region);
	const struct resource *t;

	while ((t = store_next_of(&it, vpc->id))) {
		int place = route_table_place(t, "DestinationCidrBlock", cidr);

		if (place >= 0)
			json_array_remove(mc_json_arr(store_edit(tx, t->id)->doc, "Routes"), (size_t)place);
	}
}

int route_table_main_place(const struct resource *table)
{
	size_t i;
	json_t *a;

	json_array_foreach(mc_json_arr(table->doc, "Associations"), i, a)
		if (mc_json_bool(a, "Main", false))
			return (int)i;
	return -1;
}

/* --- where routes lead -------------------------------------------------------- */

typedef bool alive_fn(struct store_tx *tx, const struct resource *table, const struct resource *target);

static bool gateway_alive(struct store_tx *tx, const struct resource *table, const struct resource *target)
{
	(void)tx;
	return target->parent && strcmp(target->parent, table->parent) == 0;
}

/* An interface leads somewhere while its instance runs. */
static bool interface_alive(struct store_tx *tx, const struct resource *table, const struct resource *target)
{
	const struct resource *instance = store_get(tx, mc_json_str(target->spec, "instance", NULL));

	(void)table;
	return instance && (instance->state == INSTANCE_RUNNING || instance->state == INSTANCE_PENDING);
}

static bool nat_gateway_alive(struct store_tx *tx, const struct resource *table, const struct resource *target)
{
	(void)tx, (void)table;
	return strcmp(state_name(target), "available") == 0 || strcmp(state_name(target), "pending") == 0;
}

static bool peering_alive(struct store_tx *tx, const struct resource *table, const struct resource *target)
{
	(void)tx, (void)table;
	return strcmp(state_name(target), "active") == 0;
}

/* Where a route may lead: the member that says so, the ids in it, what netd calls it
 * (NULL: by its id), and whether a target that exists leads anywhere now. */
static const struct target {
	const char *member, *prefix, *netd;
	alive_fn *alive;
} targets[] = {
	{ "GatewayId", "igw", "igw", gateway_alive },
	{ "NetworkInterfaceId", "eni", NULL, interface_alive },
	{ "NatGatewayId", "nat", NULL, nat_gateway_alive },
	{ "VpcPeeringConnectionId", "pcx", NULL, peering_alive },
};

static const struct target *target_of(const json_t *route, const char **ret_id)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(targets); i++) {
		const char *id = mc_json_str(route, targets[i].member, NULL);

		if (!id || !mc_id_valid(targets[i].prefix, id))
			continue;
		*ret_id = id;
		return &targets[i];
	}
	return NULL;
}

static bool is_local(const json_t *route)
{
	return strcmp(mc_json_str(route, "GatewayId", ""), "local") == 0;
}

bool route_table_has_list(const struct resource *table, const char *list)
{
	size_t i;
	json_t *route;

	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route)
		if (strcmp(mc_json_str(route, "DestinationPrefixListId", ""), list) == 0)
			return true;
	return false;
}

int64_t route_table_weight(struct store_tx *tx, const struct resource *table)
{
	int64_t n = 0;
	size_t i;
	json_t *route;

	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route) {
		const char *list = mc_json_str(route, "DestinationPrefixListId", NULL);

		n += list ? prefix_list_weight(tx, list) : !is_local(route);
	}
	return n;
}

/* --- shown -------------------------------------------------------------------- */

static void add_local(const struct resource *vpc, const struct resource *table, json_t *list)
{
	mc_auto_json json_t *cidrs = vpc_cidrs(vpc);
	size_t i;
	json_t *cidr;

	json_array_foreach(cidrs, i, cidr)
		if (route_table_place(table, "DestinationCidrBlock", json_string_value(cidr)) < 0)
			json_array_append_new(list, json_pack("{s:O, s:s, s:s, s:s}", "DestinationCidrBlock", cidr, "GatewayId", "local",
						      "Origin", "CreateRouteTable", "State", "active"));
}

/* Whose interface it is, is shown along with the interface. */
static void add_instance(json_t *view, const struct resource *target)
{
	const char *instance = target ? mc_json_str(target->spec, "instance", NULL) : NULL;

	if (!instance)
		return;
	json_object_set_new(view, "InstanceId", json_string(instance));
	json_object_set_new(view, "InstanceOwnerId", json_string(target->account));
}

static json_t *route_view(struct store_tx *tx, const struct resource *table, const json_t *route)
{
	json_t *v = json_copy((json_t *)route);
	const char *id = NULL;
	const struct target *how = target_of(route, &id);
	const struct resource *target = store_get(tx, id);
	bool alive = target && how->alive(tx, table, target);

	if (target && target->kind == KIND_NETWORK_INTERFACE)
		add_instance(v, target);
	json_object_set_new(v, "State", json_string(alive ? "active" : "blackhole"));
	return v;
}

json_t *route_table_routes(struct store_tx *tx, const struct resource *table)
{
	const struct resource *vpc = store_get(tx, table->parent);
	mc_auto_json json_t *gateways = NULL;
	json_t *list = json_array(), *route;
	size_t i;

	if (vpc)
		add_local(vpc, table, list);
	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route)
		if (!is_local(route))
			json_array_append_new(list, route_view(tx, table, route));
	gateways = gateway_endpoint_routes(tx, table);
	json_array_extend(list, gateways);
	return list;
}

/* --- for netd ------------------------------------------------------------------ */

/* The word for netd, which looks itself whether an interface, NAT gateway or peering is
 * there: what its document does not have is a black hole. Borrowed. */
static const char *netd_target(struct store_tx *tx, const struct resource *table, const json_t *route)
{
	const char *id = NULL;
	const struct target *how = target_of(route, &id);
	const struct resource *target = store_get(tx, id);

	if (!how || !how->netd)
		return id;
	return target && how->alive(tx, table, target) ? how->netd : "blackhole";
}

static bool has_destination(const json_t *list, const char *cidr)
{
	size_t i;
	json_t *route;

	json_array_foreach(list, i, route)
		if (strcmp(mc_json_str(route, "destination", ""), cidr) == 0)
			return true;
	return false;
}

/* Of two routes to the same block the first one counts. */
static void add_route(json_t *list, const char *cidr, const char *target)
{
	if (cidr && !has_destination(list, cidr))
		json_array_append_new(list, json_pack("{s:s, s:s}", "destination", cidr, "target", target));
}

static void add_prefix_list(struct store_tx *tx, const json_t *route, const char *target, json_t *list)
{
	size_t i;
	json_t *entry;

	json_array_foreach(prefix_list_entries(tx, mc_json_str(route, "DestinationPrefixListId", NULL)), i, entry)
		add_route(list, mc_json_str(entry, "Cidr", NULL), target);
}

/* A static route goes before one by a prefix list (VPC User Guide, "Route priority"). */
static void add_routes(struct store_tx *tx, const struct resource *table, bool by_list, json_t *list)
{
	size_t i;
	json_t *route;

	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route) {
		const char *target = netd_target(tx, table, route);

		if (target && by_list)
			add_prefix_list(tx, route, target, list);
		else if (target)
			add_route(list, mc_json_str(route, "DestinationCidrBlock", NULL), target);
	}
}

static void add_gateways(struct store_tx *tx, const struct resource *table, json_t *list)
{
	mc_auto_json json_t *routes = gateway_endpoint_routes(tx, table);
	size_t i;
	json_t *route;

	json_array_foreach(routes, i, route)
		add_prefix_list(tx, route, mc_json_str(route, "GatewayId", ""), list);
}

json_t *route_table_document(struct store_tx *tx, const struct resource *subnet)
{
	const struct resource *vpc = store_get(tx, subnet->parent), *table = association_of(tx, KIND_ROUTE_TABLE, subnet);
	json_t *list = json_array();

	if (!table && vpc)
		table = route_table_main(tx, vpc);
	if (!table)
		return list;
	add_routes(tx, table, false, list);
	add_routes(tx, table, true, list);
	add_gateways(tx, table, list);
	return list;
}

json_t *vpc_part_igw_routes(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_INTERNET_GATEWAY, vpc->account, vpc->region);
	const struct resource *igw = store_next_of(&it, vpc->id), *table = igw ? route_table_of_gateway(tx, igw) : NULL;
	json_t *list = json_array();

	if (table)
		add_routes(tx, table, false, list);
	return list;
}
