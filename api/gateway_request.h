/* From an HTTP request to an engine call and back to text. */
#ifndef MC_API_GATEWAY_REQUEST_H
#define MC_API_GATEWAY_REQUEST_H

#include <sys/types.h>

#include "api/engine.h"
#include "api/protocol/form.h"
#include "api/protocol/sigv4.h"

/* What the answer is. */
enum gateway_form {
	GATEWAY_ANSWER,  /* of an operation, in the caller's protocol */
	GATEWAY_TEXT,    /* plain */
	GATEWAY_EVENTS,  /* server-sent events, until the client goes */
	GATEWAY_UPGRADE, /* a connection of bytes with call->fd */
};

/* How the caller writes and reads. */
enum gateway_wire {
	GATEWAY_QUERY, /* form parameters, and XML */
	GATEWAY_JSON,  /* X-Amz-Target, and pages */
	GATEWAY_CBOR,  /* Smithy-Protocol: rpc-v2-cbor */
	GATEWAY_REST,  /* the method and the path name the operation */
};

struct gateway_request {
	struct api *api;
	const char *method, *path, *query;
	struct sigv4_header headers[SIGV4_MAX_HEADERS];
	size_t n_headers;
	char *body; /* owned */
	size_t body_len;
	bool too_large, local;
	const char *only_service; /* others are refused; NULL: none is */
	uid_t peer_uid;
	/* worked out on the way */
	enum gateway_wire wire;
	char service[64];
	struct protocol_form form;
	enum gateway_form form_of_answer;
	char *plain; /* a page's text, owned */
	const char *plain_type;
};

struct gateway_answer {
	int status;
	const char *type;
	char *text; /* allocated */
	size_t len;
	const char *protocol; /* the answer's Smithy-Protocol; NULL: none */
	char *query_error;    /* its x-amzn-query-error: the error as the query protocol has it; allocated, NULL: none */
	json_t *headers; /* {name: value}, owned; NULL: none of its own */
};

/* Authenticate, decode, run. The outcome, errors included, is in ec. */
#define GATEWAY_BODY_MAX (1u << 20) /* bytes, also of what was compressed */
enum engine_result gateway_request_run(struct gateway_request *req, struct engine_call *ec);
void gateway_request_answer(struct gateway_request *req, struct engine_call *ec, struct gateway_answer *ret);
/* A header's value, NULL where there is none. */
const char *gateway_request_header(const struct gateway_request *req, const char *name);
void gateway_request_free(struct gateway_request *req);

#endif
