/* The walk of a packet and of its answer. */
#include "api/association.h"
#include "api/reach.h"

#include <stdio.h>
#include <string.h>

#include "api/cidr.h"
#include "api/interface.h"
#include "api/nat_gateway.h"
#include "api/peering.h"
#include "api/reach_rule.h"
#include "api/reach_step.h"
#include "api/route_table.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_HOPS 16
#define EPHEMERAL_FROM 32768         /* where Linux takes its ports from: ip(7), ip_local_port_range */
#define EPHEMERAL_TO 60999

struct walk {
	struct store_tx *tx;
	struct reach_steps steps;
	bool returning; /* the answer: security groups know the flow */
	bool forwarded;
	unsigned hops;
	/* Whom each NAT gateway on the way has hidden. */
	struct hidden { const struct resource *nat; uint32_t ip; } hidden[MAX_HOPS];
	size_t n_hidden;
};

/* Where a packet is: at an interface, or (NULL) out on the internet. */
struct place {
	const struct resource *eni;     /* NULL: out there */
	const struct resource *gateway; /* or at what this endpoint leads to */
};

static const struct resource *subnet_of(const struct walk *w, const struct resource *eni)
{
	return store_get(w->tx, mc_json_str(eni->spec, "subnet", NULL));
}

static const struct resource *gateway_of(const struct walk *w, const char *vpc)
{
	struct store_iter it = store_iter(w->tx, KIND_INTERNET_GATEWAY, NULL, NULL);

	return store_next_of(&it, vpc);
}

static bool is_kind(const struct resource *eni, const char *kind)
{
	return strcmp(mc_json_str(eni->spec, "kind", ""), kind) == 0;
}

/* --- what stands at every interface and every subnet's edge -------------------- */

static bool check_alive(struct walk *w, const struct resource *eni)
{
	const struct resource *inst = store_get(w->tx, mc_json_str(eni->spec, "instance", NULL));

	if (mc_json_str(eni->spec, "kind", NULL))
		return true;
	if (!inst || json_object_get(eni->spec, "attachment_state"))
		return reach_explain(&w->steps, "BAD_STATE_ATTACHMENT", "NetworkInterface", eni, NULL);
	if (inst->state == INSTANCE_RUNNING)
		return true;
	reach_explain(&w->steps, "BAD_STATE", "Component", inst, NULL);
	return reach_explain_text(&w->steps, "State", state_name(inst));
}

/* Its own addresses, unless the check is off. */
static bool check_source(struct walk *w, const struct resource *eni, uint32_t ip)
{
	mc_autofree char *text = reach_ip_text(ip);

	if (!mc_json_bool(eni->spec, "source_dest_check", true) || interface_slot_of(eni, text))
		return true;
	reach_explain(&w->steps, "ENI_SOURCE_DEST_CHECK_RESTRICTION", "NetworkInterface", eni, NULL);
	return reach_explain_text(&w->steps, "Address", text);
}

/* Goes on where a group has no rule for it, so that all that is in the way gets told. */
static void check_groups(struct walk *w, const struct resource *eni, bool egress, const struct reach_header *h)
{
	bool any;
	const struct resource *rule;

	if (w->returning || is_kind(eni, "nat"))
		return;
	rule = reach_group_rule(w->tx, eni, egress, h, &any);
	if (rule) {
		reach_step_group(&w->steps, store_get(w->tx, rule->parent), rule);
		return;
	}
	reach_explain(&w->steps, any ? "ENI_SG_RULES_MISMATCH" : "SG_HAS_NO_RULES", "NetworkInterface", eni, NULL);
	reach_explain_text(&w->steps, "Direction", egress ? "egress" : "ingress");
	reach_explain_groups(&w->steps, w->tx, eni);
	reach_explain_component(&w->steps, "Subnet", subnet_of(w, eni));
	reach_explain_component(&w->steps, "Vpc", store_get(w->tx, eni->parent));
	reach_explain_header(&w->steps, h);
}

static void check_acl(struct walk *w, const struct resource *subnet, bool egress, const struct reach_header *h)
{
	const struct resource *acl = association_of(w->tx, KIND_NETWORK_ACL, subnet);
	const json_t *entry = NULL;
	bool allowed = acl && reach_acl_allows(acl, egress, h, &entry);

	if (!acl)
		return;
	reach_step_acl(&w->steps, acl, entry);
	if (allowed)
		return;
	reach_explain(&w->steps, "SUBNET_ACL_RESTRICTION", "Acl", acl, NULL);
	reach_explain_text(&w->steps, "Direction", egress ? "egress" : "ingress");
	reach_explain_component(&w->steps, "Subnet", subnet);
	reach_explain_component(&w->steps, "Vpc", store_get(w->tx, subnet->parent));
	reach_explain_entry(&w->steps, entry);
	reach_explain_header(&w->steps, h);
	reach_explain_number(&w->steps, REACH_NUMBER, reach_acl_free_number(acl, egress, entry));
}

/* The packet at an interface, which is shown with its place. */
static void step_interface(struct walk *w, const struct resource *eni, const struct reach_header *h)
{
	reach_step(&w->steps, eni, h);
	reach_step_component(&w->steps, "Subnet", subnet_of(w, eni));
	reach_step_component(&w->steps, "Vpc", store_get(w->tx, eni->parent));
}

/* --- arriving ------------------------------------------------------------------- */

struct route {
	const struct resource *from, *subnet, *table; /* the interface it leaves, and its own (NULL: it comes from outside) */
	const json_t *doc;
	const struct resource *target;
};

static bool send(struct walk *w, struct place *at, struct reach_header *h);
static bool follow(struct walk *w, struct place *at, struct route *r, struct reach_header *h);

/* Nobody new comes in by a NAT gateway; the answers to those it has hidden do. */
static bool arrive_at_nat(struct walk *w, struct place *at, const struct resource *eni, struct reach_header *h)
{
	const char *nat = mc_json_str(eni->spec, "requester", "");

	for (size_t i = w->n_hidden; w->returning && i-- > 0;) {
		if (strcmp(w->hidden[i].nat->id, nat) != 0)
			continue;
		reach_step(&w->steps, w->hidden[i].nat, h);
		h->dst = w->hidden[i].ip;
		w->n_hidden = i;
		at->eni = eni;
		return send(w, at, h);
	}
	return reach_explain(&w->steps, "NO_POSSIBLE_DESTINATION", "NatGateway", store_get(w->tx, nat), NULL);
}

/* Into the interface from this subnet, or (NULL) from outside of all. */
static bool arrive(struct walk *w, struct place *at, const struct resource *from, const struct resource *eni, struct reach_header *h)
{
	const struct resource *subnet = subnet_of(w, eni);

	if (subnet && subnet != from)
		check_acl(w, subnet, false, h);
	if (is_kind(eni, "nat"))
		return arrive_at_nat(w, at, eni, h);
	check_groups(w, eni, false, h);
	step_interface(w, eni, h);
	at->eni = eni;
	return check_alive(w, eni);
}

static bool arrive_in_vpc(struct walk *w, struct place *at, const struct resource *from, const struct resource *vpc, struct reach_header *h)
{
	const struct resource *eni = reach_by_private(w->tx, vpc->id, h->dst);
	mc_autofree char *text = reach_ip_text(h->dst);

	if (eni)
		return arrive(w, at, from, eni, h);
	reach_explain(&w->steps, "NO_POSSIBLE_DESTINATION", "Vpc", vpc, NULL);
	return reach_explain_text(&w->steps, "Address", text);
}

/* Before it arrives at eni: by way of a router, where the gateway has a route table that says so. */
static bool enter_by_table(struct walk *w, struct place *at, const struct resource *igw, const struct resource *eni, struct reach_header *h)
{
	struct route r = { .from = eni, .subnet = NULL, .table = route_table_of_gateway(w->tx, igw) };
	mc_auto_json json_t *doc = r.table ? reach_route(w->tx, r.table, h->dst) : NULL;

	r.doc = doc;
	if (!doc || strcmp(mc_json_str(doc, "GatewayId", ""), "local") == 0)
		return arrive(w, at, NULL, eni, h);
	return follow(w, at, &r, h);
}

static bool explain_no_gateway(struct walk *w, const char *vpc)
{
	reach_explain(&w->steps, "BAD_STATE_ATTACHMENT", "Vpc", store_get(w->tx, vpc), NULL);
	return reach_explain_text(&w->steps, "MissingComponent", "internet-gateway");
}

/* From the internet: the gateway knows the public addresses of its VPC. */
static bool enter(struct walk *w, struct place *at, struct reach_header *h)
{
	const struct resource *eni = reach_by_public(w->tx, h->dst), *igw = eni ? gateway_of(w, eni->parent) : NULL;
	mc_autofree char *text = reach_ip_text(h->dst);

	if (!eni || !igw) {
		if (eni)
			explain_no_gateway(w, eni->parent);
		else
			reach_explain(&w->steps, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS", NULL, NULL, NULL);
		return reach_explain_text(&w->steps, "Address", text);
	}
	reach_step(&w->steps, igw, h);
	h->dst = reach_private_of(eni, h->dst);
	return enter_by_table(w, at, igw, eni, h);
}

/* --- where a route leads ---------------------------------------------------------- */

static bool to_internet(struct walk *w, struct place *at, const struct route *r, struct reach_header *h)
{
	uint32_t public_ip = reach_public_of(r->from, h->src);
	mc_autofree char *text = reach_ip_text(reach_is_private(h->dst) ? h->dst : h->src);

	reach_step(&w->steps, r->target, h);
	if (reach_is_private(h->dst))
		reach_explain(&w->steps, "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS", "InternetGateway", r->target, NULL);
	else if (!public_ip)
		reach_explain(&w->steps, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS", "InternetGateway", r->target, r->from);
	if (reach_is_private(h->dst) || !public_ip)
		return reach_explain_text(&w->steps, "Address", text);
	h->src = public_ip;
	at->eni = NULL;
	return reach_by_public(w->tx, h->dst) ? enter(w, at, h) : true;
}

/* It hides who sends; an answer to what it has not sent does not pass. */
static bool to_nat(struct walk *w, struct place *at, const struct route *r, struct reach_header *h)
{
	const struct resource *eni = store_get(w->tx, mc_json_str(r->target->spec, "eni", NULL));
	const struct resource *subnet = eni ? subnet_of(w, eni) : NULL;

	if (w->returning || !subnet || w->n_hidden == MAX_HOPS)
		return reach_explain(&w->steps, "NO_POSSIBLE_DESTINATION", "NatGateway", r->target, NULL);
	if (strcmp(r->from->parent, r->target->parent) != 0)
		return reach_explain(&w->steps, "NGW_REQUIRES_SOURCE_IN_VPC", "NatGateway", r->target, NULL);
	if (subnet != r->subnet)
		check_acl(w, subnet, false, h);
	reach_step(&w->steps, r->target, h);
	w->hidden[w->n_hidden++] = (struct hidden){ r->target, h->src };
	h->src = reach_ip(mc_json_str(eni->spec, "ip", NULL));
	at->eni = eni;
	return send(w, at, h);
}

/* An instance as a router. */
static bool to_interface(struct walk *w, struct place *at, const struct route *r, struct reach_header *h)
{
	mc_autofree char *text = reach_ip_text(h->dst);

	if (!arrive(w, at, r->subnet, r->target, h))
		return false;
	if (interface_slot_of(r->target, text))
		return true;
	w->forwarded = true;
	if (!mc_json_bool(r->target->spec, "source_dest_check", true))
		return send(w, at, h);
	reach_explain(&w->steps, "ENI_SOURCE_DEST_CHECK_RESTRICTION", "NetworkInterface", r->target, NULL);
	return reach_explain_text(&w->steps, "Address", text);
}

static bool to_peer(struct walk *w, struct place *at, const struct route *r, struct reach_header *h)
{
	const struct resource *other = store_get(w->tx, mc_json_str(peering_other_end(r->target, r->from->parent), "vpc", NULL));

	reach_step(&w->steps, r->target, h);
	if (!other || !vpc_contains(other, (struct cidr){ h->dst, 32 }) ||
	    !vpc_contains(store_get(w->tx, r->from->parent), (struct cidr){ h->src, 32 }))
		return reach_explain(&w->steps, "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR", "VpcPeeringConnection", r->target, NULL);
	return arrive_in_vpc(w, at, NULL, other, h);
}

static bool to_gateway(struct walk *w, struct place *at, const struct route *r, struct reach_header *h)
{
	if (r->target->kind != KIND_VPC_ENDPOINT)
		return to_internet(w, at, r, h);
	reach_step(&w->steps, r->target, h);
	if (h->protocol != REACH_TCP)
		return reach_explain(&w->steps, "VPCE_GATEWAY_PROTOCOL_RESTRICTION", "VpcEndpoint", r->target, NULL);
	*at = (struct place){ .gateway = r->target };
	return true;
}

typedef bool target_fn(struct walk *w, struct place *at, const struct route *r, struct reach_header *h);

static bool follow(struct walk *w, struct place *at, struct route *r, struct reach_header *h)
{
	static const struct { const char *member; target_fn *go; } targets[] = {
		{ "GatewayId", to_gateway }, { "NatGatewayId", to_nat }, { "NetworkInterfaceId", to_interface },
		{ "VpcPeeringConnectionId", to_peer },
	};

	reach_step_route(&w->steps, r->table, r->doc);
	if (strcmp(mc_json_str(r->doc, "GatewayId", ""), "local") == 0)
		return arrive_in_vpc(w, at, r->subnet, store_get(w->tx, r->subnet->parent), h);
	for (size_t i = 0; i < MC_ARRAY_SIZE(targets); i++) {
		const char *id = mc_json_str(r->doc, targets[i].member, NULL);

		r->target = store_get(w->tx, id);
		if (r->target && strcmp(mc_json_str(r->doc, "State", ""), "active") == 0)
			return targets[i].go(w, at, r, h);
	}
	reach_explain(&w->steps, "BAD_STATE_ROUTE", "RouteTable", r->table, NULL);
	reach_explain_header(&w->steps, h);
	return reach_explain_route(&w->steps, r->doc);
}

/* --- leaving ------------------------------------------------------------------- */

static bool same_subnet(const struct resource *subnet, uint32_t dst)
{
	struct cidr block;

	return cidr_parse(mc_json_str(subnet->doc, "CidrBlock", NULL), &block) && cidr_contains(block, (struct cidr){ dst, 32 });
}

static void explain_no_route(struct walk *w, const struct route *r, const struct reach_header *h)
{
	const struct resource *igw = gateway_of(w, r->from->parent);

	reach_explain(&w->steps, "NO_ROUTE_TO_DESTINATION", "RouteTable", r->table, NULL);
	reach_explain_header(&w->steps, h);
	reach_explain_component(&w->steps, "Subnet", r->subnet);
	if (igw)
		reach_explain_text(&w->steps, REACH_GATEWAY, igw->id);
	if (!reach_public_of(r->from, h->src))
		reach_explain_number(&w->steps, REACH_PRIVATE, 1);
}

/* On from the interface the packet is at. False: it gets no further. */
static bool send(struct walk *w, struct place *at, struct reach_header *h)
{
	const struct resource *eni = at->eni, *subnet = subnet_of(w, eni);
	mc_auto_json json_t *doc = NULL;
	struct route r = { .from = eni, .subnet = subnet };

	if (++w->hops > MAX_HOPS || !subnet)
		return reach_explain(&w->steps, "NO_POSSIBLE_DESTINATION", "NetworkInterface", eni, NULL);
	if (!is_kind(eni, "nat") && (!check_alive(w, eni) || !check_source(w, eni, h->src)))
		return false;
	check_groups(w, eni, true, h);
	if (same_subnet(subnet, h->dst))
		return arrive_in_vpc(w, at, subnet, store_get(w->tx, subnet->parent), h);
	check_acl(w, subnet, true, h);
	r.table = reach_table(w->tx, subnet);
	doc = r.table ? reach_route(w->tx, r.table, h->dst) : NULL;
	r.doc = doc;
	if (doc)
		return follow(w, at, &r, h);
	explain_no_route(w, &r, h);
	return false;
}

/* --- the question ---------------------------------------------------------------- */

/* The interface of the source or destination; NULL: the internet, or none. */
static const struct resource *interface_of(struct store_tx *tx, const struct resource *r, uint32_t ip)
{
	mc_autofree char *text = reach_ip_text(ip);
	json_t *id;
	size_t i;

	if (!r || r->kind == KIND_NETWORK_INTERFACE)
		return r;
	if (r->kind != KIND_INSTANCE)
		return NULL;
	json_array_foreach(mc_json_arr(r->spec, "enis"), i, id) {
		const struct resource *eni = store_get(tx, json_string_value(id));

		if (eni && ip && (interface_slot_of(eni, text) || reach_private_of(eni, ip)))
			return eni;
	}
	return interface_primary(tx, r);
}

static uint32_t own_ip(const struct resource *eni, const char *member)
{
	return reach_ip(mc_json_str(eni->spec, member, NULL));
}

/* The address that the packet is sent to. From outside only a public one can be meant. */
static uint32_t destination_of(struct store_tx *tx, const struct reach_question *q, bool outside)
{
	const struct resource *eni = interface_of(tx, q->destination, q->destination_ip);
	uint32_t public_ip;

	if (!eni)
		return q->destination_ip ? q->destination_ip : REACH_SOMEBODY;
	if (!outside)
		return q->destination_ip ? q->destination_ip : own_ip(eni, "ip");
	public_ip = q->destination_ip ? reach_public_of(eni, q->destination_ip) : own_ip(eni, "public_ip");
	return public_ip ? public_ip : q->destination_ip;
}

static struct reach_header header_of(struct store_tx *tx, const struct reach_question *q, const struct resource *from, uint32_t source_ip)
{
	struct reach_header h = {
		.src = source_ip ? source_ip : from ? own_ip(from, "ip") : REACH_SOMEBODY,
		.dst = destination_of(tx, q, !from),
		.protocol = q->protocol,
		.src_from = EPHEMERAL_FROM, .src_to = EPHEMERAL_TO, .dst_from = q->port, .dst_to = q->port,
	};

	if (q->protocol == REACH_ICMP) { /* an echo request */
		h.dst_from = 8;
		h.dst_to = h.src_from = h.src_to = 0;
	}
	return h;
}

/* The answer to what arrived under h: an echo reply, or from port to port. */
static struct reach_header answer_to(const struct reach_header *h)
{
	struct reach_header a = {
		.src = h->dst, .dst = h->src, .protocol = h->protocol, .src_from = h->dst_from, .src_to = h->dst_to,
		.dst_from = h->src_from, .dst_to = h->src_to,
	};

	return a;
}

/* Is this where it was to go? */
static bool is_there(struct walk *w, const struct place *at, const struct resource *wanted, bool internet)
{
	if (at->eni == wanted && (wanted || internet))
		return true;
	reach_explain(&w->steps, "NO_POSSIBLE_DESTINATION", wanted ? "NetworkInterface" : NULL, wanted, NULL);
	if (!at->eni || !wanted || strcmp(at->eni->parent, wanted->parent) == 0)
		return false;
	/* The same address in two VPCs. */
	reach_explain_component(&w->steps, "SourceVpc", store_get(w->tx, at->eni->parent));
	return reach_explain_component(&w->steps, "DestinationVpc", store_get(w->tx, wanted->parent));
}

static bool go(struct walk *w, struct place *at, struct reach_header *h)
{
	if (at->gateway)
		return arrive_in_vpc(w, at, NULL, store_get(w->tx, at->gateway->parent), h);
	if (!at->eni)
		return enter(w, at, h);
	step_interface(w, at->eni, h);
	return send(w, at, h);
}

static void answer(struct walk *w, const struct place *from, const struct resource *to, const struct reach_header *h)
{
	struct reach_header back = answer_to(h);
	struct place at = *from;

	w->returning = true;
	w->hops = 0;
	reach_steps_turn(&w->steps);
	if (go(w, &at, &back))
		is_there(w, &at, to, true);
}

/* From the internet to an interface that has no public address: what keeps it from having one is named as well. */
static bool explain_no_address(struct walk *w, const struct resource *eni)
{
	check_alive(w, eni);
	if (!gateway_of(w, eni->parent))
		explain_no_gateway(w, eni->parent);
	return reach_explain(&w->steps, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS", "NetworkInterface", eni, NULL);
}

/* Judge with this source address. */
static void analyse(struct store_tx *tx, const struct reach_question *q, uint32_t source_ip, struct reach_answer *ret)
{
	const struct resource *from = interface_of(tx, q->source, source_ip), *wanted = interface_of(tx, q->destination, q->destination_ip);
	struct reach_header h = header_of(tx, q, from, source_ip);
	struct place at = { .eni = from };
	struct walk w = { .tx = tx };
	bool arrived, internet = !wanted && (!q->destination || q->destination->kind == KIND_INTERNET_GATEWAY);

	reach_steps_init(&w.steps);
	ret->source_ip = h.src;
	if (!from && wanted && !h.dst)
		arrived = explain_no_address(&w, wanted);
	else
		arrived = go(&w, &at, &h);
	/* Without a resource whoever has the address is meant. */
	if (arrived && (q->destination ? is_there(&w, &at, wanted, internet) : true))
		answer(&w, &at, from, &h);
	ret->forwarded = w.forwarded;
	ret->found = json_array_size(w.steps.explanations) == 0;
	reach_steps_take(&w.steps, &ret->forward, &ret->back, &ret->explanations);
}

/* Addresses out there that rules of the destination let in: the first of each block. */
static json_t *candidates(struct store_tx *tx, const struct reach_question *q)
{
	const struct resource *eni = interface_of(tx, q->destination, q->destination_ip);
	const json_t *groups = eni ? mc_json_arr(eni->spec, "groups") : NULL;
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(groups); i++) {
		struct store_iter it = store_iter(tx, KIND_SECURITY_GROUP_RULE, NULL, NULL);
		const struct resource *rule;
		struct cidr block;

		while ((rule = store_next_of(&it, mc_json_at(groups, i))))
			if (cidr_parse(mc_json_str(rule->doc, "CidrIpv4", NULL), &block) && block.bits > 0 && !reach_is_private(block.base) &&
			    !mc_json_bool(rule->doc, "IsEgress", false))
				json_array_append_new(list, json_integer(block.base + (block.bits < 31)));
	}
	return list;
}

/* "From the internet" means from somewhere there: whoever may come in is enough. */
void reach_analyse(struct store_tx *tx, const struct reach_question *q, struct reach_answer *ret)
{
	bool anywhere = !interface_of(tx, q->source, q->source_ip) && !q->source_ip;
	mc_auto_json json_t *others = NULL;
	json_t *one;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	analyse(tx, q, q->source_ip, ret);
	if (ret->found || !anywhere)
		return;
	others = candidates(tx, q);
	json_array_foreach(others, i, one) {
		struct reach_answer other = { 0 };

		analyse(tx, q, (uint32_t)json_integer_value(one), &other);
		if (!other.found) {
			reach_answer_deinit(&other);
			continue;
		}
		reach_answer_deinit(ret);
		*ret = other;
		return;
	}
}

void reach_answer_deinit(struct reach_answer *a)
{
	json_decref(a->forward);
	json_decref(a->back);
	json_decref(a->explanations);
	memset(a, 0, sizeof(*a));
}
