/* Who beside its owner may use an image or a snapshot: LaunchPermission, CreateVolumePermission.
 * The accounts are in spec.users; where "all" is noted is the kind's own. */
#ifndef MC_API_SHARING_H
#define MC_API_SHARING_H

#include <jansson.h>
#include <stdbool.h>

#include "api/action.h"

struct sharing {
	const char *groups; /* what the older form of the request calls the groups */
	/* Let all use it, or no longer: 0, or 1 after action_fail. */
	int (*all)(struct call *call, struct resource *r, bool add);
};

/* The number of an account: 12 digits. */
bool sharing_account(const char *text);

/* [{Group}, {UserId}…] of the resource; all: is it everybody's? New reference. */
json_t *sharing_view(const struct resource *r, bool all);

/* Do what permission ({Add, Remove}, NULL: none) and the older form (OperationType, UserIds and
 * groups) ask for: 0, or 1 after action_fail. */
int sharing_change(struct call *call, struct resource *r, const json_t *permission, const struct sharing *s);

#endif
