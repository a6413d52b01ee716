/* When something is to happen again: a CreateRule of Data Lifecycle Manager, every so many hours
 * from a time of the day on, or a cron expression (EventBridge User Guide, "Cron expressions"). UTC. */
#ifndef MC_API_SCHEDULE_H
#define MC_API_SCHEDULE_H

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"

/* 0, or -1 and *err, which says to the caller of the API what is wrong with the rule. */
int schedule_check(const json_t *rule, mc_err **err);

/* The first moment after `after` (ns since 1970) of a rule that was checked; INT64_MAX: there is none. */
int64_t schedule_next(const json_t *rule, int64_t after);

/* The moment so many DAYS, WEEKS, MONTHS or YEARS later. */
int64_t schedule_later(int64_t from, int64_t n, const char *unit);

#endif
