/* VPC peering connections (VPC Peering Guide). */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/peering.h"
#include "api/view.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

/* --- shown -------------------------------------------------------------------- */

#define END_FILTERS(prefix, member) \
	{ prefix "-vpc-info.cidr-block", member "VpcInfo.CidrBlock" }, \
	{ prefix "-vpc-info.owner-id", member "VpcInfo.OwnerId" }, \
	{ prefix "-vpc-info.vpc-id", member "VpcInfo.VpcId" }

static const struct filter filters[] = {
	END_FILTERS("accepter", "Accepter"),
	END_FILTERS("requester", "Requester"),
	{ "expiration-time", "ExpirationTime" },
	{ "status-code", "Status.Code" },
	{ "status-message", "Status.Message" },
	{ "vpc-peering-connection-id", "VpcPeeringConnectionId" },
	{ 0 },
};

/* The words about a state: before, and whose account follows. */
static const struct {
	const char *text, *account; /* member of spec, or end; NULL: none */
} messages[PEERING_STATE_MAX] = {
	[PEERING_INITIATING] = { "Initiating Request to ", "accepter" },
	[PEERING_PENDING] = { "Pending Acceptance by ", "accepter" },
	[PEERING_ACTIVE] = { "Active", NULL },
	[PEERING_REJECTED] = { "Rejected by ", "by" },
	[PEERING_FAILED] = { "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range", NULL },
	[PEERING_EXPIRED] = { "Expired", NULL },
	[PEERING_DELETED] = { "Deleted by ", "by" },
};

static json_t *status_view(const struct resource *r)
{
	const char *member = messages[r->state].account;
	const char *account = !member ? "" : strcmp(member, "by") == 0 ? mc_json_str(r->spec, "by", "")
								       : mc_json_str(mc_json_obj(r->spec, member), "account", "");
	mc_autofree char *text = mc_strf("%s%s", messages[r->state].text, account);

	return json_pack("{s:s, s:s}", "Code", state_name(r), "Message", text);
}

/* [{CidrBlock}] of all the VPC's blocks. */
static json_t *block_set(const struct resource *vpc)
{
	mc_auto_json json_t *blocks = vpc_cidrs(vpc);
	json_t *list = json_array(), *block;
	size_t i;

	json_array_foreach(blocks, i, block)
		json_array_append_new(list, json_pack("{s:O}", "CidrBlock", block));
	return list;
}

static json_t *options_view(const json_t *end)
{
	return json_pack("{s:b, s:b, s:b}", "AllowDnsResolutionFromRemoteVpc", mc_json_bool(end, "dns", false),
			 "AllowEgressFromLocalClassicLinkToRemoteVpc", 0, "AllowEgressFromLocalVpcToRemoteClassicLink", 0);
}

/* An end's blocks are known to the other one when the connection is active; the
 * requester's from the beginning. */
static json_t *end_view(struct call *call, const struct resource *r, const json_t *end)
{
	const struct resource *vpc = store_get(call->tx, mc_json_str(end, "vpc", NULL));
	json_t *v = json_pack("{s:O, s:O, s:O}", "OwnerId", json_object_get(end, "account"), "VpcId", json_object_get(end, "vpc"),
			      "Region", json_object_get(end, "region"));

	if (vpc && (r->state == PEERING_ACTIVE || (end == peering_requester(r) && r->state <= PEERING_PENDING))) {
		json_object_set(v, "CidrBlock", json_object_get(vpc->doc, "CidrBlock"));
		json_object_set_new(v, "CidrBlockSet", block_set(vpc));
	}
	if (r->state == PEERING_ACTIVE)
		json_object_set_new(v, "PeeringOptions", options_view(end));
	return v;
}

static json_t *peering_view(struct call *call, const struct resource *r)
{
	json_t *v = view_new(r, "VpcPeeringConnectionId", NULL);
	char expires[MC_ISO8601_LEN];

	json_object_set_new(v, "AccepterVpcInfo", end_view(call, r, peering_accepter(r)));
	json_object_set_new(v, "RequesterVpcInfo", end_view(call, r, peering_requester(r)));
	json_object_set_new(v, "Status", status_view(r));
	if (r->state <= PEERING_PENDING) {
		mc_clock_iso8601(mc_json_int(r->spec, "expires", 0), expires);
		json_object_set_new(v, "ExpirationTime", json_string(expires));
	}
	view_default(v, "Tags", json_array());
	return v;
}

static int describe_vpc_peering_connections(struct call *call)
{
	static const struct describe d = {
		.kind = KIND_VPC_PEERING, .list = "VpcPeeringConnections", .ids = "VpcPeeringConnectionIds", .filters = filters,
		.view = peering_view, .visible = peering_visible, .page_min = 5, .page_max = 1000,
	};

	return describe_run(call, &d);
}

/* The connection after a change, as the answer. */
static int answer(struct call *call, const char *id)
{
	call->out = json_pack("{s:o}", "VpcPeeringConnection", peering_view(call, store_get(call->tx, id)));
	return 0;
}

/* --- create ------------------------------------------------------------------- */

/* How many connections of the VPC are in this state. */
static long count(struct call *call, const char *vpc, enum peering_state state)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;
	long n = 0;

	while ((r = store_next(&it)))
		n += r->state == (int)state && peering_end(r, vpc);
	return n;
}

static int check_quota(struct call *call, const char *vpc)
{
	return action_check_quota(call, count(call, vpc, PEERING_ACTIVE), call->api->config.quota_peerings,
				  "VpcPeeringConnectionsPerVpcLimitExceeded", "VPC peering connections per VPC");
}

/* Is there one between the two already, or a request for one? 0, or action_fail. */
static int check_new(struct call *call, const char *vpc, const char *peer)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC_PEERING, NULL, NULL);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (r->state <= PEERING_ACTIVE && peering_end(r, vpc) &&
		    strcmp(mc_json_str(peering_other_end(r, vpc), "vpc", ""), peer) == 0)
			return action_fail(call, API_PEERING_EXISTS, vpc, peer, r->id);
	return action_check_quota(call, count(call, vpc, PEERING_PENDING), call->api->config.quota_peering_requests,
				  "OutstandingVpcPeeringConnectionLimitExceeded", "outstanding VPC peering connection requests") ||
	       check_quota(call, vpc);
}

static json_t *new_end(const char *vpc, const char *account, const char *region)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "vpc", vpc, "account", account, "region", region, "dns", 0);
}

static int create_vpc_peering_connection(struct call *call)
{
	static const char *const types[] = { "vpc-peering-connection", NULL };
	const struct resource *vpc = action_resource(call, KIND_VPC, mc_json_str(call->in, "VpcId", NULL));
	const char *peer = action_text(call, "PeerVpcId"), *owner = action_text(call, "PeerOwnerId"), *region = action_text(call, "PeerRegion");
	struct resource *r;

	if (!vpc || action_check_tag_types(call, types))
		return 1;
	if (!peer)
		return action_fail(call, API_MISSING_PARAMETER, "peerVpcId");
	owner = owner ? owner : call->caller->account;
	region = region ? region : call->caller->region;
	if (!api_region_known(call->api, region))
		return action_invalid(call, "Value (%s) for parameter peerRegion is invalid.", region);
	/* One's own VPC is looked for at once; of somebody else's only the request's fate tells. */
	if (strcmp(owner, vpc->account) == 0 && strcmp(region, vpc->region) == 0 && !action_resource(call, KIND_VPC, peer))
		return 1;
	if (check_new(call, vpc->id, peer))
		return 1;
	r = store_insert(call->tx, KIND_VPC_PEERING, vpc->account, vpc->region);
	json_object_set_new(r->spec, "requester", new_end(vpc->id, vpc->account, vpc->region));
	json_object_set_new(r->spec, "accepter", new_end(peer, owner, region));
	json_object_set_new(r->spec, "expires", json_integer(mc_clock_wall() + PEERING_LIFE));
	state_init(r, PEERING_INITIATING);
	return action_apply_tags(call, "vpc-peering-connection", r) || answer(call, r->id);
}

/* --- answers to a request ------------------------------------------------------- */

/* Is the caller who may answer it, and from where? 0, or action_fail. */
static int check_accepter(struct call *call, const struct resource *r, const char *verb)
{
	const json_t *to = peering_accepter(r);
	const char *region = mc_json_str(to, "region", "");
	mc_autofree char *text = NULL;

	if (strcmp(mc_json_str(to, "account", ""), call->caller->account) != 0)
		text = mc_strf("User (%s) cannot %s peering %s", call->caller->account, verb, r->id);
	else if (strcmp(region, call->caller->region) != 0)
		text = mc_strf("Incorrect region (%s) specified for this request. VPC peering connection %s must be %sed in region %s",
			       call->caller->region, r->id, verb, region);
	return text ? action_fail(call, API_NOT_PERMITTED, text) : 0;
}

/* The request to answer, looked at if nobody has yet: NULL after action_fail. */
static struct resource *request_to_answer(struct call *call, const char *verb, const char *next)
{
	const struct resource *r = peering_of_request(call);
	struct resource *edited;

	if (!r || check_accepter(call, r, verb))
		return NULL;
	edited = store_edit(call->tx, r->id);
	peering_settle(call->tx, edited);
	if (edited->state == PEERING_PENDING)
		return edited;
	action_fail(call, API_PEERING_TRANSITION, edited->id, state_name(edited), next);
	return NULL;
}

static int accept_vpc_peering_connection(struct call *call)
{
	struct resource *r = request_to_answer(call, "accept", "active");
	const char *from = r ? mc_json_str(peering_requester(r), "vpc", "") : NULL;
	const char *to = r ? mc_json_str(peering_accepter(r), "vpc", "") : NULL;

	if (!r || check_quota(call, from) || check_quota(call, to))
		return 1;
	state_set(call->tx, r, PEERING_ACTIVE);
	vpc_change(call, from);
	vpc_change(call, to);
	return answer(call, r->id);
}

static int reject_vpc_peering_connection(struct call *call)
{
	struct resource *r = request_to_answer(call, "reject", "rejected");

	if (!r)
		return 1;
	peering_end_by(call->tx, r, PEERING_REJECTED, call->caller->account);
	call->out = json_pack("{s:b}", "Return", 1);
	return 0;
}

/* --- delete --------------------------------------------------------------------- */

/* A request is the requester's to take back; the accepter rejects it. */
static bool may_delete(struct call *call, const struct resource *r)
{
	bool own = strcmp(mc_json_str(peering_requester(r), "account", ""), call->caller->account) == 0;

	return r->state == PEERING_ACTIVE || (own && (r->state == PEERING_PENDING || r->state == PEERING_INITIATING));
}

static void wait_for(struct call *call, const json_t *end)
{
	const char *vpc = mc_json_str(end, "vpc", "");

	action_wait(call, vpc, vpc_generation(call->tx, vpc));
}

static int delete_vpc_peering_connection(struct call *call)
{
	const struct resource *r = peering_of_request(call);
	bool active;

	if (!r)
		return 1;
	if (r->state == PEERING_DELETED || !may_delete(call, r))
		return action_fail(call, API_PEERING_TRANSITION, r->id, state_name(r), "deleted");
	active = r->state == PEERING_ACTIVE;
	peering_end_by(call->tx, store_edit(call->tx, r->id), PEERING_DELETED, call->caller->account);
	call->out = json_pack("{s:b}", "Return", 1);
	if (active) {
		wait_for(call, peering_requester(r));
		wait_for(call, peering_accepter(r));
	}
	return 0;
}

/* --- options ---------------------------------------------------------------------- */

/* Names of hosts are resolved over a peering only where both VPCs name their hosts. 0, or action_fail. */
static int check_names(struct call *call, const struct resource *r)
{
	const struct resource *ends[] = {
		store_get(call->tx, mc_json_str(peering_requester(r), "vpc", "")),
		store_get(call->tx, mc_json_str(peering_accepter(r), "vpc", "")),
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(ends); i++)
		if (ends[i] && !vpc_names_hosts(ends[i]))
			return action_refuse(call, "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled",
					     "DNS hostname support must be enabled for the VPC %s", ends[i]->id);
	return 0;
}

/* The options of one end: its owner's to set. 0, or action_fail. */
static int set_options(struct call *call, struct resource *r, const char *member, const char *end_name)
{
	const json_t *in = mc_json_obj(call->in, member);
	json_t *end = json_object_get(r->spec, end_name);
	mc_autofree char *text = NULL;

	if (!in)
		return 0;
	if (strcmp(mc_json_str(end, "account", ""), call->caller->account) != 0) {
		text = mc_strf("User (%s) cannot modify the %s options of peering %s", call->caller->account, end_name, r->id);
		return action_fail(call, API_NOT_PERMITTED, text);
	}
	if (mc_json_bool(in, "AllowEgressFromLocalClassicLinkToRemoteVpc", false) ||
	    mc_json_bool(in, "AllowEgressFromLocalVpcToRemoteClassicLink", false))
		return action_fail(call, API_UNSUPPORTED, "ClassicLink is not supported by this cloud");
	if (mc_json_bool(in, "AllowDnsResolutionFromRemoteVpc", false) && check_names(call, r))
		return 1;
	if (json_object_get(in, "AllowDnsResolutionFromRemoteVpc"))
		json_object_set(end, "dns", json_object_get(in, "AllowDnsResolutionFromRemoteVpc"));
	json_object_set_new(call->out, member, options_view(end));
	return 0;
}

static int modify_vpc_peering_connection_options(struct call *call)
{
	const struct resource *r = peering_of_request(call);
	struct resource *edited;
	mc_autofree char *text = NULL;

	if (!r)
		return 1;
	if (r->state != PEERING_ACTIVE) {
		text = mc_strf("Peering %s is not active. Peering options can be added only to active peerings.", r->id);
		return action_fail(call, API_NOT_PERMITTED, text);
	}
	call->out = json_object();
	edited = store_edit(call->tx, r->id);
	if (set_options(call, edited, "AccepterPeeringConnectionOptions", "accepter") ||
	    set_options(call, edited, "RequesterPeeringConnectionOptions", "requester"))
		return 1;
	vpc_change(call, mc_json_str(peering_requester(edited), "vpc", ""));
	vpc_change(call, mc_json_str(peering_accepter(edited), "vpc", ""));
	return 0;
}

const struct action actions_peering[] = {
	{ .service = "ec2", .name = "DescribeVpcPeeringConnections", .fn = describe_vpc_peering_connections },
	{ .service = "ec2", .name = "CreateVpcPeeringConnection", .fn = create_vpc_peering_connection, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "AcceptVpcPeeringConnection", .fn = accept_vpc_peering_connection, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "RejectVpcPeeringConnection", .fn = reject_vpc_peering_connection, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteVpcPeeringConnection", .fn = delete_vpc_peering_connection, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "ModifyVpcPeeringConnectionOptions", .fn = modify_vpc_peering_connection_options, .flags = ACTION_WRITE },
	{ 0 },
};
