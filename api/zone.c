#include "api/zone.h"

#include <stdlib.h>
#include <string.h>

#include "api/metadata_tree.h"
#include "common/cleanup.h"
#include "common/fs.h"

char *zone_at(const char *region, size_t i)
{
	return i < strlen(ZONE_LETTERS) ? mc_strf("%s%c", region, ZONE_LETTERS[i]) : NULL;
}

/* The zone whose name, or id, is this text. */
static char *find(const char *region, const char *text, char *(*make)(const char *region, const char *zone))
{
	for (size_t i = 0; i < strlen(ZONE_LETTERS); i++) {
		mc_autofree char *name = zone_at(region, i);
		mc_autofree char *made = make ? make(region, name) : mc_strdup(name);

		if (strcmp(made, text) == 0)
			return MC_STEAL(name);
	}
	return NULL;
}

char *zone_by_name(const char *region, const char *name)
{
	return find(region, name, NULL);
}

char *zone_by_id(const char *region, const char *id)
{
	return find(region, id, metadata_zone_id);
}

char *zone_list(const char *region)
{
	char *list = mc_strdup("");

	for (size_t i = 0; i < strlen(ZONE_LETTERS); i++) {
		char *longer = mc_strf("%s%s%s%c", list, i ? ", " : "", region, ZONE_LETTERS[i]);

		free(list);
		list = longer;
	}
	return list;
}
