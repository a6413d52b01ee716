/* DHCP options sets. */
#include "api/action.h"
#include "api/describe.h"
#include "api/view.h"
#include "common/json.h"

static const struct filter dhcp_filters[] = {
	{ "dhcp-options-id", "DhcpOptionsId" },
	{ "key", "DhcpConfigurations.Key" },
	{ "owner-id", "OwnerId" },
	{ "value", "DhcpConfigurations.Values.Value" },
	{ 0 },
};

static json_t *dhcp_view(struct call *call, const struct resource *r)
{
	(void)call;
	return view_new(r, "DhcpOptionsId", "OwnerId");
}

static int describe_dhcp_options(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_DHCP_OPTIONS, .list = "DhcpOptions", .ids = "DhcpOptionsIds", .filters = dhcp_filters,
		.view = dhcp_view, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

const struct action actions_dhcp_options[] = {
	{ .service = "ec2", .name = "DescribeDhcpOptions", .fn = describe_dhcp_options },
	{ 0 },
};
