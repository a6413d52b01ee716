#include "cli/manual.h"

#include <ctype.h>
#include <string.h>
#include <wchar.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/fs.h"

#define WIDTH 88
#define INDENT 6

void manual_wrap(FILE *out, const char *text, unsigned indent, unsigned width)
{
	unsigned column = 0;

	while (*(text += strspn(text, " \n"))) {
		unsigned len = (unsigned)strcspn(text, " \n");

		if (column && column + 1 + len > width) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = (unsigned)fprintf(out, "%*s", (int)indent, "");
		else
			column += (unsigned)fprintf(out, " ");
		column += (unsigned)fprintf(out, "%.*s", (int)len, text);
		text += len;
	}
	fputc('\n', out);
}

/* The UTF-8 character of these bytes, as groff names it. The bytes it takes. */
static size_t put_unicode(FILE *out, const char *text, size_t len)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, text, len, &state);

	if (n == 0 || n > len)
		return 1;
	fprintf(out, "\\[u%04X]", (unsigned)c);
	return n;
}

/* Text that nroff shows as it is; a minus that can be copied. */
static void put_roff(FILE *out, const char *text, size_t len)
{
	bool begin = true;

	for (size_t i = 0; i < len;) {
		if (begin && (text[i] == '.' || text[i] == '\''))
			fputs("\\&", out);
		begin = text[i] == '\n';
		if ((unsigned char)text[i] >= 0x80) {
			i += put_unicode(out, text + i, len - i);
			continue;
		}
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else
			fputc(text[i], out);
		i++;
	}
}

static void roff_line(FILE *out, const char *macro, const char *text)
{
	fprintf(out, ".%s ", macro);
	for (const char *c = text; *c; c++) {
		if (*c == '"')
			fputs("\\(dq", out);
		else
			put_roff(out, c, 1);
	}
	fputc('\n', out);
}

static void roff_heading(FILE *out, const char *text)
{
	fputs(".SH ", out);
	for (const char *c = text; *c; c++)
		fputc(toupper((unsigned char)*c), out);
	fputc('\n', out);
}

char *manual_page(const char *name)
{
	char *page = mc_strf("minicloud%s%s", *name ? "-" : "", name);

	for (char *c = page; *c; c++)
		*c = *c == ' ' ? '-' : *c;
	return page;
}

static void roff_title(const struct manual *m, const char *name, const char *synopsis, const char *summary)
{
	mc_autofree char *page = manual_page(name ? name : "");

	fprintf(m->out, ".TH \"");
	for (const char *c = page; *c; c++)
		fputc(toupper((unsigned char)*c), m->out);
	fprintf(m->out, "\" 1 \"\" \"minicloud %s\" \"minicloud\"\n.nh\n.ad l\n.SH NAME\n%s \\- ", MC_VERSION, page);
	put_roff(m->out, summary, strcspn(summary, "\n"));
	fputs("\n", m->out);
	roff_heading(m->out, "Synopsis");
	roff_line(m->out, "B", synopsis);
	roff_heading(m->out, "Description");
}

void manual_title(const struct manual *m, const char *name, const char *synopsis, const char *summary)
{
	if (m->roff) {
		roff_title(m, name, synopsis, summary);
	} else {
		fprintf(m->out, "%s\n", synopsis);
		if (*summary) {
			fputc('\n', m->out);
			manual_wrap(m->out, summary, 0, WIDTH);
		}
	}
}

void manual_heading(const struct manual *m, const char *text)
{
	if (m->roff)
		roff_heading(m->out, text);
	else
		fprintf(m->out, "\n%s:\n", text);
}

static void put_paragraph(const struct manual *m, const char *text, size_t len)
{
	mc_autofree char *copy = mc_strf("%.*s", (int)len, text);

	if (m->roff) {
		fputs(".PP\n", m->out);
		put_roff(m->out, copy, len);
		fputc('\n', m->out);
	} else {
		fputc('\n', m->out);
		manual_wrap(m->out, copy, 0, WIDTH);
	}
}

void manual_text(const struct manual *m, const char *text)
{
	while (text && *text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);

		put_paragraph(m, text, len);
		text += len + (end ? 2 : 0);
	}
}

void manual_item(const struct manual *m, const char *term, const char *text, const char *more)
{
	if (!m->roff) {
		fprintf(m->out, "  %s\n", term);
		if (text && *text)
			manual_wrap(m->out, text, INDENT, WIDTH);
		if (more && *more)
			manual_wrap(m->out, more, INDENT, WIDTH);
		return;
	}
	fputs(".TP\n", m->out);
	roff_line(m->out, "B", term);
	put_roff(m->out, text ? text : "", text ? strlen(text) : 0);
	if (text && *text)
		fputc('\n', m->out);
	if (more && *more) {
		fputs(".br\n", m->out);
		put_roff(m->out, more, strlen(more));
		fputc('\n', m->out);
	}
}

void manual_example(const struct manual *m, const char *line)
{
	if (!m->roff) {
		fprintf(m->out, "  %s\n", line);
		return;
	}
	fputs(".PP\n.nf\n.RS\n", m->out);
	put_roff(m->out, line, strlen(line));
	fputs("\n.RE\n.fi\n", m->out);
}
