#include "api/view.h"

json_t *view_new(const struct resource *r, const char *id_member, const char *owner_member)
{
	json_t *v = json_copy(r->doc), *tags = resource_tag_list(r);

	json_object_set_new(v, id_member, json_string(r->id));
	if (owner_member)
		json_object_set_new(v, owner_member, json_string(r->account));
	if (tags)
		json_object_set_new(v, "Tags", tags);
	return v;
}

void view_default(json_t *obj, const char *key, json_t *value)
{
	if (json_object_get(obj, key))
		json_decref(value);
	else
		json_object_set_new(obj, key, value);
}
