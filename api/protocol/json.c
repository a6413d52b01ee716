#include "api/protocol/json.h"

#include <string.h>

#include "api/protocol/validate.h"
#include "common/cleanup.h"

const char *protocol_json_target(const char *header)
{
	const char *dot = strrchr(header, '.');

	return dot ? dot + 1 : header;
}

int protocol_json_decode(const struct model_operation *op, const char *body, size_t len,
			 json_t **ret_doc, struct protocol_error *ret_error)
{
	json_error_t where;
	mc_auto_json json_t *doc = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &where)
				       : json_object();

	if (!doc)
		return protocol_error_set(ret_error, 400, "SerializationException",
			"The body is not valid JSON: %s (line %d)", where.text, where.line);
	if (!json_is_object(doc))
		return protocol_error_set(ret_error, 400, "SerializationException",
					  "The body must be a JSON object.");
	if (model_validate(op, doc, ret_error) < 0)
		return -1;
	*ret_doc = MC_STEAL(doc);
	return 0;
}

char *protocol_json_error(const char *code, const char *message)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:s}", "__type", code, "message", message);
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

	return text ? text : strdup("{\"__type\":\"InternalError\"}");
}
