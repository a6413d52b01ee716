/* Guests whose agent was asked to freeze their file systems, until it is known that they are thawed. libvirtd
 * thaws what it has frozen, unless it is killed in between, or the agent answers too late: the guest's writers would
 * then hang for ever. So that somebody is to be thawed is noted, in a directory that goes with a reboot, before its
 * agent is asked, and a thread of ours thaws whoever is still noted when nothing else is done with him. */
#ifndef MC_HYPERVISOR_FREEZE_H
#define MC_HYPERVISOR_FREEZE_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "common/error.h"

struct freezes;
struct hypervisor;

/* The notes lie in `frozen` below this directory. Nobody is thawed before freezes_start(). NULL and *err. */
struct freezes *freezes_new(const char *dir, mc_err **err);

/* Begin to thaw; of h its locks and its connection are used. 0, or -1 and *err. */
int freezes_start(struct freezes *f, struct hypervisor *h, mc_err **err);

/* End the thread, after the one guest that is just asked; then free, when nothing else uses it. NULL is fine. */
void freezes_stop(struct freezes *f);
void freezes_free(struct freezes *f);

/* There may be somebody to thaw: libvirtd is back. */
void freezes_look(struct freezes *f);

/* Before the instance's agent is asked to freeze. 0, or -1 and *err: then it must not be. */
int freeze_begin(const struct freezes *f, const char *instance_id, mc_err **err);

/* It is thawed. */
void freeze_end(const struct freezes *f, const char *instance_id);

/* Whether it is frozen is not known: thaw it, now or when its agent answers. Its lock is held. */
void freeze_undo(struct freezes *f, const char *instance_id, virDomainPtr domain);

#endif
