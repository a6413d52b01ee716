/* VPC peering connections: between any two VPCs of this cloud, whosever and in
 * whichever region they are. The resource is the requester's. */
#ifndef MC_API_PEERING_H
#define MC_API_PEERING_H

#include "api/action.h"
#include "api/state.h"

#define PEERING_LIFE (7 * 86400 * MC_SECOND) /* VPC Peering Guide: a request that nobody answers */

/* Has the caller, in the region of the call, to do with it? */
bool peering_visible(struct call *call, const struct resource *r);
/* This one, or the one the request names, if it is visible; NULL after action_fail. */
const struct resource *peering_find(struct call *call, const char *id);
const struct resource *peering_of_request(struct call *call);

/* One end: spec.requester, spec.accepter {vpc, account, region, dns}. Borrowed. */
const json_t *peering_requester(const struct resource *r);
const json_t *peering_accepter(const struct resource *r);
/* The end this VPC is / is not; NULL where it is neither. Borrowed. */
const json_t *peering_end(const struct resource *r, const char *vpc);
const json_t *peering_other_end(const struct resource *r, const char *vpc);

/* The next active one of the VPC. */
const struct resource *peering_next_active(struct store_iter *it, const char *vpc);
/* The active one between the two, NULL: there is none. Borrowed. */
const struct resource *peering_between(struct store_tx *tx, const char *vpc, const char *other);
/* Does what netd is told of `vpc` depend on what is in `other`, besides its blocks? */
bool peering_depends(struct store_tx *tx, const struct resource *peering, const char *vpc, const char *other);

/* The public names of peers that let them be asked for, with their private addresses:
 * `dns.names` of netd. New reference. */
json_t *peering_names(struct store_tx *tx, const struct resource *vpc);

/* A new request (store_edit()ed) is looked at: it waits for its answer now, or has failed. */
void peering_settle(struct store_tx *tx, struct resource *r);
/* It ends (store_edit()ed) at the wish of this account. */
void peering_end_by(struct store_tx *tx, struct resource *r, enum peering_state state, const char *account);
/* The VPC goes: its peerings are deleted, and the other VPCs have a new generation. */
void peering_forget_vpc(struct store_tx *tx, const struct resource *vpc);

#endif
