/* What several views have in common. */
#ifndef MC_API_VIEW_H
#define MC_API_VIEW_H

#include "api/resource.h"

/* A copy of r's doc (its values are shared: do not change them in place) with
 * the id, the owner and the tags under these names; owner NULL: not shown. New
 * reference. */
json_t *view_new(const struct resource *r, const char *id_member, const char *owner_member);

/* Set key in obj unless doc has brought one along. Steals value. */
void view_default(json_t *obj, const char *key, json_t *value);

#endif
