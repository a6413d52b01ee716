/* Does this kernel have what a VPC's network needs? Tried out, in a namespace of its own. */
#ifndef NETD_DOCTOR_KERNEL_H
#define NETD_DOCTOR_KERNEL_H

#include <jansson.h>

/* Add a finding for each feature that is missing, or one that all is there. netd's lock is held. */
void doctor_kernel(json_t *findings);

#endif
