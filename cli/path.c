#include "cli/path.h"

#include <stdio.h>
#include <string.h>

#include "api/protocol/buffer.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static void collect(const json_t *value, const char *path, json_t *out)
{
	if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++)
			collect(json_array_get(value, i), path, out);
		return;
	}
	if (!*path) {
		if (value && !json_is_null(value))
			json_array_append(out, (json_t *)value);
		return;
	}

	size_t len = strcspn(path, ".");
	mc_autofree char *key = mc_strf("%.*s", (int)len, path);

	collect(json_object_get(value, key), path + len + (path[len] == '.'), out);
}

json_t *path_all(const json_t *doc, const char *path)
{
	json_t *out = json_array();

	collect(doc, path, out);
	return out;
}

char *path_scalar(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING: return mc_strdup(json_string_value(value));
	case JSON_INTEGER: return mc_strf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	case JSON_REAL: return mc_strf("%.15g", json_real_value(value));
	case JSON_TRUE: return mc_strdup("true");
	case JSON_FALSE: return mc_strdup("false");
	default: return mc_strdup("");
	}
}

static char *tag_text(const json_t *tags, const char *key)
{
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const json_t *tag = json_array_get(tags, i);

		if (strcmp(mc_json_str(tag, "Key", ""), key) == 0)
			return mc_strdup(mc_json_str(tag, "Value", ""));
	}
	return mc_strdup("");
}

char *path_text(const json_t *doc, const char *path)
{
	const char *colon = strchr(path, ':');
	struct buffer out = { 0 };

	if (colon) {
		mc_autofree char *list = mc_strf("%.*s", (int)(colon - path), path);

		return tag_text(json_object_get(doc, list), colon + 1);
	}

	mc_auto_json json_t *all = path_all(doc, path);

	for (size_t i = 0; i < json_array_size(all); i++) {
		mc_autofree char *text = path_scalar(json_array_get(all, i));

		if (!*text)
			continue;
		if (out.len)
			buffer_text(&out, ",");
		buffer_text(&out, text);
	}
	return buffer_take(&out, NULL);
}
