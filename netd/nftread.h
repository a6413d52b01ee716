/* What the kernel has of nft tables, read over netlink. sk is a NETLINK_NETFILTER socket; it
 * decides the namespace. */
#ifndef NETD_NFTREAD_H
#define NETD_NFTREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "netd/netlink.h"
#include "netd/ruleset.h"

/* The generation of the namespace's rules: another after every transaction, whoever ran it.
 * 0 or -1 and *err. */
int nftread_generation(struct nl_sock *sk, uint32_t *ret_generation, mc_err **err);

/* These tables, sorted as ruleset_sort() does; where one is absent version is "". New
 * ruleset, or NULL and *err. */
struct ruleset *nftread_tables(struct nl_sock *sk, const char *const *tables, const char *home,
			       mc_err **err);

/* Does the kernel have all of these tables? Cheap. false where it cannot be asked. */
bool nftread_has_tables(struct nl_sock *sk, const char *const *tables);

/* Add the elements of one set ("ip vpc", "eni_in"); nothing where it is absent. 0 or -1 and *err. */
int nftread_set(struct nl_sock *sk, struct ruleset *ruleset, const char *table, const char *name,
		mc_err **err);

/* The epoch of the counters in this table (ruleset.h); "" where there is none. 0 or -1 and *err. */
int nftread_epoch(struct nl_sock *sk, const char *table, char ret_epoch[RULESET_DIGEST_LEN],
		  mc_err **err);

/* A named counter of the table. 0 or -1 and *err. */
int nftread_counter(struct nl_sock *sk, const char *table, const char *name, uint64_t *ret_bytes,
		    uint64_t *ret_packets, mc_err **err);

/* "ip vpc" to its family (NFPROTO_…) and, pointing into the text, its name. -1: no family of ours. */
int nftread_family(const char *table, const char **ret_name);

#endif
