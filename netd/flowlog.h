/* Flow logs (flowrules.h) from the kernel to their files: each interval, and when asked, the sides
 * change places, and the one that rests is written down and emptied. Kill-safe: what was
 * read is spooled (flowspool.h) before it is taken away. */
#ifndef NETD_FLOWLOG_H
#define NETD_FLOWLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "netd/flowrules.h"
#include "netd/netd.h"
#include "netd/wanted.h"

struct flowlog;

/* Of all VPCs. flowlog_free(NULL) is fine. */
struct flowlog *flowlog_new(void);
void flowlog_free(struct flowlog *f);

/* The thread that writes in time. 0 or -1 and *err; flowlog_stop() may be called without it. */
int flowlog_start(struct netd *netd, mc_err **err);
void flowlog_stop(struct flowlog *f);

/* The rest is called with netd's lock held. */

/* The sides that the VPC's packets go to. */
const struct flow_sides *flowlog_sides(const struct flowlog *f, const char *vpc_id);

/* The VPC is as wanted now: its intervals run. */
void flowlog_applied(const struct netd *netd, const struct wanted *wanted);
/* It has no namespace any more. */
void flowlog_forget(struct flowlog *f, const char *vpc_id);

/* Would something that is not yet written be lost, or be another's, when before becomes wanted? */
bool flowlog_pending(const struct wanted *before, const struct wanted *wanted);

/* Write what was seen so far by all flow logs of the VPC, wanted being its document in force.
 * *ret_n (may be NULL): how many lines. 0 or -1 and *err. */
int flowlog_flush(const struct netd *netd, const struct wanted *wanted, int ns_fd, size_t *ret_n,
		  mc_err **err);

/* At start: end what an earlier netd had begun to write. 0 or -1 and *err. */
int flowlog_recover(const struct netd *netd, const char *vpc_id, int ns_fd, mc_err **err);

#endif
