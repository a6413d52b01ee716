#include "netd/vpcnet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "netd/link.h"
#include "netd/sysctl.h"

static const struct sysctl namespace_sysctls[] = {
	{ "ipv6/conf/all/disable_ipv6", "1", true },
	{ "ipv6/conf/default/disable_ipv6", "1", true },
	{ "ipv4/conf/all/send_redirects", "0", false },
	{ "ipv4/conf/default/send_redirects", "0", false },
	{ "ipv4/conf/all/accept_redirects", "0", false },
	{ "ipv4/conf/all/rp_filter", "0", false },
	{ "ipv4/conf/default/rp_filter", "0", false },
	{ "bridge/bridge-nf-call-iptables", "0", true },
	{ "bridge/bridge-nf-call-ip6tables", "0", true },
	{ "bridge/bridge-nf-call-arptables", "0", true },
	/* Else a revoked connection's next segment would be taken up as established. */
	{ "netfilter/nf_conntrack_tcp_loose", "0", false },
	{ "ipv4/ip_forward", "1", false },
};

/* The bridge answers ARP for neighbours of the same subnet, at once. */
static const struct sysctl bridge_sysctls[] = {
	{ "ipv4/conf/%s/proxy_arp_pvlan", "1", false },
	{ "ipv4/conf/%s/send_redirects", "0", false },
	{ "ipv4/neigh/%s/proxy_delay", "0", false },
};

int vpcnet_sysctls(int ns_fd, mc_err **err)
{
	return sysctl_write(ns_fd, namespace_sysctls, MC_ARRAY_SIZE(namespace_sysctls), NULL, err);
}

static int ensure_loopback(struct nl_sock *sk, const struct wanted *w, mc_err **err)
{
	const uint32_t services[] = { wanted_dns_addr(w), ADDR_LINK_DNS, ADDR_METADATA };
	struct link_info lo;
	int r = link_find(sk, "lo", &lo, err);

	if (r <= 0)
		return r < 0 ? -1 : mc_err_set(err, ENODEV, "no loopback");
	if (!lo.up && link_set_up(sk, lo.index, true, err) < 0)
		return -1;
	for (size_t i = 0; i < MC_ARRAY_SIZE(services); i++)
		if (link_add_addr(sk, lo.index, services[i], 32, err) < 0)
			return -1;
	return 0;
}

static int ensure_bridge(struct nl_sock *sk, int ns_fd, const struct wanted_subnet *s, bool known,
			 mc_err **err)
{
	unsigned char mac[ADDR_MAC_LEN];
	char name[MC_IFNAME_LEN];
	struct link_info link;
	int r;

	mc_id_bridge(s->id, name);
	mac_derive(0x02, s->id, mac);
	r = link_find(sk, name, &link, err);
	known = known && r > 0;
	if (r == 0 && link_add_bridge(sk, name, mac, err) == 0)
		r = link_find(sk, name, &link, err);
	if (r <= 0)
		return r < 0 ? -1 : mc_err_set(err, ENODEV, "bridge %s", name);
	if ((!known && sysctl_write(ns_fd, bridge_sysctls, MC_ARRAY_SIZE(bridge_sysctls), name, err) < 0) ||
	    link_add_addr(sk, link.index, wanted_gateway(s), s->cidr.len, err) < 0)
		return -1;
	return link.up ? 0 : link_set_up(sk, link.index, true, err);
}

static bool wanted_bridge(const struct wanted *w, const char *name)
{
	char own[MC_IFNAME_LEN];

	for (size_t i = 0; i < w->n_subnets; i++) {
		mc_id_bridge(w->subnets[i].id, own);
		if (strcmp(own, name) == 0)
			return true;
	}
	return false;
}

static int drop_bridges(struct nl_sock *sk, const struct wanted *w, mc_err **err)
{
	mc_autofree struct link_info *links = NULL;
	size_t n;

	if (link_list(sk, &links, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strncmp(links[i].name, "mb", 2) == 0 && !wanted_bridge(w, links[i].name) &&
		    link_delete(sk, links[i].index, err) < 0)
			return -1;
	return 0;
}

int vpcnet_links(const struct wanted *w, int ns_fd, bool known, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);

	if (!sk || ensure_loopback(sk, w, err) < 0)
		return -1;
	for (size_t i = 0; i < w->n_subnets; i++)
		if (ensure_bridge(sk, ns_fd, &w->subnets[i], known, err) < 0)
			return mc_err_wrap(err, "%s", w->subnets[i].id);
	return drop_bridges(sk, w, err);
}
