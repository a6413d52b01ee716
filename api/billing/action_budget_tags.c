/* Tags of budgets (AWS Budgets API reference: TagResource, UntagResource, ListTagsForResource). */
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/billing/budget.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define TAGS_MAX 50
#define ARN "arn:aws:budgets::"
#define PART ":budget/"

static int fail(struct call *call, const char *code, const char *message)
{
	return action_fail(call, API_NOT_FOUND, code, message);
}

const struct resource *budget_find(struct store_tx *tx, const char *account, const char *name)
{
	struct store_iter it = store_iter(tx, KIND_BUDGET, account, NULL);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (strcmp(mc_json_str(r->doc, "BudgetName", ""), name) == 0)
			return r;
	return NULL;
}

/* arn:aws:budgets::ACCOUNT:budget/NAME of the caller's account, or of any for the first account; NULL after action_fail. */
static const struct resource *named(struct call *call)
{
	const char *arn = mc_json_str(call->in, "ResourceARN", ""), *part = strstr(arn, PART);
	mc_autofree char *account = NULL;
	const struct resource *r;

	if (strncmp(arn, ARN, strlen(ARN)) != 0 || !part || part < arn + strlen(ARN)) {
		fail(call, "InvalidParameterException", "ResourceARN: arn:aws:budgets::ACCOUNT:budget/NAME is one of a budget.");
		return NULL;
	}
	account = strndup(arn + strlen(ARN), (size_t)(part - arn) - strlen(ARN));
	if (strcmp(account, call->caller->account) != 0 && strcmp(call->caller->account, call->api->config.account) != 0) {
		fail(call, "AccessDeniedException", "You are not authorized to use budgets of this account.");
		return NULL;
	}
	r = budget_find(call->tx, account, part + strlen(PART));
	if (!r)
		fail(call, "NotFoundException", "Unable to get the budget: it doesn't exist.");
	return r;
}

int budget_tag(struct call *call, struct resource *budget, const json_t *tags)
{
	json_t *one;
	size_t i;

	json_array_foreach(tags, i, one) {
		const char *key = mc_json_str(one, "Key", "");

		if (!*key || strncmp(key, "aws:", 4) == 0)
			return fail(call, "InvalidParameterException", "A tag's key is not empty and does not begin with aws:.");
		json_object_set(budget->tags, key, json_object_get(one, "Value"));
	}
	if (json_object_size(budget->tags) > TAGS_MAX)
		return fail(call, "ServiceQuotaExceededException", "A budget has at most 50 tags.");
	return 0;
}

static int tag_resource(struct call *call)
{
	const struct resource *r = named(call);

	call->out = json_object();
	return r ? budget_tag(call, store_edit(call->tx, r->id), mc_json_arr(call->in, "ResourceTags")) : 1;
}

static int untag_resource(struct call *call)
{
	const struct resource *found = named(call);
	struct resource *r = found ? store_edit(call->tx, found->id) : NULL;
	json_t *key;
	size_t i;

	if (!r)
		return 1;
	json_array_foreach(mc_json_arr(call->in, "ResourceTagKeys"), i, key)
		json_object_del(r->tags, json_string_value(key));
	call->out = json_object();
	return 0;
}

static int list_tags(struct call *call)
{
	const struct resource *r = named(call);
	json_t *list, *value;
	const char *key;

	if (!r)
		return 1;
	list = json_array();
	json_object_foreach(r->tags, key, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "Key", key, "Value", value));
	call->out = json_pack("{s:o}", "ResourceTags", list);
	return 0;
}

const struct action actions_budget_tags[] = {
	{ .service = "budgets", .name = "TagResource", .fn = tag_resource, .flags = ACTION_GLOBAL | ACTION_WRITE },
	{ .service = "budgets", .name = "UntagResource", .fn = untag_resource, .flags = ACTION_GLOBAL | ACTION_WRITE },
	{ .service = "budgets", .name = "ListTagsForResource", .fn = list_tags, .flags = ACTION_GLOBAL },
	{ 0 },
};
