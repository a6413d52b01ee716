/* The kernel's nft rulesets through libnftables: read back and changed atomically.
 * libnftables is not called by two threads at once: netd's one lock is held. */
#ifndef NETD_NFT_H
#define NETD_NFT_H

#include <jansson.h>
#include <nftables/libnftables.h>

#include "common/error.h"
#include "netd/ruleset.h"

/* A context whose netlink socket is in the namespace ns_fd (-1: ours). NULL and *err. */
struct nft_ctx *nft_open(int ns_fd, mc_err **err);

/* Run a transaction: all of it or nothing. "" does nothing. 0 or -1 and *err. */
int nft_run(struct nft_ctx *nft, const char *text, mc_err **err);

/* What the kernel has of these tables; absent tables leave version "". New ruleset. */
struct ruleset *nft_read(struct nft_ctx *nft, const char *const *tables, const char *home);

/* Does the kernel have all of these tables? Cheap. */
bool nft_has_tables(struct nft_ctx *nft, const char *const *tables);

/* Add the elements of one set; nothing where it is absent. */
void nft_read_set(struct nft_ctx *nft, struct ruleset *ruleset, const char *table,
		  const char *name);

/* The epoch of the counters in this table (ruleset.h); "" where there is none. */
void nft_read_epoch(struct nft_ctx *nft, const char *table, char ret_epoch[RULESET_DIGEST_LEN]);

/* Make the kernel's tables be wanted; tables that are made anew without counters to carry
 * over get a new epoch. *ret_shrank (may be NULL): something that could have
 * allowed a packet went or changed. 0 or -1 and *err. */
int nft_apply(struct nft_ctx *nft, struct ruleset *wanted, bool *ret_shrank, mc_err **err);

/* Base chains of the forward hook that drop by policy, outside our tables: a JSON array of
 * "family table chain", a new reference; NULL and *err when it cannot be read. */
json_t *nft_foreign_forward_drops(struct nft_ctx *nft, mc_err **err);

static inline void nft_cleanup(struct nft_ctx **nft)
{
	if (*nft)
		nft_ctx_free(*nft);
}
#define auto_nft __attribute__((cleanup(nft_cleanup)))

#endif
