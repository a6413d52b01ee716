/* What others may break behind our back: a dnsmasq that died, nft tables that were flushed,
 * deleted or changed. A thread waits for any of it and puts it right at once. */
#ifndef NETD_WATCH_H
#define NETD_WATCH_H

#include "common/error.h"
#include "netd/netd.h"

struct watch;

/* This VPC came, went or is another now: what is watched of it is looked for anew. Under netd's lock. */
void watch_tell(struct netd *netd, const char *vpc_id);

/* netd->changed_fd must be open. NULL and *err on failure. */
struct watch *watch_start(struct netd *netd, mc_err **err);
/* NULL is fine. */
void watch_stop(struct watch *watch);

#endif
