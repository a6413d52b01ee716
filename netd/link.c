#include "netd/link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

/* --- reading -------------------------------------------------------------- */

struct link_array {
	struct link_info *links;
	size_t n;
};

static bool port_forwards(struct nlattr *info)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1], *port[IFLA_BRPORT_MAX + 1];

	return info && nla_parse_nested(tb, IFLA_INFO_MAX, info, NULL) == 0 &&
	       tb[IFLA_INFO_SLAVE_DATA] &&
	       nla_parse_nested(port, IFLA_BRPORT_MAX, tb[IFLA_INFO_SLAVE_DATA], NULL) == 0 &&
	       port[IFLA_BRPORT_STATE] &&
	       nla_get_u8(port[IFLA_BRPORT_STATE]) == BR_STATE_FORWARDING;
}

static void read_link(const struct nlmsghdr *h, struct link_info *out)
{
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];

	memset(out, 0, sizeof(*out));
	out->index = ifi->ifi_index;
	out->up = ifi->ifi_flags & IFF_UP;
	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(out->name, tb[IFLA_IFNAME], sizeof(out->name));
	if (tb[IFLA_MASTER])
		out->master = (int)nla_get_u32(tb[IFLA_MASTER]);
	if (tb[IFLA_GROUP])
		out->group = nla_get_u32(tb[IFLA_GROUP]);
	out->carrier = tb[IFLA_CARRIER] && nla_get_u8(tb[IFLA_CARRIER]);
	out->running = tb[IFLA_OPERSTATE] && nla_get_u8(tb[IFLA_OPERSTATE]) == IF_OPER_UP;
	out->forwarding = port_forwards(tb[IFLA_LINKINFO]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == ADDR_MAC_LEN)
		memcpy(out->mac, nla_data(tb[IFLA_ADDRESS]), ADDR_MAC_LEN);
}

static void collect_link(void *ctx, const struct nlmsghdr *h)
{
	struct link_array *a = ctx;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	a->links = netlink_grow(a->links, a->n, sizeof(*a->links));
	read_link(h, &a->links[a->n++]);
}

static struct nl_msg *link_msg(int type, int flags, int family, int index)
{
	struct ifinfomsg ifi = { .ifi_family = (unsigned char)family, .ifi_index = index };
	struct nl_msg *msg = netlink_msg(type, flags);

	netlink_append(msg, &ifi, sizeof(ifi));
	return msg;
}

int link_find(struct nl_sock *sk, const char *name, struct link_info *ret_link, mc_err **err)
{
	struct link_array a = { .n = 0 };
	struct nl_msg *msg = link_msg(RTM_GETLINK, 0, AF_UNSPEC, 0);
	int r;

	netlink_put_str(msg, IFLA_IFNAME, name);
	r = netlink_call(sk, msg, collect_link, &a);
	if (r == 0 && a.n > 0)
		*ret_link = a.links[0];
	free(a.links);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return mc_err_set(err, -r, "cannot look up the link %s", name);
	return a.n > 0;
}

int link_list(struct nl_sock *sk, struct link_info **ret_links, size_t *ret_n, mc_err **err)
{
	struct link_array a = { .n = 0 };
	struct nl_msg *msg = link_msg(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 0);
	int r;

	netlink_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = netlink_call(sk, msg, collect_link, &a);
	if (r < 0) {
		free(a.links);
		return mc_err_set(err, -r, "cannot list the links");
	}
	*ret_links = a.links;
	*ret_n = a.n;
	return 0;
}

struct nl_sock *link_events(int ns_fd, mc_err **err)
{
	struct nl_sock *sk = netlink_open(NETLINK_ROUTE, ns_fd, err);

	if (!sk)
		return NULL;
	nl_socket_disable_seq_check(sk);
	nl_socket_set_nonblocking(sk);
	if (nl_socket_add_memberships(sk, RTNLGRP_LINK, 0) == 0)
		return sk;
	nl_socket_free(sk);
	mc_err_set(err, 0, "cannot hear of the links' changes");
	return NULL;
}

void link_events_wait(struct nl_sock *events, int timeout_ms)
{
	struct pollfd p = { .fd = nl_socket_get_fd(events), .events = POLLIN };

	if (poll(&p, 1, timeout_ms) > 0)
		while (nl_recvmsgs_default(events) >= 0)
			;
}

/* --- making --------------------------------------------------------------- */

static struct nl_msg *new_link(const char *name, const unsigned char *mac)
{
	struct nl_msg *msg = link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, AF_UNSPEC, 0);

	netlink_put_str(msg, IFLA_IFNAME, name);
	netlink_put(msg, IFLA_ADDRESS, mac, ADDR_MAC_LEN);
	return msg;
}

static int finish_new(struct nl_sock *sk, struct nl_msg *msg, const char *name, mc_err **err)
{
	int r = netlink_call(sk, msg, NULL, NULL);

	if (r < 0 && r != -EEXIST)
		return mc_err_set(err, -r, "cannot make the link %s", name);
	return 0;
}

int link_add_bridge(struct nl_sock *sk, const char *name, const unsigned char mac[ADDR_MAC_LEN],
		    mc_err **err)
{
	struct nl_msg *msg = new_link(name, mac);
	struct nlattr *info = netlink_nest(msg, IFLA_LINKINFO), *data;

	netlink_put_str(msg, IFLA_INFO_KIND, "bridge");
	data = netlink_nest(msg, IFLA_INFO_DATA);
	netlink_put_u32(msg, IFLA_BR_STP_STATE, 0);
	netlink_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0);
	netlink_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return finish_new(sk, msg, name, err);
}

int link_add_veth(struct nl_sock *sk, const char *name, const unsigned char mac[ADDR_MAC_LEN], uint32_t group,
		  const char *peer, const unsigned char peer_mac[ADDR_MAC_LEN], int peer_ns,
		  mc_err **err)
{
	struct nl_msg *msg = new_link(name, mac);
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nlattr *info, *data, *other;

	netlink_put_u32(msg, IFLA_GROUP, group);
	info = netlink_nest(msg, IFLA_LINKINFO);
	netlink_put_str(msg, IFLA_INFO_KIND, "veth");
	data = netlink_nest(msg, IFLA_INFO_DATA);
	other = netlink_nest(msg, VETH_INFO_PEER);
	netlink_append(msg, &ifi, sizeof(ifi));
	netlink_put_str(msg, IFLA_IFNAME, peer);
	netlink_put(msg, IFLA_ADDRESS, peer_mac, ADDR_MAC_LEN);
	netlink_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)peer_ns);
	nla_nest_end(msg, other);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return finish_new(sk, msg, name, err);
}

int link_set_up(struct nl_sock *sk, int index, bool up, mc_err **err)
{
	struct ifinfomsg ifi = { .ifi_index = index, .ifi_change = IFF_UP,
				 .ifi_flags = up ? IFF_UP : 0 };
	struct nl_msg *msg = netlink_msg(RTM_NEWLINK, 0);
	int r;

	netlink_append(msg, &ifi, sizeof(ifi));
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0)
		return mc_err_set(err, -r, "cannot set link %d %s", index, up ? "up" : "down");
	return 0;
}

int link_set_group(struct nl_sock *sk, int index, uint32_t group, mc_err **err)
{
	struct nl_msg *msg = link_msg(RTM_NEWLINK, 0, AF_UNSPEC, index);
	int r;

	netlink_put_u32(msg, IFLA_GROUP, group);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0)
		return mc_err_set(err, -r, "cannot put link %d into group %u", index, group);
	return 0;
}

int link_set_master(struct nl_sock *sk, int index, int master, mc_err **err)
{
	struct nl_msg *msg = link_msg(RTM_NEWLINK, 0, AF_UNSPEC, index);
	int r;

	netlink_put_u32(msg, IFLA_MASTER, (uint32_t)master);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0)
		return mc_err_set(err, -r, "cannot put link %d into bridge %d", index, master);
	return 0;
}

int link_set_guest_port(struct nl_sock *sk, int index, mc_err **err)
{
	struct nl_msg *msg = link_msg(RTM_SETLINK, 0, AF_BRIDGE, index);
	struct nlattr *port = netlink_nest(msg, IFLA_PROTINFO);
	int r;

	netlink_put_u8(msg, IFLA_BRPORT_ISOLATED, 1);
	netlink_put_u8(msg, IFLA_BRPORT_LEARNING, 0);
	netlink_put_u8(msg, IFLA_BRPORT_UNICAST_FLOOD, 0);
	netlink_put_u8(msg, IFLA_BRPORT_MCAST_FLOOD, 0);
	nla_nest_end(msg, port);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0)
		return mc_err_set(err, -r, "cannot isolate port %d", index);
	return 0;
}

int link_move(struct nl_sock *sk, int index, int ns_fd, mc_err **err)
{
	struct nl_msg *msg = link_msg(RTM_NEWLINK, 0, AF_UNSPEC, index);
	int r;

	netlink_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns_fd);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0)
		return mc_err_set(err, -r, "cannot move link %d to another namespace", index);
	return 0;
}

int link_delete(struct nl_sock *sk, int index, mc_err **err)
{
	int r = netlink_call(sk, link_msg(RTM_DELLINK, 0, AF_UNSPEC, index), NULL, NULL);

	if (r < 0 && r != -ENODEV)
		return mc_err_set(err, -r, "cannot delete link %d", index);
	return 0;
}

/* --- addresses and neighbours ---------------------------------------------- */

int link_add_addr(struct nl_sock *sk, int index, uint32_t addr, unsigned len, mc_err **err)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET, .ifa_prefixlen = (unsigned char)len,
				 .ifa_index = (unsigned)index };
	struct nl_msg *msg = netlink_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	uint32_t be = htobe32(addr);
	char text[ADDR_TEXT_LEN];
	int r;

	netlink_append(msg, &ifa, sizeof(ifa));
	netlink_put(msg, IFA_LOCAL, &be, sizeof(be));
	netlink_put(msg, IFA_ADDRESS, &be, sizeof(be));
	r = netlink_call(sk, msg, NULL, NULL);
	if (r == 0 || r == -EEXIST)
		return 0;
	addr_format(addr, text);
	return mc_err_set(err, -r, "cannot add %s/%u to link %d", text, len, index);
}

struct addr_array {
	int index;
	uint32_t *addrs;
	size_t n;
};

static void collect_addr(void *ctx, const struct nlmsghdr *h)
{
	struct addr_array *a = ctx;
	const struct ifaddrmsg *ifa = nlmsg_data(h);
	struct nlattr *tb[IFA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWADDR || (int)ifa->ifa_index != a->index ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*ifa), tb, IFA_MAX, NULL) < 0 || !tb[IFA_LOCAL])
		return;
	a->addrs = netlink_grow(a->addrs, a->n, sizeof(*a->addrs));
	a->addrs[a->n++] = be32toh(nla_get_u32(tb[IFA_LOCAL]));
}

int link_list_addrs(struct nl_sock *sk, int index, uint32_t **ret_addrs, size_t *ret_n, mc_err **err)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET };
	struct addr_array a = { .index = index };
	struct nl_msg *msg = netlink_msg(RTM_GETADDR, NLM_F_DUMP);
	int r;

	netlink_append(msg, &ifa, sizeof(ifa));
	r = netlink_call(sk, msg, collect_addr, &a);
	if (r < 0) {
		free(a.addrs);
		return mc_err_set(err, -r, "cannot list the addresses of link %d", index);
	}
	*ret_addrs = a.addrs;
	*ret_n = a.n;
	return 0;
}

int link_delete_addr(struct nl_sock *sk, int index, uint32_t addr, unsigned len, mc_err **err)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_INET, .ifa_prefixlen = (unsigned char)len,
				 .ifa_index = (unsigned)index };
	struct nl_msg *msg = netlink_msg(RTM_DELADDR, 0);
	uint32_t be = htobe32(addr);
	int r;

	netlink_append(msg, &ifa, sizeof(ifa));
	netlink_put(msg, IFA_LOCAL, &be, sizeof(be));
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0 && r != -EADDRNOTAVAIL)
		return mc_err_set(err, -r, "cannot take an address from link %d", index);
	return 0;
}

static struct nl_msg *neigh_msg(int type, int flags, const struct ndmsg *nd)
{
	struct nl_msg *msg = netlink_msg(type, flags);

	netlink_append(msg, nd, sizeof(*nd));
	return msg;
}

int link_add_fdb(struct nl_sock *sk, int port, const unsigned char mac[ADDR_MAC_LEN], mc_err **err)
{
	struct ndmsg nd = { .ndm_family = AF_BRIDGE, .ndm_ifindex = port,
			    .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER };
	struct nl_msg *msg = neigh_msg(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nd);
	int r;

	netlink_put(msg, NDA_LLADDR, mac, ADDR_MAC_LEN);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r < 0)
		return mc_err_set(err, -r, "cannot add a forwarding entry to port %d", port);
	return 0;
}

static struct nl_msg *neigh_ip_msg(int type, int flags, const struct neigh *neigh)
{
	struct ndmsg nd = { .ndm_family = AF_INET, .ndm_ifindex = neigh->index,
			    .ndm_state = NUD_PERMANENT };
	struct nl_msg *msg = neigh_msg(type, flags, &nd);
	uint32_t be = htobe32(neigh->addr);

	netlink_put(msg, NDA_DST, &be, sizeof(be));
	return msg;
}

int neigh_set(struct nl_sock *sk, const struct neigh *neigh, mc_err **err)
{
	struct nl_msg *msg = neigh_ip_msg(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, neigh);
	char text[ADDR_TEXT_LEN];
	int r;

	netlink_put(msg, NDA_LLADDR, neigh->mac, ADDR_MAC_LEN);
	r = netlink_call(sk, msg, NULL, NULL);
	if (r == 0)
		return 0;
	addr_format(neigh->addr, text);
	return mc_err_set(err, -r, "cannot set the neighbour %s", text);
}

struct neigh_array {
	struct neigh *rows;
	size_t n;
};

static void collect_neigh(void *ctx, const struct nlmsghdr *h)
{
	struct neigh_array *a = ctx;
	const struct ndmsg *nd = nlmsg_data(h);
	struct nlattr *tb[NDA_MAX + 1];
	struct neigh *row;

	if (h->nlmsg_type != RTM_NEWNEIGH || !(nd->ndm_state & NUD_PERMANENT))
		return;
	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*nd), tb, NDA_MAX, NULL) < 0 ||
	    !tb[NDA_DST] || nla_len(tb[NDA_DST]) != 4)
		return;
	a->rows = netlink_grow(a->rows, a->n, sizeof(*row));
	row = &a->rows[a->n++];
	row->index = nd->ndm_ifindex;
	row->addr = be32toh(nla_get_u32(tb[NDA_DST]));
	if (tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == ADDR_MAC_LEN)
		memcpy(row->mac, nla_data(tb[NDA_LLADDR]), ADDR_MAC_LEN);
}

static int compare_neigh(const void *a, const void *b)
{
	const struct neigh *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Both arrays are sorted by link and address. */
static int apply_neighs(struct nl_sock *sk, const struct neigh_array *have,
			const struct neigh_array *want, mc_err **err)
{
	size_t i = 0, j = 0;

	while (i < have->n || j < want->n) {
		int c = i == have->n ? 1 : j == want->n ? -1
			: compare_neigh(&have->rows[i], &want->rows[j]);

		if (c < 0) {
			int r = netlink_call(sk, neigh_ip_msg(RTM_DELNEIGH, 0, &have->rows[i++]),
					     NULL, NULL);
			if (r < 0 && r != -ENOENT)
				return mc_err_set(err, -r, "cannot delete a neighbour");
			continue;
		}
		if ((c > 0 || memcmp(have->rows[i].mac, want->rows[j].mac, ADDR_MAC_LEN) != 0) &&
		    neigh_set(sk, &want->rows[j], err) < 0)
			return -1;
		i += c == 0;
		j++;
	}
	return 0;
}

int neigh_sync(struct nl_sock *sk, const struct neigh *want, size_t n, mc_err **err)
{
	struct ndmsg nd = { .ndm_family = AF_INET };
	struct neigh_array have = { .n = 0 }, sorted = { .n = n };
	int r = netlink_call(sk, neigh_msg(RTM_GETNEIGH, NLM_F_DUMP, &nd), collect_neigh, &have);

	if (r < 0) {
		free(have.rows);
		return mc_err_set(err, -r, "cannot list the neighbours");
	}
	sorted.rows = mc_alloc((n + 1) * sizeof(*want));
	if (n > 0)
		memcpy(sorted.rows, want, n * sizeof(*want));
	qsort(sorted.rows, n, sizeof(*want), compare_neigh);
	if (have.n > 0)
		qsort(have.rows, have.n, sizeof(*want), compare_neigh);
	r = apply_neighs(sk, &have, &sorted, err);
	free(sorted.rows);
	free(have.rows);
	return r;
}

/* --- addresses answered for ---------------------------------------------------------------- */

static int change_proxy(struct nl_sock *sk, int type, int flags, const struct neigh *p, mc_err **err)
{
	struct ndmsg nd = { .ndm_family = AF_INET, .ndm_ifindex = p->index, .ndm_flags = NTF_PROXY };
	struct nl_msg *msg = neigh_msg(type, flags, &nd);
	uint32_t be = htobe32(p->addr);
	char text[ADDR_TEXT_LEN];
	int r;

	netlink_put(msg, NDA_DST, &be, sizeof(be));
	r = netlink_call(sk, msg, NULL, NULL);
	if (r == 0 || r == -ENOENT)
		return 0;
	addr_format(p->addr, text);
	return mc_err_set(err, -r, "cannot change the ARP proxy for %s", text);
}

int neigh_add_proxy(struct nl_sock *sk, const struct neigh *p, mc_err **err)
{
	return change_proxy(sk, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, p, err);
}

int neigh_delete_proxy(struct nl_sock *sk, const struct neigh *p, mc_err **err)
{
	return change_proxy(sk, RTM_DELNEIGH, 0, p, err);
}

static void collect_proxy(void *ctx, const struct nlmsghdr *h)
{
	struct neigh_array *a = ctx;
	const struct ndmsg *nd = nlmsg_data(h);
	struct nlattr *tb[NDA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWNEIGH || !(nd->ndm_flags & NTF_PROXY) ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*nd), tb, NDA_MAX, NULL) < 0 || !tb[NDA_DST] ||
	    nla_len(tb[NDA_DST]) != 4)
		return;
	a->rows = netlink_grow(a->rows, a->n, sizeof(*a->rows));
	a->rows[a->n].index = nd->ndm_ifindex;
	a->rows[a->n++].addr = be32toh(nla_get_u32(tb[NDA_DST]));
}

int neigh_list_proxies(struct nl_sock *sk, struct neigh **ret, size_t *ret_n, mc_err **err)
{
	struct ndmsg nd = { .ndm_family = AF_INET, .ndm_flags = NTF_PROXY };
	struct neigh_array a = { .n = 0 };
	int r = netlink_call(sk, neigh_msg(RTM_GETNEIGH, NLM_F_DUMP, &nd), collect_proxy, &a);

	if (r < 0) {
		free(a.rows);
		return mc_err_set(err, -r, "cannot list the ARP proxies");
	}
	*ret = a.rows;
	*ret_n = a.n;
	return 0;
}
