#include "netd/host.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "netd/link.h"
#include "netd/nft.h"
#include "netd/nftread.h"
#include "netd/route.h"
#include "netd/skeleton.h"
#include "netd/sysctl.h"
#include "netd/uplink.h"

#define TRANSIT_PREFIX "mi"
#define PREF_POOL 5000  /* to the pool: the main table decides */
#define PREF_GUARD 5001 /* from a transit to anywhere else: nowhere */

static const char *const host_tables[] = { "inet minicloud", NULL };

void host_transit_name(const char *vpc_id, char out[MC_IFNAME_LEN])
{
	mc_id_tap(vpc_id, out);
	memcpy(out, TRANSIT_PREFIX, 2);
}

void host_transit_mac(const char *vpc_id, unsigned char ret_mac[ADDR_MAC_LEN])
{
	mac_derive(0x0e, vpc_id, ret_mac);
}

static void igw_mac(const char *vpc_id, unsigned char ret_mac[ADDR_MAC_LEN])
{
	mac_derive(0x0a, vpc_id, ret_mac);
}

static bool is_transit(const char *name)
{
	return strncmp(name, TRANSIT_PREFIX, 2) == 0 &&
	       strspn(name + 2, "0123456789abcdef") == strlen(name + 2) &&
	       (strlen(name + 2) == 13 || strlen(name + 2) == 8);
}

/* --- the transits of the root namespace ------------------------------------------- */

typedef char transit_name[MC_IFNAME_LEN];

static int list_links(struct nl_sock *sk, struct link_info **ret, size_t *ret_n, mc_err **err)
{
	struct link_info *links;
	size_t n = 0, n_links;

	if (link_list(sk, &links, &n_links, err) < 0)
		return -1;
	for (size_t i = 0; i < n_links; i++)
		if (is_transit(links[i].name))
			links[n++] = links[i];
	*ret = links;
	*ret_n = n;
	return 0;
}

int host_list_transits(struct nl_sock *sk, char (**ret)[MC_IFNAME_LEN], size_t *ret_n, mc_err **err)
{
	mc_autofree struct link_info *links = NULL;
	transit_name *names;
	size_t n;

	if (list_links(sk, &links, &n, err) < 0)
		return -1;
	names = mc_alloc((n + 1) * sizeof(*names));
	for (size_t i = 0; i < n; i++)
		memcpy(names[i], links[i].name, MC_IFNAME_LEN);
	*ret = names;
	*ret_n = n;
	return 0;
}

/* Those that are there, into `standing`; an older netd has made them without their group. */
static int adopt_transits(struct nl_sock *sk, const struct host *host, mc_err **err)
{
	mc_autofree struct link_info *links = NULL;
	size_t n;

	if (list_links(sk, &links, &n, err) < 0)
		return -1;
	json_object_clear(host->standing);
	for (size_t i = 0; i < n; i++) {
		if (links[i].group != HOST_TRANSIT_GROUP &&
		    link_set_group(sk, links[i].index, HOST_TRANSIT_GROUP, err) < 0)
			return -1;
		json_object_set_new(host->standing, links[i].name, json_true());
	}
	return 0;
}

/* --- what all transits share ------------------------------------------------------ */

struct ruleset *host_rules(const struct host *host, bool masquerade)
{
	struct ruleset *r = ruleset_new(host_tables, host_tables[0], skeleton_host);
	mc_autofree char *out = NULL, *source = NULL;
	char pool[CIDR_TEXT_LEN];

	cidr_format(&host->pool, pool);
	out = mc_strf("ip saddr %s masquerade\n", pool);
	source = mc_strf("ip saddr != %s ip saddr != 169.254.255.2 drop\n", pool);
	ruleset_add_chain(r, "path_uplink", "", masquerade ? out : "");
	ruleset_add_chain(r, "path_source", "", source);
	if (*host->uplink)
		ruleset_add_element(r, "inet minicloud uplink", host->uplink, NULL, NULL);
	return r;
}

static int apply_rules(struct nl_sock *sk, const struct host *host, mc_err **err)
{
	auto_ruleset struct ruleset *r = host_rules(host, uplink_masquerades(sk, host));

	return nft_apply(-1, &r, host->nft, NULL, err);
}

static int drop_rules(const struct host *host, mc_err **err)
{
	auto_nft struct nft_ctx *nft = nft_open(-1, err);

	nft_cache_close(host->nft);
	return nft ? nft_run(nft, "table inet minicloud\ndelete table inet minicloud\n", err) : -1;
}

bool host_tables_stand(void)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, NULL);
	mc_autofree struct link_info *links = NULL;
	auto_netlink struct nl_sock *nf = NULL;
	size_t n;

	if (!sk || list_links(sk, &links, &n, NULL) < 0 || n == 0)
		return true;
	nf = netlink_open(NETLINK_NETFILTER, -1, NULL);
	return nf && nftread_has_tables(nf, host_tables);
}

/* Should the nft table ever be gone: what comes from a transit goes to the pool or nowhere. By the sources that the table
 * lets through, since a rule for each transit would have to be passed by every packet of the host. */
static int sync_guard_rules(struct nl_sock *sk, const struct host *host, bool wanted, mc_err **err)
{
	const struct rule rules[] = {
		{ .pref = PREF_POOL, .dst = host->pool, .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN },
		{ .pref = PREF_GUARD, .src = host->pool, .action = FR_ACT_BLACKHOLE },
		{ .pref = PREF_GUARD, .src = { ADDR_TRANSIT_VPC, 32 }, .action = FR_ACT_BLACKHOLE },
	};

	return rule_sync(sk, rules, !wanted ? 0 : *host->uplink ? 1 : MC_ARRAY_SIZE(rules), err);
}

static struct route pool_blackhole(const struct host *host)
{
	return (struct route){ .table = RT_TABLE_MAIN, .dst = host->pool, .type = RTN_BLACKHOLE };
}

/* Before a first transit; cheap where all of it stands. */
static int raise_shared(struct nl_sock *sk, const struct host *host, mc_err **err)
{
	struct route blackhole = pool_blackhole(host);

	if (route_add(sk, &blackhole, err) < 0 || sync_guard_rules(sk, host, true, err) < 0 || apply_rules(sk, host, err) < 0) {
		json_object_clear(host->standing);
		return -1;
	}
	return 0;
}

/* After the last one. */
static int drop_shared(struct nl_sock *sk, const struct host *host, mc_err **err)
{
	struct route blackhole = pool_blackhole(host);

	if (sync_guard_rules(sk, host, false, err) < 0 || drop_rules(host, err) < 0)
		return -1;
	return route_delete(sk, &blackhole, err);
}

/* All transits are looked for where this process knows of none. */
static int begin_transit(struct nl_sock *sk, const struct host *host, const char *name, mc_err **err)
{
	if (json_object_size(host->standing) == 0 && adopt_transits(sk, host, err) < 0)
		return -1;
	if (raise_shared(sk, host, err) < 0)
		return -1;
	json_object_set_new(host->standing, name, json_true());
	return 0;
}

static int end_transit(const struct host *host, const char *name, mc_err **err)
{
	json_object_del(host->standing, name);
	if (json_object_size(host->standing) > 0)
		return 0;
	return host_restore(host, err);
}

int host_restore(const struct host *host, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);

	if (!sk || adopt_transits(sk, host, err) < 0)
		return -1;
	return json_object_size(host->standing) > 0 ? raise_shared(sk, host, err) : drop_shared(sk, host, err);
}

/* Forwarding is switched on for the transits alone: the host does not become a router
 * between its other networks. */
static const struct sysctl transit_sysctls[] = {
	{ "ipv4/conf/%s/forwarding", "1", false },
	{ "ipv4/conf/%s/send_redirects", "0", false },
	{ "ipv4/conf/%s/accept_redirects", "0", false },
	{ "ipv4/conf/%s/rp_filter", "0", false },
	{ "ipv6/conf/%s/disable_ipv6", "1", true },
};

static const struct sysctl uplink_sysctls[] = {
	{ "ipv4/conf/%s/forwarding", "1", false },
};

/* Address, the other end as permanent neighbour, up. */
static int finish_end(struct nl_sock *sk, const char *name, uint32_t group, uint32_t own,
		      uint32_t other, const unsigned char other_mac[ADDR_MAC_LEN], mc_err **err)
{
	struct link_info link;
	struct neigh neigh = { .addr = other };
	int r = link_find(sk, name, &link, err);

	if (r <= 0)
		return r < 0 ? -1 : mc_err_set(err, ENODEV, "%s is not there", name);
	neigh.index = link.index;
	memcpy(neigh.mac, other_mac, ADDR_MAC_LEN);
	if (link_set_group(sk, link.index, group, err) < 0 ||
	    link_add_addr(sk, link.index, own, 32, err) < 0 ||
	    (!link.up && link_set_up(sk, link.index, true, err) < 0))
		return -1;
	return neigh_set(sk, &neigh, err);
}

static int finish_transit(struct nl_sock *sk, const char *vpc_id, const char *name, int ns_fd,
			  mc_err **err)
{
	auto_netlink struct nl_sock *inside = netlink_open(NETLINK_ROUTE, ns_fd, err);
	unsigned char host_mac[ADDR_MAC_LEN], vpc_mac[ADDR_MAC_LEN];

	if (!inside)
		return -1;
	host_transit_mac(vpc_id, host_mac);
	igw_mac(vpc_id, vpc_mac);
	if (finish_end(inside, HOST_IGW, LINK_IGW, ADDR_TRANSIT_VPC, ADDR_TRANSIT_HOST, host_mac,
		       err) < 0)
		return -1;
	return finish_end(sk, name, HOST_TRANSIT_GROUP, ADDR_TRANSIT_HOST, ADDR_TRANSIT_VPC, vpc_mac, err);
}

/* A transit whose other end is in a namespace that is gone or another is no use. *known becomes false where there is none then. */
static int drop_stale(struct nl_sock *sk, const char *name, int ns_fd, bool *known, mc_err **err)
{
	auto_netlink struct nl_sock *inside = netlink_open(NETLINK_ROUTE, ns_fd, err);
	struct link_info link;
	int r;

	if (!inside)
		return -1;
	r = link_find(inside, HOST_IGW, &link, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	*known = false;
	r = link_find(sk, name, &link, err);
	return r <= 0 ? r : link_delete(sk, link.index, err);
}

int host_ensure_transit(const struct host *host, const char *vpc_id, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	unsigned char host_mac[ADDR_MAC_LEN], vpc_mac[ADDR_MAC_LEN];
	char name[MC_IFNAME_LEN];
	bool known;

	if (!sk)
		return -1;
	host_transit_name(vpc_id, name);
	host_transit_mac(vpc_id, host_mac);
	igw_mac(vpc_id, vpc_mac);
	known = json_object_get(host->standing, name);
	if (!known && begin_transit(sk, host, name, err) < 0)
		return mc_err_wrap(err, "internet gateway of %s", vpc_id);
	if (drop_stale(sk, name, ns_fd, &known, err) < 0 ||
	    link_add_veth(sk, name, host_mac, HOST_TRANSIT_GROUP, HOST_IGW, vpc_mac, ns_fd, err) < 0 ||
	    (!known && sysctl_write(-1, transit_sysctls, MC_ARRAY_SIZE(transit_sysctls), name, err) < 0))
		return mc_err_wrap(err, "internet gateway of %s", vpc_id);
	if (*host->uplink &&
	    sysctl_write(-1, uplink_sysctls, MC_ARRAY_SIZE(uplink_sysctls), host->uplink, err) < 0)
		return mc_err_wrap(err, "uplink %s", host->uplink);
	return finish_transit(sk, vpc_id, name, ns_fd, err);
}

int host_remove_transit(const struct host *host, const char *vpc_id, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	char name[MC_IFNAME_LEN];
	struct link_info link;
	int r;

	if (!sk)
		return -1;
	host_transit_name(vpc_id, name);
	r = link_find(sk, name, &link, err);
	if (r < 0)
		return -1;
	/* Its routes go with the link. */
	if (r > 0 && link_delete(sk, link.index, err) < 0)
		return -1;
	return end_transit(host, name, err);
}

/* --- public addresses ---------------------------------------------------------------- */

static struct route public_route(uint32_t addr, int oif)
{
	return (struct route){ .table = RT_TABLE_MAIN, .dst = { addr, 32 }, .type = RTN_UNICAST,
			       .oif = oif, .gateway = ADDR_TRANSIT_VPC };
}

/* The public address of the i-th place, 0 for none. */
static uint32_t public_of(const struct wanted *w, size_t i)
{
	return w->enis[w->places[i].eni].addrs[w->places[i].addr].public_ip;
}

static bool wants_public(const struct wanted *w, uint32_t addr)
{
	for (size_t i = 0; w->igw && i < w->n_places; i++)
		if (public_of(w, i) == addr)
			return true;
	return false;
}

/* The transit's index, 0 when it is absent, or -1 and *err. */
static int transit_index(struct nl_sock *sk, const char *vpc_id, mc_err **err)
{
	char name[MC_IFNAME_LEN];
	struct link_info link;
	int r;

	host_transit_name(vpc_id, name);
	r = link_find(sk, name, &link, err);
	return r <= 0 ? r : link.index;
}

int host_conflict(const struct wanted *w, uint32_t *ret_addr, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	uint32_t found = 0;
	struct route have;
	int own, r = 0;

	if (!sk || (own = transit_index(sk, w->id, err)) < 0)
		return -1;
	for (size_t i = 0; w->igw && i < w->n_places && r >= 0; i++) {
		uint32_t addr = public_of(w, i);

		r = addr ? route_find(sk, addr, &have, err) : 0;
		if (r > 0 && have.oif && have.oif != own && have.dst.len == 32)
			found = addr;
	}
	if (r < 0)
		return -1;
	*ret_addr = found;
	return 0;
}

static bool routed(const struct route *have, size_t n, uint32_t addr, int oif)
{
	for (size_t i = 0; i < n; i++)
		if (have[i].dst.addr == addr && have[i].dst.len == 32 && have[i].oif == oif)
			return true;
	return false;
}

static int add_public(struct nl_sock *sk, const struct wanted *w, const struct route *have,
		      size_t n, int oif, mc_err **err)
{
	for (size_t i = 0; w->igw && i < w->n_places; i++) {
		struct route r = public_route(public_of(w, i), oif);

		if (r.dst.addr && !routed(have, n, r.dst.addr, oif) && route_add(sk, &r, err) < 0)
			return -1;
	}
	return 0;
}

int host_sync_public(const struct wanted *w, bool add, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	mc_autofree struct route *have = NULL;
	size_t n;
	int oif;

	if (!sk || (oif = transit_index(sk, w->id, err)) < 0)
		return -1;
	if (oif == 0)
		return 0;
	if (route_list_by(sk, oif, &have, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (have[i].oif == oif && have[i].dst.len == 32 &&
		    !wants_public(w, have[i].dst.addr) && route_delete(sk, &have[i], err) < 0)
			return -1;
	return add ? add_public(sk, w, have, n, oif, err) : 0;
}
