/* Bills, Cost Explorer, forecasts and budgets seconds before and after a month ends: the last days of long and short
 * months, February 29th, the turn of a year, by a clock that is set. What they must say is reckoned here from seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/billing/billing.h"
#include "api/billing/budget.h"
#include "api/billing/calendar.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "tests/unit/api_fixture.h"

#define MICRO 10400000LL /* nano-units an hour, us-east-1 */
#define NANO 5200000LL
#define GP2 100000000LL  /* a GiB and month */
#define GIB 100
#define EARLY 3600       /* seconds from the beginning to two seconds before midnight */
#define DAY_S 86400LL

static const struct edge {
	const char *day, *next;  /* the month's last, and the first of the next */
	const char *month, *then; /* where they begin; and where the next one ends: */
	const char *end;
	int days, next_days;
	const char *quarter_goes_on, *year_goes_on;
} edges[] = {
	{ "2026-11-30", "2026-12-01", "2026-11-01", "2026-12-01", "2027-01-01", 30, 31, "ALARM", "ALARM" },
	{ "2026-12-31", "2027-01-01", "2026-12-01", "2027-01-01", "2027-02-01", 31, 31, "OK", "OK" },
	{ "2027-01-31", "2027-02-01", "2027-01-01", "2027-02-01", "2027-03-01", 31, 28, "ALARM", "ALARM" },
	{ "2027-02-28", "2027-03-01", "2027-02-01", "2027-03-01", "2027-04-01", 28, 31, "ALARM", "ALARM" },
	{ "2028-02-29", "2028-03-01", "2028-02-01", "2028-03-01", "2028-04-01", 29, 31, "ALARM", "ALARM" },
	{ "2028-03-31", "2028-04-01", "2028-03-01", "2028-04-01", "2028-05-01", 31, 30, "OK", "ALARM" },
};

struct world {
	struct fixture *f;
	const struct edge *e;
	char *micro, *nano, *volume;
};

/* --- what it must be -------------------------------------------------------------- */

static int64_t money(int64_t quantity, int64_t seconds, int64_t price, int64_t unit_seconds)
{
	return (int64_t)(((__int128)quantity * seconds * price * 2 + unit_seconds) / (2 * (__int128)unit_seconds));
}

static void is_money(const json_t *amount, int64_t nano, const char *what)
{
	char wanted[MONEY_TEXT];

	money_format(nano, 9, wanted);
	if (strcmp(mc_json_str(amount, "Amount", "none"), wanted) != 0)
		fail_msg("%s: %s, not %s", what, mc_json_str(amount, "Amount", "none"), wanted);
}

/* --- the cloud ------------------------------------------------------------------------ */

static char *put(struct world *w, enum kind kind, int state, json_t *doc)
{
	struct store_tx *tx = store_write(w->f->api.store);
	struct resource *r = store_insert(tx, kind, FIXTURE_ACCOUNT, FIXTURE_REGION);
	char *id = mc_strdup(r->id);

	json_object_update_new(r->doc, doc);
	state_init(r, state);
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

static void pass(int64_t seconds)
{
	mc_clock_step(seconds * MC_SECOND, seconds * MC_SECOND);
}

static void begin(struct world *w, const struct edge *e)
{
	struct billing_config config = { .scale = 1, .prices = prices_load("deploy/prices.json", NULL) };
	mc_autofree char *text = mc_strf("%sT22:59:58Z", e->day);
	mc_autofree void *state = NULL;
	int64_t at;

	assert_int_equal(mc_clock_parse(text, &at), 0);
	mc_clock_step(at - mc_clock_wall(), 0);
	assert_int_equal(fixture_setup(&state), 0);
	*w = (struct world){ .f = MC_STEAL(state), .e = e };
	w->f->api.billing = billing_open(w->f->api.store, &config, NULL);
	assert_non_null(w->f->api.billing);
	w->f->api.config.sendmail = "/bin/true";
	w->f->api.config.mail_from = "minicloud@localhost";
	w->micro = put(w, KIND_INSTANCE, INSTANCE_RUNNING, json_pack("{s:s}", "InstanceType", "t3.micro"));
	w->volume = put(w, KIND_VOLUME, VOLUME_AVAILABLE, json_pack("{s:i, s:s}", "Size", GIB, "VolumeType", "gp2"));
	pass(EARLY);
}

static void end(struct world *w)
{
	billing_close(w->f->api.billing);
	fixture_teardown((void **)&w->f);
	free(w->micro);
	free(w->nano);
	free(w->volume);
}

/* --- Cost Explorer ----------------------------------------------------------------------- */

/* ResultsByTime of this usage type. Borrowed. */
static json_t *usage(struct world *w, const char *granularity, const char *from, const char *to, const char *type)
{
	mc_autofree char *in = mc_strf("{'TimePeriod': {'Start': '%s', 'End': '%s'}, 'Granularity': '%s', 'Metrics': ['UnblendedCost', 'UsageQuantity'],"
				       " 'Filter': {'Dimensions': {'Key': 'USAGE_TYPE', 'Values': ['%s']}}}", from, to, granularity, type);

	w->f->service = "ce";
	fixture_ok(w->f, "GetCostAndUsage", in);
	return fixture_list(w->f, "ResultsByTime");
}

static const json_t *cost(const json_t *results, size_t i)
{
	return mc_json_obj(mc_json_obj(json_array_get(results, i), "Total"), "UnblendedCost");
}

static const char *period(const json_t *results, size_t i, const char *which)
{
	return mc_json_str(mc_json_obj(json_array_get(results, i), "TimePeriod"), which, "");
}

/* Before midnight, and two seconds after it. */
static void usage_before(struct world *w)
{
	const struct edge *e = w->e;
	json_t *r = usage(w, "DAILY", e->day, e->next, "BoxUsage:t3.micro");

	is_money(cost(r, 0), money(1, EARLY, MICRO, 3600), "the hour");
	assert_true(mc_json_bool(json_array_get(r, 0), "Estimated", false));
	r = usage(w, "MONTHLY", e->month, e->next, "EBS:VolumeUsage.gp2");
	assert_int_equal(json_array_size(r), 1);
	is_money(cost(r, 0), money(GIB, EARLY, GP2, e->days * DAY_S), "a month's part");
}

static void hours_after(struct world *w)
{
	mc_autofree char *from = mc_strf("%sT22:00:00Z", w->e->day), *to = mc_strf("%sT01:00:00Z", w->e->next);
	json_t *r = usage(w, "HOURLY", from, to, "BoxUsage:t3.micro");
	const int64_t seconds[] = { 2, 3600, 2 };
	int64_t sum = 0, nano;

	assert_int_equal(json_array_size(r), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *amount = mc_json_obj(mc_json_obj(json_array_get(r, i), "Total"), "UsageQuantity");
		char wanted[MONEY_TEXT];

		money_quotient(seconds[i], 3600, 9, wanted);
		assert_string_equal(mc_json_str(amount, "Amount", ""), wanted);
		assert_int_equal(money_parse(mc_json_str(cost(r, i), "Amount", ""), &nano), 0);
		sum += nano;
	}
	assert_string_equal(period(r, 2, "Start"), mc_json_str(mc_json_obj(json_array_get(r, 1), "TimePeriod"), "End", ""));
	assert_int_equal(sum, money(1, EARLY + 2, MICRO, 3600) + money(1, 2, MICRO, 3600));
}

static void usage_after(struct world *w)
{
	const struct edge *e = w->e;
	json_t *r = usage(w, "DAILY", e->day, e->end, "BoxUsage:t3.micro");

	is_money(cost(r, 0), money(1, EARLY + 2, MICRO, 3600), "the day before");
	is_money(cost(r, 1), money(1, 2, MICRO, 3600), "the day");
	is_money(cost(r, 2), 0, "the day to come");
	assert_string_equal(period(r, 0, "End"), e->next);
	assert_int_equal(json_array_size(r), 1 + e->next_days);
	assert_false(mc_json_bool(json_array_get(r, 0), "Estimated", true));
	assert_true(mc_json_bool(json_array_get(r, 1), "Estimated", false));
	r = usage(w, "MONTHLY", e->month, e->end, "EBS:VolumeUsage.gp2");
	assert_int_equal(json_array_size(r), 2);
	is_money(cost(r, 0), money(GIB, EARLY + 2, GP2, e->days * DAY_S), "the month that is over");
	is_money(cost(r, 1), money(GIB, 2, GP2, e->next_days * DAY_S), "the new month");
	assert_string_equal(period(r, 0, "End"), e->then);
	assert_string_equal(period(r, 1, "End"), e->end);
	hours_after(w);
}

/* Four seconds over midnight are a minute: what is added is the day's on which it ended. */
static void short_run(struct world *w)
{
	json_t *r = usage(w, "DAILY", w->e->day, w->e->end, "BoxUsage:t3.nano");

	is_money(cost(r, 0), money(1, 2, NANO, 3600), "two seconds");
	is_money(cost(r, 1), money(1, 58, NANO, 3600), "and the rest of the minute");
}

/* --- forecasts ------------------------------------------------------------------------------ */

static json_t *forecast_of(struct world *w, const char *usage, const char *granularity, const char *from, const char *to)
{
	mc_autofree char *in = mc_strf("{'TimePeriod': {'Start': '%s', 'End': '%s'}, 'Granularity': '%s', 'Metric': 'UNBLENDED_COST',"
				       " 'Filter': {'Dimensions': {'Key': 'USAGE_TYPE', 'Values': ['%s']}}}", from, to, granularity, usage);

	w->f->service = "ce";
	fixture_ok(w->f, "GetCostForecast", in);
	return fixture_list(w->f, "ForecastResultsByTime");
}

static json_t *forecast(struct world *w, const char *granularity, const char *from, const char *to)
{
	return forecast_of(w, "BoxUsage:t3.micro", granularity, from, to);
}

static void is_nano(const json_t *list, size_t i, int64_t nano)
{
	char wanted[MONEY_TEXT];

	money_format(nano, 9, wanted);
	assert_string_equal(mc_json_str(json_array_get(list, i), "MeanValue", ""), wanted);
}

static void is_mean(const json_t *list, size_t i, int64_t seconds)
{
	is_nano(list, i, money(1, seconds, MICRO, 3600));
}

static void forecast_before(struct world *w)
{
	const struct edge *e = w->e;
	json_t *list = forecast(w, "DAILY", e->day, e->next);

	assert_int_equal(json_array_size(list), 1);
	is_mean(list, 0, 2);
	list = forecast(w, "MONTHLY", e->day, e->end);
	assert_int_equal(json_array_size(list), 2);
	is_mean(list, 0, 2);
	is_mean(list, 1, e->next_days * DAY_S);
	is_money(mc_json_obj(w->f->call.out, "Total"), money(1, 2 + e->next_days * DAY_S, MICRO, 3600), "both");
	/* A month's price is a month's, however long that is. */
	list = forecast_of(w, "EBS:VolumeUsage.gp2", "MONTHLY", e->day, e->end);
	is_nano(list, 0, money(GIB, 2, GP2, e->days * DAY_S));
	is_nano(list, 1, GIB * GP2);
	list = forecast_of(w, "EBS:VolumeUsage.gp2", "DAILY", e->day, e->end);
	is_nano(list, 1, money(GIB, DAY_S, GP2, e->next_days * DAY_S));
}

static void forecast_after(struct world *w)
{
	const struct edge *e = w->e;
	mc_autofree char *past = mc_strf("{'TimePeriod': {'Start': '%s', 'End': '%s'}, 'Granularity': 'MONTHLY', 'Metric': 'UNBLENDED_COST'}", e->day, e->end);
	json_t *list = forecast(w, "MONTHLY", e->next, e->end);

	assert_int_equal(json_array_size(list), 1);
	is_mean(list, 0, e->next_days * DAY_S - 3);
	fixture_fails(w->f, "GetCostForecast", past, "ValidationException");
}

/* --- budgets ----------------------------------------------------------------------------------- */

#define BUDGET(name, more) \
	"'AccountId': '" FIXTURE_ACCOUNT "', 'Budget': {'BudgetName': '" name "', 'BudgetType': 'COST', 'BudgetLimit': {'Amount': '0.001'," \
	" 'Unit': 'USD'}, 'CostFilters': {'InstanceType': ['t3.micro']}, " more "}"
#define NOTIFIED "'NotificationsWithSubscribers': [{'Notification': {'NotificationType': 'ACTUAL', 'ComparisonOperator': 'GREATER_THAN'," \
	" 'Threshold': 100.0}, 'Subscribers': [{'SubscriptionType': 'EMAIL', 'Address': 'ops@example.com'}]}]"
#define FORESEEN \
	"'NotificationsWithSubscribers': [{'Notification': {'NotificationType': 'FORECASTED', 'ComparisonOperator': 'GREATER_THAN'," \
	" 'Threshold': 100.0}, 'Subscribers': [{'SubscriptionType': 'EMAIL', 'Address': 'ops@example.com'}]}]"
static const char *const units[] = { "DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY" };

static void make_budgets(struct world *w)
{
	mc_autofree char *later = mc_strf("{" BUDGET("later", "'TimeUnit': 'ANNUALLY', 'TimePeriod': {'Start': '%sT00:00:00Z'}") ", " NOTIFIED "}", w->e->next);
	mc_autofree char *ends = mc_strf("{" BUDGET("ends", "'TimeUnit': 'ANNUALLY', 'TimePeriod': {'End': '%sT00:00:00Z'}") ", " NOTIFIED "}", w->e->next);

	w->f->service = "budgets";
	for (size_t i = 0; i < MC_ARRAY_SIZE(units); i++) {
		mc_autofree char *in = mc_strf("{" BUDGET("%s", "'TimeUnit': '%s'") ", " NOTIFIED "}", units[i], units[i]);

		fixture_ok(w->f, "CreateBudget", in);
	}
	fixture_ok(w->f, "CreateBudget", "{'AccountId': '" FIXTURE_ACCOUNT "', 'Budget': {'BudgetName': 'hours', 'BudgetType': 'USAGE', 'TimeUnit': 'MONTHLY',"
		   " 'BudgetLimit': {'Amount': '600', 'Unit': 'Hrs'}, 'CostFilters': {'InstanceType': ['t3.micro']}}, " FORESEEN "}");
	fixture_ok(w->f, "CreateBudget", "{'AccountId': '" FIXTURE_ACCOUNT "', 'Budget': {'BudgetName': 'disks', 'BudgetType': 'USAGE', 'TimeUnit': 'MONTHLY',"
		   " 'BudgetLimit': {'Amount': '99.9', 'Unit': 'GB-Mo'}, 'CostFilters': {'UsageType': ['EBS:VolumeUsage.gp2']}}, " FORESEEN "}");
	fixture_ok(w->f, "CreateBudget", later);
	fixture_ok(w->f, "CreateBudget", ends);
	fixture_ok(w->f, "CreateBudgetAction",
		   "{'AccountId': '" FIXTURE_ACCOUNT "', 'BudgetName': 'MONTHLY', 'NotificationType': 'ACTUAL', 'ActionType': 'RUN_SSM_DOCUMENTS',"
		   " 'ActionThreshold': {'ActionThresholdValue': 100.0, 'ActionThresholdType': 'PERCENTAGE'}, 'ApprovalModel': 'MANUAL',"
		   " 'Definition': {'SsmActionDefinition': {'ActionSubType': 'STOP_EC2_INSTANCES', 'Region': 'us-east-1', 'InstanceIds': ['tag:a=b']}},"
		   " 'ExecutionRoleArn': 'arn:aws:iam::123456789012:role/budget', 'Subscribers': [{'SubscriptionType': 'EMAIL', 'Address': 'ops@example.com'}]}");
}

static int ask(struct world *w, const char *action, const char *budget)
{
	mc_autofree char *in = mc_strf("{'AccountId': '" FIXTURE_ACCOUNT "', 'BudgetName': '%s'}", budget);

	w->f->service = "budgets";
	return fixture_call(w->f, action, in);
}

static void is_alarm(struct world *w, const char *budget, const char *state)
{
	const char *got;

	assert_int_equal(ask(w, "DescribeNotificationsForBudget", budget), 0);
	got = mc_json_str(json_array_get(fixture_list(w->f, "Notifications"), 0), "NotificationState", "");
	if (strcmp(got, state) != 0)
		fail_msg("%s of %s: %s, not %s", budget, w->e->day, got, state);
}

static void is_action(struct world *w, const char *status)
{
	assert_int_equal(ask(w, "DescribeBudgetActionsForBudget", "MONTHLY"), 0);
	assert_string_equal(mc_json_str(json_array_get(fixture_list(w->f, "Actions"), 0), "Status", ""), status);
}

/* AWS shows three digits of what was spent. */
static void is_spent(struct world *w, const char *budget, int64_t actual, int64_t in_all)
{
	const json_t *spend;
	char text[MONEY_TEXT];

	assert_int_equal(ask(w, "DescribeBudget", budget), 0);
	spend = mc_json_obj(mc_json_obj(w->f->call.out, "Budget"), "CalculatedSpend");
	money_format(actual, 3, text);
	assert_string_equal(mc_json_str(mc_json_obj(spend, "ActualSpend"), "Amount", ""), text);
	money_format(in_all, 3, text);
	assert_string_equal(mc_json_str(mc_json_obj(spend, "ForecastedSpend"), "Amount", ""), text);
}

static void is_start(struct world *w, const char *budget, const char *day)
{
	mc_autofree char *wanted = mc_strf("%sT00:00:00.000Z", day);

	assert_int_equal(ask(w, "DescribeBudget", budget), 0);
	assert_string_equal(mc_json_str(mc_json_obj(mc_json_obj(w->f->call.out, "Budget"), "TimePeriod"), "Start", ""), wanted);
}

static void budgets_before(struct world *w)
{
	const int64_t hour = money(1, EARLY, MICRO, 3600), two = money(1, 2, MICRO, 3600);
	char january[] = "YYYY-01-01";

	make_budgets(w);
	memcpy(january, w->e->day, 4);
	is_start(w, "DAILY", w->e->day);
	is_start(w, "MONTHLY", w->e->month);
	is_start(w, "ANNUALLY", january);
	budget_watch_look(&w->f->api);
	for (size_t i = 0; i < MC_ARRAY_SIZE(units); i++)
		is_alarm(w, units[i], "ALARM");
	is_alarm(w, "later", "OK");
	is_alarm(w, "ends", "ALARM");
	is_action(w, "PENDING");
	is_spent(w, "DAILY", hour, hour + two);
	is_spent(w, "MONTHLY", hour, hour + two);
	is_spent(w, "ends", hour, hour + two);
	is_alarm(w, "hours", "OK");
	is_alarm(w, "disks", "OK");
	is_spent(w, "hours", MONEY_UNIT, money(1, EARLY + 2, MONEY_UNIT, 3600));
	assert_int_equal(ask(w, "DescribeBudget", "later"), 0);
	assert_string_equal(mc_json_str(mc_json_obj(mc_json_obj(mc_json_obj(w->f->call.out, "Budget"), "CalculatedSpend"), "ActualSpend"), "Amount", ""), "0.000");
}

static void budgets_after(struct world *w)
{
	const int64_t three = money(1, 3, MICRO, 3600);

	budget_watch_look(&w->f->api);
	is_alarm(w, "DAILY", "OK");
	is_alarm(w, "MONTHLY", "OK");
	is_alarm(w, "QUARTERLY", w->e->quarter_goes_on);
	is_alarm(w, "ANNUALLY", w->e->year_goes_on);
	is_alarm(w, "later", "OK");
	is_action(w, "STANDBY");
	is_spent(w, "DAILY", three, money(1, DAY_S, MICRO, 3600));
	/* Of usage, too: the whole month's hours, and what the volume holds. */
	is_alarm(w, "hours", "ALARM");
	is_alarm(w, "disks", "ALARM");
	is_spent(w, "hours", money(1, 3, MONEY_UNIT, 3600), w->e->next_days * 24 * MONEY_UNIT);
	is_spent(w, "disks", money(GIB, 3, MONEY_UNIT, w->e->next_days * DAY_S), GIB * MONEY_UNIT);
	is_spent(w, "MONTHLY", three, money(1, w->e->next_days * DAY_S, MICRO, 3600));
	assert_int_equal(ask(w, "DescribeBudget", "ends"), 1);
	assert_string_equal(w->f->call.error_code, "NotFoundException");
	pass(3600);
	budget_watch_look(&w->f->api);
	is_alarm(w, "MONTHLY", "ALARM");
	is_alarm(w, "later", "ALARM");
	is_action(w, "PENDING");
	w->f->service = "budgets";
	fixture_fails(w->f, "CreateBudget", "{" BUDGET("x", "'TimeUnit': 'DAILY', 'TimePeriod': {'Start': '2026-11-02T00:00:00Z', 'End': '2026-11-02T00:00:00Z'}") "}",
		      "InvalidParameterException");
}

/* --- all of it ------------------------------------------------------------------------------------ */

static void at_midnight(const struct edge *e)
{
	struct world w;

	begin(&w, e);
	usage_before(&w);
	forecast_before(&w);
	budgets_before(&w);
	w.nano = put(&w, KIND_INSTANCE, INSTANCE_RUNNING, json_pack("{s:s}", "InstanceType", "t3.nano"));
	pass(4);
	fixture_set_state(w.f, w.nano, INSTANCE_STOPPING);
	usage_after(&w);
	short_run(&w);
	assert_int_equal(billing_beat(w.f->api.billing, NULL), 0); /* the day that is over is final: the same */
	usage_after(&w);
	short_run(&w);
	pass(1); /* in the very nanosecond of the beat nothing has begun anew */
	forecast_after(&w);
	budgets_after(&w);
	end(&w);
}

static void months_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(edges); i++)
		at_midnight(&edges[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(months_end),
	};

	mc_clock_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
