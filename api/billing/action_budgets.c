/* AWS Budgets (API reference): budgets, their notifications, subscribers and actions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/billing/billing.h"
#include "api/billing/budget.h"
#include "api/billing/calendar.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define GLOBAL_REGION "aws-global"
#define FOR_EVER "2087-06-15T00:00:00.000Z" /* what AWS shows for a budget without an end */
#define NOTIFICATIONS_MAX 10
#define SUBSCRIBERS_MAX 11
#define ACTIONS_MAX 5

/* --- finding --------------------------------------------------------------------------- */

static int invalid(struct call *call, const char *message)
{
	return action_fail(call, API_NOT_FOUND, "InvalidParameterException", message);
}

/* The account that is named: the caller's own, or any for the first account. */
static const char *account_of(struct call *call)
{
	const char *account = mc_json_str(call->in, "AccountId", "");

	if (strcmp(account, call->caller->account) == 0 || strcmp(call->caller->account, call->api->config.account) == 0)
		return account;
	action_fail(call, API_NOT_FOUND, "AccessDeniedException", "You are not authorized to use budgets of this account.");
	return NULL;
}

static const struct resource *find(struct call *call, const char *account, const char *name)
{
	return budget_find(call->tx, account, name);
}

/* The named budget, or NULL after action_fail. */
static const struct resource *budget_of(struct call *call)
{
	const char *account = account_of(call), *name = mc_json_str(call->in, "BudgetName", "");
	const struct resource *r = account ? find(call, account, name) : NULL;
	mc_autofree char *text = NULL;

	if (r || !account)
		return r;
	text = mc_strf("Unable to get budget: %s - the budget doesn't exist.", name);
	action_fail(call, API_NOT_FOUND, "NotFoundException", text);
	return NULL;
}

static struct resource *edited(struct call *call)
{
	const struct resource *r = budget_of(call);

	return r ? store_edit(call->tx, r->id) : NULL;
}

/* --- checking ----------------------------------------------------------------------------- */

static int check_limit(struct call *call, const json_t *budget)
{
	const json_t *limit = mc_json_obj(budget, "BudgetLimit");
	bool cost = strcmp(mc_json_str(budget, "BudgetType", ""), "COST") == 0;
	int64_t nano;

	if (json_object_get(budget, "PlannedBudgetLimits") || json_object_get(budget, "AutoAdjustData"))
		return invalid(call, "Planned and self-adjusting limits are not supported by this cloud yet: give a BudgetLimit.");
	if (money_parse(mc_json_str(limit, "Amount", ""), &nano) < 0 || nano == 0)
		return invalid(call, "BudgetLimit: the amount must be a number greater than 0.");
	if (cost && strcmp(mc_json_str(limit, "Unit", ""), "USD") != 0)
		return invalid(call, "BudgetLimit: the unit of a cost budget must be USD.");
	return 0;
}

static int check_budget(struct call *call, const json_t *budget)
{
	const char *type = mc_json_str(budget, "BudgetType", ""), *wrong = NULL;
	mc_auto_json json_t *expression = budget_expression(budget, &wrong);

	(void)expression; /* only whether it can be made counts */
	if (strpbrk(mc_json_str(budget, "BudgetName", ""), ":\\"))
		return invalid(call, "The budget's name must not hold : or \\.");
	if (strcmp(type, "COST") != 0 && strcmp(type, "USAGE") != 0)
		return invalid(call, "Only budgets of the types COST and USAGE are supported by this cloud yet.");
	if (!wrong)
		wrong = budget_time_check(budget);
	return wrong ? invalid(call, wrong) : check_limit(call, budget);
}

static int check_subscribers(struct call *call, const json_t *list)
{
	json_t *one;
	size_t i;

	if (json_array_size(list) == 0 || json_array_size(list) > SUBSCRIBERS_MAX)
		return invalid(call, "A notification needs 1 to 11 subscribers.");
	json_array_foreach(list, i, one) {
		const char *wrong = budget_address_check(call->api, mc_json_str(one, "SubscriptionType", ""), mc_json_str(one, "Address", ""));

		if (wrong)
			return invalid(call, wrong);
	}
	return 0;
}

static int check_notification(struct call *call, const json_t *n)
{
	double threshold = json_number_value(json_object_get(n, "Threshold"));

	return threshold > 0 && threshold <= 15e12 ? 0 : invalid(call, "Threshold must be greater than 0.");
}

/* --- budgets --------------------------------------------------------------------------------- */

static void set_default(json_t *doc, const char *key, json_t *value)
{
	if (json_object_get(doc, key))
		json_decref(value);
	else
		json_object_set_new(doc, key, value);
}

/* What AWS fills in. */
static void complete(json_t *budget)
{
	static const char *const yes[] = { "IncludeTax", "IncludeSubscription", "IncludeRefund", "IncludeCredit", "IncludeUpfront",
					   "IncludeRecurring", "IncludeOtherSubscription", "IncludeSupport", "IncludeDiscount" };
	char now[MC_ISO8601_LEN], start[MC_ISO8601_LEN], name[BUDGET_PERIOD];
	int64_t from, to;
	json_t *types, *period;

	set_default(budget, "CostFilters", json_object());
	set_default(budget, "CostTypes", json_object());
	set_default(budget, "TimePeriod", json_object());
	types = mc_json_obj(budget, "CostTypes");
	for (size_t i = 0; i < MC_ARRAY_SIZE(yes); i++)
		set_default(types, yes[i], json_true());
	set_default(types, "UseBlended", json_false());
	set_default(types, "UseAmortized", json_false());
	period = mc_json_obj(budget, "TimePeriod");
	budget_period(mc_json_str(budget, "TimeUnit", ""), calendar_day(mc_clock_wall()), &from, &to, name);
	mc_clock_iso8601(from * CALENDAR_DAY, start);
	set_default(period, "Start", json_string(start));
	set_default(period, "End", json_string(FOR_EVER));
	mc_clock_iso8601(mc_clock_wall(), now);
	json_object_set_new(budget, "LastUpdatedTime", json_string(now));
	json_object_del(budget, "CalculatedSpend");
}

static int add_notifications(struct call *call, struct resource *r)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_object_set_new(r->spec, "notifications", list);
	json_array_foreach(mc_json_arr(call->in, "NotificationsWithSubscribers"), i, one) {
		if (i == NOTIFICATIONS_MAX)
			return action_fail(call, API_NOT_FOUND, "CreationLimitExceededException", "A budget has at most 10 notifications.");
		if (check_notification(call, mc_json_obj(one, "Notification")) || check_subscribers(call, mc_json_arr(one, "Subscribers")))
			return 1;
		json_array_append_new(list, json_pack("{s:O, s:O}", "Notification", mc_json_obj(one, "Notification"), "Subscribers",
						      mc_json_arr(one, "Subscribers")));
	}
	return 0;
}

static int create_budget(struct call *call)
{
	const json_t *budget = mc_json_obj(call->in, "Budget");
	const char *account = account_of(call), *name = mc_json_str(budget, "BudgetName", "");
	mc_autofree char *text = mc_strf("Error creating budget: %s - the budget already exists.", name);
	struct resource *r;

	if (!account || check_budget(call, budget))
		return 1;
	if (find(call, account, name))
		return action_fail(call, API_NOT_FOUND, "DuplicateRecordException", text);
	r = store_insert(call->tx, KIND_BUDGET, account, GLOBAL_REGION);
	json_object_update(r->doc, (json_t *)budget);
	complete(r->doc);
	json_object_set_new(r->spec, "actions", json_array());
	return budget_tag(call, r, mc_json_arr(call->in, "ResourceTags")) ? 1 : add_notifications(call, r);
}

static int update_budget(struct call *call)
{
	json_t *budget = mc_json_obj(call->in, "NewBudget");
	const char *account = account_of(call), *name = mc_json_str(budget, "BudgetName", "");
	const struct resource *old = account ? find(call, account, name) : NULL;
	struct resource *r;

	if (!account || check_budget(call, budget))
		return 1;
	if (!old)
		return action_fail(call, API_NOT_FOUND, "NotFoundException", "Unable to update budget: the budget doesn't exist.");
	r = store_edit(call->tx, old->id);
	json_decref(r->doc);
	r->doc = json_deep_copy(budget);
	complete(r->doc);
	return 0;
}

static int delete_budget(struct call *call)
{
	const struct resource *r = budget_of(call);

	if (!r)
		return 1;
	store_delete(call->tx, r->id);
	return 0;
}

/* --- describing: what is spent is read behind the transaction ------------------------------------- */

static int keep_copies(struct call *call, const char *account, const char *name)
{
	struct store_iter it = store_iter(call->tx, KIND_BUDGET, account, NULL);
	const struct resource *r;

	call->job = json_array();
	while ((r = store_next(&it)))
		if (!name || strcmp(mc_json_str(r->doc, "BudgetName", ""), name) == 0)
			json_array_append_new(call->job, json_pack("{s:s, s:o}", "account", r->account, "doc", json_deep_copy(r->doc)));
	return 0;
}

static int find_one(struct call *call)
{
	const struct resource *r = budget_of(call);

	return r ? keep_copies(call, r->account, mc_json_str(r->doc, "BudgetName", "")) : 1;
}

static int find_all(struct call *call)
{
	const char *account = account_of(call), *token = mc_json_str(call->in, "NextToken", "0");

	if (strspn(token, "0123456789") != strlen(token) || strlen(token) > 9)
		return action_fail(call, API_NOT_FOUND, "InvalidNextTokenException", "The pagination token is invalid.");
	return account ? keep_copies(call, account, NULL) : 1;
}

static json_t *spend_view(int64_t amount, const char *unit)
{
	char text[MONEY_TEXT];

	money_format(amount, 3, text);
	return json_pack("{s:s, s:s}", "Amount", text, "Unit", unit);
}

static json_t *budget_view(struct call *call, struct bill *b, json_t *copy)
{
	struct resource r = { .kind = KIND_BUDGET, .doc = mc_json_obj(copy, "doc") };
	const char *account = mc_json_str(copy, "account", ""), *unit = mc_json_str(mc_json_obj(r.doc, "BudgetLimit"), "Unit", "");
	json_t *spend = json_object();
	struct budget_spend s;

	if (budget_spend(b, &r, strcmp(account, call->api->config.account) == 0 ? NULL : account, &s, &call->err) < 0) {
		json_decref(spend);
		return NULL;
	}
	json_object_set_new(spend, "ActualSpend", spend_view(s.actual, unit));
	json_object_set_new(spend, "ForecastedSpend", spend_view(s.forecast, unit));
	json_object_set_new(r.doc, "CalculatedSpend", spend);
	return json_incref(r.doc);
}

static json_t *budget_views(struct call *call)
{
	json_t *list = json_array(), *copy, *view;
	struct bill b;
	size_t i;

	if (billing_read(call->api->billing, &b, &call->err) < 0) {
		json_decref(list);
		return NULL;
	}
	json_array_foreach(call->job, i, copy) {
		view = budget_view(call, &b, copy);
		if (!view) {
			json_decref(list);
			list = NULL;
			break;
		}
		json_array_append_new(list, view);
	}
	bill_end(&b);
	return list;
}

static int describe_budget(struct call *call)
{
	mc_auto_json json_t *list = budget_views(call);

	if (!list)
		return -1;
	call->out = json_pack("{s:O}", "Budget", json_array_get(list, 0));
	return 0;
}

static int describe_budgets(struct call *call)
{
	size_t from = strtoul(mc_json_str(call->in, "NextToken", "0"), NULL, 10), limit = (size_t)mc_json_int(call->in, "MaxResults", 100);
	mc_auto_json json_t *list = budget_views(call);
	json_t *page = json_array(), *one;
	size_t i;

	if (!list) {
		json_decref(page);
		return -1;
	}
	json_array_foreach(list, i, one)
		if (i >= from && i < from + limit)
			json_array_append(page, one);
	call->out = json_pack("{s:o}", "Budgets", page);
	if (from + limit < json_array_size(list)) {
		mc_autofree char *token = mc_strf("%zu", from + limit);

		json_object_set_new(call->out, "NextToken", json_string(token));
	}
	return 0;
}

/* --- notifications ---------------------------------------------------------------------------------- */

/* Are two the same one: its key is all but the state. */
static bool same(const json_t *a, const json_t *b)
{
	double x = json_number_value(json_object_get(a, "Threshold")), y = json_number_value(json_object_get(b, "Threshold"));

	return strcmp(mc_json_str(a, "NotificationType", ""), mc_json_str(b, "NotificationType", "")) == 0 &&
	       strcmp(mc_json_str(a, "ComparisonOperator", ""), mc_json_str(b, "ComparisonOperator", "")) == 0 &&
	       strcmp(mc_json_str(a, "ThresholdType", "PERCENTAGE"), mc_json_str(b, "ThresholdType", "PERCENTAGE")) == 0 &&
	       !(x < y) && !(x > y);
}

/* Its place in the budget's list; -1: none. */
static int place_of(const struct resource *r, const json_t *notification)
{
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "notifications"), i, one)
		if (same(mc_json_obj(one, "Notification"), notification))
			return (int)i;
	return -1;
}

static int create_notification(struct call *call)
{
	struct resource *r = edited(call);
	json_t *n = mc_json_obj(call->in, "Notification"), *subscribers = mc_json_arr(call->in, "Subscribers");

	if (!r || check_notification(call, n) || check_subscribers(call, subscribers))
		return 1;
	if (place_of(r, n) >= 0)
		return action_fail(call, API_NOT_FOUND, "DuplicateRecordException", "The notification already exists.");
	if (json_array_size(mc_json_arr(r->spec, "notifications")) == NOTIFICATIONS_MAX)
		return action_fail(call, API_NOT_FOUND, "CreationLimitExceededException", "A budget has at most 10 notifications.");
	json_array_append_new(mc_json_arr(r->spec, "notifications"), json_pack("{s:O, s:O}", "Notification", n, "Subscribers", subscribers));
	return 0;
}

/* Where the request's notification is in r's list, or -1 after action_fail. */
static int known_place(struct call *call, const struct resource *r, const char *member)
{
	int at = r ? place_of(r, mc_json_obj(call->in, member)) : -1;

	if (r && at < 0)
		action_fail(call, API_NOT_FOUND, "NotFoundException", "The notification doesn't exist.");
	return at;
}

static int delete_notification(struct call *call)
{
	struct resource *r = edited(call);
	int at = known_place(call, r, "Notification");

	if (at < 0)
		return 1;
	json_array_remove(mc_json_arr(r->spec, "notifications"), (size_t)at);
	return 0;
}

static int update_notification(struct call *call)
{
	struct resource *r = edited(call);
	int at = known_place(call, r, "OldNotification");
	json_t *entry;

	if (at < 0 || check_notification(call, mc_json_obj(call->in, "NewNotification")))
		return 1;
	entry = json_array_get(mc_json_arr(r->spec, "notifications"), (size_t)at);
	json_object_set(entry, "Notification", mc_json_obj(call->in, "NewNotification"));
	json_object_del(entry, "alarm");
	return 0;
}

static int describe_notifications(struct call *call)
{
	const struct resource *r = budget_of(call);
	json_t *list, *one;
	size_t i;

	if (!r)
		return 1;
	list = json_array();
	json_array_foreach(mc_json_arr(r->spec, "notifications"), i, one) {
		json_t *view = json_deep_copy(mc_json_obj(one, "Notification"));

		json_object_set_new(view, "NotificationState", json_string(mc_json_str(one, "alarm", NULL) ? "ALARM" : "OK"));
		json_array_append_new(list, view);
	}
	call->out = json_pack("{s:o}", "Notifications", list);
	return 0;
}

static int describe_subscribers(struct call *call)
{
	const struct resource *r = budget_of(call);
	int at = known_place(call, r, "Notification");

	if (at < 0)
		return 1;
	call->out = json_pack("{s:O}", "Subscribers", mc_json_arr(json_array_get(mc_json_arr(r->spec, "notifications"), (size_t)at), "Subscribers"));
	return 0;
}

/* --- actions ------------------------------------------------------------------------------------------- */

static int check_definition(struct call *call)
{
	const json_t *ssm = mc_json_obj(mc_json_obj(call->in, "Definition"), "SsmActionDefinition");
	const char *what = mc_json_str(ssm, "ActionSubType", "");

	if (strcmp(mc_json_str(call->in, "ActionType", ""), "RUN_SSM_DOCUMENTS") != 0 || !ssm)
		return invalid(call, "Only actions of the type RUN_SSM_DOCUMENTS are supported by this cloud yet.");
	if (strcmp(what, "STOP_EC2_INSTANCES") != 0 && strcmp(what, "TERMINATE_EC2_INSTANCES") != 0)
		return invalid(call, "ActionSubType: STOP_EC2_INSTANCES, or this cloud's own TERMINATE_EC2_INSTANCES.");
	if (!api_region_known(call->api, mc_json_str(ssm, "Region", "")) || json_array_size(mc_json_arr(ssm, "InstanceIds")) == 0)
		return invalid(call, "SsmActionDefinition needs a region of this cloud and instance ids (or tag:Key=Value).");
	return 0;
}

static json_t *action_view(const json_t *entry)
{
	json_t *view = json_deep_copy(entry);

	json_object_del(view, "fired");
	return view;
}

static int create_action(struct call *call)
{
	static const char *const members[] = { "BudgetName", "NotificationType", "ActionType", "ActionThreshold", "Definition",
					       "ExecutionRoleArn", "ApprovalModel", "Subscribers" };
	struct resource *r = edited(call);
	char id[MC_UUID_LEN];
	json_t *entry;

	if (!r || check_definition(call) || check_subscribers(call, mc_json_arr(call->in, "Subscribers")))
		return 1;
	if (json_array_size(mc_json_arr(r->spec, "actions")) == ACTIONS_MAX)
		return action_fail(call, API_NOT_FOUND, "CreationLimitExceededException", "A budget has at most 5 actions.");
	mc_random_uuid(id);
	entry = json_pack("{s:s, s:s}", "ActionId", id, "Status", "STANDBY");
	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		json_object_set(entry, members[i], json_object_get(call->in, members[i]));
	json_array_append_new(mc_json_arr(r->spec, "actions"), entry);
	call->out = json_pack("{s:s, s:s, s:s}", "AccountId", r->account, "BudgetName", mc_json_str(r->doc, "BudgetName", ""), "ActionId", id);
	return 0;
}

/* The request's action's place in r's list, or -1 after action_fail. */
static int action_place(struct call *call, const struct resource *r)
{
	const char *id = mc_json_str(call->in, "ActionId", "");
	json_t *one;
	size_t i;

	if (!r)
		return -1;
	json_array_foreach(mc_json_arr(r->spec, "actions"), i, one)
		if (strcmp(mc_json_str(one, "ActionId", ""), id) == 0)
			return (int)i;
	action_fail(call, API_NOT_FOUND, "NotFoundException", "The budget action doesn't exist.");
	return -1;
}

static json_t *action_answer(const struct resource *r, const json_t *entry)
{
	return json_pack("{s:s, s:s, s:o}", "AccountId", r->account, "BudgetName", mc_json_str(r->doc, "BudgetName", ""), "Action",
			 action_view(entry));
}

static int delete_action(struct call *call)
{
	struct resource *r = edited(call);
	int at = action_place(call, r);

	if (at < 0)
		return 1;
	call->out = action_answer(r, json_array_get(mc_json_arr(r->spec, "actions"), (size_t)at));
	json_array_remove(mc_json_arr(r->spec, "actions"), (size_t)at);
	return 0;
}

static int describe_action(struct call *call)
{
	const struct resource *r = budget_of(call);
	int at = action_place(call, r);

	if (at < 0)
		return 1;
	call->out = action_answer(r, json_array_get(mc_json_arr(r->spec, "actions"), (size_t)at));
	return 0;
}

static json_t *actions_view(const struct resource *r, json_t *into)
{
	json_t *one;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "actions"), i, one)
		json_array_append_new(into, action_view(one));
	return into;
}

static int describe_actions_of_budget(struct call *call)
{
	const struct resource *r = budget_of(call);

	if (!r)
		return 1;
	call->out = json_pack("{s:o}", "Actions", actions_view(r, json_array()));
	return 0;
}

static int describe_actions_of_account(struct call *call)
{
	const char *account = account_of(call);
	struct store_iter it = store_iter(call->tx, KIND_BUDGET, account, NULL);
	const struct resource *r;
	json_t *list;

	if (!account)
		return 1;
	list = json_array();
	while ((r = store_next(&it)))
		actions_view(r, list);
	call->out = json_pack("{s:o}", "Actions", list);
	return 0;
}

#define READ(n, f) { .service = "budgets", .name = n, .fn = f, .flags = ACTION_GLOBAL }
#define WRITE(n, f) { .service = "budgets", .name = n, .fn = f, .flags = ACTION_GLOBAL | ACTION_WRITE }
const struct action actions_budgets[] = {
	WRITE("CreateBudget", create_budget),
	WRITE("UpdateBudget", update_budget),
	WRITE("DeleteBudget", delete_budget),
	{ .service = "budgets", .name = "DescribeBudget", .fn = find_one, .flags = ACTION_GLOBAL | ACTION_BACKEND, .backend = describe_budget },
	{ .service = "budgets", .name = "DescribeBudgets", .fn = find_all, .flags = ACTION_GLOBAL | ACTION_BACKEND, .backend = describe_budgets },
	WRITE("CreateNotification", create_notification),
	WRITE("UpdateNotification", update_notification),
	WRITE("DeleteNotification", delete_notification),
	READ("DescribeNotificationsForBudget", describe_notifications),
	READ("DescribeSubscribersForNotification", describe_subscribers),
	WRITE("CreateBudgetAction", create_action),
	WRITE("DeleteBudgetAction", delete_action),
	READ("DescribeBudgetAction", describe_action),
	READ("DescribeBudgetActionsForBudget", describe_actions_of_budget),
	READ("DescribeBudgetActionsForAccount", describe_actions_of_account),
	{ 0 },
};
