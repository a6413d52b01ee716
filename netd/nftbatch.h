/* Elements of nft sets, added and taken away in one transaction, straight over netlink: what
 * happens often (rules, members, addresses) does not pay for nft's parser. */
#ifndef NETD_NFTBATCH_H
#define NETD_NFTBATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "netd/netlink.h"
#include "netd/rulediff.h"

/* Can this difference go this way? Elements alone, of managed sets, and not very many. */
bool nftbatch_fits(const struct rulediff *diff);

/* Run it. generation is that of the rules which diff->present shows: where others were
 * quicker nothing is changed. 1 when it is done, 0 when they were, -1 and *err. */
int nftbatch_run(struct nl_sock *sk, const struct rulediff *diff, uint32_t generation,
		 mc_err **err);

#endif
