/* Network ACLs as nft chains: stateless, at the border of a subnet. */
#ifndef NETD_ACL_H
#define NETD_ACL_H

#include "netd/ruleset.h"
#include "netd/wanted.h"

/* Does some subnet's ACL do more in this direction than let everything pass? */
bool acl_filters(const struct wanted *wanted, enum wanted_direction direction);

/* Chains path_acl_out, path_acl_in and one for each ACL that filters: they return with what is
 * allowed and go to path_drop_out, path_drop_in with the rest. */
void acl_add_all(struct ruleset *rs, const struct wanted *wanted);

#endif
