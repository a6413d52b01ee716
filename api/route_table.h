/* Route tables: which subnet has which, where routes lead, what netd must know of them. */
#ifndef MC_API_ROUTE_TABLE_H
#define MC_API_ROUTE_TABLE_H

#include "api/store.h"

/* A new table of the VPC, without routes of its own (the local ones are the VPC's
 * blocks and kept there alone). Owned by the transaction. */
struct resource *route_table_insert(struct store_tx *tx, const struct resource *vpc, bool is_main);
/* Every VPC has one. Borrowed. */
const struct resource *route_table_main(struct store_tx *tx, const struct resource *vpc);

/* Associate the table (store_edit()ed) with the subnet or internet gateway (NULL: make it the main one)
 * under a new association id, which is returned. Borrowed. */
const char *route_table_associate(struct resource *table, const char *of);
/* The place in the table's associations of the main one; -1: it is not the VPC's main table. */
int route_table_main_place(const struct resource *table);

/* The place in its associations of this gateway (NULL: any); -1: there is none. */
int route_table_gateway_place(const struct resource *table, const char *gateway);
/* The table that the attached internet gateway is associated with. Borrowed, NULL for none. */
const struct resource *route_table_of_gateway(struct store_tx *tx, const struct resource *igw);
/* May a table of a gateway have this route? */
bool route_table_fits_gateway(struct store_tx *tx, const struct resource *table, const json_t *route);

/* The place among its own routes of the one whose member is this destination, -1: there is none. A VPC's block
 * is among them where its local route has another target. */
int route_table_place(const struct resource *table, const char *member, const char *destination);
/* The VPC loses this block: so do its tables. */
void route_table_forget_block(struct store_tx *tx, const struct resource *vpc, const char *cidr);

/* Has it a route of its own by this prefix list? */
bool route_table_has_list(const struct resource *table, const char *list);
/* How many routes the table counts for: one to a prefix list for the list's MaxEntries. */
int64_t route_table_weight(struct store_tx *tx, const struct resource *table);

/* The routes as AWS shows them, local ones first, each with its State. New reference. */
json_t *route_table_routes(struct store_tx *tx, const struct resource *table);
/* The routes of the subnet for netd (docs/ipc.md). New reference. */
json_t *route_table_document(struct store_tx *tx, const struct resource *subnet);

#endif
