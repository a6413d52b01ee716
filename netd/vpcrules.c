#include "netd/vpcrules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/acl.h"
#include "netd/appliance.h"
#include "netd/group.h"
#include "netd/peering.h"
#include "netd/port.h"
#include "netd/skeleton.h"

const char *const vpcrules_tables[] = { "bridge guard", VPCRULES_HOME, NULL };

static const char *const suffixes[WANTED_DIRECTION_MAX] = {
	[WANTED_INGRESS] = "in",
	[WANTED_EGRESS] = "out",
};

/* --- text that is put together --------------------------------------------------------- */

struct text {
	char *data;
	size_t len;
	FILE *out;
};

static FILE *text_begin(struct text *t)
{
	t->out = open_memstream(&t->data, &t->len);
	if (!t->out)
		abort();
	return t->out;
}

static void text_to_chain(struct text *t, struct ruleset *rs, const char *name)
{
	if (fclose(t->out) != 0)
		abort();
	ruleset_add_chain(rs, name, "", t->data);
	free(t->data);
}

static void put_cidrs(FILE *out, const struct cidr *cidrs, size_t n)
{
	char cidr[CIDR_TEXT_LEN];

	fputs("{ ", out);
	for (size_t i = 0; i < n; i++) {
		cidr_format(&cidrs[i], cidr);
		fprintf(out, "%s%s", i ? ", " : "", cidr);
	}
	fputs(" }", out);
}

/* --- interfaces -------------------------------------------------------------------- */

/* What the port may send as its source. */
static void add_guard(struct ruleset *rs, const struct wanted_eni *e)
{
	mc_autofree char *port = NULL;
	char name[MC_IFNAME_LEN], ip[ADDR_TEXT_LEN];

	port_name(e, name);
	port = mc_strf("%s . %s", name, e->mac);
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

/* A NAT gateway has no groups: everything may come in and go out. */
static void add_eni_chain(struct ruleset *rs, const struct wanted *w, const struct wanted_eni *e,
			  enum wanted_direction d)
{
	mc_autofree char *chain = mc_strf("eni_%s_%s", group_tail(e->id), suffixes[d]);
	mc_autofree char *jump = mc_strf("jump %s", chain);
	char ip[ADDR_TEXT_LEN];
	struct text t;
	FILE *out = text_begin(&t);

	for (size_t i = 0; i < e->n_groups; i++)
		fprintf(out, "jump sg_%s_%s\nmeta mark 1 return\n",
			group_tail(w->groups[e->groups[i]].id), suffixes[d]);
	if (e->kind == WANTED_NAT)
		fputs("meta mark set 1 return\n", out);
	else
		fprintf(out, "goto path_drop_%s\n", suffixes[d]);
	text_to_chain(&t, rs, chain);
	if (d == WANTED_EGRESS)
		ruleset_add_element(rs, VPCRULES_HOME " eni_out", e->mac, jump, NULL);
	for (size_t i = 0; d == WANTED_INGRESS && i < e->n_addrs; i++) {
		addr_format(e->addrs[i].ip, ip);
		ruleset_add_element(rs, VPCRULES_HOME " eni_in", ip, jump, NULL);
	}
}

static void add_addr(struct ruleset *rs, const struct wanted *w, const struct wanted_eni *e,
		     const struct wanted_addr *a)
{
	static const char *const accounts[] = {
		VPCRULES_HOME " acct_inet_out", VPCRULES_HOME " acct_inet_in",
		VPCRULES_HOME " acct_local_out", VPCRULES_HOME " acct_local_in",
	};
	char ip[ADDR_TEXT_LEN], public_ip[ADDR_TEXT_LEN];

	addr_format(a->ip, ip);
	addr_format(a->public_ip, public_ip);
	for (size_t i = 0; i < MC_ARRAY_SIZE(accounts); i++)
		ruleset_add_element(rs, accounts[i], ip, NULL, e->id);
	if (!w->igw || !a->public_ip)
		return;
	ruleset_add_element(rs, VPCRULES_HOME " eip_in", public_ip, ip, NULL);
	ruleset_add_element(rs, VPCRULES_HOME " eip_out", ip, public_ip, NULL);
}

/* Or it could decline or give back a neighbour's address, which dnsmasq then gives to nobody for a while. */
static void add_dhcp(struct ruleset *rs, const struct wanted_eni *e)
{
	unsigned char m[ADDR_MAC_LEN];
	mc_autofree char *key = NULL;

	if (e->kind != WANTED_INSTANCE)
		return;
	mac_parse(e->mac, m);
	key = mc_strf("%s . 0x%02x%02x%02x%02x%02x%02x", e->mac, m[0], m[1], m[2], m[3], m[4], m[5]);
	ruleset_add_element(rs, VPCRULES_HOME " dhcp_from", key, NULL, NULL);
}

static void add_eni(struct ruleset *rs, const struct wanted *w, const struct wanted_eni *e)
{
	add_guard(rs, e);
	add_dhcp(rs, e);
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++)
		add_eni_chain(rs, w, e, (enum wanted_direction)d);
	for (size_t i = 0; i < e->n_addrs; i++)
		add_addr(rs, w, e, &e->addrs[i]);
}

/* --- the paths (skeleton.c) -------------------------------------------------------------- */

/* What comes in from outside is not from inside, is for somebody inside, and from where it
 * says it is. */
static void add_edge(struct ruleset *rs, const struct wanted *w)
{
	char name[MC_IFNAME_LEN];
	struct text t;
	FILE *out = text_begin(&t);

	if (w->igw) {
		fputs("iifgroup 1 ip saddr ", out);
		put_cidrs(out, w->cidrs, w->n_cidrs);
		fputs(" drop\niifgroup 1 ip daddr != 169.254.255.2 ip daddr != @eip_in drop\n", out);
	}
	for (size_t i = 0; i < w->n_peerings; i++) {
		peering_name(w->peerings[i].id, name);
		fprintf(out, "iifname \"%s\" ip saddr != ", name);
		put_cidrs(out, w->peerings[i].cidrs, w->peerings[i].n_cidrs);
		fputs(" drop\n", out);
	}
	for (size_t i = 0; i < w->n_gateways; i++) {
		char ip[ADDR_TEXT_LEN];

		appliance_gateway_port(w->gateways[i].id, name);
		addr_format(w->gateways[i].ip, ip);
		fprintf(out, "iifname \"%s\" ip saddr != %s drop\n", name, ip);
	}
	text_to_chain(&t, rs, "path_edge");
}

static void add_drop(struct ruleset *rs, const struct wanted *w, enum wanted_direction d)
{
	mc_autofree char *name = mc_strf("path_drop_%s", suffixes[d]);
	mc_autofree char *rules = mc_strf("%scounter name refused_%s drop\n", flowrules_jump(w, d, FLOW_REJECT), suffixes[d]);

	ruleset_add_chain(rs, name, "", rules);
}

static void add_paths(struct ruleset *rs, const struct wanted *w)
{
	const char *acl_out = acl_filters(w, WANTED_EGRESS) ? "jump path_acl_out\n" : "";
	const char *acl_in = acl_filters(w, WANTED_INGRESS) ? "jump path_acl_in\n" : "";
	const char *log_out = flowrules_jump(w, WANTED_EGRESS, FLOW_ACCEPT);
	const char *log_in = flowrules_jump(w, WANTED_INGRESS, FLOW_ACCEPT);
	mc_autofree char *rules = mc_strf("%s%s%s%s", acl_out, log_out, acl_in, log_in);
	mc_autofree char *known = mc_strf("%sgoto account\n", rules);
	mc_autofree char *inside = mc_strf("%sgoto account_inside\n", rules);
	mc_autofree char *fresh = mc_strf("iifgroup 0 jump leave\n%s%s%soifgroup 0 jump enter\n%s"
					  "goto account\n", acl_out, log_out, acl_in, log_in);

	ruleset_add_chain(rs, "path_inside", "", inside);
	ruleset_add_chain(rs, "path_known", "", known);
	ruleset_add_chain(rs, "path_new", "", fresh);
	add_drop(rs, w, WANTED_INGRESS);
	add_drop(rs, w, WANTED_EGRESS);
}

/* What goes through a router on its way from or to the internet is seen twice: conntrack, which
 * translates a connection once, does not. Addresses are then exchanged before and after it. */
static void add_bare_translation(struct ruleset *rs)
{
	ruleset_add_chain(rs, "base_bare_pre", "type filter hook prerouting priority -290;",
			  "iifgroup 1 ip daddr set ip daddr map @eip_in\n");
	ruleset_add_chain(rs, "base_bare_post", "type filter hook postrouting priority 150;",
			  "oifgroup 1 ip saddr set ip saddr map @eip_out\n");
}

/* Connections of a VPC without public addresses do not pay for translation. */
static void add_translation(struct ruleset *rs, const struct wanted *w)
{
	bool any = false;

	for (size_t i = 0; i < w->n_enis; i++)
		for (size_t j = 0; j < w->enis[i].n_addrs; j++)
			any = any || w->enis[i].addrs[j].public_ip;
	if (!w->igw || !any)
		return;
	if (w->n_igw_routes) {
		add_bare_translation(rs);
		return;
	}
	ruleset_add_chain(rs, "base_nat_pre", "type nat hook prerouting priority dstnat;",
			  "iifgroup 1 dnat to ip daddr map @eip_in\n");
	ruleset_add_chain(rs, "base_nat_post", "type nat hook postrouting priority srcnat;",
			  "oifgroup 1 snat to ip saddr map @eip_out\n");
}

struct ruleset *vpcrules_build(const struct wanted *w, const struct flow_sides *sides)
{
	struct ruleset *rs = ruleset_new(vpcrules_tables, VPCRULES_HOME, skeleton_vpc);
	char text[ADDR_TEXT_LEN];

	addr_format(wanted_dns_addr(w), text);
	if (w->dns.support) {
		ruleset_add_element(rs, VPCRULES_HOME " dns_addr", text, NULL, NULL);
		addr_format(ADDR_LINK_DNS, text);
		ruleset_add_element(rs, VPCRULES_HOME " dns_addr", text, NULL, NULL);
	}
	for (size_t i = 0; i < w->n_enis; i++)
		add_eni(rs, w, &w->enis[i]);
	group_add_all(rs, w);
	acl_add_all(rs, w);
	flowrules_add_all(rs, w, sides);
	add_edge(rs, w);
	add_paths(rs, w);
	add_translation(rs, w);
	return rs;
}
