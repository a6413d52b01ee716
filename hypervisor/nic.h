/* Network interfaces of instances: their document (docs/ipc.md), their XML, and coming to
 * and leaving running ones. Returns as in hypervisor/instance.h. */
#ifndef MC_HYPERVISOR_NIC_H
#define MC_HYPERVISOR_NIC_H

#include <jansson.h>

#include "common/error.h"
#include "common/json.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/xml.h"

/* An element of an instance's `nics`; and the body of PUT …/nics/{eni}. */
extern const struct mc_field nic_fields[], nic_put_fields[];

/* The <interface> element. link: "up", "down"; NULL: libvirt's default, up. */
void nic_put_xml(struct xml *x, const char *eni, const char *mac, const char *link);

/* The interfaces in a domain's XML as libvirt writes it: [{eni, link}]. New reference. */
json_t *nic_list(const char *domain_xml);

/* Plug the interface in, or set the link of the one that is there. A guest must not send
 * before its tap is plugged into its network: down comes first. *ret: {eni, link}.
 * MC_IPC_CONFLICT where the instance is off, MC_IPC_NO_CAPACITY where it has no slot left. */
int nic_put(struct hypervisor *h, const char *id, const char *eni, const json_t *doc, json_t **ret, mc_err **err);

/* Ask the guest to let go. *ret: {state: "detached" or "detaching"}; the event "detached"
 * tells the end of the latter, and asking again is fine. Off or never attached is detached. */
int nic_delete(struct hypervisor *h, const char *id, const char *eni, json_t **ret, mc_err **err);

#endif
