/* Tags, as every action that makes something takes them. */
#include <string.h>

#include "api/action.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_TAGS 50
#define MAX_KEY 128   /* Unicode characters: EC2 User Guide, "Tag restrictions" */
#define MAX_VALUE 256

static bool listed(const char *const *types, const char *type)
{
	while (*types && strcmp(*types, type) != 0)
		types++;
	return *types != NULL;
}

int action_check_tag_types(struct call *call, const char *const *types)
{
	size_t i;
	json_t *spec;

	json_array_foreach(mc_json_arr(call->in, "TagSpecifications"), i, spec) {
		const char *type = mc_json_str(spec, "ResourceType", NULL);

		if (!type)
			return action_fail(call, API_MISSING, "Tag specification resource type must have a value");
		if (!listed(types, type))
			return action_fail(call, API_RESOURCE_TYPE, type);
		if (json_array_size(mc_json_arr(spec, "Tags")) == 0)
			return action_fail(call, API_INVALID_PARAMETER, "Tag specification must have at least one tag");
	}
	return 0;
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

int action_set_tag(struct call *call, struct resource *r, const char *key, const char *value)
{
	if (!key || !*key)
		return action_fail(call, API_INVALID_PARAMETER, "Tag key cannot be null or empty");
	if (strncasecmp(key, "aws:", 4) == 0)
		return action_fail(call, API_TAG_KEY);
	if (characters(key) > MAX_KEY)
		return action_fail(call, API_INVALID_PARAMETER, "Tag key exceeds the maximum length of 128 characters");
	if (characters(value ? value : "") > MAX_VALUE)
		return action_fail(call, API_INVALID_PARAMETER, "Tag value exceeds the maximum length of 256 characters");
	if (!json_object_get(r->tags, key) && json_object_size(r->tags) >= MAX_TAGS)
		return action_fail(call, API_TAG_LIMIT);
	json_object_set_new(r->tags, key, json_string(value ? value : ""));
	return 0;
}

static int apply(struct call *call, const json_t *tags, struct resource *r)
{
	size_t i;
	json_t *tag;

	json_array_foreach(tags, i, tag) {
		const char *key = mc_json_str(tag, "Key", NULL);

		if (key && json_object_get(r->tags, key)) {
			mc_autofree char *text = mc_strf("Duplicate tag key '%s' specified.", key);

			return action_fail(call, API_INVALID_PARAMETER, text);
		}
		if (action_set_tag(call, r, key, mc_json_str(tag, "Value", NULL)))
			return 1;
	}
	return 0;
}

int action_apply_tags(struct call *call, const char *type, struct resource *r)
{
	size_t i;
	json_t *spec;

	json_array_foreach(mc_json_arr(call->in, "TagSpecifications"), i, spec)
		if (strcmp(mc_json_str(spec, "ResourceType", ""), type) == 0 && apply(call, mc_json_arr(spec, "Tags"), r))
			return 1;
	return 0;
}

int action_untag(struct call *call, const struct resource *r)
{
	json_t *tags, *key;
	size_t i;

	if (!r)
		return 1;
	tags = mc_json_obj(store_edit(call->tx, r->id)->spec, "tags");
	json_array_foreach(mc_json_arr(call->in, "TagKeys"), i, key)
		json_object_del(tags, json_string_value(key));
	return 0;
}
