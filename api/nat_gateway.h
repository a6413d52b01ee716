/* NAT gateways: a state machine around an interface that netd keeps. */
#ifndef MC_API_NAT_GATEWAY_H
#define MC_API_NAT_GATEWAY_H

#include "api/store.h"

/* Does netd know it? It does from its making until its deletion was asked for, if it did not fail. */
bool nat_gateway_wanted(const struct resource *nat);

#endif
