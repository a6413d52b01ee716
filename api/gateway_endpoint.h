/* Gateway endpoints: routes, by the prefix list of a service, to this cloud's own API. They
 * stand in the route tables that are associated with the endpoint, and nobody else changes them. */
#ifndef MC_API_GATEWAY_ENDPOINT_H
#define MC_API_GATEWAY_ENDPOINT_H

#include "api/store.h"

/* Is the endpoint one of these? */
bool gateway_endpoint(const struct resource *endpoint);

/* The prefix list that its service has in the account's region. Borrowed. */
const struct resource *gateway_endpoint_list(struct store_tx *tx, const struct resource *endpoint);
/* Is it the prefix list of such a service? */
bool gateway_endpoint_owns(const struct resource *list);
/* Make the prefix lists of all services that the account does not have yet in this region. */
void gateway_endpoint_offer(struct store_tx *tx, const char *account, const char *region);

/* The endpoint whose route by this prefix list the table has; NULL: none. Borrowed. */
const struct resource *gateway_endpoint_of(struct store_tx *tx, const struct resource *table, const char *list);
/* The table goes: no endpoint has it any more. */
void gateway_endpoint_forget(struct store_tx *tx, const struct resource *table);

/* The table's routes to such endpoints as AWS shows them. New reference. */
json_t *gateway_endpoint_routes(struct store_tx *tx, const struct resource *table);
/* The names that lead to the VPC's endpoints, [{name, ip}] for netd, appended. */
void gateway_endpoint_names(struct store_tx *tx, const struct resource *vpc, json_t *list);

#endif
