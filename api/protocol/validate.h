/* Checks a document against a shape of the model, whatever wire it came by. */
#ifndef MC_API_PROTOCOL_VALIDATE_H
#define MC_API_PROTOCOL_VALIDATE_H

#include <jansson.h>

#include "api/model/model.h"
#include "api/protocol/error.h"

#define PROTOCOL_MAX_DEPTH 16

/* Check doc (an object) against the operation's input: unknown members, missing
 * required ones, types, integer ranges, bounds, enums, list holes. JSON nulls are
 * removed. Timestamps are brought to one form (ISO 8601, milliseconds, Z).
 * Errors name the parameter as a query request would ("Filter.1.Name"). Services that
 * speak JSON pass over unknown members, and refuse with ValidationException (what is
 * missing or out of bounds, "filters.1.member.name") or SerializationException (what is
 * of the wrong type).
 * 0, or -1 with *error. */
int model_validate(const struct model_operation *op, json_t *doc, struct protocol_error *error);

#endif
