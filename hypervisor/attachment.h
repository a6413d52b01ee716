/* Disks of running instances: hot-plug, limits, size. Returns as in hypervisor/instance.h. */
#ifndef MC_HYPERVISOR_ATTACHMENT_H
#define MC_HYPERVISOR_ATTACHMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "hypervisor/hypervisor.h"

/* Plug the volume in, or give the one that is there the document's limits. *ret: {volume, path, target}.
 * MC_IPC_CONFLICT where the instance is off, MC_IPC_NO_CAPACITY where it has no slot left. */
int attachment_put(struct hypervisor *h, const char *id, const char *volume, const json_t *doc, json_t **ret,
		   mc_err **err);

/* Other limits ({iotune}) for a disk that is there; MC_IPC_NOT_FOUND where it is not. */
int attachment_limit(struct hypervisor *h, const char *id, const char *volume, const json_t *doc, json_t **ret,
		     mc_err **err);

/* Ask the guest to let go. *ret: {state: "detached" or "detaching"}; the event "detached" tells the end
 * of the latter, and asking again is fine. Off or never attached is detached. force: from a guest that has not let go when
 * it was asked the disk is taken away (hypervisor/eject.h). */
int attachment_delete(struct hypervisor *h, const char *id, const char *volume, bool force, json_t **ret, mc_err **err);

/* Show the guest a larger disk. Never smaller: MC_IPC_BAD_REQUEST. */
int attachment_grow(struct hypervisor *h, const char *id, const char *volume, int64_t bytes, json_t **ret,
		    mc_err **err);

#endif
