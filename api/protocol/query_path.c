#include "api/protocol/query_path.h"

#include <stdio.h>

void query_path_init(struct query_path *path, bool members)
{
	path->text[0] = '\0';
	path->len = 0;
	path->members = members;
}

size_t query_path_push(struct query_path *path, const char *name)
{
	size_t mark = path->len, room = sizeof(path->text) - path->len;
	int n = snprintf(path->text + path->len, room, "%s%s", mark ? "." : "", name);

	path->len += (size_t)n < room ? (size_t)n : room - 1;
	return mark;
}

size_t query_path_push_index(struct query_path *path, size_t index)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%zu", path->members ? "member." : "", index);
	return query_path_push(path, text);
}

void query_path_pop(struct query_path *path, size_t mark)
{
	path->len = mark;
	path->text[mark] = '\0';
}

const char *query_path_text(const struct query_path *path)
{
	return path->text;
}
