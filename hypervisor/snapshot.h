/* The switch of a running instance's disks to new top layers. Returns as in hypervisor/instance.h. */
#ifndef MC_HYPERVISOR_SNAPSHOT_H
#define MC_HYPERVISOR_SNAPSHOT_H

#include <jansson.h>

#include "common/error.h"
#include "common/json.h"
#include "hypervisor/hypervisor.h"

/* The body of POST /v1/instances/{i}/snapshot. */
extern const struct mc_field snapshot_fields[];

/* All disks of the document switch at one point in time, those that write to their path already
 * are left alone. Where the guest's agent answers, its file systems are frozen meanwhile.
 * *ret: {frozen, disks}. */
int snapshot_switch(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err);

#endif
