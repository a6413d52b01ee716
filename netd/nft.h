/* The kernel's nft rulesets, changed atomically: through libnftables (skeletons, chains) and,
 * where elements alone differ, straight over netlink.
 * libnftables is not called by two threads at once: netd's one lock is held. */
#ifndef NETD_NFT_H
#define NETD_NFT_H

#include <jansson.h>
#include <nftables/libnftables.h>

#include "common/error.h"
#include "netd/rulediff.h"
#include "netd/ruleset.h"

/* A context whose netlink socket is in the namespace ns_fd (-1: ours). NULL and *err. */
struct nft_ctx *nft_open(int ns_fd, mc_err **err);

/* Run a transaction: all of it or nothing. "" does nothing. 0 or -1 and *err. */
int nft_run(struct nft_ctx *nft, const char *text, mc_err **err);

/* What a namespace's tables were after our last transaction. Good for as long as the
 * kernel's generation is this one; all 0: unknown.
 * The socket stays open between changes: the kernel lets nobody close one of this family until it has freed what
 * the namespace's last transaction took away, some ten milliseconds. It keeps the namespace alive. */
struct nft_cache {
	uint32_t generation;
	struct ruleset *present;
	bool distrusted; /* somebody else was in our tables: make them anew, whatever they seem to be */
	struct nl_sock *sk; /* NETLINK_NETFILTER, of the namespace; NULL: not open */
};
void nft_cache_forget(struct nft_cache *cache);
/* Forget, and close the socket. */
void nft_cache_close(struct nft_cache *cache);
/* Its socket, opened where it is not. NULL and *err. */
struct nl_sock *nft_cache_socket(struct nft_cache *cache, int ns_fd, mc_err **err);

/* Make the tables of the namespace ns_fd (-1: ours) be *wanted, which is taken into the cache
 * (NULL: none); tables that are made anew without counters to carry over get a new epoch.
 * *ret_shrank (may be NULL): something that could have allowed a packet went or changed.
 * 0 or -1 and *err. */
int nft_apply(int ns_fd, struct ruleset **wanted, struct nft_cache *cache, bool *ret_shrank,
	      mc_err **err);

/* Make one small change of elements (nftbatch_fits()) of what the cache knows. 1 when it is done: the
 * cache's ruleset is the caller's to bring in line. 0 when the cache is old, or nothing was known. -1 and *err. */
int nft_apply_elements(int ns_fd, const struct rulediff *diff, struct nft_cache *cache, mc_err **err);

/* The whole ruleset of the namespace as `nft --json list ruleset` prints it; NULL and *err. New reference. */
json_t *nft_list_ruleset(struct nft_ctx *nft, mc_err **err);

static inline void nft_cleanup(struct nft_ctx **nft)
{
	if (*nft)
		nft_ctx_free(*nft);
}
#define auto_nft __attribute__((cleanup(nft_cleanup)))

#endif
