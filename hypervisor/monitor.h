/* QEMU asked in its own words (docs/interop/qemu-qmp-ref), where libvirt has none. */
#ifndef MC_HYPERVISOR_MONITOR_H
#define MC_HYPERVISOR_MONITOR_H

#include <jansson.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

/* A command that changes nothing: what it returns, a new reference; NULL where it cannot be asked. Not query-named-block-nodes: while a
 * pull has come to its end, and libvirt has not yet acknowledged it, QEMU 7.2 dies of that. arguments: stolen; NULL is fine. */
json_t *monitor_ask(virDomainPtr domain, const char *command, json_t *arguments);

/* One that does: is it done? arguments: stolen; NULL is fine. */
bool monitor_tell(virDomainPtr domain, const char *command, json_t *arguments);

#endif
