/* Smithy RPC v2 CBOR: POST /service/NAME/operation/Op and a body in CBOR (RFC 8949) in the model's
 * names (https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html). Read and written by
 * libcbor's streaming calls: what a length announces is never allocated before it is there. */
#ifndef MC_API_PROTOCOL_CBOR_H
#define MC_API_PROTOCOL_CBOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/model/model.h"
#include "api/protocol/error.h"

/* The two names in a request's path, which point into it. False: it is none of this protocol. */
struct protocol_cbor_path {
	const char *service, *operation;
	size_t service_len; /* the operation ends with the path */
};
bool protocol_cbor_path(const char *path, struct protocol_cbor_path *ret);

/* Parse and check a body (empty: {}). 0 and *ret_doc (new reference), or -1 with *ret_error
 * (SerializationException for what is no map in CBOR). Byte strings become base64 text. */
int protocol_cbor_decode(const struct model_operation *op, const char *body, size_t len, json_t **ret_doc,
			 struct protocol_error *ret_error);

/* The answer, allocated, *ret_len bytes: times are tagged seconds, doubles 64 bits, blobs byte strings. */
char *protocol_cbor_encode(const struct model_operation *op, const json_t *doc, size_t *ret_len);

/* {"__type": code, "message": message}; allocated. */
char *protocol_cbor_error(const char *code, const char *message, size_t *ret_len);

#endif
