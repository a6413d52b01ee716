/* Subnets in the doc.Associations of a network ACL or a route table: a subnet is in one of its VPC's
 * ACLs, and in one table or in none. */
#ifndef MC_API_ASSOCIATION_H
#define MC_API_ASSOCIATION_H

#include "api/store.h"

/* The subnet's place in r's associations, or -1. */
int association_place(const struct resource *r, const char *subnet);
/* The one of this kind that the subnet is associated with. Borrowed, NULL where there is none. */
const struct resource *association_of(struct store_tx *tx, enum kind kind, const struct resource *subnet);
/* Take the subnet out of the one of this kind that it is associated with, if there is one. */
void association_forget(struct store_tx *tx, enum kind kind, const struct resource *subnet);

#endif
