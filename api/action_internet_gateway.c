/* Internet gateways. */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/pending.h"
#include "api/route_table.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
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
	view_default(v, "Tags", json_array());
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

/* --- life ------------------------------------------------------------------- */

static int check_quota(struct call *call)
{
	long n = store_count(call->tx, KIND_INTERNET_GATEWAY, call->caller->account, call->caller->region, NULL);

	/* As many as VPCs: VPC User Guide, "Quotas". */
	return action_check_quota(call, n, call->api->config.quota_vpcs, "InternetGatewayLimitExceeded", "internet gateways");
}

static int create_internet_gateway(struct call *call)
{
	static const char *const types[] = { "internet-gateway", NULL };
	struct resource *igw;

	if (action_check_tag_types(call, types) || check_quota(call))
		return 1;
	igw = store_insert(call->tx, KIND_INTERNET_GATEWAY, call->caller->account, call->caller->region);
	internet_gateway_attach(igw, NULL);
	if (action_apply_tags(call, "internet-gateway", igw))
		return 1;
	call->out = json_pack("{s:o}", "InternetGateway", gateway_view(call, igw));
	return 0;
}

static int delete_internet_gateway(struct call *call)
{
	const struct resource *igw = action_resource(call, KIND_INTERNET_GATEWAY, mc_json_str(call->in, "InternetGatewayId", NULL));

	if (!igw)
		return 1;
	if (igw->parent)
		return action_fail(call, API_HAS_DEPENDENCIES, "internetGateway", igw->id);
	store_delete(call->tx, igw->id);
	return 0;
}

/* --- attachment --------------------------------------------------------------- */

/* The gateway and the VPC of the request: 0, or action_fail. */
static int read_pair(struct call *call, const struct resource **ret_igw, const struct resource **ret_vpc)
{
	*ret_igw = action_resource(call, KIND_INTERNET_GATEWAY, mc_json_str(call->in, "InternetGatewayId", NULL));
	*ret_vpc = *ret_igw ? action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL)) : NULL;
	return *ret_vpc ? 0 : 1;
}

static void note(struct call *call, const struct resource *igw, const char *vpc, const char *what)
{
	const struct resource *table = route_table_of_gateway(call->tx, igw);
	struct resource *edited = store_edit(call->tx, igw->id);

	if (table) /* it goes with the attachment */
		json_array_remove(mc_json_arr(store_edit(call->tx, table->id)->doc, "Associations"),
				  (size_t)route_table_gateway_place(table, igw->id));
	internet_gateway_attach(edited, strcmp(what, "attach") == 0 ? vpc : NULL);
	pending_note(call, edited, vpc, what, vpc_change(call, vpc));
}

static int attach_internet_gateway(struct call *call)
{
	const struct resource *igw, *vpc;
	struct store_iter it;
	mc_autofree char *text = NULL;

	if (read_pair(call, &igw, &vpc))
		return 1;
	if (igw->parent) {
		if (strcmp(igw->parent, vpc->id) == 0 && pending_join(call, igw, vpc->id, "attach"))
			return 0;
		text = mc_strf("resource %s is already attached to network %s", igw->id, igw->parent);
		return action_fail(call, API_ALREADY_ASSOCIATED, text);
	}
	it = store_iter(call->tx, KIND_INTERNET_GATEWAY, vpc->account, vpc->region);
	if (store_next_of(&it, vpc->id))
		return action_invalid(call, "Network %s already has an internet gateway attached", vpc->id);
	note(call, igw, vpc->id, "attach");
	return 0;
}

/* Does the interface lend a public address, whichever of its addresses to? */
static bool has_public(const struct resource *eni)
{
	size_t i;
	json_t *secondary;

	if (mc_json_str(eni->spec, "public_ip", NULL))
		return true;
	json_array_foreach(mc_json_arr(eni->spec, "secondary"), i, secondary)
		if (mc_json_str(secondary, "public_ip", NULL))
			return true;
	return false;
}

static bool has_mapped_address(struct call *call, const struct resource *vpc)
{
	struct store_iter it = store_pass(call->tx, KIND_NETWORK_INTERFACE, NULL, vpc->region, "\"public_ip\"");
	const struct resource *eni;

	while ((eni = store_next_of(&it, vpc->id)))
		if (has_public(eni))
			return true;
	return false;
}

static int detach_internet_gateway(struct call *call)
{
	const struct resource *igw, *vpc;
	mc_autofree char *text = NULL;

	if (read_pair(call, &igw, &vpc))
		return 1;
	if (!igw->parent || strcmp(igw->parent, vpc->id) != 0)
		return !igw->parent && pending_join(call, igw, vpc->id, "detach")
			       ? 0
			       : action_fail(call, API_GATEWAY_NOT_ATTACHED, igw->id, vpc->id);
	if (has_mapped_address(call, vpc)) {
		text = mc_strf("Network %s has some mapped public address(es). Please unmap those public address(es) before "
			       "detaching the gateway.", vpc->id);
		return action_fail(call, API_DEPENDENCY_VIOLATION, text);
	}
	note(call, igw, vpc->id, "detach");
	return 0;
}

const struct action actions_internet_gateway[] = {
	{ .service = "ec2", .name = "DescribeInternetGateways", .fn = describe_internet_gateways },
	{ .service = "ec2", .name = "CreateInternetGateway", .fn = create_internet_gateway, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteInternetGateway", .fn = delete_internet_gateway, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AttachInternetGateway", .fn = attach_internet_gateway, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DetachInternetGateway", .fn = detach_internet_gateway, .flags = ACTION_WRITE },
	{ 0 },
};
