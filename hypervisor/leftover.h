/* What a libvirtd that was killed in the middle of a call has left in a QEMU. libvirt 9.0 writes down at a call's end what
 * it did, so that its successor knows nothing of it, and each repetition of the call fails: the file is open already, the
 * device is there. QEMU itself is asked here, in its own words (docs/interop/qemu-qmp-ref). */
#ifndef MC_HYPERVISOR_LEFTOVER_H
#define MC_HYPERVISOR_LEFTOVER_H

#include <jansson.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

/* Have QEMU let go of the device of this alias (NULL: none), which the domain does not have, and of all files and keys
 * that are not the domain's. Was there anything, gone now or not
 * yet? Then the call that failed is to be tried again. */
bool leftover_remove(virDomainPtr domain, const char *alias);

/* Does the volume's disk write to this file, whatever libvirt believes? */
bool leftover_is_top(virDomainPtr domain, const char *volume, const char *path);

/* The files of the volume's disk, from the one that it writes to down, whatever libvirt believes; empty: not known. New reference. */
json_t *leftover_chain(virDomainPtr domain, const char *volume);

/* Have QEMU close a file that libvirt believes to be in a chain; one that is in use stays open. */
void leftover_close(virDomainPtr domain, const char *path);

/* Have QEMU stop a guest that it has stopped already, which writes what it keeps in memory of its disks; libvirt would
 * not ask it. False: it has not. */
bool leftover_stop(virDomainPtr domain);

#endif
