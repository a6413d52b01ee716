/* The page for a projector: GET /meters and its server-sent events, for whoever has its token. */
#ifndef MC_API_BILLING_PAGE_METERS_H
#define MC_API_BILLING_PAGE_METERS_H

#include "api/gateway_request.h"

/* The token that is in the page's address: it shows the meters of the first account's instances and
 * opens nothing else. It follows from the account's secret key, so that it outlives restarts. */
void page_meters_token(struct api *api, char out[33]);

/* Is the request for the page? Then req->plain is the answer, or *ret_status a refusal's (403). */
bool page_meters(struct gateway_request *req, int *ret_status);

#endif
