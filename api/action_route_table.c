/* Route tables. */
#include "api/action.h"
#include "api/describe.h"
#include "api/view.h"
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

static json_t *route_table_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "RouteTableId", "OwnerId");

	(void)call;
	view_default(v, "Associations", json_array());
	view_default(v, "PropagatingVgws", json_array());
	view_default(v, "Routes", json_array());
	return v;
}

static int describe_route_tables(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_ROUTE_TABLE, .list = "RouteTables", .ids = "RouteTableIds", .filters = route_table_filters,
		.view = route_table_view, .page_min = 5, .page_max = 100,
	};

	return describe_run(call, &d);
}

const struct action actions_route_table[] = {
	{ .service = "ec2", .name = "DescribeRouteTables", .fn = describe_route_tables },
	{ 0 },
};
