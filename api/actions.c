/* A new action is a row in the table of its room; a new room is a name in api/action.h. */
#include <string.h>

#include "api/action.h"
#include "common/cleanup.h"

static const struct action *const tables[] = {
#define X(room) actions_##room,
	ACTION_TABLES(X)
#undef X
};

const struct action *action_find(const char *service, const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(tables); i++)
		for (const struct action *a = tables[i]; a->name; a++)
			if (strcmp(a->name, name) == 0 && strcmp(a->service, service) == 0)
				return a;
	return NULL;
}

const struct action *action_at(size_t i)
{
	for (size_t t = 0; t < MC_ARRAY_SIZE(tables); t++)
		for (const struct action *a = tables[t]; a->name; a++)
			if (i-- == 0)
				return a;
	return NULL;
}
