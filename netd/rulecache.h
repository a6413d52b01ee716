/* For each VPC what its tables were after our last transaction (nft.h), so that a change does
 * not read back what did not change, and the document that they were made of. */
#ifndef NETD_RULECACHE_H
#define NETD_RULECACHE_H

#include <uthash.h>

#include "common/id.h"
#include "netd/nft.h"
#include "netd/wanted.h"

struct rulecache_row {
	char id[MC_ID_LEN]; /* of the VPC */
	struct nft_cache cache;
	struct wanted *wanted; /* as last applied, and kept in its file; NULL: unknown */
	UT_hash_handle hh;
};

struct rulecache {
	struct rulecache_row *rows; /* by id */
};

/* Good until the VPC is forgotten. Aborts on no memory. */
struct nft_cache *rulecache_of(struct rulecache *c, const char *vpc_id);
/* What is known of the VPC, NULL where nothing is. Good until it is forgotten. */
struct rulecache_row *rulecache_find(struct rulecache *c, const char *vpc_id);
/* This document is in force: taken over; NULL: it is unknown which. */
void rulecache_keep(struct rulecache *c, const char *vpc_id, struct wanted *wanted);
/* Its namespace is another now, or gone. Fine when unknown. */
void rulecache_forget(struct rulecache *c, const char *vpc_id);
void rulecache_free(struct rulecache *c);

#endif
