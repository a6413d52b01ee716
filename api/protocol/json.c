#include "api/protocol/json.h"

#include <string.h>

#include "api/protocol/validate.h"
#include "common/cleanup.h"
#include "common/clock.h"

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

/* --- answers ------------------------------------------------------------------ */

static json_t *convert(const struct model_shape *shape, json_t *value, unsigned depth);

static json_t *convert_time(json_t *value)
{
	int64_t ns;

	if (!json_is_string(value) || mc_clock_parse(json_string_value(value), &ns) < 0)
		return json_incref(value);
	return json_real((double)(ns / MC_MS) / 1000);
}

static json_t *convert_list(const struct model_shape *element, json_t *list, unsigned depth)
{
	json_t *out = json_array(), *one;
	size_t i;

	json_array_foreach(list, i, one)
		json_array_append_new(out, convert(element, one, depth));
	return out;
}

/* element: a map's values; NULL: of a structure, each member its own. */
static json_t *convert_object(const struct model_shape *shape, const struct model_shape *element, json_t *doc, unsigned depth)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach(doc, key, value) {
		const struct model_member *m = element ? NULL : model_shape_find(shape, key);

		json_object_set_new(out, key, convert(element ? element : m ? model_member_shape(m) : NULL, value, depth));
	}
	return out;
}

static json_t *convert(const struct model_shape *shape, json_t *value, unsigned depth)
{
	enum model_type type = shape ? model_shape_type(shape) : MODEL_TYPE_MAX;

	if (depth == 0 || (type == MODEL_TIMESTAMP && !json_is_string(value)))
		return json_incref(value);
	if (type == MODEL_TIMESTAMP)
		return model_shape_iso8601(shape) ? json_incref(value) : convert_time(value);
	if (type == MODEL_LIST && json_is_array(value))
		return convert_list(model_shape_element(shape), value, depth - 1);
	if ((type == MODEL_MAP || type == MODEL_STRUCTURE) && json_is_object(value))
		return convert_object(shape, model_shape_element(shape), value, depth - 1);
	return json_incref(value);
}

char *protocol_json_encode(const struct model_operation *op, const json_t *doc)
{
	const struct model_shape *shape = model_operation_output(op);
	mc_auto_json json_t *out = doc && shape ? convert(shape, (json_t *)doc, PROTOCOL_MAX_DEPTH) : json_incref((json_t *)doc);

	return out ? json_dumps(out, JSON_COMPACT) : strdup("{}");
}

char *protocol_json_error(const char *code, const char *message)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:s}", "__type", code, "message", message);
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

	return text ? text : strdup("{\"__type\":\"InternalError\"}");
}
