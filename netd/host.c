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

/* Names of all transits but `without` (NULL: all). */
static int list_transits(struct nl_sock *sk, const char *without, transit_name **ret,
			 size_t *ret_n, mc_err **err)
{
	mc_autofree struct link_info *links = NULL;
	size_t n_links, n = 0;
	transit_name *names;

	if (link_list(sk, &links, &n_links, err) < 0)
		return -1;
	names = mc_alloc((n_links + 1) * sizeof(*names));
	for (size_t i = 0; i < n_links; i++)
		if (is_transit(links[i].name) && (!without || strcmp(links[i].name, without) != 0))
			memcpy(names[n++], links[i].name, MC_IFNAME_LEN);
	*ret = names;
	*ret_n = n;
	return 0;
}

struct ruleset *host_rules(const struct host *host, bool masquerade,
			   const char (*transits)[MC_IFNAME_LEN], size_t n)
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
	for (size_t i = 0; i < n; i++)
		ruleset_add_element(r, "inet minicloud transit", transits[i], NULL, NULL);
	return r;
}

static int apply_rules(struct nl_sock *sk, const struct host *host, transit_name *names, size_t n,
		       mc_err **err)
{
	auto_ruleset struct ruleset *r = host_rules(host, uplink_masquerades(sk, host),
						    (const char (*)[MC_IFNAME_LEN])names, n);
	struct nft_cache cache = { .distrusted = host->distrusted };
	auto_nft struct nft_ctx *nft = NULL;

	if (n > 0) {
		int applied = nft_apply(-1, &r, &cache, NULL, err);

		nft_cache_close(&cache);
		return applied;
	}
	nft = nft_open(-1, err);
	return nft ? nft_run(nft, "table inet minicloud\ndelete table inet minicloud\n", err) : -1;
}

bool host_tables_stand(void)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, NULL);
	mc_autofree transit_name *names = NULL;
	auto_netlink struct nl_sock *nf = NULL;
	size_t n;

	if (!sk || list_transits(sk, NULL, &names, &n, NULL) < 0 || n == 0)
		return true;
	nf = netlink_open(NETLINK_NETFILTER, -1, NULL);
	return nf && nftread_has_tables(nf, host_tables);
}

static int sync_guard_rules(struct nl_sock *sk, const struct host *host, transit_name *names,
			    size_t n, mc_err **err)
{
	mc_autofree struct rule *rules = mc_alloc((n + 1) * sizeof(*rules));
	size_t k = 0;

	if (n > 0)
		rules[k++] = (struct rule){ .pref = PREF_POOL, .dst = host->pool,
					    .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN };
	for (size_t i = 0; i < n && !*host->uplink; i++) {
		rules[k] = (struct rule){ .pref = PREF_GUARD, .action = FR_ACT_BLACKHOLE };
		memcpy(rules[k++].iif, names[i], MC_IFNAME_LEN);
	}
	return rule_sync(sk, rules, k, err);
}

static struct route pool_blackhole(const struct host *host)
{
	return (struct route){ .table = RT_TABLE_MAIN, .dst = host->pool, .type = RTN_BLACKHOLE };
}

/* What must stand before the first transit and goes after the last. */
static int sync_shared(struct nl_sock *sk, const struct host *host, const char *plus,
		       const char *minus, mc_err **err)
{
	mc_autofree transit_name *names = NULL;
	struct route blackhole = pool_blackhole(host);
	size_t n;

	if (list_transits(sk, plus ? plus : minus, &names, &n, err) < 0)
		return -1;
	if (plus)
		snprintf(names[n++], sizeof(*names), "%s", plus);
	if (n > 0 && route_add(sk, &blackhole, err) < 0)
		return -1;
	json_object_clear(host->standing);
	if (sync_guard_rules(sk, host, names, n, err) < 0 || apply_rules(sk, host, names, n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		json_object_set_new(host->standing, names[i], json_true());
	return n == 0 ? route_delete(sk, &blackhole, err) : 0;
}

int host_list_transits(struct nl_sock *sk, char (**ret)[MC_IFNAME_LEN], size_t *ret_n, mc_err **err)
{
	return list_transits(sk, NULL, ret, ret_n, err);
}

int host_restore(const struct host *host, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);

	return sk ? sync_shared(sk, host, NULL, NULL, err) : -1;
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
static int finish_end(struct nl_sock *sk, const char *name, enum link_group group, uint32_t own,
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
	return finish_end(sk, name, LINK_INSIDE, ADDR_TRANSIT_HOST, ADDR_TRANSIT_VPC, vpc_mac, err);
}

/* A transit whose other end is in a namespace that is gone or another is no use. */
static int drop_stale(struct nl_sock *sk, const char *name, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *inside = netlink_open(NETLINK_ROUTE, ns_fd, err);
	struct link_info link;
	int r;

	if (!inside)
		return -1;
	r = link_find(inside, HOST_IGW, &link, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	r = link_find(sk, name, &link, err);
	return r <= 0 ? r : link_delete(sk, link.index, err);
}

int host_ensure_transit(const struct host *host, const char *vpc_id, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, -1, err);
	unsigned char host_mac[ADDR_MAC_LEN], vpc_mac[ADDR_MAC_LEN];
	char name[MC_IFNAME_LEN];

	if (!sk)
		return -1;
	host_transit_name(vpc_id, name);
	host_transit_mac(vpc_id, host_mac);
	igw_mac(vpc_id, vpc_mac);
	/* With many transits this takes longer than all the rest. */
	if (!json_object_get(host->standing, name) && sync_shared(sk, host, name, NULL, err) < 0)
		return mc_err_wrap(err, "internet gateway of %s", vpc_id);
	if (drop_stale(sk, name, ns_fd, err) < 0 ||
	    link_add_veth(sk, name, host_mac, HOST_IGW, vpc_mac, ns_fd, err) < 0 ||
	    sysctl_write(-1, transit_sysctls, MC_ARRAY_SIZE(transit_sysctls), name, err) < 0)
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
	return sync_shared(sk, host, NULL, name, err);
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
	mc_autofree struct route *have = NULL;
	size_t n;
	int own;

	if (!sk || (own = transit_index(sk, w->id, err)) < 0 || route_list(sk, &have, &n, err) < 0)
		return -1;
	*ret_addr = 0;
	for (size_t i = 0; i < n; i++)
		if (have[i].oif && have[i].oif != own && have[i].dst.len == 32 &&
		    wants_public(w, have[i].dst.addr))
			*ret_addr = have[i].dst.addr;
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

	if (!sk || (oif = transit_index(sk, w->id, err)) < 0 || route_list(sk, &have, &n, err) < 0)
		return -1;
	if (oif == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (have[i].oif == oif && have[i].dst.len == 32 &&
		    !wants_public(w, have[i].dst.addr) && route_delete(sk, &have[i], err) < 0)
			return -1;
	return add ? add_public(sk, w, have, n, oif, err) : 0;
}
