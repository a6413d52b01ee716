/* Network ACLs: which subnet has which, and what netd must know of them. */
#ifndef MC_API_NETWORK_ACL_H
#define MC_API_NETWORK_ACL_H

#include "api/store.h"

#define ACL_LAST_RULE 32767 /* the one that denies what none before it has decided: VPC User Guide, "Network ACL rules" */

/* A new ACL of the VPC. The default one lets everything pass, another one nothing.
 * Owned by the transaction. */
struct resource *network_acl_insert(struct store_tx *tx, const struct resource *vpc, bool is_default);
/* Every VPC has one. Borrowed. */
const struct resource *network_acl_default(struct store_tx *tx, const struct resource *vpc);

/* Associate the subnet with the ACL (store_edit()ed) under a new association id, which is returned (borrowed). */
const char *network_acl_associate(struct resource *acl, const char *subnet);
/* May it drop a packet? An ACL that lets everything pass both ways need not be
 * looked at. NULL: there is none. */
bool network_acl_filters(const struct resource *acl);

#endif
