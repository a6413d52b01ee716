/* Network interfaces: their addresses, and what is shown of them. */
#ifndef MC_API_INTERFACE_H
#define MC_API_INTERFACE_H

#include "api/action.h"

/* A slot is the object of one private address: {ip, public_ip?, allocation?}. The primary
 * address's is the spec of the interface itself, the others are the elements of
 * spec.secondary. `public_ip` is the public address that leads to it, `allocation` the
 * elastic address it belongs to (absent: only lent). Borrowed from eni. */
size_t interface_slots(const struct resource *eni);
json_t *interface_slot(const struct resource *eni, size_t i); /* 0: the primary */
/* The slot of this private address; ip NULL: the primary. NULL where it has no such address. */
json_t *interface_slot_of(const struct resource *eni, const char *ip);

/* Is it attached to an instance, or about to be or to be no more? */
bool interface_attached(const struct resource *eni);

/* The first interface of the instance, by device index; NULL: it has none. */
const struct resource *interface_primary(struct store_tx *tx, const struct resource *instance);

/* --- what is shown -------------------------------------------------------- */

/* The two places that show interfaces have members of their own. */
enum interface_shape { INTERFACE_WHOLE, INTERFACE_OF_INSTANCE };

/* PrivateIpAddresses, Association (NULL where there is none), Groups, Attachment (NULL:
 * not attached). New references. */
json_t *interface_addresses(struct store_tx *tx, const struct resource *eni, enum interface_shape shape);
json_t *interface_association(struct store_tx *tx, const struct resource *eni, const json_t *slot, enum interface_shape shape);
json_t *interface_groups(struct store_tx *tx, const struct resource *eni);
json_t *interface_attachment(const struct resource *eni, enum interface_shape shape);

/* The id of the attachment, allocated. */
char *interface_attachment_id(const struct resource *eni);

/* The NetworkInterface of DescribeNetworkInterfaces; the InstanceNetworkInterface of
 * DescribeInstances. New references. */
json_t *interface_view(struct call *call, const struct resource *eni);
json_t *interface_of_instance(struct store_tx *tx, const struct resource *eni);

#endif
