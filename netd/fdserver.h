/* netd's descriptor socket: listening sockets inside VPCs (docs/ipc.md). */
#ifndef NETD_FDSERVER_H
#define NETD_FDSERVER_H

#include "common/fdserver.h"
#include "netd/netd.h"

/* As mc_fdserver_start(). */
struct mc_fdserver *fdserver_start(struct netd *netd, int listen_fd, const uid_t *allowed, mc_err **err);

#endif
