/* Managed prefix lists: versions of sets of blocks that routes and rules name. */
#ifndef MC_API_PREFIX_LIST_H
#define MC_API_PREFIX_LIST_H

#include "api/action.h"

/* The entries [{Cidr, Description}] of the present version, NULL where there is no such
 * list. Borrowed. */
const json_t *prefix_list_entries(struct store_tx *tx, const char *id);
/* What it counts for where it is named: its MaxEntries; 0 where there is no such list. */
int64_t prefix_list_weight(struct store_tx *tx, const char *id);

/* Every route table and security group that names the list: fn is called once for each. */
typedef void prefix_list_user_fn(void *ctx, const struct resource *user);
void prefix_list_users(struct store_tx *tx, const struct resource *list, prefix_list_user_fn *fn, void *ctx);

#endif
