/* Burstable instances in standard mode whose credits are used up get what they earn: their QEMU is told how much its
 * processors may run. (EC2 User Guide, "Standard mode for burstable performance instances".) */
#ifndef MC_API_THROTTLE_H
#define MC_API_THROTTLE_H

#include "api/api.h"

/* Tell its QEMU, us of every 100000 (0: no limit). false: it could not be told; the log says why. */
bool throttle_tell(struct api *api, const char *instance, int64_t quota);

/* Its QEMU is there and about to run: it begins with what it has. */
void throttle_start(struct api *api, const struct resource *instance);

#endif
