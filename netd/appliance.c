#include "netd/appliance.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/conntrack.h"
#include "netd/link.h"
#include "netd/natgw.h"
#include "netd/netns.h"
#include "netd/port.h"
#include "netd/route.h"
#include "netd/sysctl.h"

#define NIC "eth0"
#define GATEWAY_PREFIX "mg"
#define MAC_PORT 0x1a    /* first byte of the MAC of a port's own end */
#define MAC_GATEWAY 0x1e /* of a gateway endpoint */

/* What there is to be told of one, whatever it is for. */
struct appliance {
	const char *id; /* of the interface, or of the gateway endpoint */
	uint32_t ip;
	char port[MC_IFNAME_LEN]; /* the end in the VPC */
	unsigned char mac[ADDR_MAC_LEN], port_mac[ADDR_MAC_LEN];
	struct neigh router; /* whom it sends everything to; its index is open */
};

static struct appliance of_eni(const struct wanted *w, const struct wanted_eni *e)
{
	const struct wanted_subnet *s = &w->subnets[e->subnet];
	struct appliance a = { .id = e->id, .ip = e->ip, .router.addr = wanted_gateway(s) };

	port_name(e, a.port);
	mac_parse(e->mac, a.mac);
	mac_derive(MAC_PORT, e->id, a.port_mac);
	mac_derive(0x02, s->id, a.router.mac);
	return a;
}

/* It is no subnet's: the VPC routes to it. */
static struct appliance of_gateway(const struct wanted_gateway *g)
{
	struct appliance a = { .id = g->id, .ip = g->ip, .router.addr = APPLIANCE_HOP };

	appliance_gateway_port(g->id, a.port);
	appliance_gateway_mac(g->id, a.mac);
	mac_derive(MAC_PORT, g->id, a.port_mac);
	memcpy(a.router.mac, a.port_mac, ADDR_MAC_LEN);
	return a;
}

void appliance_gateway_port(const char *id, char out[MC_IFNAME_LEN])
{
	mc_id_tap(id, out);
	memcpy(out, GATEWAY_PREFIX, strlen(GATEWAY_PREFIX));
}

void appliance_gateway_mac(const char *id, unsigned char ret_mac[ADDR_MAC_LEN])
{
	mac_derive(MAC_GATEWAY, id, ret_mac);
}

/* VPC.ID.ADDRESS: what is in it never changes. */
char *appliance_file(const char *vpc_id, const char *id, uint32_t addr)
{
	char ip[ADDR_TEXT_LEN];

	addr_format(addr, ip);
	return mc_strf("%s.%s.%s", vpc_id, id, ip);
}

static char *path_of(const struct netd *netd, const struct wanted *w, const char *id, uint32_t addr)
{
	mc_autofree char *name = appliance_file(w->id, id, addr);

	return mc_strf("%s/%s", netd->config.netns_dir, name);
}

int appliance_open(const struct netd *netd, const struct wanted *w, const char *id, uint32_t addr, mc_err **err)
{
	mc_autofree char *path = path_of(netd, w, id, addr);

	return netns_open(path, err);
}

/* --- removing -------------------------------------------------------------------------- */

static bool has_name(const struct wanted *w, const char *id, uint32_t addr, const char *file)
{
	mc_autofree char *name = appliance_file(w->id, id, addr);

	return strcmp(name, file) == 0;
}

static bool is_wanted(const struct wanted *w, const char *file)
{
	for (size_t i = 0; w && i < w->n_enis; i++)
		if (w->enis[i].kind != WANTED_INSTANCE && has_name(w, w->enis[i].id, w->enis[i].ip, file))
			return true;
	for (size_t i = 0; w && i < w->n_gateways; i++)
		if (has_name(w, w->gateways[i].id, w->gateways[i].ip, file))
			return true;
	return false;
}

/* Its port goes first: whoever still has a socket in there keeps the namespace alive. */
static int drop_port(const char *id, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);
	struct wanted_eni e = { .kind = WANTED_ENDPOINT };
	char name[MC_IFNAME_LEN];
	struct link_info link;
	int r;

	snprintf(e.id, sizeof(e.id), "%s", id);
	if (mc_id_valid("eni", id))
		port_name(&e, name);
	else
		appliance_gateway_port(id, name);
	r = sk ? link_find(sk, name, &link, err) : -1;
	return r <= 0 ? r : link_delete(sk, link.index, err);
}

static bool known_to_have_none(const struct netd *netd, const char *vpc_id)
{
	const struct rulecache_row *row = rulecache_find(netd->rules, vpc_id);

	if (!row || !row->wanted)
		return false;
	for (size_t i = 0; i < row->wanted->n_enis; i++)
		if (row->wanted->enis[i].kind != WANTED_INSTANCE)
			return false;
	return row->wanted->n_gateways == 0;
}

/* file is VPC.ID.ADDRESS; skip is the length of "VPC.". */
static int drop(const struct netd *netd, const char *file, size_t skip, int ns_fd, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/%s", netd->config.netns_dir, file);
	mc_autofree char *id = strndup(file + skip, strcspn(file + skip, "."));
	int r = ns_fd >= 0 && mc_id_valid_any(id) ? drop_port(id, ns_fd, err) : 0;

	return netns_remove(path, r < 0 ? NULL : err) < 0 ? -1 : r;
}

int appliance_drop(const struct netd *netd, const char *vpc_id, const struct wanted *w, int ns_fd,
		   mc_err **err)
{
	mc_autofree char *prefix = mc_strf("%s.", vpc_id);
	size_t n = strlen(prefix);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (known_to_have_none(netd, vpc_id))
		return 0;
	dir = opendir(netd->config.netns_dir);
	if (!dir)
		return mc_err_set(err, errno, "cannot read %s", netd->config.netns_dir);
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, prefix, n) == 0 && !is_wanted(w, entry->d_name) &&
		    drop(netd, entry->d_name, n, ns_fd, r < 0 ? NULL : err) < 0)
			r = -1;
	closedir(dir);
	return r;
}

/* --- making -------------------------------------------------------------------------------- */

static const struct sysctl sysctls[] = {
	{ "ipv6/conf/all/disable_ipv6", "1", true },
	{ "ipv6/conf/default/disable_ipv6", "1", true },
	{ "ipv4/conf/all/accept_redirects", "0", false },
	{ "ipv4/conf/all/rp_filter", "0", false },
	{ "ipv4/conf/default/rp_filter", "0", false },
	{ "ipv4/icmp_echo_ignore_all", "1", false },
};

static bool is_mine(const struct wanted_eni *e, uint32_t addr)
{
	for (size_t i = 0; i < e->n_addrs; i++)
		if (e->addrs[i].ip == addr)
			return true;
	return false;
}

/* Answers are for the address that its connections have begun from. */
static int drop_addrs(const struct wanted_eni *e, struct nl_sock *sk, int nic, int own_ns, mc_err **err)
{
	mc_autofree uint32_t *addrs = NULL;
	size_t n;

	if (link_list_addrs(sk, nic, &addrs, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!is_mine(e, addrs[i]) && (conntrack_forget_to(own_ns, addrs[i], err) < 0 ||
					      link_delete_addr(sk, nic, addrs[i], 32, err) < 0))
			return -1;
	return 0;
}

/* A NAT gateway has several addresses: new ones are there before connections begin from them,
 * those that go are no more chosen before they go. */
static int finish_nat(const struct wanted_eni *e, struct nl_sock *sk, int nic, int own_ns, mc_err **err)
{
	for (size_t i = 1; i < e->n_addrs; i++)
		if (link_add_addr(sk, nic, e->addrs[i].ip, 32, err) < 0)
			return -1;
	return natgw_apply(own_ns, e, err) < 0 ? -1 : drop_addrs(e, sk, nic, own_ns, err);
}

/* eth0 speaks to its router alone, whose MAC is known: no ARP. */
static int finish_nic(const struct appliance *a, const struct wanted_eni *e, int own_ns, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, own_ns, err);
	struct route all = { .table = RT_TABLE_MAIN, .type = RTN_UNICAST, .gateway = a->router.addr };
	struct neigh router = a->router;
	struct link_info lo, nic;

	if (!sk || link_find(sk, "lo", &lo, err) < 0 || link_find(sk, NIC, &nic, err) < 0 ||
	    (!lo.up && link_set_up(sk, lo.index, true, err) < 0) ||
	    link_add_addr(sk, nic.index, a->ip, 32, err) < 0 ||
	    (e && e->kind == WANTED_NAT && finish_nat(e, sk, nic.index, own_ns, err) < 0) ||
	    (!nic.up && link_set_up(sk, nic.index, true, err) < 0))
		return -1;
	router.index = all.oif = nic.index;
	return neigh_set(sk, &router, err) < 0 ? -1 : route_sync(sk, &all, 1, err);
}

/* A veth of which one end is lost is no use. */
static int make_veth(const struct appliance *a, struct nl_sock *inside, int own_ns, mc_err **err)
{
	auto_netlink struct nl_sock *own = netlink_open(NETLINK_ROUTE, own_ns, err);
	struct link_info port, nic;
	int here, there;

	if (!own)
		return -1;
	here = link_find(inside, a->port, &port, err);
	there = here < 0 ? -1 : link_find(own, NIC, &nic, err);
	if (there < 0)
		return -1;
	if (here > 0 && there > 0)
		return 0;
	if ((here > 0 && link_delete(inside, port.index, err) < 0) ||
	    (there > 0 && link_delete(own, nic.index, err) < 0))
		return -1;
	return link_add_veth(inside, a->port, a->port_mac, LINK_INSIDE, NIC, a->mac, own_ns, err);
}

static int attach(const struct wanted *w, const struct wanted_eni *e, struct nl_sock *inside,
		  int ns_fd, mc_err **err)
{
	char port[MC_IFNAME_LEN], bridge[MC_IFNAME_LEN];
	struct link_info p, b;
	int r;

	port_name(e, port);
	mc_id_bridge(w->subnets[e->subnet].id, bridge);
	if ((r = link_find(inside, port, &p, err)) > 0)
		r = link_find(inside, bridge, &b, err);
	if (r <= 0)
		return r < 0 ? -1 : mc_err_set(err, ENODEV, "%s or %s is not there", port, bridge);
	return port_attach(inside, ns_fd, &p, &b, e, err);
}

/* In its group before it is up: the rules tell what is no subnet by it. */
static int attach_gateway(const struct appliance *a, struct nl_sock *inside, mc_err **err)
{
	struct link_info port;
	int r = link_find(inside, a->port, &port, err);

	if (r <= 0)
		return r < 0 ? -1 : mc_err_set(err, ENODEV, "%s is not there", a->port);
	if (link_set_group(inside, port.index, LINK_SERVICE, err) < 0)
		return -1;
	return port.up ? 0 : link_set_up(inside, port.index, true, err);
}

/* The namespace with eth0; e NULL: of no interface. */
static int make(const struct netd *netd, const struct wanted *w, const struct appliance *a, const struct wanted_eni *e,
		struct nl_sock *inside, mc_err **err)
{
	mc_autofree char *path = path_of(netd, w, a->id, a->ip);
	mc_auto_fd int own_ns = -1;

	if (!netns_pinned(path) && netns_create(path, err) < 0)
		return -1;
	own_ns = netns_open(path, err);
	if (own_ns < 0 || sysctl_write(own_ns, sysctls, MC_ARRAY_SIZE(sysctls), NULL, err) < 0 ||
	    make_veth(a, inside, own_ns, err) < 0)
		return -1;
	return finish_nic(a, e, own_ns, err);
}

static int sync_eni(const struct netd *netd, const struct wanted *w, const struct wanted_eni *e,
		    struct nl_sock *inside, int ns_fd, mc_err **err)
{
	struct appliance a = of_eni(w, e);

	if (make(netd, w, &a, e, inside, err) < 0 || attach(w, e, inside, ns_fd, err) < 0)
		return mc_err_wrap(err, "%s", e->id);
	return 0;
}

static int sync_gateway(const struct netd *netd, const struct wanted *w, const struct wanted_gateway *g,
			struct nl_sock *inside, mc_err **err)
{
	struct appliance a = of_gateway(g);

	if (make(netd, w, &a, NULL, inside, err) < 0 || attach_gateway(&a, inside, err) < 0)
		return mc_err_wrap(err, "%s", g->id);
	return 0;
}

int appliance_sync(const struct netd *netd, const struct wanted *w, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *inside = netlink_open(NETLINK_ROUTE, ns_fd, err);

	if (!inside)
		return -1;
	for (size_t i = 0; i < w->n_enis; i++)
		if (w->enis[i].kind != WANTED_INSTANCE && sync_eni(netd, w, &w->enis[i], inside, ns_fd, err) < 0)
			return -1;
	for (size_t i = 0; i < w->n_gateways; i++)
		if (sync_gateway(netd, w, &w->gateways[i], inside, err) < 0)
			return -1;
	return 0;
}
