/* The JSON protocol: X-Amz-Target: PREFIX.RunInstances and a body in the model's names. */
#ifndef MC_API_PROTOCOL_JSON_H
#define MC_API_PROTOCOL_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "api/model/model.h"
#include "api/protocol/error.h"

/* The operation's name inside an X-Amz-Target header: what follows the last dot. */
const char *protocol_json_target(const char *header);

/* Parse and check a body (empty: {}). 0 and *ret_doc (new reference), or -1 with
 * *ret_error (SerializationException for what is no JSON object). */
int protocol_json_decode(const struct model_operation *op, const char *body, size_t len,
			 json_t **ret_doc, struct protocol_error *ret_error);

/* The answer's text, allocated: times become seconds since 1970, as JSON clients want them. */
char *protocol_json_encode(const struct model_operation *op, const json_t *doc);

/* {"__type": code, "message": message}; allocated text. */
char *protocol_json_error(const char *code, const char *message);

#endif
