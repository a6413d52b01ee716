#include "cli/value.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/shorthand.h"
#include "common/cleanup.h"
#include "common/fs.h"

static json_t *convert(const struct model_shape *shape, const json_t *raw, mc_err **err);

char *value_base64(const void *data, size_t len)
{
	char *out = mc_alloc((len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)out, data, (int)len);
	return out;
}

char *value_unbase64(const char *text, size_t *ret_len)
{
	size_t len = strlen(text), pad = 0;
	char *out = mc_alloc(len / 4 * 3 + 4);
	int n = len % 4 ? -1 : EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text,
					       (int)len);

	if (n < 0) {
		free(out);
		return NULL;
	}
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	*ret_len = (size_t)n - pad;
	out[*ret_len] = '\0';
	return out;
}

char *value_bytes(const char *word, size_t *ret_len, mc_err **err)
{
	const char *path = strncmp(word, "file://", 7) == 0    ? word + 7
			   : strncmp(word, "fileb://", 8) == 0 ? word + 8
							       : NULL;

	if (!path) {
		*ret_len = strlen(word);
		return mc_strdup(word);
	}
	if (strcmp(path, "-") == 0)
		path = "/dev/stdin";
	if (strncmp(path, "~/", 2) != 0 || !getenv("HOME"))
		return mc_fs_read(path, VALUE_MAX_FILE, ret_len, err);

	mc_autofree char *full = mc_strf("%s/%s", getenv("HOME"), path + 2);

	return mc_fs_read(full, VALUE_MAX_FILE, ret_len, err);
}

const struct model_shape *value_wrapped(const struct model_shape *shape)
{
	const struct model_member *m = model_shape_find(shape, "Value");

	if (!m || model_shape_members(shape) != 1)
		return NULL;
	switch (model_shape_type(model_member_shape(m))) {
	case MODEL_STRUCTURE:
	case MODEL_LIST:
	case MODEL_MAP: return NULL;
	default: return model_member_shape(m);
	}
}

static json_t *convert_integer(const char *text, mc_err **err)
{
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);

	if (errno || end == text || *end) {
		mc_err_set(err, 0, "'%s' is not an integer", text);
		return NULL;
	}
	return json_integer(n);
}

static json_t *convert_number(const char *text, mc_err **err)
{
	char *end;
	double n = strtod(text, &end);
	json_t *value = end == text || *end ? NULL : json_real(n);

	if (!value)
		mc_err_set(err, 0, "'%s' is not a number", text);
	return value;
}

static json_t *convert_boolean(const char *text, mc_err **err)
{
	if (strcasecmp(text, "true") == 0)
		return json_true();
	if (strcasecmp(text, "false") == 0)
		return json_false();
	mc_err_set(err, 0, "'%s' is neither true nor false", text);
	return NULL;
}

/* Base64 as it stands (the AWS CLI 2), everything else as the bytes it is (1). */
static json_t *convert_blob(const char *data, size_t len)
{
	size_t plain;
	bool text = len && strlen(data) == len;
	mc_autofree char *decoded = text ? value_unbase64(data, &plain) : NULL;
	mc_autofree char *encoded = decoded ? mc_strdup(data) : value_base64(data, len);

	return json_string(encoded);
}

static json_t *convert_scalar(const struct model_shape *shape, const char *text, mc_err **err)
{
	switch (model_shape_type(shape)) {
	case MODEL_INTEGER:
	case MODEL_LONG: return convert_integer(text, err);
	case MODEL_FLOAT:
	case MODEL_DOUBLE: return convert_number(text, err);
	case MODEL_BOOLEAN: return convert_boolean(text, err);
	case MODEL_BLOB: return convert_blob(text, strlen(text));
	default: break;
	}

	json_t *value = json_string(text);

	if (!value)
		mc_err_set(err, 0, "the value is not UTF-8 text");
	return value;
}

static json_t *convert_list(const struct model_shape *shape, const json_t *raw, mc_err **err)
{
	mc_auto_json json_t *list = json_array();

	if (!json_is_array(raw)) { /* one value stands for a list of one */
		json_t *only = convert(model_shape_element(shape), raw, err);

		if (!only)
			return NULL;
		json_array_append_new(list, only);
		return MC_STEAL(list);
	}
	for (size_t i = 0; i < json_array_size(raw); i++) {
		json_t *value = convert(model_shape_element(shape), json_array_get(raw, i), err);

		if (!value)
			return NULL;
		json_array_append_new(list, value);
	}
	return MC_STEAL(list);
}

static json_t *convert_structure(const struct model_shape *shape, const json_t *raw, mc_err **err)
{
	mc_auto_json json_t *object = json_object();
	const char *key;
	json_t *value;

	if (!json_is_object(raw)) {
		mc_err_set(err, 0, "expected Key=Value or a JSON object");
		return NULL;
	}
	json_object_foreach((json_t *)raw, key, value) {
		const struct model_member *m = model_shape_find(shape, key);
		json_t *typed = m ? convert(model_member_shape(m), value, err) : NULL;

		if (!m)
			mc_err_set(err, 0, "there is no '%s' here", key);
		if (!typed)
			return NULL;
		json_object_set_new(object, key, typed);
	}
	return MC_STEAL(object);
}

/* Give what shorthand or JSON said the types of the shape. JSON's own types stay:
 * the service judges them. */
static json_t *convert(const struct model_shape *shape, const json_t *raw, mc_err **err)
{
	switch (model_shape_type(shape)) {
	case MODEL_LIST: return convert_list(shape, raw, err);
	case MODEL_STRUCTURE: return convert_structure(shape, raw, err);
	default: break;
	}
	if (json_is_string(raw))
		return convert_scalar(shape, json_string_value(raw), err);
	return json_deep_copy(raw);
}

static bool is_json(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '{' || *text == '[';
}

static json_t *parse_json(const char *text, mc_err **err)
{
	json_error_t e;
	json_t *raw = json_loads(text, JSON_REJECT_DUPLICATES, &e);

	if (!raw)
		mc_err_set(err, 0, "invalid JSON: %s (line %d, column %d)", e.text, e.line,
			   e.column);
	return raw;
}

/* One word of a structure (or of a list of them). */
static json_t *parse_complex(const struct model_shape *shape, const char *word, mc_err **err)
{
	size_t len;
	mc_autofree char *text = value_bytes(word, &len, err);
	mc_auto_json json_t *raw = NULL;
	const struct model_shape *wrapped = value_wrapped(shape);

	if (!text)
		return NULL;
	if (wrapped && !is_json(text) && strncmp(text, "Value=", 6) != 0) {
		json_t *plain = convert_scalar(wrapped, text, err);

		return plain ? json_pack("{s:o}", "Value", plain) : NULL;
	}
	raw = is_json(text) ? parse_json(text, err) : shorthand_parse(text, err);
	return raw ? convert(shape, raw, err) : NULL;
}

static json_t *parse_scalar(const struct model_shape *shape, const char *word, mc_err **err)
{
	size_t len;
	mc_autofree char *text = value_bytes(word, &len, err);

	if (!text)
		return NULL;
	if (model_shape_type(shape) == MODEL_BLOB)
		return convert_blob(text, len);
	return convert_scalar(shape, text, err);
}

static json_t *parse_word(const struct model_shape *shape, const char *word, mc_err **err)
{
	switch (model_shape_type(shape)) {
	case MODEL_STRUCTURE:
	case MODEL_LIST:
	case MODEL_MAP: return parse_complex(shape, word, err);
	default: return parse_scalar(shape, word, err);
	}
}

/* A list given as one JSON text, itself or in a file. */
static json_t *parse_json_list(const struct model_shape *shape, const char *word, mc_err **err)
{
	size_t len;
	mc_autofree char *text = value_bytes(word, &len, err);
	mc_auto_json json_t *raw = text ? parse_json(text, err) : NULL;

	return raw ? convert(shape, raw, err) : NULL;
}

static bool names_json_list(const char *word)
{
	return word[strspn(word, " \t\r\n")] == '[' || strncmp(word, "file://", 7) == 0;
}

json_t *value_parse(const struct model_shape *shape, char *const *words, size_t n, mc_err **err)
{
	if (model_shape_type(shape) != MODEL_LIST) {
		if (n == 1)
			return parse_word(shape, words[0], err);
		mc_err_set(err, 0, "expected one value");
		return NULL;
	}
	if (n == 1 && names_json_list(words[0]))
		return parse_json_list(shape, words[0], err);

	mc_auto_json json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *value = parse_word(model_shape_element(shape), words[i], err);

		if (!value)
			return NULL;
		json_array_append_new(list, value);
	}
	return MC_STEAL(list);
}
