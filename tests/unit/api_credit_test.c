/* CPU credits: what is earned, spent, owed and billed, and that each ns is taken once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/billing/billing.h"
#include "api/billing/calendar.h"
#include "api/billing/credit.h"
#include "api/billing/meter.h"
#include "api/billing/traffic.h"
#include "api/counters.h"
#include "api/kms_rotation.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/db.h"
#include "tests/unit/api_fixture.h"

#define MINUTES (60 * MC_SECOND)
#define HOURS (60 * MINUTES)

static struct credit_rules rules(const char *type, const char *mode)
{
	struct credit_rules r;

	assert_true(credit_rules(type, mode, &r));
	return r;
}

/* EC2 User Guide: a t3.nano earns 6 credits an hour, at most 144; idle for an hour, then one processor for an hour. */
static void earned_and_spent(void **state)
{
	const struct credit_rules nano = rules("t3.nano", NULL);
	struct credit_account a = { 0 };

	(void)state;
	assert_int_equal(credit_advance(&a, &nano, HOURS, 0), 0);
	assert_int_equal(a.balance, 6 * CREDIT_NS);
	assert_int_equal(credit_advance(&a, &nano, HOURS, 10 * CREDIT_NS), 0);
	assert_int_equal(a.balance, 2 * CREDIT_NS);
	assert_int_equal(credit_advance(&a, &nano, HOURS, 60 * CREDIT_NS), 0);
	assert_int_equal(a.balance, 0);
	assert_int_equal(a.surplus, 52 * CREDIT_NS);
	assert_int_equal(credit_advance(&a, &nano, 2 * HOURS, 0), 0); /* earning pays what is owed first */
	assert_int_equal(a.surplus, 40 * CREDIT_NS);
	assert_int_equal(credit_advance(&a, &nano, 100 * HOURS, 0), 0);
	assert_int_equal(a.surplus, 0);
	assert_int_equal(a.balance, 144 * CREDIT_NS); /* no more than a day's */
}

/* The guide's: a surplus beyond what is earned in a day is billed, and what is owed at a stop. */
static void surplus_is_billed(void **state)
{
	const struct credit_rules nano = rules("t3.nano", "unlimited"), standard = rules("t3.nano", "standard");
	struct credit_account a = { 0 };

	(void)state;
	assert_int_equal(credit_advance(&a, &nano, HOURS, 160 * CREDIT_NS), 10 * CREDIT_NS);
	assert_int_equal(a.surplus, 144 * CREDIT_NS);
	assert_int_equal(credit_stop(&a, &nano), 144 * CREDIT_NS);
	assert_int_equal(credit_stop(&a, &nano), 0);
	assert_int_equal(credit_advance(&a, &standard, HOURS, 160 * CREDIT_NS), 0);
	assert_int_equal(a.surplus, 0);
	credit_advance(&a, &nano, HOURS, 26 * CREDIT_NS);
	assert_int_equal(credit_advance(&a, &standard, 0, 0), 20 * CREDIT_NS); /* switched: it is billed at once */
}

static void families(void **state)
{
	struct credit_rules r;

	(void)state;
	assert_false(credit_rules("m5.large", NULL, &r));
	assert_true(rules("t3a.micro", NULL).unlimited);
	assert_false(rules("t2.micro", NULL).unlimited);
	assert_true(rules("t2.micro", "unlimited").unlimited);
	assert_int_equal(rules("t2.medium", NULL).launch, 60 * CREDIT_NS);
	assert_int_equal(rules("t2.medium", "unlimited").launch, 0);
	assert_int_equal(rules("t2.2xlarge", NULL).per_hour, CREDIT_NS * 816 / 10);
	assert_false(rules("t2.micro", NULL).kept);
}

/* A t3.nano's baseline is a twentieth of each of its two processors; what it may use until the next look is never more
 * than it has and earns. */
static void slowed_down_without_credits(void **state)
{
	const struct credit_rules nano = rules("t3.nano", "standard"), micro = rules("t2.micro", "standard"), unlimited = rules("t3.nano", NULL);
	struct credit_account a = { 0 };

	(void)state;
	assert_int_equal(credit_quota(&a, &nano, MINUTES), 5000);
	assert_int_equal(credit_quota(&a, &micro, MINUTES), 10000);
	assert_int_equal(credit_quota(&a, &unlimited, MINUTES), 0);
	a.balance = CREDIT_NS; /* a minute of one processor of two, in a minute */
	assert_int_equal(credit_quota(&a, &nano, MINUTES), 55000);
	a.balance = 2 * CREDIT_NS;
	assert_int_equal(credit_quota(&a, &nano, MINUTES), 0);
	a.balance = 12345678901;
	for (int i = 0; i < 100; i++) {
		int64_t quota = credit_quota(&a, &nano, MINUTES), used = 2 * MINUTES / CREDIT_PERIOD_US * (quota ? quota : CREDIT_PERIOD_US);

		assert_true(used <= a.balance + MINUTES / 10);
		credit_advance(&a, &nano, MINUTES, used);
	}
	assert_true(a.balance < MC_SECOND);
}

/* However an hour is cut, it earns the same. */
static void nothing_is_rounded_away(void **state)
{
	const struct credit_rules nano = rules("t3.nano", NULL);
	struct credit_account a = { 0 };
	int64_t left = HOURS;

	(void)state;
	for (int64_t piece = 1; left > 0; piece = piece * 3 + 7) {
		int64_t n = piece < left ? piece : left;

		credit_advance(&a, &nano, n, 0);
		left -= n;
	}
	assert_int_equal(a.balance, 6 * CREDIT_NS);
}

/* --- in the database ------------------------------------------------------------------ */

struct cloud {
	struct fixture *f;
	struct billing *billing;
	char id[MC_ID_LEN];
};

static void open_cloud(struct cloud *c)
{
	mc_auto_err mc_err *err = NULL;
	const struct billing_config config = { .scale = 1, .prices = prices_load("deploy/prices.json", &err) };

	c->billing = billing_open(c->f->api.store, &config, &err);
	assert_non_null(c->billing);
}

static int setup(void **state)
{
	struct cloud *c = mc_alloc(sizeof(*c));
	mc_auto_err mc_err *err = NULL;
	void *fixture = NULL;
	struct store_tx *tx;
	struct resource *r;

	mc_clock_freeze();
	assert_int_equal(fixture_setup(&fixture), 0);
	c->f = fixture;
	open_cloud(c);
	tx = store_write(c->f->api.store);
	r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	json_object_set_new(r->doc, "InstanceType", json_string("t3.nano"));
	json_object_set_new(r->doc, "LaunchTime", json_string("2026-01-01T00:00:00.000Z"));
	json_object_set_new(r->tags, "team", json_string("red"));
	state_init(r, INSTANCE_PENDING);
	state_set(tx, r, INSTANCE_RUNNING);
	snprintf(c->id, sizeof(c->id), "%s", r->id);
	assert_int_equal(store_commit(tx, &err), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct cloud *c = *state;
	void *fixture = c->f;

	billing_close(c->billing);
	fixture_teardown(&fixture);
	free(c);
	return 0;
}

struct taking {
	struct cloud *c;
	int64_t cpu;
	bool undone;
	struct credit_figures f;
};

static int take_reading(void *ctx, sqlite3 *db, mc_err **err)
{
	struct taking *t = ctx;
	const struct credit_reading reading = { t->c->id, t->cpu, MINUTES };
	struct store_tx *tx = store_read(t->c->f->api.store);
	int r = credit_take(tx, db, &reading, &t->f, err);

	if (r >= 0)
		r = credit_settle(tx, db, err);
	store_end(tx);
	if (t->undone)
		return mc_err_set(err, 0, "killed");
	return r;
}

static struct credit_figures take(struct cloud *c, int64_t passed, int64_t cpu, bool undone)
{
	struct taking t = { .c = c, .cpu = cpu, .undone = undone };
	mc_auto_err mc_err *err = NULL;

	mc_clock_step(passed, passed);
	assert_int_equal(store_sql(c->f->api.store, take_reading, &t, &err), undone ? -1 : 0);
	return t.f;
}

static int sum_row(sqlite3_stmt *stmt, void *ctx)
{
	*(int64_t *)ctx = sqlite3_column_int64(stmt, 0);
	return 0;
}

static int64_t billed(struct cloud *c, const char *meter)
{
	mc_auto_err mc_err *err = NULL;
	sqlite3 *db = store_reader(c->f->api.store, &err);
	int64_t sum = 0;

	assert_int_equal(mc_db_run(db, sum_row, &sum, &err, "SELECT SUM(ns) FROM usage_record r JOIN usage_line l ON l.id = r.line"
				   " WHERE l.meter = ? AND (l.tags = '{\"team\":\"red\"}' OR l.tags = '{}')", "s", meter), 0);
	sqlite3_close(db);
	return sum;
}

static void each_ns_is_billed_once(void **state)
{
	struct cloud *c = *state;
	struct credit_figures f = take(c, HOURS, 100 * CREDIT_NS, false);
	mc_auto_err mc_err *err = NULL;
	struct store_tx *tx;

	assert_int_equal(f.account.surplus, 94 * CREDIT_NS);
	take(c, HOURS, 200 * CREDIT_NS, true); /* its transaction was not committed */
	assert_int_equal(billed(c, "cpu-credits"), 0);
	billing_close(c->billing); /* the daemon is started anew */
	open_cloud(c);
	f = take(c, 0, 200 * CREDIT_NS, false);
	assert_int_equal(f.used, 100 * CREDIT_NS);
	assert_int_equal(billed(c, "cpu-credits"), (200 - 12 - 144) * CREDIT_NS);
	tx = store_write(c->f->api.store);
	state_set(tx, store_edit(tx, c->id), INSTANCE_STOPPING);
	assert_int_equal(store_commit(tx, &err), 0);
	take(c, HOURS, 0, false); /* stopped: what it owed is billed, once */
	take(c, HOURS, 0, false);
	assert_int_equal(billed(c, "cpu-credits"), 188 * CREDIT_NS);
}

static int free_it(void *ctx, sqlite3 *db, mc_err **err)
{
	return credit_freed(db, ctx, err);
}

static void set_mode(struct cloud *c, const char *mode)
{
	struct store_tx *tx = store_write(c->f->api.store);

	json_object_set_new(store_edit(tx, c->id)->spec, "cpu_credits", json_string(mode));
	assert_int_equal(store_commit(tx, NULL), 0);
}

/* Who is slowed down is told so at each look, who is not is told until it was told. */
static void qemu_is_told(void **state)
{
	struct cloud *c = *state;
	struct credit_figures f = take(c, HOURS, 0, false);
	sqlite3 *db = store_reader(c->f->api.store, NULL);
	struct store_tx *tx;
	int64_t quota = -1;

	assert_int_equal(f.quota, 0);
	assert_true(f.tell); /* a new QEMU, of which nothing is known */
	assert_true(take(c, 0, 0, false).tell);
	assert_int_equal(store_sql(c->f->api.store, free_it, c->id, NULL), 0);
	assert_false(take(c, 0, 0, false).tell);
	set_mode(c, "standard");
	f = take(c, 0, 5 * CREDIT_NS, false); /* of the six that it earned */
	assert_int_equal(f.quota, 55000);
	assert_true(f.tell);
	f = take(c, MINUTES, 7 * CREDIT_NS, false);
	assert_int_equal(f.quota, 5000);
	tx = store_read(c->f->api.store);
	assert_int_equal(credit_quota_at_start(db, store_get(tx, c->id), MINUTES, &quota, NULL), 0);
	store_end(tx);
	assert_int_equal(quota, 5000); /* its next QEMU does not begin free */
	set_mode(c, "unlimited");
	f = take(c, 0, 7 * CREDIT_NS, false);
	assert_int_equal(f.quota, 0);
	assert_true(f.tell);
	sqlite3_close(db);
}

/* --- modes by API ------------------------------------------------------------------------- */

static const char *default_of(struct fixture *f)
{
	return mc_json_str(mc_json_obj(f->call.out, "InstanceFamilyCreditSpecification"), "CpuCredits", "");
}

static void defaults_of_families(void **state)
{
	struct cloud *c = *state;
	struct fixture *f = c->f;

	fixture_ok(f, "GetDefaultCreditSpecification", "{\"InstanceFamily\": \"t3\"}");
	assert_string_equal(default_of(f), "unlimited");
	fixture_ok(f, "GetDefaultCreditSpecification", "{\"InstanceFamily\": \"t2\"}");
	assert_string_equal(default_of(f), "standard");
	fixture_ok(f, "ModifyDefaultCreditSpecification", "{\"InstanceFamily\": \"t3\", \"CpuCredits\": \"standard\"}");
	fixture_ok(f, "GetDefaultCreditSpecification", "{\"InstanceFamily\": \"t3\"}");
	assert_string_equal(default_of(f), "standard");
	fixture_ok(f, "GetDefaultCreditSpecification", "{\"InstanceFamily\": \"t3a\"}");
	assert_string_equal(default_of(f), "unlimited");
	fixture_fails(f, "ModifyDefaultCreditSpecification", "{\"InstanceFamily\": \"t3\", \"CpuCredits\": \"some\"}", "InvalidParameterValue");
	fixture_fails(f, "GetDefaultCreditSpecification", "{\"InstanceFamily\": \"m5\"}", "InvalidParameterValue");
	/* What runs keeps what it has. */
	fixture_ok(f, "DescribeInstanceCreditSpecifications", "{}");
	assert_int_equal(json_array_size(fixture_list(f, "InstanceCreditSpecifications")), 1);
}

/* --- NAT gateways' and flow logs' bytes -------------------------------------------------- */

static void bytes_of_gateways_and_logs(void **state)
{
	struct cloud *c = *state;
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *first = NULL, *second = NULL;
	struct api *api = &c->f->api;
	char nat[MC_ID_LEN], log[MC_ID_LEN], vpc[MC_ID_LEN];
	struct store_tx *tx = store_write(api->store);
	struct store_iter it = store_iter(tx, KIND_VPC, FIXTURE_ACCOUNT, FIXTURE_REGION);

	snprintf(vpc, sizeof(vpc), "%s", store_next(&it)->id);
	snprintf(nat, sizeof(nat), "%s", store_insert(tx, KIND_NAT_GATEWAY, FIXTURE_ACCOUNT, FIXTURE_REGION)->id);
	snprintf(log, sizeof(log), "%s", store_insert(tx, KIND_FLOW_LOG, FIXTURE_ACCOUNT, FIXTURE_REGION)->id);
	state_init(store_edit(tx, nat), NAT_GATEWAY_PENDING);
	assert_int_equal(store_commit(tx, &err), 0);
	api->counters = counters_open(api->store, &err);
	counters_on_growth(api->counters, traffic_count, api->store);
	first = json_pack("{s:s, s:[], s:[{s:s, s:i, s:i}], s:[{s:s, s:i}]}", "epoch", "1111111111111111", "enis", "nat_gateways", "id", nat,
			  "in_bytes", 1000, "out_bytes", 200, "flow_logs", "id", log, "bytes", 5000);
	second = json_pack("{s:s, s:[], s:[{s:s, s:i, s:i}], s:[{s:s, s:i}]}", "epoch", "2222222222222222", "enis", "nat_gateways", "id", nat,
			   "in_bytes", 1500, "out_bytes", 100, "flow_logs", "id", log, "bytes", 30);
	assert_int_equal(counters_take(api, vpc, first, &err), 0);
	assert_int_equal(counters_take(api, vpc, first, &err), 0);
	assert_int_equal(billed(c, "nat-gateway-bytes"), 1200);
	assert_int_equal(billed(c, "flow-log-bytes"), 5000);
	counters_free(api->counters);
	api->counters = counters_open(api->store, &err);
	counters_on_growth(api->counters, traffic_count, api->store);
	assert_int_equal(counters_take(api, vpc, second, &err), 0); /* one way went on, the other and the file began anew */
	assert_int_equal(billed(c, "nat-gateway-bytes"), 1200 + 500 + 100);
	assert_int_equal(billed(c, "flow-log-bytes"), 5030);
	assert_int_equal(billed(c, "data-out"), 0);
	counters_free(api->counters);
}

/* --- keys --------------------------------------------------------------------------------- */

/* rotated: so many times. */
static size_t key_meters(struct cloud *c, const char *manager, int state, int rotated, char **ret_tags, int64_t *ret_keys)
{
	struct meter_reading readings[METER_READINGS_MAX];
	struct store_tx *tx = store_write(c->f->api.store);
	struct resource *key = store_insert(tx, KIND_KMS_KEY, FIXTURE_ACCOUNT, FIXTURE_REGION);
	size_t n;

	json_object_set_new(key->spec, "manager", json_string(manager));
	json_object_set_new(key->spec, "tags", json_pack("{s:s}", "team", "red"));
	json_object_set_new(key->spec, "rotation", json_pack("{s:[]}", "log"));
	state_init(key, state);
	for (int64_t k = 1; k <= rotated; k++)
		kms_rotation_done(key, k, mc_clock_wall());
	n = meter_read(key, readings);
	*ret_keys = 0;
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(readings[i].meter->price, "kms-key");
		*ret_keys += readings[i].quantity;
	}
	*ret_tags = meter_tags(key);
	store_end(tx);
	return n;
}

static void keys_of_the_customer_are_metered(void **state)
{
	static const struct {
		const char *manager;
		int state, rotated;
		size_t meters;
		int64_t keys;
	} rows[] = {
		{ "CUSTOMER", KMS_KEY_ENABLED, 0, 1, 1 }, { "CUSTOMER", KMS_KEY_DISABLED, 0, 1, 1 },
		{ "CUSTOMER", KMS_KEY_PENDING_DELETION, 3, 0, 0 }, { "AWS", KMS_KEY_ENABLED, 0, 0, 0 },
		{ "CUSTOMER", KMS_KEY_ENABLED, 1, 2, 2 }, { "CUSTOMER", KMS_KEY_ENABLED, 2, 2, 3 }, { "CUSTOMER", KMS_KEY_ENABLED, 5, 2, 3 },
	};
	struct cloud *c = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++) {
		mc_autofree char *tags = NULL;
		int64_t keys;

		assert_int_equal(key_meters(c, rows[i].manager, rows[i].state, rows[i].rotated, &tags, &keys), rows[i].meters);
		assert_int_equal(keys, rows[i].keys);
		assert_string_equal(tags, "{\"team\":\"red\"}");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(earned_and_spent),
		cmocka_unit_test(surplus_is_billed),
		cmocka_unit_test(families),
		cmocka_unit_test(slowed_down_without_credits),
		cmocka_unit_test(nothing_is_rounded_away),
		cmocka_unit_test_setup_teardown(qemu_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(defaults_of_families, setup, teardown),
		cmocka_unit_test_setup_teardown(each_ns_is_billed_once, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_of_gateways_and_logs, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_the_customer_are_metered, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
