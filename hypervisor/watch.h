/* What libvirt reports of its own accord, turned into our events. That an instance runs, and
 * how it ended, is noted in a directory that goes with a reboot, as /run does: libvirtd forgets
 * ends when it is restarted, and "off" alone would look like a guest that the host's own end
 * cut off. */
#ifndef MC_HYPERVISOR_WATCH_H
#define MC_HYPERVISOR_WATCH_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "common/error.h"
#include "hypervisor/events.h"
#include "hypervisor/state.h"

struct watch;

/* dir is made where it is not there; both are borrowed. NULL and *err. */
struct watch *watch_new(struct events *events, const char *dir, mc_err **err);
void watch_free(struct watch *w);

/* A lifecycle event of this instance: publishes what is of interest. */
void watch_lifecycle(struct watch *w, const char *instance_id, int vir_event, int vir_detail);

/* The last that was noted of an instance: STATE_RUNNING, or how it ended; *ret_reason is
 * static. False: nothing since it was started, or since the boot. */
bool watch_noted(const struct watch *w, const char *instance_id, enum state *ret_state, const char **ret_reason);

/* Is STATE_HOST_SHUTDOWN noted: did the host order the end by a signal, as at its own
 * shutdown? libvirt calls that a shutdown by the guest, which it must not be taken for: a
 * guest's own may mean "terminate". */
bool watch_host_ended(const struct watch *w, const char *instance_id);

/* Before an instance is resumed for the first time, and before it is started again. */
void watch_note_running(const struct watch *w, const char *instance_id);
void watch_forget(const struct watch *w, const char *instance_id);

/* Drop the notes of instances that are no more: one may have come after its deletion. */
void watch_sweep(const struct watch *w, virConnectPtr conn);

/* Wait until libvirtd, which may have just been started, has its running domains in hand
 * again: a QEMU that ends before that ends without an event. */
void watch_settle(virConnectPtr conn);

/* Is the domain one of ours: named by an instance id, with the UUID derived from it? */
bool watch_is_ours(virDomainPtr domain);

#endif
