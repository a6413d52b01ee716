/* CreateTags, DeleteTags, DescribeTags. */
#include <string.h>

#include "api/action.h"
#include "api/describe.h"
#include "api/describe_filter.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define MAX_RESOURCES 1000 /* per call: EC2 API reference, CreateTags */

/* --- CreateTags, DeleteTags ----------------------------------------------- */

typedef int edit_fn(struct call *call, struct resource *r);

/* An id of any kind, the caller's own: NULL after action_fail. */
static struct resource *edited(struct call *call, const char *id)
{
	enum kind kind = kind_by_id(id);
	const struct resource *r;

	if (kind == KIND_MAX) {
		action_fail(call, API_INVALID_ID, id);
		return NULL;
	}
	r = action_resource(call, kind, id);
	if (r && strcmp(r->account, call->caller->account) != 0) {
		action_fail(call, API_UNAUTHORIZED);
		return NULL;
	}
	return r ? store_edit(call->tx, id) : NULL;
}

static int edit_all(struct call *call, edit_fn *edit)
{
	const json_t *ids = mc_json_arr(call->in, "Resources");
	size_t i;
	json_t *id;

	if (json_array_size(ids) > MAX_RESOURCES)
		return action_fail(call, API_INVALID_PARAMETER, "The maximum number of resources per call is 1000");
	json_array_foreach(ids, i, id) {
		struct resource *r = edited(call, json_is_string(id) ? json_string_value(id) : "");

		if (!r || edit(call, r))
			return 1;
	}
	return 0;
}

static int check_duplicates(struct call *call, const json_t *tags)
{
	mc_auto_json json_t *keys = json_object();
	size_t i;
	json_t *tag;

	json_array_foreach(tags, i, tag) {
		const char *key = mc_json_str(tag, "Key", "");

		if (json_object_get(keys, key)) {
			mc_autofree char *text = mc_strf("Duplicate tag key '%s' specified.", key);

			return action_fail(call, API_INVALID_PARAMETER, text);
		}
		json_object_set_new(keys, key, json_true());
	}
	return 0;
}

static int set_tags(struct call *call, struct resource *r)
{
	size_t i;
	json_t *tag;

	json_array_foreach(mc_json_arr(call->in, "Tags"), i, tag)
		if (action_set_tag(call, r, mc_json_str(tag, "Key", NULL), mc_json_str(tag, "Value", NULL)))
			return 1;
	return 0;
}

static int create_tags(struct call *call)
{
	if (check_duplicates(call, mc_json_arr(call->in, "Tags")))
		return 1;
	return edit_all(call, set_tags);
}

static void unset_all(struct resource *r)
{
	const char *key;
	json_t *value;
	void *tmp;

	json_object_foreach_safe(r->tags, tmp, key, value)
		if (strncmp(key, "aws:", 4) != 0)
			json_object_del(r->tags, key);
}

/* A tag given without a value goes whatever its value is. */
static int unset_tags(struct call *call, struct resource *r)
{
	const json_t *tags = mc_json_arr(call->in, "Tags");
	size_t i;
	json_t *tag;

	if (json_array_size(tags) == 0)
		unset_all(r);
	json_array_foreach(tags, i, tag) {
		const char *key = mc_json_str(tag, "Key", ""), *value = mc_json_str(tag, "Value", NULL);

		if (strncmp(key, "aws:", 4) == 0)
			return action_fail(call, API_TAG_KEY);
		if (!value || strcmp(mc_json_str(r->tags, key, ""), value) == 0)
			json_object_del(r->tags, key);
	}
	return 0;
}

static int delete_tags(struct call *call)
{
	return edit_all(call, unset_tags);
}

/* --- DescribeTags --------------------------------------------------------- */

static const struct filter tag_filters[] = {
	{ "key", "Key" }, { "resource-id", "ResourceId" }, { "resource-type", "ResourceType" }, { "value", "Value" }, { 0 },
};

struct listing {
	struct call *call;
	struct clauses clauses;
	int64_t after, limit, last;
	json_t *tags;
	bool more;
};

/* The place of a resource's i-th tag in the order of kinds, creation and keys:
 * what NextToken counts. */
static int64_t place_of(const struct resource *r, int i)
{
	return ((int64_t)r->kind + 1) << 56 | r->seq << 8 | i;
}

/* Steals view. False: the page is full. */
static bool list_tag(struct listing *l, const struct resource *r, int64_t place, json_t *view)
{
	bool wanted = clauses_match(&l->clauses, view, r);

	l->more = wanted && l->limit && (int64_t)json_array_size(l->tags) == l->limit;
	if (!wanted || l->more) {
		json_decref(view);
		return !l->more;
	}
	json_array_append_new(l->tags, view);
	l->last = place;
	return true;
}

static bool list_resource(struct listing *l, const struct resource *r)
{
	const char *key;
	json_t *value;
	int i = 0;

	json_object_foreach(r->tags, key, value) {
		int64_t place = place_of(r, i++);

		if (place > l->after &&
		    !list_tag(l, r, place, json_pack("{s:s, s:s, s:s, s:O}", "Key", key, "ResourceId", r->id,
						     "ResourceType", kind_info(r->kind)->name, "Value", value)))
			return false;
	}
	return true;
}

static void list_all(struct listing *l)
{
	for (int kind = 0; kind < KIND_MAX; kind++) {
		struct store_iter it = store_pass(l->call->tx, (enum kind)kind, l->call->caller->account, l->call->caller->region, NULL);
		const struct resource *r;

		while ((r = store_next(&it)))
			if (!list_resource(l, r))
				return;
	}
}

static int describe_tags(struct call *call)
{
	struct listing l = { .call = call };

	if (clauses_init(call, tag_filters, &l.clauses) || describe_page(call, 5, 1000, &l.after, &l.limit))
		return 1;
	l.tags = json_array();
	list_all(&l);
	call->out = json_pack("{s:o}", "Tags", l.tags);
	if (l.more) {
		mc_autofree char *token = describe_token(call, l.last);

		json_object_set_new(call->out, "NextToken", json_string(token));
	}
	return 0;
}

const struct action actions_tag[] = {
	{ .service = "ec2", .name = "CreateTags", .fn = create_tags, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DeleteTags", .fn = delete_tags, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DescribeTags", .fn = describe_tags },
	{ 0 },
};
