/* Pages of our own beside the API's operations: GET /v1/..., answered in JSON unless their row
 * says otherwise. docs/pages.md lists them. */
#ifndef MC_API_PAGE_H
#define MC_API_PAGE_H

#include "api/gateway_request.h"

/* Is the path a page's? Refusals are then JSON. */
bool page_at(const struct gateway_request *req);

/* Is the request, whose caller is known, for a page? Then its outcome is in *ret, and in ec or
 * in req what to answer. */
bool page_run(struct gateway_request *req, struct engine_call *ec, enum engine_result *ret);

/* Pages that need the store or a backend are actions without an operation; call->in holds the
 * page's id ("id") and the URL's query. */
extern const struct action page_events;

#endif
