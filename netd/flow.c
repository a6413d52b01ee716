#include "netd/flow.h"

#include <netinet/in.h>

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

static bool eni_allows(const struct wanted *w, const struct wanted_eni *e,
		       enum wanted_direction d, const struct flow *f, uint32_t peer)
{
	for (size_t g = 0; g < e->n_groups; g++) {
		const struct wanted_group *group = &w->groups[e->groups[g]];

		for (size_t i = 0; i < group->n_rules[d]; i++)
			if (rule_matches(w, &group->rules[d][i], f, peer))
				return true;
	}
	return false;
}

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

bool flow_allowed(const struct wanted *w, const struct flow *f)
{
	const struct wanted_eni *sender = wanted_eni_by_ip(w, f->src);
	const struct wanted_eni *receiver = wanted_eni_by_ip(w, f->reply_src);

	if (!nat_stands(w, f))
		return false;
	if (own_service(w, f->reply_src))
		return sender || !wanted_has_addr(w, f->src) || own_service(w, f->src);
	if (!sender && wanted_has_addr(w, f->src) && !own_service(w, f->src))
		return false;
	if (!receiver && wanted_has_addr(w, f->reply_src))
		return false;
	if (sender && !eni_allows(w, sender, WANTED_EGRESS, f, f->reply_src))
		return false;
	/* What the VPC itself sends (DHCP, resolver, ICMP errors) is not forwarded. */
	if (receiver && !own_service(w, f->src) &&
	    !eni_allows(w, receiver, WANTED_INGRESS, f, f->src))
		return false;
	return true;
}
