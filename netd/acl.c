#include "netd/acl.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/group.h"
#include "netd/vpcrules.h"

struct direction {
	const char *suffix, *end, *map;
	const char *path; /* rules of the chain that looks a packet's subnet up */
};

static const struct direction directions[WANTED_DIRECTION_MAX] = {
	[WANTED_INGRESS] = { "in", "ip saddr", VPCRULES_HOME " acl_in",
			     "iifname . oifname @same_subnet return\noifname vmap @acl_in\n" },
	[WANTED_EGRESS] = { "out", "ip daddr", VPCRULES_HOME " acl_out",
			    "iifname . oifname @same_subnet return\niifname vmap @acl_out\n" },
};

/* Every packet matches. */
static bool is_catch_all(const struct wanted_acl_entry *e)
{
	return e->match.protocol == WANTED_ALL && e->match.cidr.len == 0;
}

static bool is_open(const struct wanted_acl *a, enum wanted_direction d)
{
	return a->n_entries[d] > 0 && a->entries[d][0].allow && is_catch_all(&a->entries[d][0]);
}

static bool subnet_filters(const struct wanted *w, const struct wanted_subnet *s,
			   enum wanted_direction d)
{
	return s->acl >= 0 && !is_open(&w->acls[s->acl], d);
}

bool acl_filters(const struct wanted *w, enum wanted_direction d)
{
	for (size_t i = 0; i < w->n_subnets; i++)
		if (subnet_filters(w, &w->subnets[i], d))
			return true;
	return false;
}

static void put_ports(FILE *out, const struct wanted_rule *r)
{
	const char *name = r->protocol == IPPROTO_TCP ? "tcp" : "udp";

	if (r->from == WANTED_ALL || (r->from == 0 && r->to == 65535))
		fprintf(out, "meta l4proto %s ", name);
	else if (r->from == r->to)
		fprintf(out, "%s dport %d ", name, r->from);
	else
		fprintf(out, "%s dport %d-%d ", name, r->from, r->to);
}

static void put_icmp(FILE *out, const struct wanted_rule *r)
{
	if (r->from == WANTED_ALL)
		fputs("meta l4proto icmp ", out);
	else
		fprintf(out, "icmp type %d ", r->from);
	if (r->to != WANTED_ALL)
		fprintf(out, "icmp code %d ", r->to);
}

static void put_entry(FILE *out, const struct wanted_acl_entry *e, const struct direction *d)
{
	char cidr[CIDR_TEXT_LEN];

	cidr_format(&e->match.cidr, cidr);
	if (e->match.cidr.len > 0)
		fprintf(out, "%s %s ", d->end, cidr);
	if (e->match.protocol == IPPROTO_TCP || e->match.protocol == IPPROTO_UDP)
		put_ports(out, &e->match);
	else if (e->match.protocol == IPPROTO_ICMP)
		put_icmp(out, &e->match);
	else if (e->match.protocol != WANTED_ALL)
		fprintf(out, "meta l4proto %d ", e->match.protocol);
	if (e->allow)
		fputs("return\n", out);
	else
		fprintf(out, "goto path_drop_%s\n", d->suffix);
}

/* What stands behind an entry that every packet matches is never asked. */
static void add_acl(struct ruleset *rs, const struct wanted_acl *a, enum wanted_direction d)
{
	mc_autofree char *name = mc_strf("acl_%s_%s", group_tail(a->id), directions[d].suffix);
	mc_autofree char *rules = NULL;
	bool ended = false;
	size_t len;
	FILE *out = open_memstream(&rules, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < a->n_entries[d] && !ended; i++) {
		put_entry(out, &a->entries[d][i], &directions[d]);
		ended = is_catch_all(&a->entries[d][i]);
	}
	if (!ended)
		fprintf(out, "goto path_drop_%s\n", directions[d].suffix);
	if (fclose(out) != 0)
		abort();
	ruleset_add_chain(rs, name, "", rules);
}

static bool is_used(const struct wanted *w, size_t acl)
{
	for (size_t i = 0; i < w->n_subnets; i++)
		if (w->subnets[i].acl == (ssize_t)acl)
			return true;
	return false;
}

static void add_subnets(struct ruleset *rs, const struct wanted *w, enum wanted_direction d)
{
	char bridge[MC_IFNAME_LEN];

	for (size_t i = 0; i < w->n_subnets; i++) {
		const struct wanted_subnet *s = &w->subnets[i];
		mc_autofree char *jump = NULL, *pair = NULL;

		if (!subnet_filters(w, s, d))
			continue;
		mc_id_bridge(s->id, bridge);
		jump = mc_strf("jump acl_%s_%s", group_tail(w->acls[s->acl].id),
			       directions[d].suffix);
		pair = mc_strf("%s . %s", bridge, bridge);
		ruleset_add_element(rs, directions[d].map, bridge, jump, NULL);
		ruleset_add_element(rs, VPCRULES_HOME " same_subnet", pair, NULL, NULL);
	}
}

void acl_add_all(struct ruleset *rs, const struct wanted *w)
{
	for (int d = 0; d < WANTED_DIRECTION_MAX; d++) {
		enum wanted_direction way = (enum wanted_direction)d;
		mc_autofree char *path = mc_strf("path_acl_%s", directions[d].suffix);

		if (!acl_filters(w, way))
			continue;
		for (size_t i = 0; i < w->n_acls; i++)
			if (is_used(w, i) && !is_open(&w->acls[i], way))
				add_acl(rs, &w->acls[i], way);
		add_subnets(rs, w, way);
		ruleset_add_chain(rs, path, "", directions[d].path);
	}
}
