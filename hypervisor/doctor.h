/* What the hypervisor daemon finds wrong with its host: GET /v1/findings (common/finding.h). */
#ifndef MC_HYPERVISOR_DOCTOR_H
#define MC_HYPERVISOR_DOCTOR_H

#include <jansson.h>

#include "hypervisor/hypervisor.h"

/* {findings: [...]}: the accelerator and why, libvirtd, memory. New reference. */
json_t *doctor_report(struct hypervisor *h);

#endif
