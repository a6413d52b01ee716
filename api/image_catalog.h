/* The images an operator offers: NAME.qcow2 and NAME.json in images_dir. */
#ifndef MC_API_IMAGE_CATALOG_H
#define MC_API_IMAGE_CATALOG_H

#include "api/api.h"

/* Give the region an image row for every manifest it does not have yet (known by
 * name and checksum). Rows start pending; the reconciler imports them. */
void image_catalog_offer(struct api *api, struct store_tx *tx, const char *region);

/* The same for every region in use: at start and on SIGHUP. 0, or -1 and *err. */
int image_catalog_refresh(struct api *api, mc_err **err);

#endif
