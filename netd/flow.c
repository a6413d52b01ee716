#include "netd/flow.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

/* --- what rules say ----------------------------------------------------------------- */

static bool foreign_member(const struct wanted *w, const char *group, uint32_t peer)
{
	const struct wanted_foreign *f = wanted_foreign_by_id(w, group);

	for (size_t i = 0; f && i < f->n_members; i++)
		if (f->members[i] == peer)
			return true;
	return false;
}

static bool peer_matches(const struct wanted *w, const struct wanted_rule *r, uint32_t peer)
{
	const struct wanted_eni *e;

	if (!r->group[0])
		return cidr_has(&r->cidr, peer);
	e = wanted_eni_by_ip(w, peer);
	return e ? wanted_eni_in_group(w, e, r->group) : foreign_member(w, r->group, peer);
}

static bool rule_matches(const struct wanted *w, const struct wanted_rule *r,
			 const struct flow *f, uint32_t peer)
{
	if (!peer_matches(w, r, peer))
		return false;
	if (r->protocol == WANTED_ALL)
		return true;
	if (r->protocol != f->protocol)
		return false;
	if (r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP)
		return r->from == WANTED_ALL || (f->dport >= r->from && f->dport <= r->to);
	if (r->protocol == IPPROTO_ICMP)
		return (r->from == WANTED_ALL || r->from == f->icmp_type) &&
		       (r->to == WANTED_ALL || r->to == f->icmp_code);
	return true;
}

bool flow_matches(const struct wanted *w, enum wanted_direction d, const struct wanted_rule *r,
		  const struct flow *f)
{
	return rule_matches(w, r, f, d == WANTED_INGRESS ? f->src : f->reply_src);
}

/* From or to everywhere. */
static bool is_wide(const struct wanted_rule *r)
{
	return !r->group[0] && r->cidr.len == 0;
}

bool flow_may_end_with(const struct wanted_rule *r)
{
	return is_wide(r) && (r->protocol == WANTED_ALL || r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP);
}

static bool takes_every_answer(const struct wanted_rule *r, int protocol)
{
	if (!is_wide(r))
		return false;
	return r->protocol == WANTED_ALL ||
	       (r->protocol == protocol && (r->from == WANTED_ALL || (r->from == 0 && r->to == 65535)));
}

/* --- one end of a connection ------------------------------------------------------------ */

struct end {
	const struct wanted_eni *eni;
	enum wanted_direction direction; /* the connection's first packet's, seen from the interface */
	uint32_t peer;
};

static bool end_allows(const struct wanted *w, const struct end *end, const struct flow *f,
		       bool wide_only)
{
	for (size_t g = 0; g < end->eni->n_groups; g++) {
		const struct wanted_group *group = &w->groups[end->eni->groups[g]];

		for (size_t i = 0; i < group->n_rules[end->direction]; i++) {
			const struct wanted_rule *r = &group->rules[end->direction][i];

			if ((!wide_only || is_wide(r)) && rule_matches(w, r, f, end->peer))
				return true;
		}
	}
	return end->eni->kind == WANTED_NAT;
}

static bool end_answers(const struct wanted *w, const struct end *end, int protocol)
{
	enum wanted_direction back = end->direction == WANTED_INGRESS ? WANTED_EGRESS
								      : WANTED_INGRESS;

	for (size_t g = 0; g < end->eni->n_groups; g++) {
		const struct wanted_group *group = &w->groups[end->eni->groups[g]];

		for (size_t i = 0; i < group->n_rules[back]; i++)
			if (takes_every_answer(&group->rules[back][i], protocol))
				return true;
	}
	return false;
}

/* Through a NAT gateway, or with an interface endpoint: always tracked. */
static bool always_tracked(const struct wanted *w, const struct end *end)
{
	const struct wanted_eni *peer = wanted_eni_by_ip(w, end->peer);
	const struct wanted_route *route;

	if (end->eni->kind == WANTED_ENDPOINT || (peer && peer->kind == WANTED_ENDPOINT))
		return true;
	if (wanted_has_addr(w, end->peer))
		return false;
	route = wanted_route_to(&w->subnets[end->eni->subnet], end->peer);
	return route && route->target == WANTED_TARGET_NAT;
}

static bool is_tracked(const struct wanted *w, const struct end *end, const struct flow *f)
{
	if (f->protocol != IPPROTO_TCP && f->protocol != IPPROTO_UDP)
		return true;
	return !end_allows(w, end, f, true) || !end_answers(w, end, f->protocol) ||
	       always_tracked(w, end);
}

static bool end_goes_on(const struct wanted *before, const struct wanted *w, const struct end *end,
			const struct flow *f)
{
	struct end then = *end;

	if (!end->eni || end_allows(w, end, f, false))
		return true;
	then.eni = before ? wanted_eni_by_id(before, end->eni->id) : NULL;
	if (!then.eni)
		return false;
	/* What was not allowed before has gone on since, as it was tracked. */
	return !end_allows(before, &then, f, false) || is_tracked(before, &then, f);
}

/* --- the whole --------------------------------------------------------------------------- */

static bool own_service(const struct wanted *w, uint32_t addr)
{
	if (addr == ADDR_METADATA || addr == ADDR_LINK_DNS || addr == wanted_dns_addr(w) ||
	    addr == ADDR_TRANSIT_VPC || addr == INADDR_BROADCAST)
		return true;
	for (size_t i = 0; i < w->n_subnets; i++)
		if (addr == wanted_gateway(&w->subnets[i]))
			return true;
	return false;
}

/* Does each translation of the flow still stand? */
static bool nat_stands(const struct wanted *w, const struct flow *f)
{
	const struct wanted_addr *sender = wanted_addr_by_ip(w, f->src);
	const struct wanted_addr *receiver = wanted_addr_by_ip(w, f->reply_src);

	if (f->dst != f->reply_src && (!w->igw || !receiver || receiver->public_ip != f->dst))
		return false;
	if (f->src != f->reply_dst && (!w->igw || !sender || sender->public_ip != f->reply_dst))
		return false;
	return true;
}

/* An address that was another interface's is not the same end. */
static bool same_owner(const struct wanted *before, const struct wanted_eni *eni, uint32_t addr)
{
	const struct wanted_eni *was = before && eni ? wanted_eni_by_ip(before, addr) : NULL;

	return !was || strcmp(was->id, eni->id) == 0;
}

/* The interface that takes the flow in: its receiver's, or the router's on the way there. */
static const struct wanted_eni *taker(const struct wanted *w, const struct wanted_eni *sender,
				      uint32_t addr)
{
	const struct wanted_eni *receiver = wanted_eni_by_ip(w, addr);
	const struct wanted_route *route;

	if (receiver || !sender)
		return receiver;
	route = wanted_route_to(&w->subnets[sender->subnet], addr);
	return route && route->target == WANTED_TARGET_ENI ? wanted_eni_by_id(w, route->id) : NULL;
}

bool flow_goes_on(const struct wanted *before, const struct wanted *w, const struct flow *f)
{
	const struct wanted_eni *sender = wanted_eni_by_ip(w, f->src);
	struct end out = { sender, WANTED_EGRESS, f->reply_src };
	struct end in = { taker(w, sender, f->reply_src), WANTED_INGRESS, f->src };

	if (!nat_stands(w, f) || !same_owner(before, sender, f->src) ||
	    !same_owner(before, in.eni, f->reply_src))
		return false;
	if (own_service(w, f->reply_src))
		return sender || !wanted_has_addr(w, f->src) || own_service(w, f->src);
	if (!sender && wanted_has_addr(w, f->src) && !own_service(w, f->src))
		return false;
	if (!in.eni && wanted_has_addr(w, f->reply_src))
		return false;
	/* What the VPC itself sends (DHCP, resolver, ICMP errors) is not forwarded. */
	return end_goes_on(before, w, &out, f) &&
	       (own_service(w, f->src) || end_goes_on(before, w, &in, f));
}
