/* Merging of a running instance's layers by its QEMU (block jobs). Returns as in hypervisor/instance.h. */
#ifndef MC_HYPERVISOR_MERGE_H
#define MC_HYPERVISOR_MERGE_H

#include <jansson.h>
#include <libvirt/libvirt.h>

#include "common/error.h"
#include "common/json.h"
#include "hypervisor/hypervisor.h"

/* The body of POST …/disks/{vol}/merge: {action: "start", "look" or "stop", kind: "commit" or "pull", base, top}. */
extern const struct mc_field merge_fields[];

/* *ret: {state: "running" (with done and total), "done", or "idle": it neither runs nor has it come to its end}.
 * What is done has been written to the disk. */
int merge_disk(struct hypervisor *h, const char *id, const char *volume, const json_t *doc, json_t **ret, mc_err **err);

/* End the merge of this disk, if there is one, where it is: the disk shows the same. */
void merge_stop(virDomainPtr domain, const char *target);

#endif
