/* REST JSON: the method and the path name the operation; members travel in the path, the query,
 * headers and a JSON body, or one of them is the body (Smithy, "AWS restJson1 protocol"). */
#ifndef MC_API_PROTOCOL_REST_H
#define MC_API_PROTOCOL_REST_H

#include <jansson.h>
#include <stddef.h>

#include "api/model/model.h"
#include "api/protocol/error.h"
#include "api/protocol/form.h"

struct protocol_rest_request {
	const char *method, *path; /* the path raw, without the query */
	const struct protocol_form *query;
	const char *(*header)(const void *ctx, const char *name); /* NULL: there is none */
	const void *ctx;
	const char *body;
	size_t body_len;
};

/* Which operation of the service is it? A slash at the path's end makes no difference. NULL: none. */
const struct model_operation *protocol_rest_find(const struct model_service *service, const char *method, const char *path);

/* Put the members together and check them. A member that is the whole body is not in the document
 * (the caller has it) but counts as given. 0 and *ret_doc (new reference), or -1 with *ret_error. */
int protocol_rest_decode(const struct model_operation *op, const struct protocol_rest_request *req, json_t **ret_doc,
			 struct protocol_error *ret_error);

/* The members of the answer that are headers: {header: text}. New reference. */
json_t *protocol_rest_headers(const struct model_operation *op, const json_t *doc);

/* The text of the answer's body: the other members. Allocated. */
char *protocol_rest_encode(const struct model_operation *op, const json_t *doc);

/* {"__type", "Message", "Reason"}; reason NULL: without one. Allocated. */
char *protocol_rest_error(const char *code, const char *message, const char *reason);

#endif
