#include "netd/appliance.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/link.h"
#include "netd/natgw.h"
#include "netd/netns.h"
#include "netd/port.h"
#include "netd/route.h"
#include "netd/sysctl.h"

#define NIC "eth0"
#define MAC_PORT 0x1a /* first byte of the MAC of a port's own end, which sends nothing */

/* VPC.ENI.ADDRESS: what is in it never changes. */
static char *file_name(const char *vpc_id, const struct wanted_eni *e)
{
	char ip[ADDR_TEXT_LEN];

	addr_format(e->ip, ip);
	return mc_strf("%s.%s.%s", vpc_id, e->id, ip);
}

static char *path_of(const struct netd *netd, const struct wanted *w, const struct wanted_eni *e)
{
	mc_autofree char *name = file_name(w->id, e);

	return mc_strf("%s/%s", netd->config.netns_dir, name);
}

int appliance_open(const struct netd *netd, const struct wanted *w, const struct wanted_eni *e,
		   mc_err **err)
{
	mc_autofree char *path = path_of(netd, w, e);

	return netns_open(path, err);
}

/* --- removing -------------------------------------------------------------------------- */

static bool is_wanted(const struct wanted *w, const char *file)
{
	for (size_t i = 0; w && i < w->n_enis; i++) {
		mc_autofree char *name = file_name(w->id, &w->enis[i]);

		if (w->enis[i].kind != WANTED_INSTANCE && strcmp(name, file) == 0)
			return true;
	}
	return false;
}

/* Its port goes first: whoever still has a socket in there keeps the namespace alive. */
static int drop_port(const char *eni_id, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);
	struct wanted_eni e = { .kind = WANTED_ENDPOINT };
	char name[MC_IFNAME_LEN];
	struct link_info link;
	int r;

	snprintf(e.id, sizeof(e.id), "%s", eni_id);
	port_name(&e, name);
	r = sk ? link_find(sk, name, &link, err) : -1;
	return r <= 0 ? r : link_delete(sk, link.index, err);
}

/* file is VPC.ENI.ADDRESS; skip is the length of "VPC.". */
static int drop(const struct netd *netd, const char *file, size_t skip, int ns_fd, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/%s", netd->config.netns_dir, file);
	mc_autofree char *eni = strndup(file + skip, strcspn(file + skip, "."));
	int r = ns_fd >= 0 && mc_id_valid("eni", eni) ? drop_port(eni, ns_fd, err) : 0;

	return netns_remove(path, r < 0 ? NULL : err) < 0 ? -1 : r;
}

int appliance_drop(const struct netd *netd, const char *vpc_id, const struct wanted *w, int ns_fd,
		   mc_err **err)
{
	mc_autofree char *prefix = mc_strf("%s.", vpc_id);
	size_t n = strlen(prefix);
	DIR *dir = opendir(netd->config.netns_dir);
	struct dirent *entry;
	int r = 0;

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

/* eth0 speaks to the subnet's router alone, whose MAC is known: no ARP. */
static int finish_nic(const struct wanted *w, const struct wanted_eni *e, int own_ns, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, own_ns, err);
	const struct wanted_subnet *s = &w->subnets[e->subnet];
	struct neigh gateway = { .addr = wanted_gateway(s) };
	struct route all = { .table = RT_TABLE_MAIN, .type = RTN_UNICAST, .gateway = gateway.addr };
	struct link_info lo, nic;

	if (!sk || link_find(sk, "lo", &lo, err) < 0 || link_find(sk, NIC, &nic, err) < 0 ||
	    (!lo.up && link_set_up(sk, lo.index, true, err) < 0) ||
	    link_add_addr(sk, nic.index, e->ip, 32, err) < 0 ||
	    (!nic.up && link_set_up(sk, nic.index, true, err) < 0))
		return -1;
	gateway.index = all.oif = nic.index;
	mac_derive(0x02, s->id, gateway.mac);
	return neigh_set(sk, &gateway, err) < 0 ? -1 : route_sync(sk, &all, 1, err);
}

/* A veth of which one end is lost is no use. */
static int make_veth(const struct wanted_eni *e, struct nl_sock *inside, int own_ns, mc_err **err)
{
	auto_netlink struct nl_sock *own = netlink_open(NETLINK_ROUTE, own_ns, err);
	unsigned char mac[ADDR_MAC_LEN], port_mac[ADDR_MAC_LEN];
	struct link_info port, nic;
	char name[MC_IFNAME_LEN];
	int a, b;

	if (!own)
		return -1;
	port_name(e, name);
	a = link_find(inside, name, &port, err);
	b = a < 0 ? -1 : link_find(own, NIC, &nic, err);
	if (b < 0)
		return -1;
	if (a > 0 && b > 0)
		return 0;
	if ((a > 0 && link_delete(inside, port.index, err) < 0) ||
	    (b > 0 && link_delete(own, nic.index, err) < 0))
		return -1;
	mac_parse(e->mac, mac);
	mac_derive(MAC_PORT, e->id, port_mac);
	return link_add_veth(inside, name, port_mac, NIC, mac, own_ns, err);
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

static int make(const struct netd *netd, const struct wanted *w, const struct wanted_eni *e,
		struct nl_sock *inside, int ns_fd, mc_err **err)
{
	mc_autofree char *path = path_of(netd, w, e);
	mc_auto_fd int own_ns = -1;

	if (!netns_pinned(path) && netns_create(path, err) < 0)
		return -1;
	own_ns = netns_open(path, err);
	if (own_ns < 0 || sysctl_write(own_ns, sysctls, MC_ARRAY_SIZE(sysctls), NULL, err) < 0 ||
	    (e->kind == WANTED_NAT && natgw_apply(own_ns, e->ip, err) < 0) ||
	    make_veth(e, inside, own_ns, err) < 0 || finish_nic(w, e, own_ns, err) < 0)
		return -1;
	return attach(w, e, inside, ns_fd, err);
}

int appliance_sync(const struct netd *netd, const struct wanted *w, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *inside = netlink_open(NETLINK_ROUTE, ns_fd, err);

	if (!inside)
		return -1;
	for (size_t i = 0; i < w->n_enis; i++)
		if (w->enis[i].kind != WANTED_INSTANCE &&
		    make(netd, w, &w->enis[i], inside, ns_fd, err) < 0)
			return mc_err_wrap(err, "%s", w->enis[i].id);
	return 0;
}
