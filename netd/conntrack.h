/* The connections a namespace tracks (NETLINK_NETFILTER, ctnetlink). */
#ifndef NETD_CONNTRACK_H
#define NETD_CONNTRACK_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "netd/netlink.h"
#include "netd/wanted.h"
#include "netd/wanted_change.h"

/* Forget every IPv4 connection of the namespace that does not go on (flow.h) when the VPC, that
 * was before (NULL: unknown), becomes wanted.
 * With nf_conntrack_tcp_loose=0 its next packet is then invalid and dropped.
 * *ret_n (may be NULL): how many. 0 or -1 and *err. */
int conntrack_sweep(int ns_fd, const struct wanted *before, const struct wanted *wanted,
		    size_t *ret_n, mc_err **err);

/* Forget those whose answers come to the address; how many of them go on (closed TCP does not). */
int conntrack_forget_to(int ns_fd, uint32_t addr, mc_err **err);
int conntrack_count_to(int ns_fd, uint32_t addr, size_t *ret_n, mc_err **err);

/* The same after rules alone went: only what these allowed is looked at, where it can be cut by that at all. sk is a NETLINK_NETFILTER socket of the
 * namespace. */
int conntrack_sweep_change(struct nl_sock *sk, const struct wanted_change *change, mc_err **err);

#endif
