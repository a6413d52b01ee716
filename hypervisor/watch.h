/* What libvirt reports of its own accord, turned into our events. */
#ifndef MC_HYPERVISOR_WATCH_H
#define MC_HYPERVISOR_WATCH_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "hypervisor/events.h"

struct watch;

struct watch *watch_new(struct events *events);
void watch_free(struct watch *w);

/* A lifecycle event of this instance: publishes what is of interest. */
void watch_lifecycle(struct watch *w, const char *instance_id, int vir_event, int vir_detail);

/* Was the last end of this instance's QEMU, as far as we saw it, ordered by the host (a
 * signal, as at the host's own shutdown)? libvirt calls that a shutdown by the guest, which
 * it must not be taken for: a guest's own may mean "terminate". */
bool watch_host_ended(struct watch *w, const char *instance_id);

/* Wait until libvirtd, which may have just been started, has its running domains in hand
 * again: a QEMU that ends before that ends without an event. */
void watch_settle(virConnectPtr conn);

/* Is the domain one of ours: named by an instance id, with the UUID derived from it? */
bool watch_is_ours(virDomainPtr domain);

#endif
