#include "api/protocol/rest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/protocol/json.h"
#include "api/protocol/validate.h"
#include "common/cleanup.h"
#include "common/fs.h"

/* --- the path ----------------------------------------------------------------- */

/* One segment of a path: its length, and where the next one begins. */
static size_t segment(const char *at, const char **ret_next)
{
	size_t n = strcspn(at, "/");

	*ret_next = at[n] ? at + n + 1 : at + n;
	return n;
}

/* Decoded, or NULL where an escape is malformed or holds a NUL. */
static char *plain_segment(const char *at, size_t n)
{
	char *text = mc_alloc(n + 1);
	long len = protocol_form_unescape(at, n, text);

	if (len >= 0 && strlen(text) == (size_t)len)
		return text;
	free(text);
	return NULL;
}

/* The path against the operation's; what the holes matched into vars (NULL: nobody asks). */
static bool match(const char *uri, const char *path, json_t *vars)
{
	const char *next_uri, *next_path;

	if (*uri++ != '/' || *path++ != '/')
		return false;
	while (*uri) {
		size_t n = segment(uri, &next_uri), have = segment(path, &next_path);
		bool hole = n > 2 && *uri == '{';

		if (hole ? have == 0 : n != have || strncmp(uri, path, n) != 0)
			return false;
		if (hole && vars) {
			mc_autofree char *name = mc_strf("%.*s", (int)n - 2, uri + 1);
			mc_autofree char *value = plain_segment(path, have);

			json_object_set_new(vars, name, json_string(value ? value : ""));
		}
		uri = next_uri;
		path = next_path;
	}
	return *path == '\0';
}

const struct model_operation *protocol_rest_find(const struct model_service *service, const char *method, const char *path)
{
	for (size_t i = 0; i < model_service_operations(service); i++) {
		const struct model_operation *op = model_operation_at(service, i);

		if (strcmp(model_operation_method(op), method) == 0 && match(model_operation_uri(op), path, NULL))
			return op;
	}
	return NULL;
}

/* --- requests ----------------------------------------------------------------- */

/* A number or truth value that came as text; what is neither is left for the check to refuse. */
static json_t *typed(const struct model_shape *shape, const char *text)
{
	enum model_type type = model_shape_type(shape);
	char *end = NULL;
	long long n;

	if (type == MODEL_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return json_boolean(*text == 't');
	if (type != MODEL_INTEGER && type != MODEL_LONG)
		return json_string(text);
	errno = 0;
	n = strtoll(text, &end, 10);
	return *text && !*end && errno == 0 ? json_integer(n) : json_string(text);
}

static json_t *from_query(const struct protocol_form *query, const struct model_member *m)
{
	const struct model_shape *shape = model_member_shape(m), *element = model_shape_element(shape);
	json_t *list = NULL;

	for (size_t i = 0; i < query->n; i++) {
		if (strcmp(query->params[i].name, model_member_xml(m)) != 0)
			continue;
		if (model_shape_type(shape) != MODEL_LIST)
			return typed(shape, query->params[i].value);
		if (!list)
			list = json_array();
		json_array_append_new(list, typed(element, query->params[i].value));
	}
	return list;
}

static json_t *found(const struct protocol_rest_request *req, const json_t *vars, const struct model_member *m)
{
	const char *text = NULL;

	switch (model_member_location(m)) {
	case MODEL_IN_QUERY:
		return from_query(req->query, m);
	case MODEL_IN_URI:
		text = json_string_value(json_object_get(vars, model_member_xml(m)));
		break;
	case MODEL_IN_HEADER:
		text = req->header(req->ctx, model_member_xml(m));
		break;
	case MODEL_IN_BODY:
	case MODEL_IS_BODY:
		break;
	}
	return text ? typed(model_member_shape(m), text) : NULL;
}

/* A header's text need not be UTF-8: then it is no JSON string, and here no member. */
static void gather(const struct model_operation *op, const struct protocol_rest_request *req, json_t *doc)
{
	const struct model_shape *shape = model_operation_input(op);
	mc_auto_json json_t *vars = json_object();

	match(model_operation_uri(op), req->path, vars);
	for (size_t i = 0; i < model_shape_members(shape); i++) {
		const struct model_member *m = model_shape_member(shape, i);
		enum model_location where = model_member_location(m);
		json_t *value = found(req, vars, m);

		if (where == MODEL_IS_BODY)
			json_object_set_new(doc, model_member_name(m), json_string("")); /* for the check: it is there */
		else if (where != MODEL_IN_BODY)
			json_object_del(doc, model_member_name(m)); /* not by the body */
		if (value)
			json_object_set_new(doc, model_member_name(m), value);
	}
}

static const struct model_member *whole_body(const struct model_shape *shape)
{
	for (size_t i = 0; i < model_shape_members(shape); i++)
		if (model_member_location(model_shape_member(shape, i)) == MODEL_IS_BODY)
			return model_shape_member(shape, i);
	return NULL;
}

int protocol_rest_decode(const struct model_operation *op, const struct protocol_rest_request *req, json_t **ret_doc,
			 struct protocol_error *ret_error)
{
	const struct model_member *body = whole_body(model_operation_input(op));
	json_error_t where;
	mc_auto_json json_t *doc = body || req->body_len == 0 ? json_object()
							      : json_loadb(req->body, req->body_len, JSON_REJECT_DUPLICATES, &where);

	if (!doc)
		return protocol_error_set(ret_error, 400, "SerializationException", "The body is not valid JSON: %s (line %d)",
					  where.text, where.line);
	if (!json_is_object(doc))
		return protocol_error_set(ret_error, 400, "SerializationException", "The body must be a JSON object.");
	gather(op, req, doc);
	if (model_validate(op, doc, ret_error) < 0)
		return -1;
	if (body)
		json_object_del(doc, model_member_name(body));
	*ret_doc = MC_STEAL(doc);
	return 0;
}

/* --- answers ------------------------------------------------------------------ */

static char *header_text(const json_t *value)
{
	if (json_is_integer(value))
		return mc_strf("%lld", (long long)json_integer_value(value));
	if (json_is_boolean(value))
		return mc_strdup(json_is_true(value) ? "true" : "false");
	return mc_strdup(json_string_value(value));
}

json_t *protocol_rest_headers(const struct model_operation *op, const json_t *doc)
{
	const struct model_shape *shape = model_operation_output(op);
	json_t *headers = json_object();

	for (size_t i = 0; shape && i < model_shape_members(shape); i++) {
		const struct model_member *m = model_shape_member(shape, i);
		const json_t *value = json_object_get(doc, model_member_name(m));
		mc_autofree char *text = value && model_member_location(m) == MODEL_IN_HEADER ? header_text(value) : NULL;

		if (text)
			json_object_set_new(headers, model_member_xml(m), json_string(text));
	}
	return headers;
}

char *protocol_rest_encode(const struct model_operation *op, const json_t *doc)
{
	const struct model_shape *shape = model_operation_output(op);
	mc_auto_json json_t *rest = doc ? json_copy((json_t *)doc) : json_object();

	for (size_t i = 0; shape && i < model_shape_members(shape); i++) {
		const struct model_member *m = model_shape_member(shape, i);

		if (model_member_location(m) != MODEL_IN_BODY)
			json_object_del(rest, model_member_name(m));
	}
	return protocol_json_encode(op, rest);
}

char *protocol_rest_error(const char *code, const char *message, const char *reason)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:s, s:s*}", "__type", code, "Message", message, "Reason", reason);
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

	return text ? text : mc_strdup("{\"__type\":\"InternalServerException\"}");
}
