/* Budgets: what may be spent in a period, and what happens when it is. A budget is a resource: doc is
 * the Budget as AWS shows it, spec.notifications [{Notification, Subscribers, alarm?}] and spec.actions
 * [Action + fired?], where alarm and fired name the period in which it came to it. */
#ifndef MC_API_BILLING_BUDGET_H
#define MC_API_BILLING_BUDGET_H

#include <jansson.h>

#include "api/action.h"
#include "api/api.h"
#include "api/billing/bill.h"

/* The account's budget of this name, or NULL. */
const struct resource *budget_find(struct store_tx *tx, const char *account, const char *name);

/* The tags that a request brings, [{Key, Value}], onto its budget: 0 or action_fail. */
int budget_tag(struct call *call, struct resource *budget, const json_t *tags);

#define BUDGET_PERIOD 16

struct budget_spend {
	int64_t limit, actual, forecast; /* nano-units, of money or of usage */
	char period[BUDGET_PERIOD];      /* "2026-11", "2026-11-21", "2026Q4", "2026" */
};

/* The calendar's period of this TimeUnit that has the day in it: its days [*ret_from, *ret_to), and its name. */
void budget_period(const char *unit, int64_t today, int64_t *ret_from, int64_t *ret_to, char out[BUDGET_PERIOD]);

/* What is wrong with a budget's TimePeriod (constant text), or NULL. */
const char *budget_time_check(const json_t *doc);

/* Is its TimePeriod over? AWS then deletes the budget with all that belongs to it (API reference, TimePeriod). */
bool budget_is_over(const struct resource *budget, const struct bill *b);

/* What a budget's filters are as a Cost Explorer Expression; NULL: none. *ret_wrong says what is wrong
 * with them (constant text). New reference. */
json_t *budget_expression(const json_t *doc, const char **ret_wrong);

/* By the bill of this moment, in the present period and within the budget's TimePeriod. 0, or -1 and *err. */
int budget_spend(struct bill *b, const struct resource *budget, const char *account, struct budget_spend *ret, mc_err **err);

/* Is a notification's (or an action's) threshold passed? threshold and percent from it. */
bool budget_passed(const struct budget_spend *s, const char *type, const char *operator, double threshold, bool percent);

struct budget_watch;

/* Look at the budgets every now and then, tell subscribers and act. NULL and *err. */
struct budget_watch *budget_watch_start(struct api *api, mc_err **err);
void budget_watch_stop(struct budget_watch *w);
/* What it does each time: one look at all of them. */
void budget_watch_look(struct api *api);

/* --- telling (budget_notify.c) -------------------------------------------------------- */

/* Can a notification go there: a mail address, or an http(s) URL under one of the operator's prefixes
 * (webhook_allow)? NULL, or what is wrong, constant. */
const char *budget_address_check(const struct api *api, const char *type, const char *address);
/* Send. 0, or -1 and *err. */
int budget_tell(struct api *api, const char *address, const char *subject, const json_t *facts, mc_err **err);

/* --- acting (budget_act.c) ------------------------------------------------------------- */

/* Stop or terminate the instances of a definition ("i-…" or "tag:Key=Value"). 0, or -1 and *err. */
int budget_act(struct api *api, const char *account, const json_t *definition, mc_err **err);

#endif
