#include "cli/help.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/convenience.h"
#include "cli/option.h"
#include "cli/request.h"
#include "cli/value.h"

#define WIDTH 88
#define MAX_VALUES 8

void help_wrap(FILE *out, const char *text, unsigned indent, unsigned width)
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

static const char *type_name(const struct model_shape *shape)
{
	static const char *const names[MODEL_TYPE_MAX] = {
		[MODEL_STRUCTURE] = "Key=Value,...|JSON", [MODEL_MAP] = "JSON",
		[MODEL_STRING] = "TEXT",	[MODEL_INTEGER] = "N",
		[MODEL_LONG] = "N",		[MODEL_BOOLEAN] = "true|false",
		[MODEL_FLOAT] = "NUMBER",	[MODEL_DOUBLE] = "NUMBER",
		[MODEL_TIMESTAMP] = "TIME",	[MODEL_BLOB] = "fileb://PATH|TEXT",
	};
	const struct model_shape *wrapped = value_wrapped(shape);

	return names[model_shape_type(wrapped ? wrapped : shape)];
}

static void show_fields(FILE *out, const struct model_shape *shape)
{
	fputs("      keys:", out);
	for (size_t i = 0; i < model_shape_members(shape); i++)
		fprintf(out, "%s %s", i ? "," : "", model_member_name(model_shape_member(shape, i)));
	fputc('\n', out);
}

static void show_values(FILE *out, const struct model_shape *shape)
{
	size_t n = model_shape_enums(shape);

	if (n == 0)
		return;
	fputs("      one of:", out);
	for (size_t i = 0; i < n && i < MAX_VALUES; i++)
		fprintf(out, " %s", model_shape_enum(shape, i));
	fputs(n > MAX_VALUES ? " ...\n" : "\n", out);
}

static void show_member(FILE *out, const struct model_member *m)
{
	const struct model_shape *shape = model_member_shape(m);
	const struct model_shape *element = model_shape_element(shape);
	char name[NAME_MAX_LEN], no[NAME_MAX_LEN];

	option_name(m, false, name);
	option_name(m, true, no);
	if (option_is_switch(m))
		fprintf(out, "  --%s | --%s", name, no);
	else if (model_shape_type(shape) == MODEL_LIST)
		fprintf(out, "  --%s %s ...", name, type_name(element));
	else
		fprintf(out, "  --%s %s", name, type_name(shape));
	fputs(model_member_required(m) && !model_member_token(m) ? "  (required)\n" : "\n", out);
	help_wrap(out, model_member_doc(m), 6, WIDTH);
	if (element && model_shape_members(element))
		show_fields(out, element);
	else if (model_shape_members(shape) && !value_wrapped(shape))
		show_fields(out, shape);
	show_values(out, element ? element : shape);
}

void request_help(const struct model_operation *op, FILE *out)
{
	const struct model_shape *input = model_operation_input(op);
	char name[NAME_MAX_LEN];

	name_kebab(model_operation_name(op), name);
	fprintf(out, "minicloud %s [options]\n\n", name);
	help_wrap(out, model_operation_doc(op), 0, WIDTH);
	fputs("\nOptions:\n", out);
	for (const struct convenience *c = convenience_rows(); c->operation; c++) {
		if (!convenience_applies(c, name))
			continue;
		fprintf(out, "  --%s%s%s\n", c->option, *c->value ? " " : "", c->value);
		help_wrap(out, c->help, 6, WIDTH);
	}
	for (size_t i = 0; i < model_shape_members(input); i++) {
		const struct model_member *m = model_shape_member(input, i);

		if (!convenience_covers(name, model_member_name(m)))
			show_member(out, m);
	}
	fputs("  --cli-input-json JSON\n      The whole request as a JSON document.\n", out);
	fprintf(out, "\nFor all commands:\n%s", cli_options_help);
	fputs("\nA value may be file://PATH (text) or fileb://PATH (bytes).\n", out);
}
