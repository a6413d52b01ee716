/* For each VPC what its tables were after our last transaction (nft.h), so that a change does
 * not read back what did not change. */
#ifndef NETD_RULECACHE_H
#define NETD_RULECACHE_H

#include "common/id.h"
#include "netd/nft.h"

struct rulecache_row {
	char id[MC_ID_LEN]; /* of the VPC */
	struct nft_cache cache;
};

struct rulecache {
	struct rulecache_row *rows;
	size_t n;
};

/* Good until the next call. Aborts on no memory. */
struct nft_cache *rulecache_of(struct rulecache *c, const char *vpc_id);
/* Its namespace is another now, or gone. Fine when unknown. */
void rulecache_forget(struct rulecache *c, const char *vpc_id);
void rulecache_free(struct rulecache *c);

#endif
