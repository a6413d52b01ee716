/* BlockDeviceMappings of a launch: what the image brings, changed by what the request says. */
#ifndef MC_API_BLOCK_DEVICE_H
#define MC_API_BLOCK_DEVICE_H

#include "api/action.h"

/* Merge and check: 0 and *ret_plan for block_devices_make() (new reference), or action_fail. */
int block_devices_plan(struct call *call, const struct resource *image, const char *instance_type, json_t **ret_plan);

/* Make one instance's volumes and attach them: 0 or action_fail. */
int block_devices_make(struct call *call, const json_t *plan, struct resource *inst);

#endif
