#include "netd/peering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "netd/link.h"
#include "netd/netns.h"
#include "netd/state.h"
#include "netd/sysctl.h"
#include "netd/vpcroute.h"

#define PREFIX "mp"
#define MAC_LOWER 0x12 /* first bytes of locally administered MACs */
#define MAC_HIGHER 0x16

void peering_name(const char *id, char out[MC_IFNAME_LEN])
{
	mc_id_tap(id, out);
	memcpy(out, PREFIX, strlen(PREFIX));
}

void peering_mac(const char *vpc, const char *other, const char *id,
		 unsigned char ret_mac[ADDR_MAC_LEN])
{
	mac_derive(strcmp(vpc, other) < 0 ? MAC_LOWER : MAC_HIGHER, id, ret_mac);
}

/* --- the other VPC ------------------------------------------------------------------------ */

/* Its document and namespace, where it has both. *ret_ns is the caller's. */
static struct wanted *open_peer(const struct netd *netd, const char *vpc_id, int *ret_ns)
{
	mc_autofree char *path = state_netns(netd, vpc_id);
	auto_wanted struct wanted *w = state_load(netd, vpc_id, NULL);

	if (!w || !netns_pinned(path))
		return NULL;
	*ret_ns = netns_open(path, NULL);
	return *ret_ns < 0 ? NULL : MC_STEAL(w);
}

static bool agrees(const struct wanted *peer, const struct wanted_peering *p, const char *vpc_id)
{
	const struct wanted_peering *back = peer ? wanted_peering_by_id(peer, p->id) : NULL;

	return back && strcmp(back->vpc, vpc_id) == 0;
}

/* --- the two ends ---------------------------------------------------------------------------- */

static const struct sysctl end_sysctls[] = {
	{ "ipv4/conf/%s/send_redirects", "0", false },
	{ "ipv4/conf/%s/rp_filter", "0", false },
};

/* In its group before it is up: the rules tell the outside by it. */
static int finish_end(struct nl_sock *sk, int ns_fd, const char *name, mc_err **err)
{
	struct link_info link;
	int r = link_find(sk, name, &link, err);

	if (r <= 0)
		return r < 0 ? -1 : mc_err_set(err, ENODEV, "%s is not there", name);
	if (link_set_group(sk, link.index, LINK_PEERING, err) < 0 ||
	    sysctl_write(ns_fd, end_sysctls, MC_ARRAY_SIZE(end_sysctls), name, err) < 0)
		return -1;
	return link.up ? 0 : link_set_up(sk, link.index, true, err);
}

/* An end whose other end is not where it should be is no use. */
static int drop_lone(struct nl_sock *here, struct nl_sock *there, const char *name, mc_err **err)
{
	struct link_info mine, theirs;
	int a = link_find(here, name, &mine, err), b = a < 0 ? -1 : link_find(there, name, &theirs, err);

	if (b < 0 || (a == 0) == (b == 0))
		return b < 0 ? -1 : 0;
	return a ? link_delete(here, mine.index, err) : link_delete(there, theirs.index, err);
}

static int connect_ends(const struct wanted *w, const struct wanted_peering *p, int ns_fd,
			int peer_ns, mc_err **err)
{
	auto_netlink struct nl_sock *here = netlink_open(NETLINK_ROUTE, ns_fd, err);
	auto_netlink struct nl_sock *there = here ? netlink_open(NETLINK_ROUTE, peer_ns, err) : NULL;
	unsigned char mac[ADDR_MAC_LEN], peer_mac[ADDR_MAC_LEN];
	char name[MC_IFNAME_LEN];

	peering_name(p->id, name);
	peering_mac(w->id, p->vpc, p->id, mac);
	peering_mac(p->vpc, w->id, p->id, peer_mac);
	if (!there || drop_lone(here, there, name, err) < 0 ||
	    link_add_veth(here, name, mac, LINK_INSIDE, name, peer_mac, peer_ns, err) < 0 ||
	    finish_end(there, peer_ns, name, err) < 0)
		return -1;
	return finish_end(here, ns_fd, name, err);
}

static int drop(const char *name, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);
	struct link_info link;
	int r = sk ? link_find(sk, name, &link, err) : -1;

	return r <= 0 ? r : link_delete(sk, link.index, err);
}

static bool is_wanted(const struct wanted *w, const char *name)
{
	char own[MC_IFNAME_LEN];

	for (size_t i = 0; w && i < w->n_peerings; i++) {
		peering_name(w->peerings[i].id, own);
		if (strcmp(own, name) == 0)
			return true;
	}
	return false;
}

static int drop_others(const struct wanted *w, int ns_fd, mc_err **err)
{
	auto_netlink struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);
	mc_autofree struct link_info *links = NULL;
	size_t n;

	if (!sk || link_list(sk, &links, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strncmp(links[i].name, PREFIX, strlen(PREFIX)) == 0 &&
		    !is_wanted(w, links[i].name) && link_delete(sk, links[i].index, err) < 0)
			return -1;
	return 0;
}

int peering_sync(const struct netd *netd, const struct wanted *w, int ns_fd, mc_err **err)
{
	if (drop_others(w, ns_fd, err) < 0)
		return -1;
	for (size_t i = 0; w && i < w->n_peerings; i++) {
		const struct wanted_peering *p = &w->peerings[i];
		mc_auto_fd int peer_ns = -1;
		auto_wanted struct wanted *peer = open_peer(netd, p->vpc, &peer_ns);
		char name[MC_IFNAME_LEN];
		int r;

		peering_name(p->id, name);
		if (agrees(peer, p, w->id))
			r = connect_ends(w, p, ns_fd, peer_ns, err);
		else
			r = drop(name, ns_fd, err);
		if (r < 0)
			return mc_err_wrap(err, "%s", p->id);
	}
	return 0;
}

static int tell(const struct netd *netd, const char *vpc_id, mc_err **err)
{
	mc_auto_fd int ns = -1;
	auto_wanted struct wanted *peer = open_peer(netd, vpc_id, &ns);

	return peer ? vpcroute_sync(peer, ns, err) : 0;
}

int peering_tell(const struct netd *netd, const struct wanted *before, const struct wanted *w,
		 mc_err **err)
{
	for (size_t i = 0; w && i < w->n_peerings; i++)
		if (tell(netd, w->peerings[i].vpc, err) < 0)
			return mc_err_wrap(err, "%s", w->peerings[i].id);
	for (size_t i = 0; before && i < before->n_peerings; i++)
		if ((!w || !wanted_peering_by_id(w, before->peerings[i].id)) &&
		    tell(netd, before->peerings[i].vpc, err) < 0)
			return mc_err_wrap(err, "%s", before->peerings[i].id);
	return 0;
}
