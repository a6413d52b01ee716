#include "api/association.h"

#include <string.h>

#include "common/json.h"

int association_place(const struct resource *r, const char *subnet)
{
	size_t i;
	json_t *association;

	json_array_foreach(mc_json_arr(r->doc, "Associations"), i, association)
		if (strcmp(mc_json_str(association, "SubnetId", ""), subnet) == 0)
			return (int)i;
	return -1;
}

const struct resource *association_of(struct store_tx *tx, enum kind kind, const struct resource *subnet)
{
	struct store_iter it = store_iter(tx, kind, subnet->account, subnet->region);
	const struct resource *r;

	while ((r = store_next_of(&it, subnet->parent)) && association_place(r, subnet->id) < 0)
		;
	return r;
}

void association_forget(struct store_tx *tx, enum kind kind, const struct resource *subnet)
{
	const struct resource *r = association_of(tx, kind, subnet);
	struct resource *edited = r ? store_edit(tx, r->id) : NULL;

	if (edited)
		json_array_remove(mc_json_arr(edited->doc, "Associations"), (size_t)association_place(edited, subnet->id));
}
