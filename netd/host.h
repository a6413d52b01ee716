/* netd's own ("root") namespace: the internet gateways' transits, the public addresses'
 * routes and the rules that keep guests' packets from leaving the machine. */
#ifndef NETD_HOST_H
#define NETD_HOST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/id.h"
#include "netd/addr.h"
#include "netd/netlink.h"
#include "netd/nft.h"
#include "netd/wanted.h"

struct host {
	struct cidr pool;   /* all public addresses */
	const char *uplink; /* the operator's way out, "" for none */
	bool pool_routed;   /* its network sends the pool to this host */
	json_t *standing;   /* set of the transits for which what they share stands, as far as known here */
	struct nft_cache *nft; /* of the table that they share; `distrusted`: it is to be made anew */
};

#define HOST_IGW "igw0" /* the transit's name inside the VPC */
/* The device group of all transits in the root namespace, by which its rules tell them: a rule or an element for each would make
 * every further VPC dearer. Any number that nobody else takes; also in skeleton_host. */
#define HOST_TRANSIT_GROUP 27747

/* The transit's name in the root namespace: mi + 13 hex. */
void host_transit_name(const char *vpc_id, char out[MC_IFNAME_LEN]);

/* The MAC of the transit's end in the root namespace. */
void host_transit_mac(const char *vpc_id, unsigned char ret_mac[ADDR_MAC_LEN]);

/* Make the VPC's transit: a veth from the root namespace to igw0 in ns_fd, addressed, its
 * neighbours fixed, both ends up; the pool's blackhole, rules and table stand before it. */
int host_ensure_transit(const struct host *host, const char *vpc_id, int ns_fd, mc_err **err);

/* Remove it with its routes; with the last one go the pool's blackhole and the table.
 * Fine when absent; goes on past failures and reports the first. */
int host_remove_transit(const struct host *host, const char *vpc_id, mc_err **err);

/* The first public address of the VPC that another VPC's transit holds, 0 for none; -1 and *err. */
int host_conflict(const struct wanted *wanted, uint32_t *ret_addr, mc_err **err);

/* Make the public addresses routed to this VPC's transit exactly the wanted ENIs'.
 * add false: only take away. The transit must be there. */
int host_sync_public(const struct wanted *wanted, bool add, mc_err **err);

/* Names of the transits that are there; *ret is allocated. sk is of the root namespace. 0 or -1 and *err. */
int host_list_transits(struct nl_sock *sk, char (**ret)[MC_IFNAME_LEN], size_t *ret_n, mc_err **err);

/* Make what all transits share (rules, table, blackhole) be as it should. 0 or -1 and *err. */
int host_restore(const struct host *host, mc_err **err);

/* Is the root namespace's nft table there, or no transit that needs it? */
bool host_tables_stand(void);

/* The wanted ruleset of the root namespace, for tests too. masquerade: guests leave in the host's name. */
struct ruleset *host_rules(const struct host *host, bool masquerade);

#endif
