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

/* --- making and changing (api/interface_make.c) ------------------------------ */

/* What a request says of a new interface, checked. */
struct interface_plan {
	const struct resource *subnet;
	const char *primary, *description; /* primary NULL: any free address; borrowed from the request */
	json_t *secondary; /* addresses asked for; owned */
	int64_t more;      /* and so many any */
	json_t *groups;    /* ids; owned */
};
/* From a request that has the members of CreateNetworkInterface or of one of RunInstances'
 * NetworkInterfaces. 0, or action_fail with *ret untouched. */
int interface_plan_read(struct call *call, const json_t *in, const struct resource *subnet, struct interface_plan *ret);
void interface_plan_deinit(struct interface_plan *p);

/* The row of a new interface with the addresses that were asked for by number; NULL after
 * action_fail. interface_fill() then gives it the others: of several interfaces first all
 * are inserted, then filled, so that none takes what another asks for. */
struct resource *interface_insert(struct call *call, const struct interface_plan *p);
int interface_fill(struct call *call, struct resource *eni, const struct interface_plan *p);

/* Give it one more address: this one, which interface_check_address() passed, or any free
 * one (NULL). 0 or action_fail. */
int interface_add_secondary(struct call *call, struct resource *eni, const char *ip);
int interface_check_address(struct call *call, const struct resource *subnet, const char *ip);
/* The same for an address that an interface is to get besides: one that is taken has another code then. */
int interface_check_secondary(struct call *call, const struct resource *subnet, const char *ip);
/* Take this secondary address from it, with the elastic one that leads there; the answer waits. */
void interface_remove_secondary(struct call *call, struct resource *eni, const char *ip);
/* May it have n addresses, by the type of the instance it is attached to? 0 or action_fail. */
int interface_check_count(struct call *call, const struct resource *eni, size_t n);
/* A member of the type's NetworkInfo: "MaximumNetworkInterfaces", "Ipv4AddressesPerInterface". */
int64_t interface_type_limit(const struct api *api, const char *type, const char *member);
/* Its groups, its source/destination check; the answer waits. 0 or action_fail. */
int interface_set_groups(struct call *call, struct resource *eni, const json_t *ids);
void interface_set_check(struct call *call, struct resource *eni, bool on);
/* The ids of groups of this VPC; its default group where none is asked for. 0 and *ret (new
 * reference), or action_fail. */
int interface_read_groups(struct call *call, const json_t *ids, const char *vpc, json_t **ret);

/* Something about it changed that netd must know: the generation that holds it; 0 where it
 * is attached to nothing, so that netd does not know it. interface_change() lets the
 * answer wait for it, too. */
int64_t interface_touch(struct store_tx *tx, struct resource *eni);
void interface_change(struct call *call, struct resource *eni);

/* Unbind its elastic addresses and delete it. */
void interface_delete(struct store_tx *tx, const char *id);

/* Lend its primary address a public one: 0 or action_fail. */
int interface_lend(struct call *call, struct resource *eni);
/* Lend the instance a public address again, where one is its due. 0 or action_fail. */
int interface_lend_again(struct call *call, const struct resource *instance);
/* Take back what was only lent. */
void interface_take_back(struct store_tx *tx, const struct resource *instance);

/* --- attaching (api/interface_attach.c) ---------------------------------------- */

/* Tie it to the instance (both store_edit()ed), as attached from now on. delete_with: it is
 * deleted when the instance is terminated. Netd and the hypervisor are told by others. */
void interface_attach(struct store_tx *tx, struct resource *eni, struct resource *inst, int64_t device_index, bool delete_with);
/* Untie it; what was lent to it is taken back. */
void interface_detach(struct store_tx *tx, const char *id);
/* The instance is off: what is on its way has arrived. */
void interface_settle(struct store_tx *tx, const struct resource *inst);
/* The instance is at its end: delete or detach its interfaces. */
void interface_release(struct store_tx *tx, const struct resource *inst);

/* May this interface be attached to an instance of the type? May an instance of the type
 * have n of them? 0 or action_fail. */
int interface_check_attach(struct call *call, const struct resource *eni, const char *type);
int interface_check_type(struct call *call, const char *type, size_t n);

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
/* Refuse this as the id of an attachment that there is not: not one at all, or of none. 1. */
int interface_refuse_attachment(struct call *call, const char *id);

/* The NetworkInterface of DescribeNetworkInterfaces; the InstanceNetworkInterface of
 * DescribeInstances. New references. */
json_t *interface_view(struct call *call, const struct resource *eni);
json_t *interface_of_instance(struct store_tx *tx, const struct resource *eni);

#endif
