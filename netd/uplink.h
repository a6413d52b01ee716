/* The operator's interface to a network outside, where there is one: how public addresses appear
 * there. Where the pool is a part of that network each address in use is answered for by
 * proxy ARP, and guests are seen by it; where the network's router sends the pool here
 * (pool_routed) they are seen by it, too; else they go out in the host's name. */
#ifndef NETD_UPLINK_H
#define NETD_UPLINK_H

#include <stdbool.h>

#include "common/error.h"
#include "netd/host.h"
#include "netd/netlink.h"

/* Is the pool a part of a network that the uplink is in? sk is of the root namespace. */
bool uplink_holds_pool(struct nl_sock *sk, const struct host *host);

/* Do guests go out in the host's name? */
bool uplink_masquerades(struct nl_sock *sk, const struct host *host);

/* Answer ARP on the uplink for exactly the public addresses that are routed to VPCs now. Nobody
 * answers for the pool on other interfaces. 0 or -1 and *err. */
int uplink_sync(const struct host *host, mc_err **err);

#endif
