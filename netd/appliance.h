/* Interfaces without an instance: a NAT gateway, an endpoint. Each has a small namespace with the
 * interface as eth0; its port in the subnet's bridge is guarded, filtered and counted like a
 * guest's tap. */
#ifndef NETD_APPLIANCE_H
#define NETD_APPLIANCE_H

#include <jansson.h>

#include "common/error.h"
#include "netd/netd.h"
#include "netd/wanted.h"

/* Remove those of the VPC that are not wanted (NULL: all). ns_fd -1: the VPC has no namespace
 * any more. Goes on past failures and reports the first. 0 or -1 and *err. */
int appliance_drop(const struct netd *netd, const char *vpc_id, const struct wanted *wanted,
		   int ns_fd, mc_err **err);

/* Make all wanted ones; the VPC's rules are in force, its bridges there. 0 or -1 and *err. */
int appliance_sync(const struct netd *netd, const struct wanted *wanted, int ns_fd, mc_err **err);

/* A CLOEXEC descriptor of its namespace, or -1 and *err. */
int appliance_open(const struct netd *netd, const struct wanted *wanted,
		   const struct wanted_eni *eni, mc_err **err);

#endif
