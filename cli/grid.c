/* Answers as tables: chosen columns, or what the answer happens to hold. */
#include <string.h>

#include "cli/columns.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/table.h"
#include "common/cleanup.h"
#include "common/fs.h"

#define GENERIC_COLUMNS 8

static void print_rows(const struct column *columns, size_t n, const json_t *rows, enum table_style style,
		       FILE *out)
{
	const char *titles[COLUMNS_MAX];
	char *cells[COLUMNS_MAX];

	for (size_t k = 0; k < n; k++)
		titles[k] = columns[k].title;

	struct table *table = table_new(titles, n);

	for (size_t i = 0; i < json_array_size(rows); i++) {
		for (size_t k = 0; k < n; k++) {
			cells[k] = path_text(json_array_get(rows, i), columns[k].path);
			if (!*cells[k]) {
				free(cells[k]);
				cells[k] = NULL;
			}
		}
		table_add(table, (const char *const *)cells);
		for (size_t k = 0; k < n; k++)
			free(cells[k]);
	}
	table_print(table, style, out);
	table_free(table);
}

static bool any_has(const json_t *rows, const char *path)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (json_object_get(json_array_get(rows, i), path))
			return true;
	return false;
}

static void print_chosen(const struct columns *c, const json_t *doc, enum table_style style, FILE *out)
{
	mc_auto_json json_t *rows = path_all(doc, c->rows);
	struct column shown[COLUMNS_MAX];
	size_t n = 0;

	for (const struct column *column = c->columns; column->title; column++)
		if (*column->path != '?')
			shown[n++] = *column;
		else if (any_has(rows, column->path + 1))
			shown[n++] = (struct column){ column->title, column->path + 1 };
	print_rows(shown, n, rows, style, out);
}

/* Is the value one that fits in a cell: a scalar, or a list of them? */
static bool is_plain(const json_t *value)
{
	if (json_is_array(value))
		return json_array_size(value) && !json_is_object(json_array_get(value, 0)) &&
		       !json_is_array(json_array_get(value, 0));
	return !json_is_object(value);
}

/* The list of objects in an answer, if it has exactly one that matters. */
static const json_t *only_list(const json_t *doc)
{
	const json_t *found = NULL;
	const char *key;
	json_t *value;

	if (json_is_array(doc))
		return doc;
	json_object_foreach((json_t *)doc, key, value)
		if (json_is_array(value) && !is_plain(value)) {
			if (found)
				return NULL;
			found = value;
		}
	return found;
}

/* Rows of unknown objects: their plain members, the first few that any row has. */
static void print_objects(const json_t *rows, enum table_style style, FILE *out)
{
	struct column columns[GENERIC_COLUMNS];
	mc_auto_json json_t *seen = json_object();
	const char *key;
	json_t *value;
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(rows); i++)
		json_object_foreach(json_array_get(rows, i), key, value) {
			if (n == GENERIC_COLUMNS || !is_plain(value) ||
			    json_object_get(seen, key))
				continue;
			json_object_set_new(seen, key, json_null());
			columns[n++] = (struct column){ key, key };
		}
	if (n)
		print_rows(columns, n, rows, style, out);
}

/* Lists of lists, as --query 'X[].[A,B]' makes them: a line each. */
static void print_lists(const json_t *rows, FILE *out)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		output_text(json_array_get(rows, i), out);
}

/* One object: a line for each value, what is nested named by its path. */
static void add_members(struct table *table, const json_t *doc, const char *prefix)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)doc, key, value) {
		mc_autofree char *name = mc_strf("%s%s%s", prefix, *prefix ? "." : "", key);

		if (json_is_object(value)) {
			add_members(table, value, name);
		} else if (is_plain(value)) {
			mc_autofree char *text = path_text(value, "");

			table_add(table, (const char *const[]){ name, text });
		} else if (json_array_size(value)) {
			mc_autofree char *text = json_dumps(value, JSON_COMPACT);

			table_add(table, (const char *const[]){ name, text });
		}
	}
}

static void print_object(const json_t *doc, enum table_style style, FILE *out)
{
	struct table *table = table_new((const char *const[]){ "Key", "Value" }, 2);

	add_members(table, doc, "");
	table_print(table, style, out);
	table_free(table);
}

/* A long text is worth more as it is than in a cell. */
static bool print_document(const json_t *doc, FILE *out)
{
	static const char *const keys[] = { "Output", "KeyMaterial" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(keys); i++) {
		const char *text = json_string_value(json_object_get(doc, keys[i]));

		if (!text)
			continue;
		fputs(text, out);
		if (!*text || text[strlen(text) - 1] != '\n')
			fputc('\n', out);
		return true;
	}
	return false;
}

void output_table(const char *operation, const json_t *doc, enum table_style style, FILE *out)
{
	const struct columns *chosen = operation ? columns_find(operation) : NULL;
	const json_t *list = only_list(doc);

	if (chosen)
		print_chosen(chosen, doc, style, out);
	else if (list && json_is_object(json_array_get(list, 0)))
		print_objects(list, style, out);
	else if (list && json_is_array(json_array_get(list, 0)))
		print_lists(list, out);
	else if (!json_is_object(doc))
		output_text(doc, out);
	else if (!print_document(doc, out))
		print_object(doc, style, out);
}
