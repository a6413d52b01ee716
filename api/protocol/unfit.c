#include "api/protocol/unfit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define SHOWN 100 /* bytes of a refused value */

/* "parameterFilters.1.member.key" of "ParameterFilters.1.Key". */
static void put_path(FILE *out, const struct query_path *path)
{
	for (const char *at = query_path_text(path); *at;) {
		size_t n = strcspn(at, ".");

		if (*at >= '0' && *at <= '9')
			fprintf(out, "%.*s.member", (int)n, at);
		else if (n > 0)
			fprintf(out, "%c%.*s", *at >= 'A' && *at <= 'Z' ? *at | 0x20 : *at, (int)n - 1, at + 1);
		at += n;
		if (*at == '.')
			fputc(*at++, out);
	}
}

static void put_text(FILE *out, const char *text)
{
	size_t n = strnlen(text, SHOWN);

	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) /* inside a character */
		n--;
	fprintf(out, "%.*s", (int)n, text);
}

static void put_value(FILE *out, const json_t *value)
{
	if (json_is_string(value))
		put_text(out, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%g", json_real_value(value));
	if (!json_is_array(value))
		return;
	fputc('[', out);
	for (size_t i = 0; i < json_array_size(value) && ftell(out) < SHOWN; i++) {
		if (i)
			fputs(", ", out);
		put_value(out, json_array_get(value, i));
	}
	fputc(']', out);
}

int unfit(struct protocol_error *error, const struct query_path *path, const json_t *value, const char *constraint)
{
	mc_autofree char *where = NULL, *shown = NULL;
	size_t len;
	FILE *out = open_memstream(&where, &len);

	if (!out)
		abort();
	put_path(out, path);
	fclose(out);
	out = open_memstream(&shown, &len);
	if (!out)
		abort();
	put_value(out, value);
	fclose(out);
	return protocol_error_set(error, 400, "ValidationException",
				  "1 validation error detected: Value %s%s%s at '%s' failed to satisfy constraint: Member must %s",
				  value ? "'" : "null", shown, value ? "'" : "", where, constraint);
}

int unfit_bound(struct protocol_error *error, const struct query_path *path, const json_t *value, const char *of,
		bool over, double bound)
{
	char constraint[80];

	snprintf(constraint, sizeof(constraint), "have %s %s than or equal to %lld", of, over ? "less" : "greater",
		 (long long)bound);
	return unfit(error, path, value, constraint);
}

int unfit_enum(struct protocol_error *error, const struct query_path *path, const json_t *value,
	       const struct model_shape *shape)
{
	mc_autofree char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	fputs("satisfy enum value set: [", out);
	for (size_t i = 0; i < model_shape_enums(shape); i++)
		fprintf(out, "%s%s", i ? ", " : "", model_shape_enum(shape, i));
	fputc(']', out);
	fclose(out);
	return unfit(error, path, value, text);
}
