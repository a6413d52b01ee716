/* Public parameters that name the newest image of a kind, as AWS keeps under
 * /aws/service/ (Systems Manager User Guide, "Calling AMI public parameters").
 * The operator's file maps them: {"/path": "image name with * and ?"}. */
#ifndef MC_API_AMI_ALIAS_H
#define MC_API_AMI_ALIAS_H

#include "api/api.h"
#include "common/error.h"

/* The checked file. New reference; NULL and *err on failure. */
json_t *ami_alias_load(const char *path, mc_err **err);

/* The newest available image of the region that this path stands for, or NULL. */
const struct resource *ami_alias_image(const struct api *api, struct store_tx *tx, const char *region,
				       const char *path);

#endif
