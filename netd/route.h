/* Routes and policy rules (rtnetlink). All of ours carry one protocol number, so that
 * they are told from the host's and "exactly these" can be made true. */
#ifndef NETD_ROUTE_H
#define NETD_ROUTE_H

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "netd/addr.h"
#include "netd/netlink.h"

#define ROUTE_PROTOCOL 77 /* shows as "proto 77" in ip-route(8) */

struct route {
	uint32_t table;
	struct cidr dst;
	unsigned char type; /* RTN_UNICAST, RTN_UNREACHABLE, RTN_BLACKHOLE */
	int oif;            /* 0 unless RTN_UNICAST */
	uint32_t gateway;   /* on-link through oif; 0: none */
};

/* Add (idempotent: same destination and table replaces) and delete (fine when absent). */
int route_add(struct nl_sock *sk, const struct route *route, mc_err **err);
int route_delete(struct nl_sock *sk, const struct route *route, mc_err **err);

/* Ours in this namespace; *ret is allocated. 0 or -1 and *err. */
int route_list(struct nl_sock *sk, struct route **ret, size_t *ret_n, mc_err **err);

/* Those of the main table that lead out by this link alone: the kernel tells no others. */
int route_list_by(struct nl_sock *sk, int oif, struct route **ret, size_t *ret_n, mc_err **err);

/* Ours that a packet to this address takes: 1 and *ret_route, 0 for none, -1 and *err. */
int route_find(struct nl_sock *sk, uint32_t addr, struct route *ret_route, mc_err **err);

/* Make ours in this namespace exactly these: adds first, then deletes. 0 or -1 and *err. */
int route_sync(struct nl_sock *sk, const struct route *want, size_t n, mc_err **err);

struct rule {
	uint32_t pref;
	char iif[MC_IFNAME_LEN]; /* "": any */
	struct cidr src, dst;    /* len 0: any */
	unsigned char action;    /* FR_ACT_TO_TBL, FR_ACT_BLACKHOLE */
	uint32_t table;
};

int rule_add(struct nl_sock *sk, const struct rule *rule, mc_err **err);
int rule_delete(struct nl_sock *sk, const struct rule *rule, mc_err **err);
int rule_list(struct nl_sock *sk, struct rule **ret, size_t *ret_n, mc_err **err);
int rule_sync(struct nl_sock *sk, const struct rule *want, size_t n, mc_err **err);

#endif
