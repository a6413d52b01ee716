#include "api/protocol/buffer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST 4096

void buffer_room(struct buffer *b, size_t more)
{
	size_t want = b->len + more + 1, size = b->size ? b->size : BUFFER_FIRST;

	if (want <= b->size)
		return;
	while (size < want)
		size *= 2;
	b->data = realloc(b->data, size);
	if (!b->data)
		abort();
	b->size = size;
}

void buffer_add(struct buffer *b, const void *data, size_t len)
{
	buffer_room(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void buffer_text(struct buffer *b, const char *text)
{
	buffer_add(b, text, strlen(text));
}

void buffer_texts(struct buffer *b, ...)
{
	va_list args;
	const char *text;

	va_start(args, b);
	while ((text = va_arg(args, const char *)))
		buffer_text(b, text);
	va_end(args);
}

/* What stands for this byte in XML, NULL for itself. A carriage return must be a
 * reference, or the parser turns it into a line feed. */
static const char *xml_replacement(unsigned char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\r': return "&#xD;";
	case '\t':
	case '\n': return NULL;
	default: return c < 0x20 ? "\xef\xbf\xbd" : NULL;
	}
}

/* U+FFFE and U+FFFF (EF BF BE/BF) are no XML characters. */
static int is_noncharacter(const char *p, size_t left)
{
	return left >= 3 && memcmp(p, "\xef\xbf", 2) == 0 && (unsigned char)p[2] >= 0xbe;
}

void buffer_xml(struct buffer *b, const char *text, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		const char *r = xml_replacement((unsigned char)text[i]);
		size_t width = 1;

		if (!r && is_noncharacter(text + i, len - i)) {
			r = "\xef\xbf\xbd";
			width = 3;
		}
		if (!r)
			continue;
		buffer_add(b, text + start, i - start);
		buffer_text(b, r);
		i += width - 1;
		start = i + 1;
	}
	buffer_add(b, text + start, len - start);
}

char *buffer_take(struct buffer *b, size_t *ret_len)
{
	char *data;

	buffer_room(b, 0);
	data = b->data;
	data[b->len] = '\0';
	if (ret_len)
		*ret_len = b->len;
	*b = (struct buffer){ 0 };
	return data;
}

void buffer_deinit(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
