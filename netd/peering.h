/* VPC peerings: a veth between two VPCs' namespaces, there while both documents name it. */
#ifndef NETD_PEERING_H
#define NETD_PEERING_H

#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "netd/netd.h"
#include "netd/wanted.h"

/* The name of both ends: mp + 13 hex. */
void peering_name(const char *id, char out[MC_IFNAME_LEN]);

#define PEERING_HOP 0xa9fefe01u /* 169.254.254.1: the next hop on every peering; nobody has it */

/* The MAC of vpc's end, the other being other's. */
void peering_mac(const char *vpc, const char *other, const char *id,
		 unsigned char ret_mac[ADDR_MAC_LEN]);

/* Make the VPC's ends be there that can be, and no others (wanted NULL: none). Its rules, and
 * those of the other VPCs, must be in force. 0 or -1 and *err. */
int peering_sync(const struct netd *netd, const struct wanted *wanted, int ns_fd, mc_err **err);

/* The VPC changed from before to wanted (either may be NULL): bring the routes of those that
 * are, or were, its peers in line with what is there now. 0 or -1 and *err. */
int peering_tell(const struct netd *netd, const struct wanted *before,
		 const struct wanted *wanted, mc_err **err);

#endif
