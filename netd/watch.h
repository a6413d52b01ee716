/* What others may break behind our back: a dnsmasq that died, nft tables that were flushed.
 * A thread waits for either and has the VPC put in line again. */
#ifndef NETD_WATCH_H
#define NETD_WATCH_H

#include "common/error.h"
#include "netd/netd.h"

struct watch;

/* netd->changed_fd must be open. NULL and *err on failure. */
struct watch *watch_start(struct netd *netd, mc_err **err);
/* NULL is fine. */
void watch_stop(struct watch *watch);

#endif
