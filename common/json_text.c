#include "common/json_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 64

/* What is unusual makes the whole text jansson's: a reader returns NULL or false then. */
struct reader {
	const char *at, *end;
	int depth;
};

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool read_plain(struct reader *r, const char **ret_text, size_t *ret_len)
{
	const char *from;

	if (!take(r, '"'))
		return false;
	from = r->at;
	while (r->at < r->end && is_plain(*r->at))
		r->at++;
	*ret_text = from;
	*ret_len = (size_t)(r->at - from);
	return take(r, '"');
}

static json_t *read_string(struct reader *r)
{
	const char *text;
	size_t len;

	return read_plain(r, &text, &len) ? json_stringn_nocheck(text, len) : NULL;
}

static bool is_digit(const struct reader *r)
{
	return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static json_t *read_integer(struct reader *r)
{
	bool negative = take(r, '-');
	const char *from = r->at;
	json_int_t n = 0;

	for (; is_digit(r); r->at++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *r->at - '0', &n))
			return NULL;
	if (r->at == from || (*from == '0' && (r->at - from > 1 || negative)))
		return NULL;
	if (r->at < r->end && strchr(".eE", *r->at)) /* a real */
		return NULL;
	return json_integer(negative ? -n : n);
}

static json_t *read_word(struct reader *r, const char *word, json_t *value)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return NULL;
	r->at += n;
	return value;
}

static json_t *read_value(struct reader *r);

static json_t *read_array(struct reader *r)
{
	json_t *array = json_array();
	bool good;

	r->at++;
	if (take(r, ']'))
		return array;
	do
		good = json_array_append_new(array, read_value(r)) == 0; /* not of NULL */
	while (good && take(r, ','));
	if (good && take(r, ']'))
		return array;
	json_decref(array);
	return NULL;
}

static bool read_member(struct reader *r, json_t *object)
{
	const char *key;
	size_t len;

	return read_plain(r, &key, &len) && take(r, ':') &&
	       json_object_setn_new_nocheck(object, key, len, read_value(r)) == 0;
}

static json_t *read_object(struct reader *r)
{
	json_t *object = json_object();
	bool good;

	r->at++;
	if (take(r, '}'))
		return object;
	do
		good = read_member(r, object);
	while (good && take(r, ','));
	if (good && take(r, '}'))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *read_nested(struct reader *r)
{
	json_t *value;

	if (r->depth == DEPTH_MAX)
		return NULL;
	r->depth++;
	value = *r->at == '{' ? read_object(r) : read_array(r);
	r->depth--;
	return value;
}

static json_t *read_value(struct reader *r)
{
	switch (r->at < r->end ? *r->at : '\0') {
	case '{':
	case '[':
		return read_nested(r);
	case '"':
		return read_string(r);
	case 't':
		return read_word(r, "true", json_true());
	case 'f':
		return read_word(r, "false", json_false());
	case 'n':
		return read_word(r, "null", json_null());
	default:
		return read_integer(r);
	}
}

json_t *mc_json_text(const char *text, size_t len)
{
	struct reader r = { text, text + len, 0 };
	json_t *value = read_value(&r);

	if (value && r.at == r.end)
		return value;
	json_decref(value);
	return json_loadb(text, len, JSON_DECODE_ANY, NULL);
}
