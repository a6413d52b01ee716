#include "api/protocol/validate.h"

#include <stdio.h>
#include <string.h>

#include "api/protocol/query_path.h"
#include "api/protocol/unfit.h"
#include "common/clock.h"

struct check {
	struct protocol_error *error;
	struct query_path path;
	bool json, query; /* the service speaks JSON, or awsQuery: other codes, other words */
};

static int check_value(struct check *c, const struct model_shape *shape, json_t *value,
		       json_t **ret_replace, unsigned depth);

/* Of the wrong type or form. */
static int invalid(struct check *c, const char *what)
{
	if (c->json)
		return protocol_error_set(c->error, 400, "SerializationException", "%s: %s", query_path_text(&c->path), what);
	return protocol_error_set(c->error, 400, "InvalidParameterValue",
				  "Invalid value for parameter %s. %s", query_path_text(&c->path),
				  what);
}

/* The name as AWS's own bounds messages have it: maxResults. */
static int out_of_bounds(struct check *c, const json_t *value, bool over, double bound)
{
	char name[QUERY_PATH_MAX];

	if (c->json)
		return unfit_bound(c->error, &c->path, value, "value", over, bound);
	snprintf(name, sizeof(name), "%s", query_path_text(&c->path));
	if (strcmp(name, "MaxResults") == 0)
		name[0] = 'm';
	return protocol_error_set(c->error, 400, "InvalidParameterValue",
		"Value ( %lld ) for parameter %s is invalid. Expecting a value %s than %lld.",
		(long long)json_integer_value(value), name, over ? "less" : "greater", (long long)bound);
}

static int check_integer(struct check *c, const struct model_shape *shape, const json_t *value)
{
	double min, max;

	if (!json_is_integer(value))
		return invalid(c, "It must be an integer.");

	json_int_t n = json_integer_value(value);

	if (model_shape_type(shape) == MODEL_INTEGER && (n < INT32_MIN || n > INT32_MAX))
		return invalid(c, "It must be an integer of 32 bits.");
	if (!model_shape_bounds(shape, &min, &max))
		return 0;
	if ((double)n < min)
		return out_of_bounds(c, value, false, min);
	if ((double)n > max)
		return out_of_bounds(c, value, true, max);
	return 0;
}

static int check_number(struct check *c, const struct model_shape *shape, const json_t *value)
{
	double min, max;

	if (!json_is_number(value))
		return invalid(c, "It must be a number.");
	if (!model_shape_bounds(shape, &min, &max))
		return 0;
	if (json_number_value(value) < min || json_number_value(value) > max) {
		bool over = json_number_value(value) > max;

		return c->json ? unfit_bound(c->error, &c->path, value, "value", over, over ? max : min) : invalid(c, "It is out of range.");
	}
	return 0;
}

static int check_length(struct check *c, const struct model_shape *shape, const json_t *value, size_t n)
{
	double min, max;

	if (!model_shape_bounds(shape, &min, &max))
		return 0;
	if ((double)n < min)
		return c->json ? unfit_bound(c->error, &c->path, value, "length", false, min) : invalid(c, "It is too short.");
	if ((double)n > max)
		return c->json ? unfit_bound(c->error, &c->path, value, "length", true, max) : invalid(c, "It is too long.");
	return 0;
}

static int check_string(struct check *c, const struct model_shape *shape, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text)
		return invalid(c, "It must be text.");
	if (strlen(text) != json_string_length(value))
		return invalid(c, "It must not hold a NUL character.");
	if (model_shape_enums(shape) && !model_shape_enum_open(shape) &&
	    !model_shape_enum_has(shape, text))
		return c->json ? unfit_enum(c->error, &c->path, value, shape) : protocol_error_set(c->error, 400, "InvalidParameterValue",
			"Value (%s) for parameter %s is invalid.", text,
			query_path_text(&c->path));
	return check_length(c, shape, value, json_string_length(value));
}

/* ISO 8601 text or, from JSON clients, seconds since 1970; brought to one form. */
static int check_timestamp(struct check *c, const json_t *value, json_t **ret_replace)
{
	char text[MC_ISO8601_LEN];
	int64_t ns;

	if (json_is_number(value)) {
		double seconds = json_number_value(value);

		if (seconds < 0 || seconds > (double)MC_CLOCK_LAST)
			return invalid(c, "It must be a time.");
		ns = (int64_t)(seconds * 1000) * MC_MS;
	} else if (!json_is_string(value) || mc_clock_parse(json_string_value(value), &ns) < 0) {
		return invalid(c, "It must be a time as 2026-11-21T04:00:00Z.");
	}
	mc_clock_iso8601(ns, text);
	*ret_replace = json_string(text);
	return 0;
}

static bool base64_valid(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	size_t pad = strspn(text + n, "=");

	return text[n + pad] == '\0' && pad <= 2 && (n + pad) % 4 == 0;
}

static int check_blob(struct check *c, const struct model_shape *shape, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !base64_valid(text))
		return invalid(c, "It must be base64 text.");
	return check_length(c, shape, value, strlen(text) / 4 * 3);
}

static int check_list(struct check *c, const struct model_shape *shape, json_t *list,
		      unsigned depth)
{
	if (!json_is_array(list))
		return invalid(c, "It must be a list.");
	for (size_t i = 0; i < json_array_size(list); i++) {
		size_t mark = query_path_push_index(&c->path, i + 1);
		json_t *replace = NULL;

		if (json_is_null(json_array_get(list, i)))
			return invalid(c, "The list has a gap here.");
		if (check_value(c, model_shape_element(shape), json_array_get(list, i), &replace,
				depth) < 0)
			return -1;
		if (replace)
			json_array_set_new(list, i, replace);
		query_path_pop(&c->path, mark);
	}
	return check_length(c, shape, list, json_array_size(list));
}

static int check_map(struct check *c, const struct model_shape *shape, json_t *map,
		     unsigned depth)
{
	const char *key;
	json_t *value;
	void *next;

	if (!json_is_object(map))
		return invalid(c, "It must be a map.");
	json_object_foreach_safe(map, next, key, value) {
		json_t *replace = NULL;

		if (check_value(c, model_shape_element(shape), value, &replace, depth) < 0)
			return -1;
		if (replace)
			json_object_set_new(map, key, replace);
	}
	return 0;
}

static int unknown(struct check *c, const char *key)
{
	query_path_push(&c->path, key);
	return protocol_error_set(c->error, 400, "UnknownParameter",
				  "The parameter %s is not recognized", query_path_text(&c->path));
}

static int check_known(struct check *c, const struct model_shape *shape, json_t *doc,
		       unsigned depth)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(doc, next, key, value) {
		const struct model_member *m = model_shape_find(shape, key);
		json_t *replace = NULL;

		if (!m && !c->json)
			return unknown(c, key);
		/* JSON services pass over what they do not know. */
		if (!m || json_is_null(value)) {
			json_object_del(doc, key);
			continue;
		}
		size_t mark = query_path_push(&c->path, model_member_wire(m));

		if (check_value(c, model_member_shape(m), value, &replace, depth) < 0)
			return -1;
		if (replace)
			json_object_set_new(doc, key, replace);
		query_path_pop(&c->path, mark);
	}
	return 0;
}

static int check_structure(struct check *c, const struct model_shape *shape, json_t *doc,
			   unsigned depth)
{
	if (!json_is_object(doc))
		return invalid(c, "It must be a structure.");
	if (check_known(c, shape, doc, depth) < 0)
		return -1;
	for (size_t i = 0; i < model_shape_members(shape); i++) {
		const struct model_member *m = model_shape_member(shape, i);

		/* A token that is missing is no fault: it only makes a request repeatable. */
		if (!model_member_required(m) || model_member_token(m) ||
		    json_object_get(doc, model_member_name(m)))
			continue;
		query_path_push(&c->path, model_member_wire(m));
		return c->json ? unfit(c->error, &c->path, NULL, "not be null") : protocol_error_set(c->error, 400, "MissingParameter",
			c->query ? "The parameter %s is required." : "The request must contain the parameter %s", query_path_text(&c->path));
	}
	return 0;
}

static int check_value(struct check *c, const struct model_shape *shape, json_t *value,
		       json_t **ret_replace, unsigned depth)
{
	if (depth == 0)
		return invalid(c, "It is nested too deeply.");
	switch (model_shape_type(shape)) {
	case MODEL_STRUCTURE: return check_structure(c, shape, value, depth - 1);
	case MODEL_LIST: return check_list(c, shape, value, depth - 1);
	case MODEL_MAP: return check_map(c, shape, value, depth - 1);
	case MODEL_STRING: return check_string(c, shape, value);
	case MODEL_INTEGER:
	case MODEL_LONG: return check_integer(c, shape, value);
	case MODEL_FLOAT:
	case MODEL_DOUBLE: return check_number(c, shape, value);
	case MODEL_TIMESTAMP: return check_timestamp(c, value, ret_replace);
	case MODEL_BLOB: return check_blob(c, shape, value);
	case MODEL_BOOLEAN:
		return json_is_boolean(value) ? 0 : invalid(c, "It must be true or false.");
	case MODEL_TYPE_MAX: break;
	}
	return invalid(c, "Its type is not known.");
}

int model_validate(const struct model_operation *op, json_t *doc, struct protocol_error *error)
{
	enum model_protocol protocol = model_service_protocol(model_operation_service(op));
	struct check c = {
		.error = error, .json = protocol == MODEL_PROTOCOL_JSON || protocol == MODEL_PROTOCOL_REST_JSON,
		.query = protocol == MODEL_PROTOCOL_QUERY,
	};
	json_t *unused = NULL;

	query_path_init(&c.path, c.query);
	return check_value(&c, model_operation_input(op), doc, &unused, PROTOCOL_MAX_DEPTH);
}
