/* Public parameters that name the newest image of a kind, as AWS keeps under
 * /aws/service/ (Systems Manager User Guide, "Calling AMI public parameters").
 * The operator's file maps them: {"/path": "image name with * and ?"}, or a list of
 * such names, the first of which there is an image counts. */
#ifndef MC_API_AMI_ALIAS_H
#define MC_API_AMI_ALIAS_H

#include "api/api.h"
#include "common/error.h"

/* The checked file. New reference; NULL and *err on failure. */
json_t *ami_alias_load(const char *path, mc_err **err);

/* The available image of the region that this version of the path stands for; 0: the newest.
 * Versions count the images from the oldest on, beginning with 1; *ret_version (may be NULL):
 * which it is. NULL: there is none. */
const struct resource *ami_alias_version(const struct api *api, struct store_tx *tx, const char *region,
					 const char *path, int64_t version, int64_t *ret_version);

/* The newest one. */
static inline const struct resource *ami_alias_image(const struct api *api, struct store_tx *tx, const char *region,
						     const char *path)
{
	return ami_alias_version(api, tx, region, path, 0, NULL);
}

#endif
