/* What the kernel counted of a VPC's flows, and its lines in AWS's default format (version 2):
 * version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start
 * end action log-status. */
#ifndef NETD_FLOWRECORD_H
#define NETD_FLOWRECORD_H

#include <stdint.h>

#include "common/error.h"
#include "netd/flowrules.h"
#include "netd/netlink.h"

struct flow_record {
	const struct wanted_eni *eni;
	enum flow_verdict verdict;
	uint32_t src, dst; /* of the interface always its primary address */
	uint16_t sport, dport;
	uint8_t protocol;
	uint64_t packets, bytes;
};

struct flow_records {
	struct flow_record *rows; /* each flow once */
	size_t n;
	bool skipped; /* there were more flows than there is room for */
	json_t *keys; /* {set: [key]}: the elements they were read from */
};

/* Read that side of the interval's sets. Rows point into wanted. 0 or -1 and *err. */
int flowrecord_read(struct nl_sock *sk, const struct wanted *wanted, enum flow_interval interval,
		    char side, struct flow_records *ret, mc_err **err);
void flowrecord_free(struct flow_records *r);

/* The lines of one flow log for the time from start to end, seconds since 1970; allocated.
 * whole: the interval is over, interfaces that saw nothing say so. *ret_n: how many lines. */
char *flowrecord_text(const struct flow_records *r, const struct wanted *wanted,
		      const struct wanted_flow_log *log, int64_t start, int64_t end, bool whole,
		      size_t *ret_n);

#endif
