#include "api/protocol/xml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct writer {
	struct buffer out;
	mc_err **err;
};

static int write_value(struct writer *w, const struct model_shape *shape, const json_t *value,
		       const char *name);

static int wrong_type(struct writer *w, const char *name)
{
	return mc_err_set(w->err, 0, "%s in an answer is not of its type", name);
}

static void open_tag(struct writer *w, const char *name)
{
	buffer_texts(&w->out, "<", name, ">", NULL);
}

static void close_tag(struct writer *w, const char *name)
{
	buffer_texts(&w->out, "</", name, ">", NULL);
}

static void write_number(struct writer *w, const json_t *value)
{
	char text[64];

	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%.15g", json_real_value(value));
	buffer_text(&w->out, text);
}

static int write_scalar(struct writer *w, enum model_type type, const json_t *value,
			const char *name)
{
	bool number = type == MODEL_INTEGER || type == MODEL_LONG || type == MODEL_FLOAT ||
		      type == MODEL_DOUBLE;

	if (number ? !json_is_number(value)
		   : type == MODEL_BOOLEAN ? !json_is_boolean(value) : !json_is_string(value))
		return wrong_type(w, name);
	open_tag(w, name);
	if (number)
		write_number(w, value);
	else if (type == MODEL_BOOLEAN)
		buffer_text(&w->out, json_is_true(value) ? "true" : "false");
	else
		buffer_xml(&w->out, json_string_value(value), json_string_length(value));
	close_tag(w, name);
	return 0;
}

static int write_members(struct writer *w, const struct model_shape *shape, const json_t *doc)
{
	size_t written = 0;

	for (size_t i = 0; i < model_shape_members(shape); i++) {
		const struct model_member *m = model_shape_member(shape, i);
		const json_t *value = json_object_get(doc, model_member_name(m));

		written += value != NULL;
		if (value && !json_is_null(value) &&
		    write_value(w, model_member_shape(m), value, model_member_xml(m)) < 0)
			return -1;
	}
	if (written != json_object_size(doc))
		return mc_err_set(w->err, 0, "an answer's %s has a member the model lacks",
				  model_shape_name(shape));
	return 0;
}

static int write_items(struct writer *w, const struct model_shape *shape, const json_t *list,
		       const char *item)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (write_value(w, model_shape_element(shape), json_array_get(list, i), item) < 0)
			return -1;
	return 0;
}

static int write_list(struct writer *w, const struct model_shape *shape, const json_t *list,
		      const char *name)
{
	if (!json_is_array(list))
		return wrong_type(w, name);
	if (model_shape_flattened(shape))
		return write_items(w, shape, list, name);
	if (json_array_size(list) == 0) {
		buffer_texts(&w->out, "<", name, "/>", NULL);
		return 0;
	}
	open_tag(w, name);
	if (write_items(w, shape, list, model_shape_item(shape)) < 0)
		return -1;
	close_tag(w, name);
	return 0;
}

static int write_map(struct writer *w, const struct model_shape *shape, const json_t *map,
		     const char *name)
{
	const char *key;
	json_t *value;

	if (!json_is_object(map))
		return wrong_type(w, name);
	open_tag(w, name);
	json_object_foreach((json_t *)map, key, value) {
		open_tag(w, "entry");
		open_tag(w, "key");
		buffer_xml(&w->out, key, strlen(key));
		close_tag(w, "key");
		if (write_value(w, model_shape_element(shape), value, "value") < 0)
			return -1;
		close_tag(w, "entry");
	}
	close_tag(w, name);
	return 0;
}

/* Made by protocol_xml_inside()? No text of anybody else's holds a NUL. */
static bool is_encoded(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) && !*json_string_value(value);
}

static int write_structure(struct writer *w, const struct model_shape *shape, const json_t *value,
			   const char *name)
{
	if (!json_is_object(value) && !is_encoded(value))
		return wrong_type(w, name);
	open_tag(w, name);
	if (is_encoded(value))
		buffer_add(&w->out, json_string_value(value) + 1, json_string_length(value) - 1);
	else if (write_members(w, shape, value) < 0)
		return -1;
	close_tag(w, name);
	return 0;
}

static int write_value(struct writer *w, const struct model_shape *shape, const json_t *value,
		       const char *name)
{
	switch (model_shape_type(shape)) {
	case MODEL_LIST:
		return write_list(w, shape, value, name);
	case MODEL_MAP:
		return write_map(w, shape, value, name);
	case MODEL_STRUCTURE:
		return write_structure(w, shape, value, name);
	default:
		return write_scalar(w, model_shape_type(shape), value, name);
	}
}

static int write_document(struct writer *w, const struct model_shape *output, const json_t *doc)
{
	if (doc && !json_is_object(doc) && !json_is_null(doc))
		return mc_err_set(w->err, 0, "an answer is not an object");
	if (output)
		return write_members(w, output, doc);
	if (doc && json_object_size(doc))
		return mc_err_set(w->err, 0, "an answer where the model has none");
	return 0;
}

static int write_ec2(struct writer *w, const struct model_operation *op, const json_t *doc,
		     const char *request_id)
{
	const struct model_shape *output = model_operation_output(op);

	open_tag(w, "requestId");
	buffer_xml(&w->out, request_id, strlen(request_id));
	close_tag(w, "requestId");
	if (!output)
		buffer_text(&w->out, "<return>true</return>");
	return write_document(w, output, doc);
}

static int write_query(struct writer *w, const struct model_operation *op, const json_t *doc,
		       const char *request_id)
{
	const char *name = model_operation_name(op);
	const struct model_shape *output = model_operation_output(op);

	if (output)
		buffer_texts(&w->out, "<", name, "Result>", NULL);
	if (write_document(w, output, doc) < 0)
		return -1;
	if (output)
		buffer_texts(&w->out, "</", name, "Result>", NULL);
	buffer_text(&w->out, "<ResponseMetadata><RequestId>");
	buffer_xml(&w->out, request_id, strlen(request_id));
	buffer_text(&w->out, "</RequestId></ResponseMetadata>");
	return 0;
}

static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

char *protocol_xml_answer(const struct model_operation *op, const json_t *doc,
			  const char *request_id, size_t *ret_len, mc_err **err)
{
	const struct model_service *service = model_operation_service(op);
	const char *name = model_operation_name(op);
	struct writer w = { .err = err };
	int r;

	buffer_text(&w.out, declaration);
	buffer_texts(&w.out, "<", name, "Response xmlns=\"", model_service_namespace(service),
		     "\">", NULL);
	if (model_service_protocol(service) == MODEL_PROTOCOL_EC2)
		r = write_ec2(&w, op, doc, request_id);
	else
		r = write_query(&w, op, doc, request_id);
	if (r < 0) {
		buffer_deinit(&w.out);
		mc_err_wrap(err, "%s", name);
		return NULL;
	}
	buffer_texts(&w.out, "</", name, "Response>", NULL);
	return buffer_take(&w.out, ret_len);
}

int protocol_xml_inside(const struct model_shape *shape, const json_t *doc, struct buffer *out,
			mc_err **err)
{
	struct writer w = { .out = *out, .err = err };
	int r;

	w.out.len = 0;
	buffer_add(&w.out, "", 1);
	r = write_members(&w, shape, doc);
	*out = w.out;
	return r;
}

static void write_code(struct buffer *out, const char *code, const char *message)
{
	buffer_text(out, "<Code>");
	buffer_xml(out, code, strlen(code));
	buffer_text(out, "</Code><Message>");
	buffer_xml(out, message, strlen(message));
	buffer_text(out, "</Message>");
}

char *protocol_xml_error(const struct model_service *service, int status, const char *code,
			 const char *message, const char *request_id)
{
	struct buffer out = { 0 };

	buffer_text(&out, declaration);
	if (service && model_service_protocol(service) != MODEL_PROTOCOL_EC2) {
		buffer_texts(&out, "<ErrorResponse xmlns=\"", model_service_namespace(service),
			     "\"><Error><Type>", status >= 500 ? "Receiver" : "Sender",
			     "</Type>", NULL);
		write_code(&out, code, message);
		buffer_text(&out, "</Error><RequestId>");
		buffer_xml(&out, request_id, strlen(request_id));
		buffer_text(&out, "</RequestId></ErrorResponse>");
		return buffer_take(&out, NULL);
	}
	buffer_text(&out, "<Response><Errors><Error>");
	write_code(&out, code, message);
	buffer_text(&out, "</Error></Errors><RequestID>");
	buffer_xml(&out, request_id, strlen(request_id));
	buffer_text(&out, "</RequestID></Response>");
	return buffer_take(&out, NULL);
}
