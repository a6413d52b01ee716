#include "cli/shorthand.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define MAX_DEPTH 16

struct parser {
	const char *text, *at;
	unsigned depth;
	mc_err **err;
};

static json_t *parse_value(struct parser *p, const char *stop);
static json_t *parse_pairs(struct parser *p, char close);

static json_t *wrong(struct parser *p, const char *expected)
{
	mc_err_set(p->err, 0, "expected %s at character %zu of '%s'", expected,
		   (size_t)(p->at - p->text) + 1, p->text);
	return NULL;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t\n\r");
}

static size_t key_length(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.#/:");
}

/* Does "Key=" begin here, so that this is no further value of a list? */
static bool at_key(const char *text)
{
	text += strspn(text, " \t\n\r");

	size_t len = key_length(text);

	return len > 0 && text[len] == '=';
}

static json_t *parse_quoted(struct parser *p)
{
	char quote = *p->at++;
	mc_autofree char *out = mc_alloc(strlen(p->at) + 1);
	size_t n = 0;

	while (*p->at && *p->at != quote) {
		if (*p->at == '\\' && (p->at[1] == quote || p->at[1] == '\\'))
			p->at++;
		out[n++] = *p->at++;
	}
	if (*p->at != quote)
		return wrong(p, "a closing quote");
	p->at++;
	return json_stringn(out, n);
}

static json_t *parse_word(struct parser *p, const char *stop)
{
	mc_autofree char *out = mc_alloc(strlen(p->at) + 1);
	size_t n = 0;

	while (*p->at && !strchr(stop, *p->at)) {
		if (*p->at == '\\' && p->at[1] == ',')
			p->at++;
		out[n++] = *p->at++;
	}

	json_t *text = json_stringn(out, n);

	return text ? text : wrong(p, "UTF-8 text");
}

/* "[a,b]", the bracket just passed. */
static json_t *parse_list(struct parser *p)
{
	mc_auto_json json_t *list = json_array();

	skip_blanks(p);
	if (*p->at == ']') {
		p->at++;
		return MC_STEAL(list);
	}
	for (;;) {
		json_t *value = parse_value(p, ",]");

		if (!value)
			return NULL;
		json_array_append_new(list, value);
		skip_blanks(p);
		if (*p->at != ',' && *p->at != ']')
			return wrong(p, "',' or ']'");
		if (*p->at++ == ']')
			return MC_STEAL(list);
	}
}

static json_t *parse_value(struct parser *p, const char *stop)
{
	json_t *value;

	skip_blanks(p);
	if (*p->at == '\'' || *p->at == '"')
		return parse_quoted(p);
	if (*p->at != '[' && *p->at != '{')
		return parse_word(p, stop);
	if (++p->depth > MAX_DEPTH)
		return wrong(p, "less nesting");
	value = *p->at++ == '[' ? parse_list(p) : parse_pairs(p, '}');
	p->depth--;
	return value;
}

/* The value of a key: one, or several with commas between. */
static json_t *parse_values(struct parser *p, char close)
{
	const char stop[] = { ',', close, '\0' };
	mc_auto_json json_t *first = parse_value(p, stop), *list = NULL;

	while (first && *p->at == ',' && p->at[1] && !at_key(p->at + 1)) {
		p->at++;
		if (!list)
			list = json_pack("[O]", first);

		json_t *next = parse_value(p, stop);

		if (!next)
			return NULL;
		json_array_append_new(list, next);
	}
	return list ? MC_STEAL(list) : MC_STEAL(first);
}

static int parse_pair(struct parser *p, char close, json_t *object)
{
	skip_blanks(p);

	size_t len = key_length(p->at);
	mc_autofree char *key = mc_strf("%.*s", (int)len, p->at);

	if (len == 0 || p->at[len] != '=') {
		wrong(p, "Key=Value");
		return -1;
	}
	if (json_object_get(object, key))
		return mc_err_set(p->err, 0, "'%s' is there twice in '%s'", key, p->text);
	p->at += len + 1;

	json_t *value = parse_values(p, close);

	if (!value)
		return -1;
	json_object_set_new(object, key, value);
	return 0;
}

/* "a=b,c=d" up to close ('\0' or '}', which is passed). */
static json_t *parse_pairs(struct parser *p, char close)
{
	mc_auto_json json_t *object = json_object();

	for (;;) {
		if (parse_pair(p, close, object) < 0)
			return NULL;
		skip_blanks(p);
		if (*p->at == close)
			break;
		if (*p->at != ',')
			return wrong(p, close ? "',' or '}'" : "','");
		p->at++;
	}
	if (close)
		p->at++;
	return MC_STEAL(object);
}

json_t *shorthand_parse(const char *text, mc_err **err)
{
	struct parser p = { .text = text, .at = text, .err = err };

	return parse_pairs(&p, '\0');
}
