#include "netd/vpcroute.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/appliance.h"
#include "netd/host.h"
#include "netd/link.h"
#include "netd/peering.h"
#include "netd/route.h"

#define PREF_INSIDE 50    /* a subnet's routes to other subnets by way of a router */
#define PREF_EDGE 60      /* the internet gateway's, likewise */
#define PREF_MAIN 100     /* else connected routes first, or traffic inside the VPC dies */
#define PREF_SUBNET 1000  /* then the route table of the subnet a packet came from */
#define PREF_LAST 2000    /* without a route: silence, no ICMP */
#define TABLE_BASE 10000u /* a subnet's table: this plus its bridge's index */
#define TABLE_INSIDE_BASE 1000000u
#define TABLE_EDGE 9999u

/* Devices of the namespace by what they are for; 0: not there. */
struct devices {
	int igw;
	int *bridges;  /* by subnet */
	int *peerings; /* by peering */
	int *gateways; /* by gateway endpoint */
};

static int find_device(const struct link_info *links, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(links[i].name, name) == 0)
			return links[i].index;
	return 0;
}

static int find_devices(struct nl_sock *sk, const struct wanted *w, struct devices *d, mc_err **err)
{
	mc_autofree struct link_info *links = NULL;
	char name[MC_IFNAME_LEN];
	size_t n;

	if (link_list(sk, &links, &n, err) < 0)
		return -1;
	d->igw = find_device(links, n, HOST_IGW);
	for (size_t i = 0; i < w->n_peerings; i++) {
		peering_name(w->peerings[i].id, name);
		d->peerings[i] = find_device(links, n, name);
	}
	for (size_t i = 0; i < w->n_gateways; i++) {
		appliance_gateway_port(w->gateways[i].id, name);
		d->gateways[i] = find_device(links, n, name);
	}
	for (size_t i = 0; i < w->n_subnets; i++) {
		mc_id_bridge(w->subnets[i].id, name);
		d->bridges[i] = find_device(links, n, name);
		if (!d->bridges[i])
			return mc_err_set(err, ENODEV, "bridge %s", name);
	}
	return 0;
}

/* --- one route ------------------------------------------------------------------------- */

static void lead_to(struct route *r, int oif, uint32_t gateway)
{
	if (!oif)
		return;
	r->type = RTN_UNICAST;
	r->oif = oif;
	r->gateway = gateway;
}

static void lead_to_eni(struct route *r, const struct devices *d, const struct wanted_eni *e)
{
	if (e)
		lead_to(r, d->bridges[e->subnet], e->ip);
}

static void lead_to_peering(struct route *r, const struct wanted *w, const struct devices *d,
			    const char *id)
{
	const struct wanted_peering *p = wanted_peering_by_id(w, id);

	if (p)
		lead_to(r, d->peerings[p - w->peerings], PEERING_HOP);
}

static void lead_to_gateway(struct route *r, const struct wanted *w, const struct devices *d,
			    const char *id)
{
	const struct wanted_gateway *g = wanted_gateway_by_id(w, id);

	if (g)
		lead_to(r, d->gateways[g - w->gateways], APPLIANCE_HOP);
}

static struct route resolve(const struct wanted *w, const struct devices *d,
			    const struct wanted_route *from, uint32_t table)
{
	struct route r = { .table = table, .dst = from->destination, .type = RTN_BLACKHOLE };
	const struct wanted_nat *nat;
	const struct wanted_eni *eni;

	switch (from->target) {
	case WANTED_TARGET_IGW:
		lead_to(&r, d->igw, ADDR_TRANSIT_HOST);
		break;
	case WANTED_TARGET_NAT:
		nat = wanted_nat_by_id(w, from->id);
		lead_to_eni(&r, d, nat ? wanted_eni_by_id(w, nat->eni) : NULL);
		break;
	case WANTED_TARGET_ENI:
		eni = wanted_eni_by_id(w, from->id);
		lead_to_eni(&r, d, eni && !eni->source_dest_check ? eni : NULL);
		break;
	case WANTED_TARGET_PEERING:
		lead_to_peering(&r, w, d, from->id);
		break;
	case WANTED_TARGET_GATEWAY:
		lead_to_gateway(&r, w, d, from->id);
		break;
	default:
		break;
	}
	return r;
}

/* --- all routes ------------------------------------------------------------------------ */

/* The whole of one of the VPC's networks: what else is local. */
static bool is_network(const struct wanted *w, const struct cidr *c)
{
	for (size_t i = 0; i < w->n_cidrs; i++)
		if (cidr_same(&w->cidrs[i], c))
			return true;
	return false;
}

/* Where a subnet's route stands: 0 for nowhere. Of those inside the VPC the ones to (a part
 * of) another subnet, or to a whole network, come before what is connected. */
static uint32_t table_of(const struct wanted *w, const struct devices *d, size_t subnet,
			 const struct wanted_route *r)
{
	const struct wanted_subnet *to = wanted_subnet_by_ip(w, r->destination.addr);
	uint32_t bridge = (uint32_t)d->bridges[subnet];

	if (r->target == WANTED_TARGET_LOCAL)
		return 0;
	if (!wanted_has_addr(w, r->destination.addr) || r->destination.len < 16)
		return TABLE_BASE + bridge;
	if (is_network(w, &r->destination))
		return TABLE_INSIDE_BASE + bridge;
	if (!to || to == &w->subnets[subnet] || !cidr_contains(&to->cidr, &r->destination))
		return 0;
	return TABLE_INSIDE_BASE + bridge;
}

/* A subnet's; its own neighbours are nobody's to route. */
static size_t subnet_routes(const struct wanted *w, const struct devices *d, size_t subnet, struct route *rows)
{
	const struct wanted_subnet *s = &w->subnets[subnet];
	uint32_t inside = TABLE_INSIDE_BASE + (uint32_t)d->bridges[subnet];
	bool whole = false;
	size_t k = 0;

	for (size_t i = 0; i < s->n_routes; i++) {
		uint32_t table = table_of(w, d, subnet, &s->routes[i]);

		if (table)
			rows[k++] = resolve(w, d, &s->routes[i], table);
		whole = whole || (table == inside && is_network(w, &s->routes[i].destination));
	}
	if (whole)
		rows[k++] = (struct route){ .table = inside, .dst = s->cidr, .type = RTN_THROW };
	return k;
}

static bool has_edge(const struct wanted *w, const struct devices *d)
{
	return d->igw && w->n_igw_routes > 0;
}

static int sync_routes(struct nl_sock *sk, const struct wanted *w, const struct devices *d,
		       mc_err **err)
{
	mc_autofree struct route *rows = NULL;
	size_t n = w->n_cidrs + w->n_igw_routes + w->n_subnets, k = 0;

	for (size_t i = 0; i < w->n_subnets; i++)
		n += w->subnets[i].n_routes;
	rows = mc_alloc((n + 1) * sizeof(*rows));
	for (size_t i = 0; i < w->n_cidrs; i++)
		rows[k++] = (struct route){ .table = RT_TABLE_MAIN, .dst = w->cidrs[i],
					    .type = RTN_BLACKHOLE };
	for (size_t i = 0; i < w->n_subnets; i++)
		k += subnet_routes(w, d, i, &rows[k]);
	for (size_t i = 0; has_edge(w, d) && i < w->n_igw_routes; i++)
		if (w->igw_routes[i].target != WANTED_TARGET_LOCAL)
			rows[k++] = resolve(w, d, &w->igw_routes[i], TABLE_EDGE);
	return route_sync(sk, rows, k, err);
}

static bool has_inside(const struct wanted *w, const struct devices *d, size_t subnet)
{
	const struct wanted_subnet *s = &w->subnets[subnet];

	for (size_t i = 0; i < s->n_routes; i++)
		if (table_of(w, d, subnet, &s->routes[i]) >= TABLE_INSIDE_BASE)
			return true;
	return false;
}

static int sync_rules(struct nl_sock *sk, const struct wanted *w, const struct devices *d,
		      mc_err **err)
{
	mc_autofree struct rule *rows = mc_alloc((2 * w->n_subnets + 3) * sizeof(*rows));
	size_t k = 0;

	rows[k++] = (struct rule){ .pref = PREF_MAIN, .action = FR_ACT_TO_TBL,
				   .table = RT_TABLE_MAIN };
	rows[k++] = (struct rule){ .pref = PREF_LAST, .action = FR_ACT_BLACKHOLE };
	if (has_edge(w, d))
		rows[k++] = (struct rule){ .pref = PREF_EDGE, .iif = HOST_IGW, .action = FR_ACT_TO_TBL,
					   .table = TABLE_EDGE };
	for (size_t i = 0; i < w->n_subnets; i++) {
		struct rule r = { .pref = PREF_SUBNET, .action = FR_ACT_TO_TBL,
				  .table = TABLE_BASE + (uint32_t)d->bridges[i] };

		mc_id_bridge(w->subnets[i].id, r.iif);
		rows[k++] = r;
		if (!has_inside(w, d, i))
			continue;
		r.pref = PREF_INSIDE;
		r.table = TABLE_INSIDE_BASE + (uint32_t)d->bridges[i];
		rows[k++] = r;
	}
	return rule_sync(sk, rows, k, err);
}

/* --- neighbours ---------------------------------------------------------------------------- */

static int sync_neighs(struct nl_sock *sk, const struct wanted *w, const struct devices *d,
		       mc_err **err)
{
	mc_autofree struct neigh *rows =
		mc_alloc((w->n_places + w->n_peerings + w->n_gateways + 1) * sizeof(*rows));
	size_t k = 0;

	for (size_t i = 0; i < w->n_places; i++) {
		const struct wanted_eni *e = &w->enis[w->places[i].eni];

		rows[k] = (struct neigh){ .index = d->bridges[e->subnet], .addr = w->places[i].ip };
		mac_parse(e->mac, rows[k++].mac);
	}
	for (size_t i = 0; i < w->n_peerings; i++) {
		if (!d->peerings[i])
			continue;
		rows[k] = (struct neigh){ .index = d->peerings[i],
					  .addr = PEERING_HOP };
		peering_mac(w->peerings[i].vpc, w->id, w->peerings[i].id, rows[k++].mac);
	}
	for (size_t i = 0; i < w->n_gateways; i++) {
		if (!d->gateways[i])
			continue;
		rows[k] = (struct neigh){ .index = d->gateways[i], .addr = APPLIANCE_HOP };
		appliance_gateway_mac(w->gateways[i].id, rows[k++].mac);
	}
	if (d->igw) {
		rows[k] = (struct neigh){ .index = d->igw, .addr = ADDR_TRANSIT_HOST };
		host_transit_mac(w->id, rows[k++].mac);
	}
	return neigh_sync(sk, rows, k, err);
}

int vpcroute_sync(const struct wanted *w, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);
	mc_autofree int *bridges = mc_alloc((w->n_subnets + 1) * sizeof(int));
	mc_autofree int *peerings = mc_alloc((w->n_peerings + 1) * sizeof(int));
	mc_autofree int *gateways = mc_alloc((w->n_gateways + 1) * sizeof(int));
	struct devices d = { .bridges = bridges, .peerings = peerings, .gateways = gateways };

	if (!sk || find_devices(sk, w, &d, err) < 0 || sync_rules(sk, w, &d, err) < 0 ||
	    sync_routes(sk, w, &d, err) < 0)
		return -1;
	return sync_neighs(sk, w, &d, err);
}
