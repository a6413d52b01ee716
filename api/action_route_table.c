/* Route tables. */
#include <string.h>

#include "api/action.h"
#include "api/association.h"
#include "api/describe.h"
#include "api/gateway_endpoint.h"
#include "api/route_table.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

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

static json_t *table_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "RouteTableId", "OwnerId");

	view_default(v, "Associations", json_array());
	view_default(v, "PropagatingVgws", json_array());
	view_default(v, "Tags", json_array());
	json_object_set_new(v, "Routes", route_table_routes(call->tx, r));
	return v;
}

static int describe_route_tables(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_ROUTE_TABLE, .list = "RouteTables", .ids = "RouteTableIds", .filters = route_table_filters,
		.view = table_view, .page_min = 5, .page_max = 100,
	};

	return describe_run(call, &d);
}

/* --- life ------------------------------------------------------------------- */

static int check_quota(struct call *call, const struct resource *vpc)
{
	long n = store_count(call->tx, KIND_ROUTE_TABLE, vpc->account, vpc->region, vpc->id);

	return action_check_quota(call, n, call->api->config.quota_route_tables, "RouteTableLimitExceeded", "route tables");
}

static int create_route_table(struct call *call)
{
	static const char *const types[] = { "route-table", NULL };
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	struct resource *table;

	if (!vpc || action_check_tag_types(call, types) || check_quota(call, vpc))
		return 1;
	table = route_table_insert(call->tx, vpc, false);
	if (action_apply_tags(call, "route-table", table))
		return 1;
	call->out = json_pack("{s:o, s:s*}", "RouteTable", table_view(call, table), "ClientToken", action_text(call, "ClientToken"));
	return 0;
}

static int delete_route_table(struct call *call)
{
	const struct resource *table = action_resource(call, KIND_ROUTE_TABLE, mc_json_str(call->in, "RouteTableId", NULL));

	if (!table)
		return 1;
	if (json_array_size(mc_json_arr(table->doc, "Associations")))
		return action_fail(call, API_HAS_DEPENDENCIES, "routeTable", table->id);
	gateway_endpoint_forget(call->tx, table);
	store_delete(call->tx, table->id);
	return 0;
}

/* --- associations ------------------------------------------------------------- */

static const char *const unbuilt_members[] = { "PublicIpv4Pool", NULL };

/* The caller's table with this association, and its place in it; NULL after action_fail. */
static const struct resource *table_of_association(struct call *call, const char *id, size_t *ret_place)
{
	struct store_iter it = store_iter(call->tx, KIND_ROUTE_TABLE, call->caller->account, call->caller->region);
	const struct resource *t;
	size_t i;
	json_t *a;

	while ((t = store_next(&it)))
		json_array_foreach(mc_json_arr(t->doc, "Associations"), i, a)
			if (strcmp(mc_json_str(a, "RouteTableAssociationId", ""), id) == 0) {
				*ret_place = i;
				return t;
			}
	action_fail(call, API_ASSOCIATION_NOT_FOUND, id);
	return NULL;
}

static int check_network(struct call *call, const struct resource *table, const struct resource *subnet)
{
	if (strcmp(table->parent, subnet->parent) == 0)
		return 0;
	return action_invalid(call, "route table %s and subnet %s belong to different networks", table->id, subnet->id);
}

/* Answer with the association's id once it is in force. */
static int answer(struct call *call, const char *vpc, const char *member, const char *association)
{
	call->out = json_pack("{s:s, s:{s:s}}", member, association, "AssociationState", "State", "associated");
	vpc_change(call, vpc);
	return 0;
}

/* The subnet has a table already: the one asked for, or another one. */
static int already_associated(struct call *call, const struct resource *table, const struct resource *subnet)
{
	int place = association_place(table, subnet->id);
	mc_autofree char *text = NULL;
	const json_t *a;

	if (place >= 0) { /* the same again is no error: EC2 answers with what there is */
		a = json_array_get(mc_json_arr(table->doc, "Associations"), (size_t)place);
		return answer(call, table->parent, "AssociationId", mc_json_str(a, "RouteTableAssociationId", ""));
	}
	text = mc_strf("the specified association for route table %s conflicts with an existing association", table->id);
	return action_fail(call, API_ALREADY_ASSOCIATED, text);
}

/* The internet gateway has a table already: the one asked for, or another one. */
static int gateway_has(struct call *call, const struct resource *table, const struct resource *igw, const struct resource *has)
{
	int place = route_table_gateway_place(has, igw->id);
	mc_autofree char *text = NULL;

	if (strcmp(has->id, table->id) == 0)
		return answer(call, table->parent, "AssociationId", mc_json_str(json_array_get(mc_json_arr(has->doc, "Associations"),
			      (size_t)place), "RouteTableAssociationId", ""));
	text = mc_strf("the specified association for route table %s conflicts with an existing association", table->id);
	return action_fail(call, API_ALREADY_ASSOCIATED, text);
}

/* May the table be a gateway's as it is? */
static int check_routes(struct call *call, const struct resource *table)
{
	size_t i;
	json_t *route;

	json_array_foreach(mc_json_arr(table->doc, "Routes"), i, route)
		if (!route_table_fits_gateway(call->tx, table, route))
			return action_invalid(call, "Route table %s has routes that a gateway's route table cannot have: they can target only network "
					      "interfaces, and their destination must be the whole CIDR block of the VPC or of one of its subnets.",
					      table->id);
	return 0;
}

static int associate_gateway(struct call *call, const struct resource *table)
{
	const struct resource *igw = action_target(call, KIND_INTERNET_GATEWAY, action_text(call, "GatewayId"), "InvalidGatewayID.NotFound",
						   "gateway"), *has;

	if (!igw)
		return 1;
	if (action_text(call, "SubnetId"))
		return action_fail(call, API_PARAMETER_COMBINATION, "The parameters subnetId and gatewayId cannot be used together");
	if (!igw->parent || strcmp(igw->parent, table->parent) != 0)
		return action_invalid(call, "Route table %s and gateway %s belong to different networks", table->id, igw->id);
	has = route_table_of_gateway(call->tx, igw);
	if (has)
		return gateway_has(call, table, igw, has);
	return check_routes(call, table) ||
	       answer(call, table->parent, "AssociationId", route_table_associate(store_edit(call->tx, table->id), igw->id));
}

static int associate_route_table(struct call *call)
{
	const struct resource *table = action_resource(call, KIND_ROUTE_TABLE, mc_json_str(call->in, "RouteTableId", NULL)), *subnet;

	if (!table || action_refuse_members(call, unbuilt_members, "it has no such pools"))
		return 1;
	if (action_text(call, "GatewayId"))
		return associate_gateway(call, table);
	if (!action_text(call, "SubnetId"))
		return action_fail(call, API_MISSING_PARAMETER, "subnetId");
	subnet = action_resource(call, KIND_SUBNET, action_text(call, "SubnetId"));
	if (!subnet || check_network(call, table, subnet))
		return 1;
	if (association_of(call->tx, KIND_ROUTE_TABLE, subnet))
		return already_associated(call, table, subnet);
	return answer(call, table->parent, "AssociationId",
		      route_table_associate(store_edit(call->tx, table->id), subnet->id));
}

static int disassociate_route_table(struct call *call)
{
	const char *id = mc_json_str(call->in, "AssociationId", "");
	size_t place = 0;
	const struct resource *table = table_of_association(call, id, &place);

	if (!table)
		return 1;
	if ((int)place == route_table_main_place(table))
		return action_invalid(call, "cannot disassociate the main route table association %s", id);
	json_array_remove(mc_json_arr(store_edit(call->tx, table->id)->doc, "Associations"), place);
	vpc_change(call, table->parent);
	return 0;
}

/* Move the association from one table to another under a new id; the main one, too. */
static int replace_route_table_association(struct call *call)
{
	size_t place = 0;
	const struct resource *from = table_of_association(call, mc_json_str(call->in, "AssociationId", ""), &place), *to;
	mc_autofree char *of = NULL;
	const json_t *association;

	if (!from)
		return 1;
	to = action_resource(call, KIND_ROUTE_TABLE, mc_json_str(call->in, "RouteTableId", NULL));
	if (!to)
		return 1;
	if (strcmp(from->parent, to->parent) != 0)
		return action_invalid(call, "Route table %s and network %s belong to different networks", to->id, from->parent);
	association = json_array_get(mc_json_arr(from->doc, "Associations"), place);
	if (mc_json_str(association, "GatewayId", NULL) && check_routes(call, to))
		return 1;
	of = mc_strdup(mc_json_str(association, "GatewayId", mc_json_str(association, "SubnetId", NULL)));
	json_array_remove(mc_json_arr(store_edit(call->tx, from->id)->doc, "Associations"), place);
	return answer(call, to->parent, "NewAssociationId", route_table_associate(store_edit(call->tx, to->id), of));
}

const struct action actions_route_table[] = {
	{ .service = "ec2", .name = "DescribeRouteTables", .fn = describe_route_tables },
	{ .service = "ec2", .name = "CreateRouteTable", .fn = create_route_table, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteRouteTable", .fn = delete_route_table, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AssociateRouteTable", .fn = associate_route_table, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DisassociateRouteTable", .fn = disassociate_route_table, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ReplaceRouteTableAssociation", .fn = replace_route_table_association, .flags = ACTION_WRITE },
	{ 0 },
};
