/* The switch of a running instance's disks to new top layers. Returns as in hypervisor/instance.h. */
#ifndef MC_HYPERVISOR_SNAPSHOT_H
#define MC_HYPERVISOR_SNAPSHOT_H

#include <jansson.h>

#include "common/error.h"
#include "common/json.h"
#include "hypervisor/work.h"

/* The body of POST /v1/instances/{i}/snapshot. */
extern const struct mc_field snapshot_fields[];

/* All disks of the document switch at one point in time, those that write to their path already
 * are left alone. Where the guest's agent answers, its file systems are frozen meanwhile.
 * *ret: {frozen, disks}. */
int snapshot_switch(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err);

/* One libvirt snapshot of the running domain by this XML, frozen by the guest's agent where one is
 * there; an agent that does not answer is no reason to have no snapshot. An outcome as a work_fn's. */
int snapshot_take(const struct work *w, virDomainPtr domain, const char *xml, bool agent, bool *ret_frozen, mc_err **err);

#endif
