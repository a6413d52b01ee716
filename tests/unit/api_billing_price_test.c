/* The price list: what is refused, which row holds, money as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "api/billing/calendar.h"
#include "api/billing/money.h"
#include "api/billing/price.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static void test_money_text(void **state)
{
	static const struct {
		const char *text;
		int64_t nano;
	} good[] = {
		{ "0", 0 }, { "1", 1000000000 }, { "0.0104", 10400000 }, { "0.000000001", 1 }, { "18.34", 18340000000 },
		{ "1000000000", 1000000000000000000 },
	};
	static const char *const bad[] = { "", ".5", "5.", "-1", "1e3", "0.0000000001", "1,5", "1.2.3", " 1", "1 ", "10000000000", "99999999999" };
	char text[MONEY_TEXT];
	int64_t nano;

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(good); i++) {
		assert_int_equal(money_parse(good[i].text, &nano), 0);
		assert_int_equal(nano, good[i].nano);
	}
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++)
		assert_int_equal(money_parse(bad[i], &nano), -1);
	money_format(18744999999, 2, text);
	assert_string_equal(text, "18.74");
	money_format(18745000000, 2, text);
	assert_string_equal(text, "18.75");
	money_format(-5000000, 2, text);
	assert_string_equal(text, "-0.01");
	money_format(1, 9, text);
	assert_string_equal(text, "0.000000001");
	money_format(1500000000, 0, text);
	assert_string_equal(text, "2");
}

static void test_wide_numbers(void **state)
{
	static const char *const same[] = { "0", "-1", "170141183460469231731687303715884105727", "9223372036854775808" };
	char text[MONEY_TEXT];
	money_wide n = 0;

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(same); i++) {
		assert_int_equal(money_wide_parse(same[i], &n), 0);
		money_wide_text(n, text);
		assert_string_equal(text, same[i]);
	}
	assert_int_equal(money_wide_parse("170141183460469231731687303715884105728", &n), -1);
	assert_int_equal(money_wide_parse("12a", &n), -1);
	assert_int_equal(money_round(5, 10), 1);
	assert_int_equal(money_round(4, 10), 0);
	assert_int_equal(money_round(-5, 10), 0);
	assert_int_equal(money_round(-6, 10), -1);
	money_quotient(2, 3, 6, text);
	assert_string_equal(text, "0.666667");
	n = 1;
	assert_false(money_add_product(&n, (money_wide)INT64_MAX * INT64_MAX, 4));
	assert_int_equal((int64_t)n, 1);
}

static void test_calendar(void **state)
{
	char text[CALENDAR_TEXT];
	int64_t day;
	int month;

	(void)state;
	assert_int_equal(calendar_day_parse("2024-02-29", &day), 0);
	assert_int_equal(calendar_month_days(calendar_month(day)), 29);
	calendar_day_text(day, text);
	assert_string_equal(text, "2024-02-29");
	assert_int_equal(calendar_day_parse("2023-02-29", &day), -1);
	assert_int_equal(calendar_day_parse("2024-1-1", &day), -1);
	assert_int_equal(calendar_day_parse("2024-01-01T", &day), -1);
	assert_int_equal(calendar_month_parse("2024-12", &month), 0);
	calendar_day_text(calendar_month_start(month + 1), text);
	assert_string_equal(text, "2025-01-01");
	assert_int_equal(calendar_month_parse("2024-13", &month), -1);
	assert_int_equal(calendar_day(-1), -1);
	assert_int_equal(calendar_day(-CALENDAR_DAY), -1);
	assert_int_equal(calendar_day(-CALENDAR_DAY - 1), -2);
}

/* --- lists -------------------------------------------------------------------- */

#define LIST(free, prices) \
	"{'currency': 'USD', 'regions': [{'region': 'a', 'location': 'A', 'prefix': 'A-'}," \
	" {'region': 'b', 'location': 'B', 'prefix': 'B-', 'like': 'a'}], 'free': [" free "], 'prices': [" prices "]}"
#define ROW(more) "{'meter': 'instance', 'region': 'a', 'option': 'on-demand', 'from': '2025-01-01', " more "}"
#define ONE ROW("'list': [{'type': 't3.micro', 'price': '0.01'}]")

static struct prices *read_list(const char *text, mc_err **err)
{
	mc_autofree char *json = mc_strdup(text);
	mc_auto_json json_t *file = NULL;

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	file = json_loads(json, 0, NULL);
	assert_non_null(file);
	return prices_parse(file, err);
}

static void test_bad_lists(void **state)
{
	static const struct {
		const char *list, *says;
	} bad[] = {
		{ LIST("", ""), "prices has a wrong number of elements" },
		{ LIST("", ROW("'list': [{'type': 't', 'price': '-1'}]")), "prices[0].list[0].price is malformed" },
		{ LIST("", ROW("'list': [{'type': 't'}]")), "needs a price or tiers" },
		{ LIST("", ROW("'list': [{'price': '1', 'tiers': [{'price': '1'}]}]")), "needs a price or tiers" },
		{ LIST("", ROW("'list': [{'tiers': [{'up_to': 5, 'price': '1'}]}]")), "tiers must go up" },
		{ LIST("", ROW("'list': [{'tiers': [{'up_to': 5, 'price': '1'}, {'up_to': 4, 'price': '1'}, {'price': '1'}]}]")), "tiers must go up" },
		{ LIST("", ROW("'list': [{'tiers': [{'price': '1'}, {'price': '1'}]}]")), "tiers must go up" },
		{ LIST("", ROW("'unit': 'GB', 'list': [{'price': '1'}]")), "the meter has another unit" },
		{ LIST("", ROW("'until': '2024-12-31', 'list': [{'price': '1'}]")), "ends before it begins" },
		{ LIST("", ROW("'colour': 'red', 'list': [{'price': '1'}]")), "prices[0].colour is not known" },
		{ LIST("", ROW("'percent_of_on_demand': 5, 'list': [{'price': '1'}]")), "needs a list or percent_of_on_demand" },
		{ LIST("", ONE ", " ONE), "two prices from the same day" },
		{ LIST("{'name': 'x', 'meters': ['coffee'], 'amount': 1}", ONE), "free[0].meters[0] is malformed" },
		{ LIST("", "{'meter': 'instance', 'region': 'a', 'option': 'x', 'from': '2025-02-30', 'list': [{'price': '1'}]}"), "prices[0].from is malformed" },
	};

	(void)state;
	for (size_t i = 0; i < MC_ARRAY_SIZE(bad); i++) {
		mc_auto_err mc_err *err = NULL;
		struct prices *p = read_list(bad[i].list, &err);

		if (p || !strstr(mc_err_msg(err), bad[i].says))
			fail_msg("%zu: %s, not \"%s\"", i, mc_err_msg(err), bad[i].says);
	}
}

static int64_t price_on(const struct prices *p, const char *region, const char *type, const char *option, const char *date)
{
	const struct price *row;
	int64_t day;

	assert_int_equal(calendar_day_parse(date, &day), 0);
	row = prices_find(p, "instance", region, type, option, day);
	return row ? row->tiers[0].nano : -1;
}

static void test_which_row(void **state)
{
	mc_auto_err mc_err *err = NULL;
	struct prices *p = read_list(LIST("{'name': 'h', 'meters': ['instance'], 'types': ['t3.micro'], 'amount': 750}",
		ONE ", {'meter': 'instance', 'region': 'a', 'option': 'on-demand', 'from': '2025-06-01', 'until': '2025-07-01',"
		" 'list': [{'type': 't3.micro', 'price': '0.02'}, {'type': 'm5', 'price': '1'}]},"
		" {'meter': 'instance', 'region': 'a', 'option': 'spot', 'from': '2025-01-01', 'percent_of_on_demand': 33}"), &err);
	size_t n;

	(void)state;
	if (!p)
		fail_msg("%s", mc_err_msg(err));
	assert_int_equal(price_on(p, "a", "t3.micro", "on-demand", "2024-12-31"), -1);
	assert_int_equal(price_on(p, "a", "t3.micro", "on-demand", "2025-01-01"), 10000000);
	assert_int_equal(price_on(p, "a", "t3.micro", "on-demand", "2025-05-31"), 10000000);
	assert_int_equal(price_on(p, "a", "t3.micro", "on-demand", "2025-06-01"), 20000000);
	assert_int_equal(price_on(p, "a", "t3.micro", "on-demand", "2025-07-01"), -1);
	assert_int_equal(price_on(p, "b", "t3.micro", "on-demand", "2025-06-01"), 20000000);
	assert_int_equal(price_on(p, "c", "t3.micro", "on-demand", "2025-06-01"), -1);
	assert_int_equal(price_on(p, "a", "m5.large", "on-demand", "2025-06-01"), 1000000000);
	assert_int_equal(price_on(p, "a", "t3.micro", "spot", "2025-06-01"), 3300000);
	assert_string_equal(prices_region(p, "b")->prefix, "B-");
	assert_string_equal(prices_region(p, "c")->prefix, "");
	assert_true(price_free_covers(prices_free(p, &n), "instance", "t3.micro"));
	assert_false(price_free_covers(prices_free(p, &n), "instance", "t3.nano"));
	assert_false(price_free_covers(prices_free(p, &n), "volume", "t3.micro"));
	prices_unref(p);
}

/* The list that comes along: every type on offer has a price in both regions, by every option. */
static void test_own_list(void **state)
{
	static const char *const options[] = { "on-demand", "spot", "reserved-1yr", "reserved-3yr", "savings-plan-1yr", "savings-plan-3yr" };
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *types = mc_json_load("deploy/instance-types.json", &err);
	struct prices *p = prices_load("deploy/prices.json", &err);
	json_t *type;
	size_t i;

	(void)state;
	if (!p || !types)
		fail_msg("%s", mc_err_msg(err));
	json_array_foreach(mc_json_arr(types, "types"), i, type)
		for (size_t o = 0; o < MC_ARRAY_SIZE(options); o++) {
			const char *name = mc_json_str(type, "type", "");

			assert_true(price_on(p, "us-east-1", name, options[o], "2026-01-01") > 0);
			assert_true(price_on(p, "ap-northeast-2", name, options[o], "2026-01-01") > 0);
			assert_true(price_on(p, "ap-northeast-2", name, options[o], "2026-01-01") <=
				    price_on(p, "ap-northeast-2", name, "on-demand", "2026-01-01"));
		}
	assert_int_equal(price_on(p, "us-east-1", "t3.micro", "on-demand", "2026-01-01"), 10400000);
	assert_int_equal(price_on(p, "ap-northeast-2", "t3.micro", "on-demand", "2026-01-01"), 13000000);
	assert_int_equal(price_on(p, "us-west-2", "t3.micro", "on-demand", "2026-01-01"), 10400000);
	prices_unref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_money_text),
		cmocka_unit_test(test_wide_numbers),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_which_row),
		cmocka_unit_test(test_own_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
