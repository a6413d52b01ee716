/* The filters of one request, looked up in their table once. */
#ifndef MC_API_DESCRIBE_FILTER_H
#define MC_API_DESCRIBE_FILTER_H

#include "api/describe.h"

#define DESCRIBE_MAX_VALUES 200 /* per call, so no call has more filters either */

struct clause {
	const struct filter *row; /* NULL for the tag filters */
	const char *tag;          /* of tag:KEY; "" for tag-key */
	const json_t *values;     /* borrowed of the request */
};

struct clauses {
	size_t n;
	struct clause at[DESCRIBE_MAX_VALUES];
};

/* Fill *ret from call->in. 0 or action_fail. */
int clauses_init(struct call *call, const struct filter *table, struct clauses *ret);

/* Could r match, by what is known without its view? False is certain, true is
 * not. It relies on views showing doc's members as doc has them. */
bool clauses_may_match(const struct clauses *c, const struct resource *r);

/* Do all match? r: whose tags count; NULL: none. */
bool clauses_match(const struct clauses *c, const json_t *view, const struct resource *r);

#endif
