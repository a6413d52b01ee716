/* The parts of the wanted VPC (docs/ipc.md), each in a file by its noun. All are
 * new references; arrays unless said otherwise. */
#ifndef MC_API_VPC_PART_H
#define MC_API_VPC_PART_H

#include <jansson.h>

#include "api/store.h"

/* `security_groups`: every group of the VPC with its rules. */
json_t *vpc_part_groups(struct store_tx *tx, const struct resource *vpc);

/* `enis`: every interface that is attached to something. */
json_t *vpc_part_interfaces(struct store_tx *tx, const struct resource *vpc);

#endif
