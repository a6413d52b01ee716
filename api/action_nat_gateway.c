#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/describe.h"
#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/nat_gateway.h"
#include "api/state.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* --- shown ---------------------------------------------------------------- */

static json_t *nat_view(struct call *call, const struct resource *r)
{
	static const struct { const char *member, *spec; } texts[] = {
		{ "FailureCode", "failure_code" }, { "FailureMessage", "failure_message" }, { "DeleteTime", "deleted" },
	};
	json_t *v = view_new(r, "NatGatewayId", NULL);
	char created[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, created);
	json_object_update_new(v, json_pack("{s:s, s:s, s:s, s:o}", "VpcId", r->parent, "CreateTime", created, "State", state_name(r),
					    "NatGatewayAddresses", nat_gateway_addresses(call->tx, r)));
	for (size_t i = 0; i < MC_ARRAY_SIZE(texts) && r->state != NAT_GATEWAY_PENDING; i++) /* it will fail, and says so then */
		if (json_object_get(r->spec, texts[i].spec))
			json_object_set(v, texts[i].member, json_object_get(r->spec, texts[i].spec));
	return v;
}

static int describe_nat_gateways(struct call *call)
{
	static const struct filter filters[] = {
		{ "nat-gateway-id", "NatGatewayId" }, { "state", "State" }, { "subnet-id", "SubnetId" }, { "vpc-id", "VpcId" }, { 0 },
	};
	static const struct describe d = {
		.kind = KIND_NAT_GATEWAY, .list = "NatGateways", .ids = "NatGatewayIds", .filters = filters, .view = nat_view,
		.page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* --- create --------------------------------------------------------------- */

static int check_connectivity(struct call *call, bool is_public)
{
	bool has = json_object_get(call->in, "AllocationId") != NULL;

	if (is_public && !has)
		return action_fail(call, API_MISSING, "The request must include the AllocationId parameter. Add the required parameter and retry the request.");
	if (!is_public && has)
		return action_fail(call, API_PARAMETER_COMBINATION, "The AllocationId parameter cannot be specified for a private NAT gateway.");
	return 0;
}

static int check_quota(struct call *call, const struct resource *subnet)
{
	struct store_iter it = store_iter(call->tx, KIND_NAT_GATEWAY, subnet->account, subnet->region);
	const struct resource *nat;
	long n = 0, quota = call->api->config.quota_nat_gateways;
	mc_autofree char *text = NULL;

	while ((nat = store_next(&it)))
		n += strcmp(nat->az, subnet->az) == 0 && (nat->state == NAT_GATEWAY_PENDING || nat->state == NAT_GATEWAY_AVAILABLE);
	if (!quota || n < quota)
		return 0;
	text = mc_strf("Performing this operation would exceed the limit of %ld NAT gateways", quota);
	return action_fail(call, API_NOT_FOUND, "NatGatewayLimitExceeded", text);
}

static bool has_gateway(struct call *call, const struct resource *vpc)
{
	struct store_iter it = store_iter(call->tx, KIND_INTERNET_GATEWAY, vpc->account, vpc->region);

	return store_next_of(&it, vpc->id) != NULL;
}

static void fail(struct resource *nat, const char *code, const char *message)
{
	json_object_set_new(nat->spec, "failure_code", json_string(code));
	json_object_set_new(nat->spec, "failure_message", json_string(message));
}

/* What AWS finds only after it has answered: the gateway fails. */
static void lead(struct call *call, struct resource *nat, const struct resource *eip, const struct resource *eni)
{
	mc_autofree char *text = NULL;

	if (!has_gateway(call, store_get(call->tx, nat->parent))) {
		text = mc_strf("Network %s has no Internet gateway attached", nat->parent);
		fail(nat, "Gateway.NotAttached", text);
	} else if (mc_json_str(eip->spec, "eni", NULL)) {
		text = mc_strf("Elastic IP address [%s] is already associated", eip->id);
		fail(nat, "Resource.AlreadyAssociated", text);
	} else {
		elastic_address_bind(call, eip->id, eni, NULL);
	}
}

/* The interface that carries it, in no security group. NULL after action_fail. */
static struct resource *insert_interface(struct call *call, const struct resource *subnet, const struct resource *nat)
{
	const char *ip = mc_json_str(call->in, "PrivateIpAddress", NULL);
	mc_autofree char *text = mc_strf("Interface for NAT Gateway %s", nat->id);
	mc_auto_json json_t *groups = json_array();
	struct interface_plan p = { .subnet = subnet, .primary = ip, .description = text, .groups = groups };
	struct resource *eni;

	if (ip && interface_check_address(call, subnet, ip))
		return NULL;
	eni = interface_insert(call, &p);
	if (!eni || interface_fill(call, eni, &p))
		return NULL;
	json_object_update_new(eni->spec, json_pack("{s:s, s:s, s:b}", "kind", "nat", "requester", nat->id, "source_dest_check", 0));
	return eni;
}

static int insert_nat(struct call *call, const struct resource *subnet, const struct resource *eip)
{
	struct resource *nat = store_insert(call->tx, KIND_NAT_GATEWAY, subnet->account, subnet->region), *eni;

	nat->parent = mc_strdup(subnet->parent);
	nat->az = mc_strdup(subnet->az);
	json_object_update_new(nat->doc, json_pack("{s:s, s:s}", "SubnetId", subnet->id, "ConnectivityType", eip ? "public" : "private"));
	eni = insert_interface(call, subnet, nat);
	if (!eni || action_apply_tags(call, "natgateway", nat))
		return 1;
	json_object_set_new(nat->spec, "eni", json_string(eni->id));
	state_init(nat, NAT_GATEWAY_PENDING);
	if (eip)
		lead(call, nat, eip, eni);
	eni = store_edit(call->tx, eni->id);
	if (nat_gateway_add_secondary(call, nat, eni))
		return 1;
	json_object_set_new(nat->spec, "generation", json_integer(interface_touch(call->tx, eni)));
	/* It comes up while its owner looks on. */
	json_decref(call->waits);
	call->waits = NULL;
	call->out = json_pack("{s:o, s:O*}", "NatGateway", nat_view(call, nat), "ClientToken", json_object_get(call->in, "ClientToken"));
	return 0;
}

static int create_nat_gateway(struct call *call)
{
	static const char *const types[] = { "natgateway", NULL };
	bool is_public = strcmp(mc_json_str(call->in, "ConnectivityType", "public"), "public") == 0;
	const struct resource *subnet, *eip = NULL;

	if (action_check_tag_types(call, types))
		return 1;
	subnet = action_resource(call, KIND_SUBNET, mc_json_str(call->in, "SubnetId", NULL));
	if (!subnet || check_connectivity(call, is_public) || check_quota(call, subnet))
		return 1;
	if (is_public)
		eip = action_resource(call, KIND_ELASTIC_IP, mc_json_str(call->in, "AllocationId", NULL));
	return is_public && !eip ? 1 : insert_nat(call, subnet, eip);
}

/* --- delete --------------------------------------------------------------- */

static void take_down(struct call *call, struct resource *nat)
{
	int64_t generation;

	json_object_set_new(nat->spec, "addresses", nat_gateway_addresses(call->tx, nat));
	interface_delete(call->tx, mc_json_str(nat->spec, "eni", ""));
	json_object_del(nat->spec, "eni");
	generation = vpc_touch(call->tx, nat->parent);
	json_object_set_new(nat->spec, "generation", json_integer(generation));
	state_set(call->tx, nat, NAT_GATEWAY_DELETING);
}

static int delete_nat_gateway(struct call *call)
{
	const struct resource *nat = action_resource(call, KIND_NAT_GATEWAY, mc_json_str(call->in, "NatGatewayId", NULL));

	if (!nat)
		return 1;
	if (nat->state != NAT_GATEWAY_DELETING && nat->state != NAT_GATEWAY_DELETED)
		take_down(call, store_edit(call->tx, nat->id));
	call->out = json_pack("{s:s}", "NatGatewayId", nat->id);
	return 0;
}

const struct action actions_nat_gateway[] = {
	{ .service = "ec2", .name = "CreateNatGateway", .fn = create_nat_gateway, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteNatGateway", .fn = delete_nat_gateway, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeNatGateways", .fn = describe_nat_gateways },
	{ 0 },
};
