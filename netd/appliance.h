/* Interfaces without an instance: a NAT gateway, an endpoint. Each has a small namespace with the
 * interface as eth0; its port in the subnet's bridge is guarded, filtered and counted like a
 * guest's tap. Gateway endpoints have one too, but are in no subnet: routes lead to their port. */
#ifndef NETD_APPLIANCE_H
#define NETD_APPLIANCE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "netd/netd.h"
#include "netd/wanted.h"

/* Remove those of the VPC that are not wanted (NULL: all). They are looked for among the namespaces of all VPCs
 * unless the document in force (rulecache.h) is known to have none. ns_fd -1: the VPC has no namespace
 * any more. Goes on past failures and reports the first. 0 or -1 and *err. */
int appliance_drop(const struct netd *netd, const char *vpc_id, const struct wanted *wanted,
		   int ns_fd, mc_err **err);

/* Make all wanted ones; the VPC's rules are in force, its bridges there. 0 or -1 and *err. */
int appliance_sync(const struct netd *netd, const struct wanted *wanted, int ns_fd, mc_err **err);

/* The name of its namespace's file, below netns_dir; allocated. */
char *appliance_file(const char *vpc_id, const char *id, uint32_t addr);

/* A CLOEXEC descriptor of the namespace of that interface or gateway endpoint with that address,
 * or -1 and *err. */
int appliance_open(const struct netd *netd, const struct wanted *wanted, const char *id, uint32_t addr, mc_err **err);

#define APPLIANCE_HOP 0xa9fefe02u /* 169.254.254.2: the next hop on a gateway endpoint's port, from both sides */

/* A gateway endpoint's port in the VPC, and the MAC behind it. */
void appliance_gateway_port(const char *id, char out[MC_IFNAME_LEN]);
void appliance_gateway_mac(const char *id, unsigned char ret_mac[ADDR_MAC_LEN]);

#endif
