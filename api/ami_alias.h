/* Public parameters that name the newest image of a kind, as AWS keeps under
 * /aws/service/ (Systems Manager User Guide, "Calling AMI public parameters").
 * The operator maps paths to image names by the option `ami_aliases`. */
#ifndef MC_API_AMI_ALIAS_H
#define MC_API_AMI_ALIAS_H

#include "api/api.h"

/* The newest available image of the region that this path stands for, or NULL. */
const struct resource *ami_alias_image(const struct api *api, struct store_tx *tx, const char *region,
				       const char *path);

/* Call fn for each configured path, in order, until it returns non-zero. */
int ami_alias_each(const struct api *api, int (*fn)(void *ctx, const char *path), void *ctx);

/* Is every entry "/path=glob"? 0, or -1 and *err. */
int ami_alias_check(const char *config, mc_err **err);

#endif
