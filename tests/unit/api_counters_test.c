#include "tests/unit/api_fixture.h"

#include "api/counters.h"
#include "common/clock.h"
#include "common/db.h"

/* The sums of what netd says, through resets, departures and restarts of the daemon. */

#define EPOCH_ONE "00000000000000aa"
#define EPOCH_TWO "00000000000000bb"

struct cloud {
	struct fixture *f;
	char vpc[MC_ID_LEN], eni[MC_ID_LEN];
	int64_t grown, last_from, last_to; /* bytes that the hook was told of */
	bool refuse;
};

static int on_growth(void *ctx, sqlite3 *db, const struct counters_growth *g, mc_err **err)
{
	struct cloud *c = ctx;

	for (int m = 0; m < COUNTER_MAX; m++) {
		assert_true(g->bytes[m] >= 0);
		c->grown += g->bytes[m];
	}
	c->last_from = g->from;
	c->last_to = g->to;
	if (c->refuse)
		return mc_err_set(err, 0, "not now");
	return mc_db_exec(db, "INSERT OR REPLACE INTO fact VALUES ('grown', 'yes')", err);
}

static void open_counters(struct cloud *c)
{
	mc_err *err = NULL;

	c->f->api.counters = counters_open(c->f->api.store, &err);
	if (!c->f->api.counters)
		fail_msg("%s", mc_err_msg(err));
	counters_on_growth(c->f->api.counters, on_growth, c);
}

static int setup(void **state)
{
	struct cloud *c = mc_alloc(sizeof(*c));
	struct store_tx *tx;
	struct resource *eni;
	void *fixture;
	mc_err *err = NULL;

	fixture_setup(&fixture);
	c->f = fixture;
	c->f->api.config.counters_interval = 10;
	c->f->api.config.netd = "/nowhere/netd.sock";
	open_counters(c);
	tx = store_write(c->f->api.store);
	{
		struct store_iter it = store_iter(tx, KIND_VPC, NULL, NULL);

		snprintf(c->vpc, sizeof(c->vpc), "%s", store_next(&it)->id);
	}
	eni = store_insert(tx, KIND_NETWORK_INTERFACE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	eni->parent = mc_strdup(c->vpc);
	json_object_set_new(eni->spec, "ip", json_string("172.31.0.10"));
	json_object_set_new(eni->spec, "instance", json_string("i-00000000000000001"));
	snprintf(c->eni, sizeof(c->eni), "%s", eni->id);
	assert_int_equal(store_commit(tx, &err), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct cloud *c = *state;
	void *fixture = c->f;

	counters_free(c->f->api.counters);
	fixture_teardown(&fixture);
	free(c);
	return 0;
}

static void restart(struct cloud *c)
{
	counters_free(c->f->api.counters);
	open_counters(c);
}

static int take(struct cloud *c, const char *epoch, const char *ip, int in, int out)
{
	mc_auto_json json_t *answer = json_pack("{s:s, s:[{s:s, s:s, s:i, s:i, s:i, s:i}]}", "epoch", epoch, "enis", "id",
		c->eni, "ip", ip, "internet_in", in, "internet_out", out, "local_in", 0, "local_out", 0);
	mc_auto_err mc_err *err = NULL;

	return counters_take(&c->f->api, c->vpc, answer, &err);
}

static void expect(struct cloud *c, int64_t in, int64_t out)
{
	struct counters_total t;

	assert_true(counters_get(c->f->api.counters, c->eni, &t));
	assert_int_equal(t.bytes[COUNTER_INTERNET_IN], in);
	assert_int_equal(t.bytes[COUNTER_INTERNET_OUT], out);
	assert_string_equal(t.instance, "i-00000000000000001");
	assert_string_equal(t.account, FIXTURE_ACCOUNT);
}

static json_t *wanted(const struct cloud *c, const char *secondary)
{
	return json_pack("{s:[{s:s, s:s, s:[{s:s}]}]}", "enis", "id", c->eni, "ip", "172.31.0.10", "secondary", "ip", secondary);
}

static void sums_go_on(void **state)
{
	struct cloud *c = *state;

	assert_int_equal(take(c, EPOCH_ONE, "172.31.0.10", 100, 10), 0);
	assert_int_equal(take(c, EPOCH_ONE, "172.31.0.10", 150, 10), 0);
	expect(c, 150, 10);
	assert_int_equal(take(c, EPOCH_TWO, "172.31.0.10", 170, 0), 0); /* began at 0, and is beyond already */
	expect(c, 320, 10);
	assert_int_equal(take(c, EPOCH_TWO, "172.31.0.10", 5, 5), 0); /* fell without a word */
	expect(c, 325, 15);
	assert_int_equal(c->grown, 340);
}

static void sums_outlive_the_daemon(void **state)
{
	struct cloud *c = *state;

	take(c, EPOCH_ONE, "172.31.0.10", 100, 10);
	restart(c);
	expect(c, 100, 10);
	take(c, EPOCH_ONE, "172.31.0.10", 130, 10);
	expect(c, 130, 10);
	take(c, EPOCH_TWO, "172.31.0.10", 0, 0); /* nothing carried, but the epoch must be remembered */
	restart(c);
	take(c, EPOCH_TWO, "172.31.0.10", 200, 0);
	expect(c, 330, 10);
	assert_int_equal(c->grown, 340);
}

static void nothing_is_half_stored(void **state)
{
	struct cloud *c = *state;

	take(c, EPOCH_ONE, "172.31.0.10", 100, 0);
	c->refuse = true;
	assert_int_equal(take(c, EPOCH_ONE, "172.31.0.10", 160, 0), -1);
	expect(c, 100, 0);
	c->refuse = false;
	c->grown = 0;
	take(c, EPOCH_ONE, "172.31.0.10", 170, 0);
	expect(c, 170, 0);
	assert_int_equal(c->grown, 70);
}

static void addresses_come_and_go(void **state)
{
	struct cloud *c = *state;
	mc_auto_json json_t *both = wanted(c, "172.31.0.11"), *other = wanted(c, "172.31.0.12");

	counters_after(&c->f->api, c->vpc, both);
	take(c, EPOCH_ONE, "172.31.0.10", 100, 0);
	take(c, EPOCH_ONE, "172.31.0.11", 40, 0);
	expect(c, 140, 0);
	counters_after(&c->f->api, c->vpc, other);
	expect(c, 140, 0);
	counters_after(&c->f->api, c->vpc, both); /* back: its counter is a new one */
	restart(c);
	take(c, EPOCH_ONE, "172.31.0.11", 50, 0);
	expect(c, 190, 0);
}

static void spans_follow_each_other(void **state)
{
	struct cloud *c = *state;
	mc_auto_json json_t *doc = wanted(c, "172.31.0.11");
	int64_t then, put = mc_clock_wall();

	counters_after(&c->f->api, c->vpc, doc);
	mc_clock_step(7 * MC_SECOND, 7 * MC_SECOND);
	take(c, EPOCH_ONE, "172.31.0.10", 1, 0);
	assert_in_range(c->last_from, put, put + MC_SECOND);
	then = c->last_to;
	assert_true(then - c->last_from >= 7 * MC_SECOND);
	mc_clock_step(3 * MC_SECOND, 3 * MC_SECOND);
	take(c, EPOCH_ONE, "172.31.0.10", 2, 0);
	assert_true(c->last_from == then);
}

static void the_gone_are_forgotten_after_a_day(void **state)
{
	struct cloud *c = *state;
	mc_auto_json json_t *doc = wanted(c, "172.31.0.11");
	struct counters_total t;

	counters_after(&c->f->api, c->vpc, doc);
	take(c, EPOCH_ONE, "172.31.0.10", 9, 0);
	counters_after(&c->f->api, c->vpc, NULL);
	mc_clock_step(23 * 3600 * MC_SECOND, 0);
	restart(c);
	counters_after(&c->f->api, c->vpc, NULL);
	expect(c, 9, 0);
	mc_clock_step(2 * 3600 * MC_SECOND, 0);
	counters_after(&c->f->api, c->vpc, NULL);
	assert_false(counters_get(c->f->api.counters, c->eni, &t));
}

static void strange_answers_count_nothing(void **state)
{
	struct cloud *c = *state;
	struct counters_total t;
	mc_err *err = NULL;
	mc_auto_json json_t *strange = json_loads(
		"{\"enis\": [1, {}, {\"id\": \"../../x\", \"ip\": \"1.2.3.4\", \"internet_in\": 5},"
		" {\"id\": \"eni-00000000000000001\", \"ip\": \"no\", \"internet_in\": 5},"
		" {\"id\": \"eni-00000000000000001\", \"ip\": \"1.2.3.4\", \"internet_in\": -5, \"local_in\": \"7\"}]}", 0, NULL);

	assert_int_equal(counters_take(&c->f->api, c->vpc, strange, &err), 0);
	assert_int_equal(counters_take(&c->f->api, c->vpc, NULL, &err), 0);
	assert_int_equal(c->grown, 0);
	assert_true(!counters_get(c->f->api.counters, "eni-00000000000000001", &t) || t.bytes[COUNTER_INTERNET_IN] == 0);
}

static void metrics_show_all(void **state)
{
	struct cloud *c = *state;
	mc_autofree char *text = NULL, *line = NULL;
	size_t len;
	FILE *out;

	take(c, EPOCH_ONE, "172.31.0.10", 100, 10);
	take(c, EPOCH_ONE, "172.31.0.11", 1, 0);
	out = open_memstream(&text, &len);
	counters_metrics(c->f->api.counters, out);
	fclose(out);
	line = mc_strf("minicloud_interface_bytes_total{interface=\"%s\",instance=\"i-00000000000000001\",scope=\"internet\","
		       "direction=\"in\"} 101\n", c->eni);
	assert_non_null(strstr(text, line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sums_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(sums_outlive_the_daemon, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_half_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(spans_follow_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(the_gone_are_forgotten_after_a_day, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_answers_count_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(metrics_show_all, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
