/* Short chains for volumes in use. */
#ifndef MC_API_UPKEEP_H
#define MC_API_UPKEEP_H

#include "api/api.h"

/* The part of a volume's step that keeps its chain short; STEP_NOT_YET where there may be something later. */
int upkeep_step(struct api *api, const struct resource *vol, int64_t *ret_delay, mc_err **err);

#endif
