/* Where packets go in a VPC's namespace: routing rules, each subnet's routes, neighbours. */
#ifndef NETD_VPCROUTE_H
#define NETD_VPCROUTE_H

#include "common/error.h"
#include "netd/wanted.h"

/* Make them as wanted, with the devices that are there now: a route to what is not there is a
 * black hole, as AWS has it. The subnets' bridges exist. 0 or -1 and *err. */
int vpcroute_sync(const struct wanted *wanted, int ns_fd, mc_err **err);

#endif
