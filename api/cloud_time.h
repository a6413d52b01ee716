/* The time of schedules and of retention: the wall clock, and ahead of it by what `time_scale` has
 * gained, as the labels of the meters are (docs/billing.md). It survives restarts. */
#ifndef MC_API_CLOUD_TIME_H
#define MC_API_CLOUD_TIME_H

#include "api/api.h"

/* ns since 1970. */
int64_t cloud_time(struct api *api);

/* How long to wait until then, in ns of the real clock: at most an hour, since either clock may be set. */
int64_t cloud_time_until(struct api *api, int64_t then);

#endif
