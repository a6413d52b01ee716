/* ValidationException, as services that speak JSON word it: "1 validation error detected:
 * Value '11' at 'maxResults' failed to satisfy constraint: Member must have value less
 * than or equal to 10". All return -1 with *error. */
#ifndef MC_API_PROTOCOL_UNFIT_H
#define MC_API_PROTOCOL_UNFIT_H

#include <jansson.h>
#include <stdbool.h>

#include "api/model/model.h"
#include "api/protocol/error.h"
#include "api/protocol/query_path.h"

/* constraint: what follows "Member must". value NULL: it is missing. */
int unfit(struct protocol_error *error, const struct query_path *path, const json_t *value, const char *constraint);
/* of: "value" or "length"; over: it is more than bound, else less. */
int unfit_bound(struct protocol_error *error, const struct query_path *path, const json_t *value, const char *of,
		bool over, double bound);
int unfit_enum(struct protocol_error *error, const struct query_path *path, const json_t *value,
	       const struct model_shape *shape);

#endif
