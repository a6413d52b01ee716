/* Internet gateways. */
#include "api/action.h"
#include "api/describe.h"
#include "api/view.h"
#include "common/json.h"

static const struct filter gateway_filters[] = {
	{ "attachment.state", "Attachments.State" },
	{ "attachment.vpc-id", "Attachments.VpcId" },
	{ "internet-gateway-id", "InternetGatewayId" },
	{ "owner-id", "OwnerId" },
	{ 0 },
};

static json_t *gateway_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "InternetGatewayId", "OwnerId");

	(void)call;
	view_default(v, "Attachments", json_array());
	return v;
}

static int describe_internet_gateways(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_INTERNET_GATEWAY, .list = "InternetGateways", .ids = "InternetGatewayIds",
		.filters = gateway_filters, .view = gateway_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

const struct action actions_internet_gateway[] = {
	{ .service = "ec2", .name = "DescribeInternetGateways", .fn = describe_internet_gateways },
	{ 0 },
};
