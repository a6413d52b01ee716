/* GET /v1/stats: what the caller's instances use, for `minicloud top` (docs/pages.md). */
#ifndef MC_API_STATS_H
#define MC_API_STATS_H

#include "api/action.h"

extern const struct action page_stats;

#endif
