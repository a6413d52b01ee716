/* How much of the host's time the processors of a running guest may take, by the kernel's bandwidth control
 * (control groups, controller "cpu"). Returns as in hypervisor/instance.h. */
#ifndef MC_HYPERVISOR_PROCESSOR_H
#define MC_HYPERVISOR_PROCESSOR_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/json.h"
#include "hypervisor/hypervisor.h"

#define PROCESSOR_PERIOD_US 100000

/* The body of POST …/processors: {quota_us}. */
extern const struct mc_field processor_fields[];

/* Each of its processors runs quota_us of every PROCESSOR_PERIOD_US at most; 0: as long as it likes. Until this QEMU
 * ends. MC_IPC_UNSUPPORTED: libvirt has no control groups for that here. */
int processor_limit(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err);

/* Has this host the controller? */
bool processor_limits_there(void);

#endif
