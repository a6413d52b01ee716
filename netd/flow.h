/* A tracked connection, and whether a change of its VPC cuts it.
 *
 * AWS: a connection that its security groups track goes on when the rule that let it begin is
 * taken away; one that they need not track is cut at once. Not tracked is tcp and udp that a
 * rule with 0.0.0.0/0 allows while another lets every answer to 0.0.0.0/0 back ("Security group
 * connection tracking"). Our conntrack tracks them all: it is we who tell them apart. */
#ifndef NETD_FLOW_H
#define NETD_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "netd/wanted.h"

/* The two tuples of a conntrack entry, host byte order. With NAT the reply's source is
 * the real receiver and the reply's destination is how the sender is seen outside. */
struct flow {
	uint32_t src, dst, reply_src, reply_dst;
	int protocol;
	uint16_t dport;     /* the real receiver's port; there is no port translation */
	uint8_t icmp_type, icmp_code;
};

/* Does this connection go on when the VPC becomes wanted, having been before (NULL: it is not
 * known)? Connections with the VPC's own services (resolver, metadata, gateways) go on while
 * their ENI exists; none does whose interface or translation is gone. */
bool flow_goes_on(const struct wanted *before, const struct wanted *wanted,
		  const struct flow *flow);

/* Can connections that this rule let begin end with it? Only those need not be tracked that are allowed from or
 * to everywhere. */
bool flow_may_end_with(const struct wanted_rule *rule);

/* Is this rule one that allows the flow, where it is in a group of the right end? */
bool flow_matches(const struct wanted *wanted, enum wanted_direction direction, const struct wanted_rule *rule,
		  const struct flow *flow);

#endif
