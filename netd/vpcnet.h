/* The devices of a VPC's namespace: sysctls, bridges, addresses. */
#ifndef NETD_VPCNET_H
#define NETD_VPCNET_H

#include "common/error.h"
#include "netd/wanted.h"

/* Before anything else is put into the namespace. 0 or -1 and *err. */
int vpcnet_sysctls(int ns_fd, mc_err **err);

/* Loopback services' addresses and a bridge per subnet; bridges of no wanted subnet go. known: this process has made those that
 * are there, and nothing failed since. */
int vpcnet_links(const struct wanted *wanted, int ns_fd, bool known, mc_err **err);

#endif
