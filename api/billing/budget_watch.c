/* The thread that looks at the budgets. What is told or done is noted afterwards, so that a crash may
 * tell something twice, but never not. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/billing/billing.h"
#include "api/billing/budget.h"
#include "api/billing/money.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "budget"

struct budget_watch {
	struct api *api;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	pthread_t thread;
	bool stopping;
};

/* --- one budget ------------------------------------------------------------------------- */

/* Note in the budget's row what came of entry i of the list: its member is set to the period, or taken away. */
static int note(struct api *api, const char *id, const char *list, const json_t *entry, const char *member, const char *period,
		const char *status, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, id);
	json_t *one;
	size_t i;

	json_array_foreach(r ? mc_json_arr(r->spec, list) : NULL, i, one) {
		if (!json_equal(one, entry))
			continue;
		if (period)
			json_object_set_new(one, member, json_string(period));
		else
			json_object_del(one, member);
		if (status)
			json_object_set_new(one, "Status", json_string(status));
		break;
	}
	return store_commit(tx, err);
}

static json_t *facts_of(const struct api *api, const struct resource *budget, const struct budget_spend *s, const json_t *what)
{
	const json_t *limit = mc_json_obj(budget->doc, "BudgetLimit");
	char actual[MONEY_TEXT], forecast[MONEY_TEXT];
	json_t *facts;

	money_format(s->actual, 9, actual);
	money_format(s->forecast, 9, forecast);
	facts = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "AccountId", budget->account, "BudgetName",
			  mc_json_str(budget->doc, "BudgetName", ""), "Period", s->period, "Limit", mc_json_str(limit, "Amount", ""), "Unit",
			  mc_json_str(limit, "Unit", ""), "ActualSpend", actual, "ForecastedSpend", forecast, "Notification", what);
	if (api->config.time_scale > 1)
		json_object_set_new(facts, "MetersRunTimesAsFastAsTime", json_integer(api->config.time_scale));
	return facts;
}

/* All subscribers; what fails is logged and tried again the next time. */
static bool tell_all(struct api *api, const struct resource *budget, const json_t *subscribers, const json_t *facts)
{
	mc_autofree char *subject = mc_strf("AWS Budgets: %s has exceeded your alert threshold", mc_json_str(budget->doc, "BudgetName", ""));
	bool all = true;
	json_t *one;
	size_t i;

	json_array_foreach(subscribers, i, one) {
		mc_auto_err mc_err *err = NULL;

		if (budget_tell(api, mc_json_str(one, "Address", ""), subject, facts, &err) == 0)
			continue;
		mc_log(MC_LOG_WARNING, AREA, "a subscriber cannot be told", "budget", mc_json_str(budget->doc, "BudgetName", ""), "reason",
		       mc_err_msg(err), NULL);
		all = false;
	}
	return all;
}

static int look_at_notification(struct api *api, const struct resource *budget, const struct budget_spend *s, const json_t *entry,
				mc_err **err)
{
	const json_t *n = mc_json_obj(entry, "Notification");
	bool percent = strcmp(mc_json_str(n, "ThresholdType", "PERCENTAGE"), "PERCENTAGE") == 0;
	bool passed = budget_passed(s, mc_json_str(n, "NotificationType", ""), mc_json_str(n, "ComparisonOperator", ""),
				    json_number_value(json_object_get(n, "Threshold")), percent);
	const char *alarm = mc_json_str(entry, "alarm", NULL);
	mc_auto_json json_t *facts = NULL;

	if (passed ? alarm && strcmp(alarm, s->period) == 0 : !alarm)
		return 0;
	if (!passed) /* any more, or in a new period */
		return note(api, budget->id, "notifications", entry, "alarm", NULL, NULL, err);
	facts = facts_of(api, budget, s, n);
	if (!tell_all(api, budget, mc_json_arr(entry, "Subscribers"), facts))
		return 0;
	mc_log(MC_LOG_INFO, AREA, "threshold passed", "budget", mc_json_str(budget->doc, "BudgetName", ""), "period", s->period, NULL);
	return note(api, budget->id, "notifications", entry, "alarm", s->period, NULL, err);
}

static int look_at_action(struct api *api, const struct resource *budget, const struct budget_spend *s, const json_t *entry, mc_err **err)
{
	const json_t *t = mc_json_obj(entry, "ActionThreshold");
	bool percent = strcmp(mc_json_str(t, "ActionThresholdType", ""), "PERCENTAGE") == 0;
	bool passed = budget_passed(s, mc_json_str(entry, "NotificationType", ""), "GREATER_THAN",
				    json_number_value(json_object_get(t, "ActionThresholdValue")), percent);
	bool manual = strcmp(mc_json_str(entry, "ApprovalModel", ""), "MANUAL") == 0;
	mc_auto_json json_t *facts = NULL;
	mc_auto_err mc_err *wrong = NULL;
	const char *status = manual ? "PENDING" : "EXECUTION_SUCCESS", *fired = mc_json_str(entry, "fired", NULL);

	if (fired ? strcmp(fired, s->period) == 0 : !passed)
		return 0;
	if (!passed) /* a new period: it waits anew */
		return note(api, budget->id, "actions", entry, "fired", NULL, "STANDBY", err);
	facts = facts_of(api, budget, s, entry);
	tell_all(api, budget, mc_json_arr(entry, "Subscribers"), facts);
	if (!manual && budget_act(api, budget->account, mc_json_obj(entry, "Definition"), &wrong) < 0) {
		mc_log(MC_LOG_ERROR, AREA, "an action failed", "reason", mc_err_msg(wrong), NULL);
		status = "EXECUTION_FAILURE";
	}
	return note(api, budget->id, "actions", entry, "fired", s->period, status, err);
}

/* Unless it was given another end meanwhile. */
static int end(struct api *api, struct bill *b, const struct resource *budget, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	const struct resource *r = store_get(tx, budget->id);

	if (r && budget_is_over(r, b)) {
		mc_log(MC_LOG_INFO, AREA, "its time period is over", "budget", mc_json_str(r->doc, "BudgetName", ""), NULL);
		store_delete(tx, budget->id);
	}
	return store_commit(tx, err);
}

static int look_at(struct api *api, struct bill *b, const struct resource *budget, mc_err **err)
{
	const char *account = strcmp(budget->account, api->config.account) == 0 ? NULL : budget->account;
	struct budget_spend s;
	json_t *entry;
	size_t i;

	if (budget_is_over(budget, b))
		return end(api, b, budget, err);
	if (budget_spend(b, budget, account, &s, err) < 0)
		return -1;
	json_array_foreach(mc_json_arr(budget->spec, "notifications"), i, entry)
		if (look_at_notification(api, budget, &s, entry, err) < 0)
			return -1;
	json_array_foreach(mc_json_arr(budget->spec, "actions"), i, entry)
		if (look_at_action(api, budget, &s, entry, err) < 0)
			return -1;
	return 0;
}

/* --- all ------------------------------------------------------------------------------------ */

/* Copies: nothing is locked while mails are sent. */
static struct resource **copy_budgets(struct api *api, size_t *ret_n)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_iter(tx, KIND_BUDGET, NULL, NULL);
	struct resource **list = NULL;
	const struct resource *r;
	size_t n = 0;

	while ((r = store_next(&it))) {
		list = realloc(list, (n + 1) * sizeof(struct resource *));
		if (!list)
			abort();
		list[n++] = resource_clone(r);
	}
	store_end(tx);
	*ret_n = n;
	return list;
}

void budget_watch_look(struct api *api)
{
	size_t n;
	mc_autofree struct resource **list = copy_budgets(api, &n);
	mc_auto_err mc_err *err = NULL;
	struct bill b;

	if (n && billing_read(api->billing, &b, &err) == 0) {
		for (size_t i = 0; i < n; i++)
			if (look_at(api, &b, list[i], &err) < 0)
				break;
		bill_end(&b);
	}
	if (err)
		mc_log(MC_LOG_ERROR, AREA, "budgets cannot be looked at", "reason", mc_err_msg(err), NULL);
	for (size_t i = 0; i < n; i++)
		resource_free(list[i]);
}

static void *watch(void *ctx)
{
	struct budget_watch *w = ctx;

	pthread_mutex_lock(&w->mutex);
	while (!w->stopping) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += w->api->config.budget_interval;
		while (!w->stopping && pthread_cond_timedwait(&w->cond, &w->mutex, &until) == 0)
			;
		if (w->stopping)
			break;
		pthread_mutex_unlock(&w->mutex);
		budget_watch_look(w->api);
		pthread_mutex_lock(&w->mutex);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

struct budget_watch *budget_watch_start(struct api *api, mc_err **err)
{
	struct budget_watch *w = mc_alloc(sizeof(*w));
	pthread_condattr_t attr;
	int r;

	w->api = api;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->cond, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&w->thread, NULL, watch, w);
	if (r == 0)
		return w;
	mc_err_set(err, r, "cannot start the budgets' thread");
	free(w);
	return NULL;
}

void budget_watch_stop(struct budget_watch *w)
{
	pthread_mutex_lock(&w->mutex);
	w->stopping = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
