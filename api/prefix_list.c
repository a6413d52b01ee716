#include "api/prefix_list.h"

#include <stdio.h>
#include <string.h>

#include "api/route_table.h"
#include "common/json.h"

const json_t *prefix_list_entries(struct store_tx *tx, const char *id)
{
	const struct resource *r = store_find(tx, KIND_PREFIX_LIST, NULL, NULL, id);
	char version[24];

	if (!r)
		return NULL;
	snprintf(version, sizeof(version), "%lld", (long long)mc_json_int(r->doc, "Version", 1));
	return mc_json_arr(mc_json_obj(r->spec, "versions"), version);
}

int64_t prefix_list_weight(struct store_tx *tx, const char *id)
{
	const struct resource *r = store_find(tx, KIND_PREFIX_LIST, NULL, NULL, id);

	return r ? mc_json_int(r->doc, "MaxEntries", (json_int_t)json_array_size(prefix_list_entries(tx, id))) : 0;
}

static bool group_names(struct store_tx *tx, const struct resource *group, const char *id)
{
	struct store_iter it = store_iter(tx, KIND_SECURITY_GROUP_RULE, group->account, group->region);
	const struct resource *rule;

	while ((rule = store_next_of(&it, group->id)))
		if (strcmp(mc_json_str(rule->doc, "PrefixListId", ""), id) == 0)
			return true;
	return false;
}

void prefix_list_users(struct store_tx *tx, const struct resource *list, prefix_list_user_fn *fn, void *ctx)
{
	struct store_iter it = store_iter(tx, KIND_ROUTE_TABLE, list->account, list->region);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (route_table_has_list(r, list->id))
			fn(ctx, r);
	it = store_iter(tx, KIND_SECURITY_GROUP, list->account, list->region);
	while ((r = store_next(&it)))
		if (group_names(tx, r, list->id))
			fn(ctx, r);
}
