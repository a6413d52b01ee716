#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "common/cleanup.h"
#include "common/fs.h"

struct table {
	char **cells; /* row after row, the titles first */
	size_t columns, rows, room;
	bool *right; /* by column */
};

static const struct {
	const char *state, *color;
} colors[] = {
	{ "running", "\033[32m" },	{ "available", "\033[32m" },  { "active", "\033[32m" },
	{ "completed", "\033[32m" },	{ "attached", "\033[32m" },   { "in-use", "\033[32m" },
	{ "ok", "\033[32m" },		{ "passed", "\033[32m" },     { "pending", "\033[33m" },
	{ "stopping", "\033[33m" },	{ "shutting-down", "\033[33m" }, { "creating", "\033[33m" },
	{ "initializing", "\033[33m" },	{ "deleting", "\033[33m" },   { "attaching", "\033[33m" },
	{ "stopped", "\033[36m" },	{ "terminated", "\033[31m" }, { "failed", "\033[31m" },
	{ "associated", "\033[32m" },	{ "pending-acceptance", "\033[33m" }, { "provisioning", "\033[33m" },
	{ "detaching", "\033[33m" },	{ "deregistered", "\033[31m" }, { "rejected", "\033[31m" },
	{ "expired", "\033[31m" },	{ "blackhole", "\033[31m" },  { "warning", "\033[33m" },
	{ "info", "\033[36m" },
	{ "error", "\033[31m" },	{ "impaired", "\033[31m" },   { "deleted", "\033[31m" },
};

/* A name or tag must not steer the terminal. */
static char *harmless(const char *text)
{
	char *out = mc_strdup(text ? text : "-");

	for (unsigned char *p = (unsigned char *)out; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			memcpy(p, "??", 2); /* C1 control characters */
	}
	return out;
}

static void add_cells(struct table *t, const char *const *cells)
{
	if (t->rows == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->cells = realloc(t->cells, t->room * t->columns * sizeof(char *));
		if (!t->cells)
			abort();
	}
	for (size_t i = 0; i < t->columns; i++)
		t->cells[t->rows * t->columns + i] = harmless(cells[i]);
	t->rows++;
}

struct table *table_new(const char *const *titles, size_t n)
{
	struct table *t = mc_alloc(sizeof(*t));

	t->columns = n;
	t->right = mc_alloc((n + 1) * sizeof(*t->right));
	add_cells(t, titles);
	return t;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->right);
	free(table);
}

void table_right(struct table *table, size_t column)
{
	table->right[column] = true;
}

void table_add(struct table *table, const char *const *cells)
{
	add_cells(table, cells);
}

/* Columns a text takes on the terminal; its characters where the locale cannot say. */
static size_t display_width(const char *text)
{
	wchar_t wide[1024];
	size_t n = mbstowcs(wide, text, MC_ARRAY_SIZE(wide));
	int width = n < MC_ARRAY_SIZE(wide) ? wcswidth(wide, n) : -1;
	size_t characters = 0;

	if (width >= 0)
		return (size_t)width;
	for (; *text; text++)
		characters += ((unsigned char)*text & 0xc0) != 0x80;
	return characters;
}

const char *table_color(const char *text)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(colors); i++)
		if (strcmp(colors[i].state, text) == 0)
			return colors[i].color;
	return NULL;
}

static void print_cell(const char *text, const char *start, FILE *out)
{
	fprintf(out, "%s%s%s", start ? start : "", text, start ? "\033[0m" : "");
}

static void print_row(const struct table *t, size_t row, const size_t *widths, bool color, FILE *out)
{
	for (size_t k = 0; k < t->columns; k++) {
		const char *text = t->cells[row * t->columns + k];
		int pad = (int)(widths[k] - display_width(text));
		bool last = k + 1 == t->columns;

		fprintf(out, "%*s", t->right[k] ? pad : 0, "");
		print_cell(text, !color ? NULL : row == 0 ? "\033[1m" : table_color(text), out);
		fprintf(out, "%*s", last ? 0 : t->right[k] ? 2 : pad + 2, "");
	}
	fputc('\n', out);
}

static void print_csv_cell(const char *text, FILE *out)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(strcmp(text, "-") == 0 ? "" : text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, "%s%c", *text == '"' ? "\"" : "", *text);
	fputc('"', out);
}

static void print_csv(const struct table *t, FILE *out)
{
	for (size_t i = 0; i < t->rows * t->columns; i++) {
		print_csv_cell(t->cells[i], out);
		fputs((i + 1) % t->columns ? "," : "\r\n", out);
	}
}

void table_print(const struct table *table, enum table_style style, FILE *out)
{
	bool color = style == TABLE_COLOR;
	mc_autofree size_t *widths = mc_alloc((table->columns + 1) * sizeof(*widths));

	if (style == TABLE_CSV) {
		print_csv(table, out);
		return;
	}
	for (size_t i = 0; i < table->rows * table->columns; i++) {
		size_t width = display_width(table->cells[i]), column = i % table->columns;

		if (width > widths[column])
			widths[column] = width;
	}
	for (size_t row = 0; row < table->rows; row++)
		print_row(table, row, widths, color, out);
}
