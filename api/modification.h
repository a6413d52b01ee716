/* A volume's last modification: its spec's `modification`, a VolumeModification of the API. */
#ifndef MC_API_MODIFICATION_H
#define MC_API_MODIFICATION_H

#include "api/api.h"
#include "api/volume_type.h"

/* "modifying", "optimizing", "completed", "failed"; "" where there was none. */
const char *modification_state(const struct resource *vol);

/* What the volume is to be. Its strings are borrowed. */
struct volume_shape modification_target(const struct resource *vol);

/* The step of a volume that is there (step_modification.c). */
int modification_step(struct api *api, const struct resource *vol, int64_t *ret_delay, mc_err **err);

#endif
