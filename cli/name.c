#include "cli/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"

/* "ARNs", "IDs" at the end count as one word of their own. */
static size_t plural_start(const char *name, size_t len)
{
	size_t start = len;

	if (len < 3 || name[len - 1] != 's')
		return len;
	for (start = len - 1; start > 0 && isupper((unsigned char)name[start - 1]); start--)
		;
	return len - 1 - start >= 2 ? start : len;
}

void name_kebab(const char *name, char out[NAME_MAX_LEN])
{
	size_t len = strlen(name), plural = plural_start(name, len), o = 0;

	for (size_t i = 0; i < len && o + 2 < NAME_MAX_LEN; i++) {
		unsigned char c = (unsigned char)name[i], next = (unsigned char)name[i + 1];
		unsigned char before = i ? (unsigned char)name[i - 1] : 0;
		bool word = i && i < plural && isupper(c) &&
			    (islower(next) || islower(before) || isdigit(before));

		if (word || (i && i == plural))
			out[o++] = '-';
		out[o++] = (char)tolower(c);
	}
	out[o] = '\0';
}

const struct model_operation *name_operation(const struct model_service *service,
					     const char *kebab)
{
	char name[NAME_MAX_LEN];

	for (size_t i = 0; service && i < model_service_operations(service); i++) {
		const struct model_operation *op = model_operation_at(service, i);

		name_kebab(model_operation_name(op), name);
		if (strcmp(name, kebab) == 0)
			return op;
	}
	return NULL;
}

const struct model_operation *name_any_operation(const char *kebab)
{
	const struct model_operation *found = name_operation(model_service("ec2"), kebab);

	for (size_t i = 0; !found && i < model_service_count(); i++)
		found = name_operation(model_service_at(i), kebab);
	for (size_t i = 0; found && model_operation_service(found) != model_service("ec2") && i < model_service_count(); i++)
		if (model_service_at(i) != model_operation_service(found) && name_operation(model_service_at(i), kebab))
			return NULL;
	return found;
}

void name_words(const struct model_operation *op, char out[NAME_MAX_LEN])
{
	char kebab[NAME_MAX_LEN];

	name_kebab(model_operation_name(op), kebab);
	if (name_any_operation(kebab) == op)
		memcpy(out, kebab, sizeof(kebab));
	else
		snprintf(out, NAME_MAX_LEN, "%s %.*s", model_service_name(model_operation_service(op)), NAME_MAX_LEN / 2, kebab);
}

char *name_services(const char *kebab)
{
	char *list = mc_strdup("");

	for (size_t i = 0; i < model_service_count(); i++) {
		mc_autofree char *before = NULL;

		if (!name_operation(model_service_at(i), kebab))
			continue;
		before = list;
		list = mc_strf("%s%s%s", before, *before ? ", " : "", model_service_name(model_service_at(i)));
	}
	return list;
}

size_t name_distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN], len = strlen(b);

	if (len >= NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t change = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = corner + 1 < change ? corner + 1 : change;
			if (row[j] + 1 < row[j + 1])
				row[j + 1] = row[j] + 1;
		}
	}
	return row[len];
}
