/* Links (rtnetlink): bridges, veths, taps, bridge ports, their addresses and neighbours.
 * sk is a NETLINK_ROUTE socket; it decides the namespace. */
#ifndef NETD_LINK_H
#define NETD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "netd/addr.h"
#include "netd/netlink.h"

struct link_info {
	int index;
	int master; /* 0: none */
	uint32_t group;
	bool up;
	bool carrier;    /* somebody is at the other end */
	bool running;    /* the kernel has taken notice of that: packets pass */
	bool forwarding; /* a bridge's port that is more than running */
	char name[MC_IFNAME_LEN];
	unsigned char mac[ADDR_MAC_LEN];
};

/* 1 and *ret_link when there, 0 when not, -1 and *err. */
int link_find(struct nl_sock *sk, const char *name, struct link_info *ret_link, mc_err **err);

/* All links; *ret_links is allocated. 0 or -1 and *err. */
int link_list(struct nl_sock *sk, struct link_info **ret_links, size_t *ret_n, mc_err **err);

/* These three are satisfied when a link of that name exists. 0 or -1 and *err. */
int link_add_bridge(struct nl_sock *sk, const char *name, const unsigned char mac[ADDR_MAC_LEN],
		    mc_err **err);
/* One end (name, mac, device group) here, the other, of group 0, in the namespace peer_ns. */
int link_add_veth(struct nl_sock *sk, const char *name, const unsigned char mac[ADDR_MAC_LEN], uint32_t group,
		  const char *peer, const unsigned char peer_mac[ADDR_MAC_LEN], int peer_ns,
		  mc_err **err);

/* A socket that becomes readable when any link of the namespace ns_fd changes. NULL and *err. */
struct nl_sock *link_events(int ns_fd, mc_err **err);
/* Wait for the next change, at most that long, and drop it. */
void link_events_wait(struct nl_sock *events, int timeout_ms);

int link_set_up(struct nl_sock *sk, int index, bool up, mc_err **err);
/* Device groups of a VPC's namespace, by which its rules tell the outside. */
enum link_group { LINK_INSIDE, LINK_IGW, LINK_PEERING, LINK_SERVICE };
int link_set_group(struct nl_sock *sk, int index, uint32_t group, mc_err **err);
/* Enslave; master 0 releases. */
int link_set_master(struct nl_sock *sk, int index, int master, mc_err **err);
/* A guest's port: isolated, no learning, no flooding of unknown or multicast frames. */
int link_set_guest_port(struct nl_sock *sk, int index, mc_err **err);
/* Into another namespace, where it arrives down. */
int link_move(struct nl_sock *sk, int index, int ns_fd, mc_err **err);
/* Fine when it is gone. */
int link_delete(struct nl_sock *sk, int index, mc_err **err);

/* Idempotent. */
int link_add_addr(struct nl_sock *sk, int index, uint32_t addr, unsigned len, mc_err **err);
/* Those of IPv4; *ret_addrs is allocated. */
int link_list_addrs(struct nl_sock *sk, int index, uint32_t **ret_addrs, size_t *ret_n, mc_err **err);
int link_delete_addr(struct nl_sock *sk, int index, uint32_t addr, unsigned len, mc_err **err);
/* Static forwarding entry: this MAC is behind this bridge port. */
int link_add_fdb(struct nl_sock *sk, int port, const unsigned char mac[ADDR_MAC_LEN], mc_err **err);

struct neigh {
	int index;
	uint32_t addr;
	unsigned char mac[ADDR_MAC_LEN];
};

/* Make the permanent IPv4 neighbours of all links of this namespace exactly these
 * (ordered as they come; duplicates harmless). 0 or -1 and *err. */
int neigh_sync(struct nl_sock *sk, const struct neigh *want, size_t n, mc_err **err);
/* Addresses that links of this namespace answer ARP for in others' name (MACs are 0); *ret is
 * allocated. Add and delete are idempotent. 0 or -1 and *err. */
int neigh_list_proxies(struct nl_sock *sk, struct neigh **ret, size_t *ret_n, mc_err **err);
int neigh_add_proxy(struct nl_sock *sk, const struct neigh *proxy, mc_err **err);
int neigh_delete_proxy(struct nl_sock *sk, const struct neigh *proxy, mc_err **err);

/* Add or replace one permanent neighbour. */
int neigh_set(struct nl_sock *sk, const struct neigh *neigh, mc_err **err);

#endif
