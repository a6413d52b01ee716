/* The descriptor socket: one JSON line in, one JSON line and at most one descriptor out. */
#ifndef NETD_FDSERVER_H
#define NETD_FDSERVER_H

#include <sys/types.h>

#include "common/error.h"
#include "netd/netd.h"

struct fdserver;

/* Serve on an already listening socket (which stays the caller's), in an own thread.
 * allowed ends with (uid_t)-1; root and our own uid are always allowed. NULL and *err. */
struct fdserver *fdserver_start(struct netd *netd, int listen_fd, const uid_t *allowed,
				mc_err **err);
/* NULL is fine. */
void fdserver_stop(struct fdserver *server);

#endif
