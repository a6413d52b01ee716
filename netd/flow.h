/* A tracked connection, and whether the wanted VPC would still let it begin. */
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

/* Would this connection's first packet pass the VPC's rules today? Connections with the
 * VPC's own services (resolver, metadata, gateways) pass while their ENI exists. */
bool flow_allowed(const struct wanted *wanted, const struct flow *flow);

#endif
