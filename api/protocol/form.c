#include "api/protocol/form.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

long protocol_form_unescape(const char *text, size_t len, char *out)
{
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			out[o++] = text[i] == '+' ? ' ' : text[i];
			continue;
		}
		if (len - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
			return -1;
		out[o++] = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
		i += 2;
	}
	out[o] = '\0';
	return (long)o;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0 where there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	static const struct { uint8_t low, high, len; uint8_t second_low, second_high; } rows[] = {
		{ 0x01, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf },
		{ 0xe0, 0xe0, 3, 0xa0, 0xbf }, { 0xe1, 0xec, 3, 0x80, 0xbf },
		{ 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf },
		{ 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if (*p < rows[r].low || *p > rows[r].high)
			continue;
		if (rows[r].len > left)
			return 0;
		for (size_t i = 1; i < rows[r].len; i++)
			if (p[i] < (i == 1 ? rows[r].second_low : 0x80) ||
			    p[i] > (i == 1 ? rows[r].second_high : 0xbf))
				return 0;
		return rows[r].len;
	}
	return 0;
}

/* Valid UTF-8 without a NUL? */
static bool text_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence((const unsigned char *)text + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static size_t count_params(const char *text, size_t len)
{
	size_t n = len > 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '&';
	return n;
}

/* Decode one piece to *out and move *out behind it. NULL where it is malformed. */
static const char *decode_piece(const char *text, size_t len, char **out)
{
	char *start = *out;
	long n = protocol_form_unescape(text, len, start);

	if (n < 0 || !text_valid(start, (size_t)n))
		return NULL;
	*out = start + n + 1;
	return start;
}

/* Parse one "name=value" into *param. 0 or -1. */
static int parse_pair(const char *pair, size_t len, char **out, struct protocol_param *param)
{
	const char *equals = memchr(pair, '=', len);
	size_t name_len = equals ? (size_t)(equals - pair) : len;

	param->name = decode_piece(pair, name_len, out);
	param->value = equals ? decode_piece(equals + 1, len - name_len - 1, out) : "";
	return param->name && param->value ? 0 : -1;
}

/* Text of the form's own, chained so that earlier pointers stay valid. */
static char *store_new(struct protocol_form *form, size_t size)
{
	char *block = mc_alloc(sizeof(char *) + size);

	memcpy(block, &form->store, sizeof(char *));
	return block;
}

static int parse_pairs(const char *text, size_t len, char *out, struct protocol_form *form,
		       struct protocol_error *error)
{
	const char *end = text + len;

	while (text < end) {
		const char *amp = memchr(text, '&', (size_t)(end - text));
		const char *stop = amp ? amp : end;

		if (stop > text) {
			if (parse_pair(text, (size_t)(stop - text), &out,
				       &form->params[form->n]) < 0)
				return protocol_error_set(error, 400, "MalformedQueryString",
					"The query string contains a syntax error.");
			form->n++;
		}
		text = stop + 1;
	}
	return 0;
}

int protocol_form_parse(struct protocol_form *form, const char *text, size_t len,
			struct protocol_error *error)
{
	size_t count = count_params(text, len), before = form->n;

	if (count == 0)
		return 0;
	if (form->n + count > PROTOCOL_MAX_PARAMS)
		return protocol_error_set(error, 400, "MalformedQueryString",
			"The request has more than %d parameters.", PROTOCOL_MAX_PARAMS);

	struct protocol_param *grown =
		realloc(form->params, (form->n + count) * sizeof(*grown));
	if (!grown)
		abort();
	form->params = grown;

	/* Each piece gets a NUL: names end at '=' or '&', which it replaces, and one for the last. */
	char *block = store_new(form, len + count + 1);

	if (parse_pairs(text, len, block + sizeof(char *), form, error) < 0) {
		free(block);
		form->n = before;
		return -1;
	}
	form->store = block;
	return 0;
}

const char *protocol_form_get(const struct protocol_form *form, const char *name)
{
	for (size_t i = 0; i < form->n; i++)
		if (strcmp(form->params[i].name, name) == 0)
			return form->params[i].value;
	return NULL;
}

void protocol_form_free(struct protocol_form *form)
{
	while (form->store) {
		char *next;

		memcpy(&next, form->store, sizeof(next));
		free(form->store);
		form->store = next;
	}
	free(form->params);
	form->params = NULL;
	form->n = 0;
}
