/* The name of a nested parameter, for messages: "Filter.1.Value.2". */
#ifndef MC_API_PROTOCOL_QUERY_PATH_H
#define MC_API_PROTOCOL_QUERY_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define QUERY_PATH_MAX 256

struct query_path {
	char text[QUERY_PATH_MAX]; /* cut where longer */
	size_t len;
	bool members; /* awsQuery: "member" before an index */
};

void query_path_init(struct query_path *path, bool members);
/* Append a name, or an index from 1. What query_path_pop() takes back to. */
size_t query_path_push(struct query_path *path, const char *name);
size_t query_path_push_index(struct query_path *path, size_t index);
void query_path_pop(struct query_path *path, size_t mark);
const char *query_path_text(const struct query_path *path);

#endif
