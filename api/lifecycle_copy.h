/* Copies into other regions that lifecycle policies make of their snapshots (CrossRegionCopyRules). The source's spec.dlm gets
 * `copied`; a copy's spec.dlm is {policy, schedule, rule: the number of the rule, taken, target: the source}. */
#ifndef MC_API_LIFECYCLE_COPY_H
#define MC_API_LIFECYCLE_COPY_H

#include "api/api.h"

/* The region that a rule copies to, "" where it has none. Borrowed. */
const char *lifecycle_copy_region(const json_t *rule);

/* Copy a completed snapshot as its schedule's rules want it, once. How many were changed. */
int lifecycle_copy(struct api *api, struct store_tx *tx, const json_t *schedule, const struct resource *snapshot, int64_t now);

/* One copy that is wanted. */
struct lifecycle_copy_order {
	const char *account, *policy, *schedule; /* whose it is; of an event policy: its action's name */
	const char *text;                        /* its description */
	const json_t *rule;                      /* {Target, CopyTags} */
	const json_t *encryption;                /* {Encrypted, CmkArn} */
	size_t number;                           /* which of the rules it is */
};

/* Make it; NULL, and said in the log, where it cannot be. Borrowed. */
struct resource *lifecycle_copy_make(struct api *api, struct store_tx *tx, const struct lifecycle_copy_order *order, const struct resource *source,
				     int64_t now);

/* Delete the copies of the policy by these rules, of this schedule (or action), whose time is over. *next becomes earlier where more
 * will be. How many went. */
int lifecycle_copy_retire(struct api *api, struct store_tx *tx, const struct resource *policy, const char *schedule, const json_t *rules,
			  int64_t now, int64_t *next);

#endif
