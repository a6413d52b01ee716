/* BlockDeviceMappings of a launch: what the image brings, changed by what the request says. */
#ifndef MC_API_BLOCK_DEVICE_H
#define MC_API_BLOCK_DEVICE_H

#include "api/action.h"

/* Merge and check: 0 and *ret_plan for block_devices_make() (new reference), or action_fail. */
int block_devices_plan(struct call *call, const struct resource *image, const char *instance_type, json_t **ret_plan);

/* The same for an image: `base` are mappings of its own (each with `least`, the GiB it must have at least),
 * to which those of the request are added or which they change. Snapshots of the request are the
 * caller's. 0 and *ret_plan for block_device_of_image(), or action_fail. */
int block_devices_image_plan(struct call *call, const json_t *base, const char *root, json_t **ret_plan);
/* The BlockDeviceMapping that the image shows for an element of that plan, NULL: none. New reference. */
json_t *block_device_of_image(const json_t *mapping);

/* Make one instance's volumes and attach them: 0 or action_fail. */
int block_devices_make(struct call *call, const json_t *plan, struct resource *inst);

#endif
