/* Elastic addresses: public addresses that an account keeps. What one leads to is told on
 * both sides: in its own spec {eni, private_ip, association} and in the interface's slot of
 * that address (api/interface.h). */
#ifndef MC_API_ELASTIC_ADDRESS_H
#define MC_API_ELASTIC_ADDRESS_H

#include "api/action.h"

/* Let it lead to this private address of eni, whatever it led to before, and whatever led
 * there. The answer waits until netd does so. */
void elastic_address_bind(struct call *call, const char *id, const struct resource *eni, const char *private_ip);

/* Let it lead nowhere: the generation of *ret_vpc that holds it, 0 where netd knew nothing of
 * it. id NULL, unknown or unbound, ret_vpc NULL: fine. */
int64_t elastic_address_unbind(struct store_tx *tx, const char *id, char ret_vpc[MC_ID_LEN]);

/* The address that AllocationId or PublicIp of call->in mean; NULL after action_fail. */
const struct resource *elastic_address_of_request(struct call *call);

#endif
