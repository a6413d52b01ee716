#include "netd/vpcrules.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/skeleton.h"

const char *const vpcrules_tables[] = { "bridge guard", VPCRULES_HOME, NULL };

struct direction {
	const char *suffix; /* of the chains' names */
	const char *peer;   /* which end of the packet the rule's peer is */
	const char *map;    /* from an interface's address to its chain */
};

static const struct direction directions[WANTED_DIRECTION_MAX] = {
	[WANTED_INGRESS] = { "in", "ip saddr", "inet vpc eni_in" },
	[WANTED_EGRESS] = { "out", "ip daddr", "inet vpc eni_out" },
};

static const char *tail_of(const char *id)
{
	return strchr(id, '-') + 1;
}

/* --- security groups ------------------------------------------------------------- */

static void put_peer(FILE *out, const struct wanted_rule *r, const char *end)
{
	char cidr[CIDR_TEXT_LEN];

	cidr_format(&r->cidr, cidr);
	if (r->group[0])
		fprintf(out, "%s @members_%s", end, tail_of(r->group));
	else if (r->cidr.len == 0)
		fputs("meta nfproto ipv4", out);
	else
		fprintf(out, "%s %s", end, cidr);
}

static void put_ports(FILE *out, const struct wanted_rule *r)
{
	const char *name = r->protocol == IPPROTO_TCP ? "tcp" : "udp";

	if (r->from == WANTED_ALL || (r->from == 0 && r->to == 65535))
		fprintf(out, " meta l4proto %s", name);
	else if (r->from == r->to)
		fprintf(out, " %s dport %d", name, r->from);
	else
		fprintf(out, " %s dport %d-%d", name, r->from, r->to);
}

static void put_icmp(FILE *out, const struct wanted_rule *r)
{
	if (r->from == WANTED_ALL)
		fputs(" meta l4proto icmp", out);
	else
		fprintf(out, " icmp type %d", r->from);
	if (r->to != WANTED_ALL)
		fprintf(out, " icmp code %d", r->to);
}

static void put_rule(FILE *out, const struct wanted_rule *r, enum wanted_direction d)
{
	put_peer(out, r, directions[d].peer);
	if (r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP)
		put_ports(out, r);
	else if (r->protocol == IPPROTO_ICMP)
		put_icmp(out, r);
	else if (r->protocol != WANTED_ALL)
		fprintf(out, " meta l4proto %d", r->protocol);
	fputs(" accept\n", out);
}

static void add_group(struct ruleset *rs, const struct wanted_group *g)
{
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++) {
		mc_autofree char *name = mc_strf("sg_%s_%s", tail_of(g->id), directions[d].suffix);
		mc_autofree char *rules = NULL;
		size_t len;
		FILE *out = open_memstream(&rules, &len);

		if (!out)
			abort();
		for (size_t i = 0; i < g->n_rules[d]; i++)
			put_rule(out, &g->rules[d][i], (enum wanted_direction)d);
		if (fclose(out) != 0)
			abort();
		ruleset_add_chain(rs, name, rules);
	}
}

static void add_address(struct ruleset *rs, const char *set, uint32_t ip)
{
	char text[ADDR_TEXT_LEN];

	addr_format(ip, text);
	ruleset_add_element(rs, set, text, NULL, NULL);
}

/* A set for every group that some rule names, empty where the group has no members here. */
static void add_member_set(struct ruleset *rs, const struct wanted *w, const char *group,
			   json_t *seen)
{
	mc_autofree char *name = mc_strf("members_%s", tail_of(group));
	mc_autofree char *set = mc_strf("%s %s", VPCRULES_HOME, name);
	const struct wanted_foreign *foreign = wanted_foreign_by_id(w, group);

	if (json_object_get(seen, group))
		return;
	json_object_set_new(seen, group, json_true());
	ruleset_add_set(rs, name);
	for (size_t i = 0; i < w->n_enis; i++)
		if (wanted_eni_in_group(w, &w->enis[i], group))
			for (size_t j = 0; j < w->enis[i].n_addrs; j++)
				add_address(rs, set, w->enis[i].addrs[j].ip);
	for (size_t i = 0; foreign && i < foreign->n_members; i++)
		add_address(rs, set, foreign->members[i]);
}

static void add_groups(struct ruleset *rs, const struct wanted *w)
{
	mc_auto_json json_t *seen = json_object();

	for (size_t g = 0; g < w->n_groups; g++) {
		add_group(rs, &w->groups[g]);
		for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
			for (size_t i = 0; i < w->groups[g].n_rules[d]; i++)
				if (w->groups[g].rules[d][i].group[0])
					add_member_set(rs, w, w->groups[g].rules[d][i].group, seen);
	}
}

/* --- interfaces -------------------------------------------------------------------- */

/* What the port may send as its source. */
static void add_guard(struct ruleset *rs, const struct wanted_eni *e)
{
	mc_autofree char *port = NULL;
	char tap[MC_IFNAME_LEN], ip[ADDR_TEXT_LEN];

	mc_id_tap(e->id, tap);
	port = mc_strf("%s . %s", tap, e->mac);
	for (size_t i = 0; i < e->n_addrs; i++) {
		mc_autofree char *source = NULL;

		addr_format(e->addrs[i].ip, ip);
		source = mc_strf("%s . %s", port, ip);
		ruleset_add_element(rs, "bridge guard src4", source, NULL, e->id);
	}
	ruleset_add_element(rs, "bridge guard srcmac", port, NULL, NULL);
	if (!e->source_dest_check)
		ruleset_add_element(rs, "bridge guard nochk", port, NULL, NULL);
}

static void add_eni_chain(struct ruleset *rs, const struct wanted *w, const struct wanted_eni *e,
			  enum wanted_direction d)
{
	mc_autofree char *chain = mc_strf("eni_%s_%s", tail_of(e->id), directions[d].suffix);
	mc_autofree char *jump = mc_strf("jump %s", chain);
	mc_autofree char *rules = NULL;
	char ip[ADDR_TEXT_LEN];
	size_t len;
	FILE *out = open_memstream(&rules, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < e->n_groups; i++)
		fprintf(out, "jump sg_%s_%s\n", tail_of(w->groups[e->groups[i]].id),
			directions[d].suffix);
	fputs("drop\n", out);
	if (fclose(out) != 0)
		abort();
	ruleset_add_chain(rs, chain, rules);
	for (size_t i = 0; i < e->n_addrs; i++) {
		addr_format(e->addrs[i].ip, ip);
		ruleset_add_element(rs, directions[d].map, ip, jump, NULL);
	}
	/* A router's packets carry other sources: its egress rules go by its MAC. */
	if (d == WANTED_EGRESS && !e->source_dest_check)
		ruleset_add_element(rs, "inet vpc mac_out", e->mac, jump, NULL);
}

static void add_addr(struct ruleset *rs, const struct wanted *w, const struct wanted_eni *e,
		     const struct wanted_addr *a)
{
	static const char *const accounts[] = {
		"inet vpc acct_inet_out", "inet vpc acct_inet_in",
		"inet vpc acct_local_out", "inet vpc acct_local_in",
	};
	char ip[ADDR_TEXT_LEN], public_ip[ADDR_TEXT_LEN];

	addr_format(a->ip, ip);
	addr_format(a->public_ip, public_ip);
	for (size_t i = 0; i < MC_ARRAY_SIZE(accounts); i++)
		ruleset_add_element(rs, accounts[i], ip, NULL, e->id);
	if (!w->igw || !a->public_ip)
		return;
	ruleset_add_element(rs, "inet vpc eip_in", public_ip, ip, NULL);
	ruleset_add_element(rs, "inet vpc eip_out", ip, public_ip, NULL);
}

static void add_eni(struct ruleset *rs, const struct wanted *w, const struct wanted_eni *e)
{
	add_guard(rs, e);
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
		add_eni_chain(rs, w, e, (enum wanted_direction)d);
	for (size_t i = 0; i < e->n_addrs; i++)
		add_addr(rs, w, e, &e->addrs[i]);
}

struct ruleset *vpcrules_build(const struct wanted *w)
{
	struct ruleset *rs = ruleset_new(vpcrules_tables, VPCRULES_HOME, skeleton_vpc);
	char text[CIDR_TEXT_LEN];

	for (size_t i = 0; i < w->n_cidrs; i++) {
		cidr_format(&w->cidrs[i], text);
		ruleset_add_element(rs, "inet vpc vpc_cidr", text, NULL, NULL);
	}
	addr_format(wanted_dns_addr(w), text);
	ruleset_add_element(rs, "inet vpc dns_addr", text, NULL, NULL);
	addr_format(ADDR_LINK_DNS, text);
	ruleset_add_element(rs, "inet vpc dns_addr", text, NULL, NULL);
	ruleset_add_element(rs, "inet vpc edge_if", "igw0", NULL, NULL);
	add_groups(rs, w);
	for (size_t i = 0; i < w->n_enis; i++)
		add_eni(rs, w, &w->enis[i]);
	return rs;
}
