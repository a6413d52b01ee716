/* Changes of a resource that netd has not confirmed yet. A request that waited in vain
 * is sent again by its client, and finds its own change done: by the note left with it,
 * it joins the wait instead of being refused as a duplicate, or as not found. */
#ifndef MC_API_PENDING_H
#define MC_API_PENDING_H

#include <stdbool.h>

#include "api/action.h"

/* Note that `what` was done to r (store_edit()ed) at this generation of the VPC. What
 * is confirmed is forgotten. */
void pending_note(struct call *call, struct resource *r, const char *vpc, const char *what, int64_t generation);

/* Was `what` done and is not in force yet? Then the call waits for it. */
bool pending_join(struct call *call, const struct resource *r, const char *vpc, const char *what);

#endif
