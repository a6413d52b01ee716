#include "hypervisor/xml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"

#define MAX_DEPTH 128 /* a disk's chain is an element within an element for each file */

struct xml {
	FILE *out;
	char *text;
	size_t len;
	const char *open[MAX_DEPTH];
	int depth;
};

struct xml *xml_new(void)
{
	struct xml *x = mc_alloc(sizeof(*x));

	x->out = open_memstream(&x->text, &x->len);
	if (!x->out)
		abort();
	return x;
}

void xml_free(struct xml *x)
{
	if (!x)
		return;
	fclose(x->out);
	free(x->text);
	free(x);
}

static const char *entity(char c)
{
	switch (c) {
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '&': return "&amp;";
	case '\'': return "&apos;";
	case '"': return "&quot;";
	default: return NULL;
	}
}

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		const char *e = entity(*text);

		if (e)
			fputs(e, out);
		else if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t')
			fputc(*text, out);
	}
}

static void put_tag(struct xml *x, const char *name, va_list attributes)
{
	const char *key;

	fprintf(x->out, "%*s<%s", 2 * x->depth, "", name);
	while ((key = va_arg(attributes, const char *))) {
		const char *value = va_arg(attributes, const char *);

		if (!value)
			continue;
		fprintf(x->out, " %s='", key);
		put_escaped(x->out, value);
		fputc('\'', x->out);
	}
}

void xml_begin(struct xml *x, const char *name, ...)
{
	va_list attributes;

	assert(x->depth < MAX_DEPTH);
	va_start(attributes, name);
	put_tag(x, name, attributes);
	va_end(attributes);
	fputs(">\n", x->out);
	x->open[x->depth++] = name;
}

void xml_end(struct xml *x)
{
	assert(x->depth > 0);
	x->depth--;
	fprintf(x->out, "%*s</%s>\n", 2 * x->depth, "", x->open[x->depth]);
}

void xml_empty(struct xml *x, const char *name, ...)
{
	va_list attributes;

	va_start(attributes, name);
	put_tag(x, name, attributes);
	va_end(attributes);
	fputs("/>\n", x->out);
}

void xml_leaf(struct xml *x, const char *name, const char *text, ...)
{
	va_list attributes;

	va_start(attributes, text);
	put_tag(x, name, attributes);
	va_end(attributes);
	fputc('>', x->out);
	put_escaped(x->out, text);
	fprintf(x->out, "</%s>\n", name);
}

char *xml_finish(struct xml *x)
{
	char *text;

	while (x->depth > 0)
		xml_end(x);
	fclose(x->out);
	text = x->text;
	free(x);
	return text;
}
