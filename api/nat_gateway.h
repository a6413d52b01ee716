/* NAT gateways: a state machine around an interface that netd keeps. A slot of that interface
 * (api/interface.h) has `generation` while netd does not know it yet, and `until` (wall clock, ns)
 * while it drains. */
#ifndef MC_API_NAT_GATEWAY_H
#define MC_API_NAT_GATEWAY_H

#include "api/action.h"
#include "api/store.h"

/* Does netd know it? It does from its making until its deletion was asked for, if it did not fail. */
bool nat_gateway_wanted(const struct resource *nat);

/* Has it public addresses? */
bool nat_gateway_is_public(const struct resource *nat);

/* NatGatewayAddresses: those it has; when it has none any more those it had. New reference. */
json_t *nat_gateway_addresses(struct store_tx *tx, const struct resource *nat);

/* Give a new one, whose first addresses are there, the secondary addresses of the request for it:
 * 0 or action_fail. */
int nat_gateway_add_secondary(struct call *call, const struct resource *nat, struct resource *eni);

#endif
