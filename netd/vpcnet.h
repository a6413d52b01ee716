/* The devices of a VPC's namespace: sysctls, bridges, addresses, routes, neighbours. */
#ifndef NETD_VPCNET_H
#define NETD_VPCNET_H

#include "common/error.h"
#include "netd/wanted.h"

/* Before anything else is put into the namespace. 0 or -1 and *err. */
int vpcnet_sysctls(int ns_fd, mc_err **err);

/* Loopback services' addresses and a bridge per subnet; bridges of no wanted subnet go. */
int vpcnet_links(const struct wanted *wanted, int ns_fd, mc_err **err);

/* Routes, rules and neighbours; igw0 exists when the VPC wants one. */
int vpcnet_routes(const struct wanted *wanted, int ns_fd, mc_err **err);

#endif
