#include "api/protocol/query.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol/validate.h"
#include "common/cleanup.h"

/* A list has at most as many elements as the request has parameters, and so has
 * each level of nesting: what asks for more places is full of holes. */
struct decode {
	struct protocol_error *error;
	bool members;  /* awsQuery: lists as Name.member.1 */
	size_t places; /* list elements that may still be made */
	size_t max_index;
	const char *name; /* of the parameter at hand */
};

/* A place in the document: a member of an object or an element of an array. */
struct place {
	json_t *parent;
	const char *key; /* NULL: array */
	size_t index;
};

static int unknown(const struct decode *d)
{
	return protocol_error_set(d->error, 400, "UnknownParameter",
				  "The parameter %s is not recognized", d->name);
}

static int invalid(const struct decode *d, const char *value, const char *what)
{
	return protocol_error_set(d->error, 400, "InvalidParameterValue",
				  "Value (%s) for parameter %s is invalid. %s", value, d->name, what);
}

static json_t *place_get(const struct place *at)
{
	return at->key ? json_object_get(at->parent, at->key)
		       : json_array_get(at->parent, at->index);
}

static void place_set(const struct place *at, json_t *value)
{
	if (at->key)
		json_object_set_new(at->parent, at->key, value);
	else
		json_array_set_new(at->parent, at->index, value);
}

/* The object or array at this place, made where there is none yet; NULL where
 * something else stands there. */
static json_t *place_container(const struct place *at, bool array)
{
	json_t *there = place_get(at);

	if (!there || json_is_null(there)) {
		place_set(at, array ? json_array() : json_object());
		return place_get(at);
	}
	return (array ? json_is_array(there) : json_is_object(there)) ? there : NULL;
}

static json_t *decode_integer(const char *text)
{
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);

	if (errno || end == text || *end || strspn(text, "-0123456789") != strlen(text))
		return NULL;
	return json_integer(n);
}

static json_t *decode_number(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !isfinite(n) ||
	    strspn(text, "+-.0123456789eE") != strlen(text))
		return NULL;
	return json_real(n);
}

static json_t *decode_boolean(const char *text)
{
	static const char *const words[][2] = {
		{ "false", "true" }, { "False", "True" }, { "FALSE", "TRUE" }, { "0", "1" },
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(words); i++)
		for (int v = 0; v < 2; v++)
			if (strcmp(text, words[i][v]) == 0)
				return json_boolean(v);
	return NULL;
}

static int decode_scalar(const struct decode *d, const struct model_shape *shape,
			 const struct place *at, const char *value)
{
	json_t *there = place_get(at), *made = NULL;
	const char *expected = "";

	if (there && !json_is_null(there))
		return protocol_error_set(d->error, 400, "MalformedQueryString",
			"The parameter %s may only be specified once", d->name);
	switch (model_shape_type(shape)) {
	case MODEL_INTEGER:
	case MODEL_LONG:
		made = decode_integer(value);
		expected = "Expecting an integer.";
		break;
	case MODEL_FLOAT:
	case MODEL_DOUBLE:
		made = decode_number(value);
		expected = "Expecting a number.";
		break;
	case MODEL_BOOLEAN:
		made = decode_boolean(value);
		expected = "Expecting true or false.";
		break;
	default:
		made = json_string(value);
		expected = "Expecting UTF-8 text.";
		break;
	}
	if (!made)
		return invalid(d, value, expected);
	place_set(at, made);
	return 0;
}

/* The list index at *rest ("12.Name"): 1-based; moves *rest behind it. 0: none. */
static size_t parse_index(const char **rest)
{
	size_t digits = strspn(*rest, "0123456789");
	const char *end = *rest + digits;

	if (digits == 0 || digits > 7 || **rest == '0' || (*end && *end != '.'))
		return 0;
	size_t index = strtoul(*rest, NULL, 10);

	*rest = *end ? end + 1 : end;
	return index;
}

/* Make room up to index (0-based). 0 or -1 with the error. */
static int list_reserve(struct decode *d, json_t *list, size_t index)
{
	while (json_array_size(list) <= index) {
		if (d->places == 0)
			return protocol_error_set(d->error, 400, "InvalidParameterValue",
				"The list of parameter %s has gaps.", d->name);
		d->places--;
		json_array_append_new(list, json_null());
	}
	return 0;
}

/* Take one step into a list: *rest is "1", "1.Name" or "member.1.Name". 1 with *at
 * the element, 0 when the list itself was all ("Name=", an empty list), or -1. */
static int step_list(struct decode *d, const struct model_shape *shape, const char **rest,
		     const char *value, struct place *at)
{
	json_t *list = place_container(at, true);

	if (!list)
		return unknown(d);
	if (!**rest)
		return *value ? unknown(d) : 0;
	if (d->members && !model_shape_flattened(shape)) {
		if (strncmp(*rest, "member.", 7) != 0)
			return unknown(d);
		*rest += 7;
	}

	size_t index = parse_index(rest);

	if (index == 0)
		return unknown(d);
	if (index > d->max_index)
		return protocol_error_set(d->error, 400, "InvalidParameterValue",
			"The index of parameter %s is too large.", d->name);
	*at = (struct place){ list, NULL, index - 1 };
	return list_reserve(d, list, index - 1) < 0 ? -1 : 1;
}

/* Take one step into a structure. 1 with *at and *shape the member, or -1. */
static int step_structure(struct decode *d, const struct model_shape **shape, const char **rest,
			  struct place *at)
{
	size_t len = strcspn(*rest, ".");
	const struct model_member *m = model_shape_find_wire(*shape, *rest, len);
	json_t *object = place_container(at, false);

	if (!m || !object)
		return unknown(d);
	*rest += len + ((*rest)[len] == '.');
	*at = (struct place){ object, model_member_name(m), 0 };
	*shape = model_member_shape(m);
	return 1;
}

/* Put one parameter where its name says. */
static int decode_param(struct decode *d, const struct model_shape *shape, json_t *root,
			const struct protocol_param *param)
{
	struct place at = { root, NULL, 0 };
	const char *rest = param->name;

	for (unsigned depth = 0; depth < 2 * PROTOCOL_MAX_DEPTH; depth++) {
		int r;

		switch (model_shape_type(shape)) {
		case MODEL_STRUCTURE:
			r = step_structure(d, &shape, &rest, &at);
			break;
		case MODEL_LIST:
			r = step_list(d, shape, &rest, param->value, &at);
			shape = model_shape_element(shape);
			break;
		case MODEL_MAP:
			return unknown(d);
		default:
			return *rest ? unknown(d) : decode_scalar(d, shape, &at, param->value);
		}
		if (r <= 0)
			return r;
	}
	return unknown(d);
}

/* What belongs to the envelope and not to the operation. */
static bool is_envelope(const char *name)
{
	static const char *const names[] = {
		"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
		"X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
		"X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-User-Agent",
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

int protocol_query_decode(const struct model_operation *op, const struct protocol_param *params,
			  size_t n, json_t **ret_doc, struct protocol_error *ret_error)
{
	const struct model_shape *input = model_operation_input(op);
	struct decode d = {
		.error = ret_error,
		.members = model_service_protocol(model_operation_service(op)) ==
			   MODEL_PROTOCOL_QUERY,
		.places = n * PROTOCOL_MAX_DEPTH,
		.max_index = n,
	};
	/* The document hangs in an array, so that its place is like all others. */
	mc_auto_json json_t *root = json_pack("[{}]");

	for (size_t i = 0; i < n; i++) {
		if (is_envelope(params[i].name))
			continue;
		d.name = params[i].name;
		if (decode_param(&d, input, root, &params[i]) < 0)
			return -1;
	}
	if (model_validate(op, json_array_get(root, 0), ret_error) < 0)
		return -1;
	*ret_doc = json_incref(json_array_get(root, 0));
	return 0;
}
