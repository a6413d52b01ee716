/* The one list of action tables. A new action is a row in the table of its
 * room; a new room is a name here and in api/action.h. */
#include <string.h>

#include "api/action.h"
#include "common/cleanup.h"

static const struct action *const tables[] = {
	actions_instance, actions_instance_attribute, actions_console, actions_image, actions_key_pair, actions_network,
	actions_security_group, actions_volume, actions_tag, actions_place, actions_sts, actions_ssm,
};

const struct action *action_find(const char *service, const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(tables); i++)
		for (const struct action *a = tables[i]; a->name; a++)
			if (strcmp(a->name, name) == 0 && strcmp(a->service, service) == 0)
				return a;
	return NULL;
}
