/* The AWS CLI's text form: one line per object with its scalars in the order of their
 * keys, the objects inside it on lines of their own that begin with their key. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/path.h"
#include "common/cleanup.h"

static void print_value(const json_t *value, const char *key, const json_t *columns, FILE *out);

static bool is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

static void print_key(const char *key, FILE *out)
{
	for (; *key; key++)
		fputc(toupper((unsigned char)*key), out);
}

/* Scalars are written as Python writes them, since scripts compare with that. */
static void print_scalar(const json_t *value, FILE *out)
{
	if (!value)
		return;
	if (json_is_boolean(value)) {
		fputs(json_is_true(value) ? "True" : "False", out);
	} else if (json_is_null(value)) {
		fputs("None", out);
	} else {
		mc_autofree char *text = path_scalar(value);

		fputs(text, out);
	}
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The object's keys, sorted; *ret_n of them. The caller frees the array. */
static const char **sorted_keys(const json_t *object, size_t *ret_n)
{
	const char **keys = calloc(json_object_size(object) + 1, sizeof(*keys));
	const char *key;
	json_t *value;
	size_t n = 0;

	if (!keys)
		abort();
	json_object_foreach((json_t *)object, key, value)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	*ret_n = n;
	return keys;
}

/* The keys that are scalars in any of the objects, as an object with those keys. */
static json_t *scalar_columns(const json_t *objects)
{
	json_t *columns = json_object();
	const char *key;
	json_t *value;

	for (size_t i = 0; i < json_array_size(objects); i++)
		json_object_foreach(json_array_get(objects, i), key, value)
			if (is_scalar(value))
				json_object_set_new(columns, key, json_null());
	return columns;
}

static void print_scalars(const json_t *object, const char *key, const json_t *columns, FILE *out)
{
	size_t n;
	mc_autofree const char **keys = sorted_keys(columns ? columns : object, &n);
	const char *separator = "";

	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, keys[i]);

		if (!columns && !is_scalar(value))
			continue;
		if (!*separator && key)
			print_key(key, out);
		fputs(!*separator && !key ? "" : "\t", out);
		print_scalar(value, out);
		separator = "\t";
	}
	if (*separator)
		fputc('\n', out);
}

static void print_object(const json_t *object, const char *key, const json_t *columns, FILE *out)
{
	size_t n;
	mc_autofree const char **keys = sorted_keys(object, &n);

	print_scalars(object, key, columns, out);
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, keys[i]);

		if (!(columns ? json_object_get(columns, keys[i]) != NULL : is_scalar(value)))
			print_value(value, keys[i], NULL, out);
	}
}

static bool any_of(const json_t *list, json_type type)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_typeof(json_array_get(list, i)) == type)
			return true;
	return false;
}

static void print_scalar_list(const json_t *list, const char *key, FILE *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (key)
			print_key(key, out);
		fputs(key || i ? "\t" : "", out);
		print_scalar(json_array_get(list, i), out);
		if (key)
			fputc('\n', out);
	}
	if (!key)
		fputc('\n', out);
}

/* Lists inside a list: the scalars beside them come first. */
static void print_mixed_list(const json_t *list, const char *key, FILE *out)
{
	mc_auto_json json_t *scalars = json_array();

	for (size_t i = 0; i < json_array_size(list); i++)
		if (is_scalar(json_array_get(list, i)))
			json_array_append(scalars, json_array_get(list, i));
	if (json_array_size(scalars))
		print_scalar_list(scalars, key, out);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!is_scalar(json_array_get(list, i)))
			print_value(json_array_get(list, i), key, NULL, out);
}

static void print_list(const json_t *list, const char *key, FILE *out)
{
	if (json_array_size(list) == 0)
		return;
	if (!any_of(list, JSON_OBJECT) && !any_of(list, JSON_ARRAY)) {
		print_scalar_list(list, key, out);
		return;
	}

	if (!any_of(list, JSON_OBJECT)) {
		print_mixed_list(list, key, out);
		return;
	}

	mc_auto_json json_t *columns = scalar_columns(list);

	for (size_t i = 0; i < json_array_size(list); i++)
		print_value(json_array_get(list, i), key, columns, out);
}

static void print_value(const json_t *value, const char *key, const json_t *columns, FILE *out)
{
	if (json_is_object(value)) {
		print_object(value, key, columns, out);
	} else if (json_is_array(value)) {
		print_list(value, key, out);
	} else {
		print_scalar(value, out);
		fputc('\n', out);
	}
}

void output_text(const json_t *value, FILE *out)
{
	print_value(value, NULL, NULL, out);
}
