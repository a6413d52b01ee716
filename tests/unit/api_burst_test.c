/* Burst credits of volumes: spent, earned, and kept from QEMU to QEMU and from daemon to daemon. */
#include "tests/unit/api_fixture.h"

#include "api/burst.h"
#include "api/state.h"
#include "common/clock.h"

static const struct volume_shape gp2 = { .type = "gp2", .gib = 10 };

static void test_sums(void **state)
{
	const struct burst_rule rule = { .earned = 100, .top = 3000, .cap = 5400000 };
	const struct burst_rule disk = { .earned = 10 << 20, .top = 80 << 20, .cap = 1LL << 30, .bytes = true };

	(void)state;
	assert_int_equal(burst_after(&rule, 5400000, &(struct burst_use){ .passed = 3600 * MC_SECOND }), 5400000);
	assert_int_equal(burst_after(&rule, 1000, &(struct burst_use){ .operations = 900, .passed = 2 * MC_SECOND }), 300);
	assert_int_equal(burst_after(&rule, 1000, &(struct burst_use){ .operations = 9000, .passed = MC_SECOND }), 0);
	/* One of a MiB is four. */
	assert_int_equal(burst_after(&rule, 1000, &(struct burst_use){ .operations = 10, .bytes = 10 << 20 }), 960);
	assert_int_equal(burst_after(&rule, 1000, &(struct burst_use){ .passed = -MC_SECOND }), 1000);
	assert_int_equal(burst_after(&disk, 100 << 20, &(struct burst_use){ .operations = 99999, .bytes = 30 << 20, .passed = MC_SECOND }), 80 << 20);
}

struct taking {
	const struct resource *vol;
	json_int_t operations;
	double percent;
	bool renew;
	int r;
};

static int take(void *ctx, sqlite3 *db, mc_err **err)
{
	struct taking *t = ctx;
	mc_auto_json json_t *disk = json_pack("{s:I, s:i, s:I, s:i}", "reads", t->operations, "writes", 0, "read_bytes", t->operations * 4096,
					      "written_bytes", 0);

	t->r = burst_take(db, t->vol, disk, &t->percent, &t->renew, err);
	return t->r < 0 ? -1 : burst_tidy(db, err);
}

static struct taking taken(struct fixture *f, const char *volume, json_int_t operations)
{
	struct store_tx *tx = store_read(f->api.store);
	struct taking t = { .vol = store_get(tx, volume), .operations = operations };

	assert_int_equal(store_sql(f->api.store, take, &t, NULL), 0);
	store_end(tx);
	return t;
}

/* Seconds at the top; 0: at the baseline alone. */
static int64_t seconds(struct fixture *f, const char *volume, bool fresh)
{
	mc_auto_json json_t *limits = burst_limits(&f->api, volume, &gp2, fresh);

	assert_int_equal(mc_json_int(limits, "iops", 0), 100);
	assert_int_equal(mc_json_int(limits, "iops_max", 0), mc_json_int(limits, "iops_max_s", 0) ? 3000 : 0);
	return mc_json_int(limits, "iops_max_s", 0);
}

static void reopen(struct fixture *f)
{
	mc_autofree char *path = mc_strf("%s/db", f->dir);

	fixture_clear(f);
	store_close(f->api.store);
	f->api.store = store_open(path, NULL);
	assert_non_null(f->api.store);
}

static void test_kept(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *volume = NULL;
	struct taking t;

	fixture_ok(f, "CreateVolume", "{'AvailabilityZone': 'us-east-1a', 'Size': 10, 'VolumeType': 'gp2'}");
	volume = mc_strdup(mc_json_str(f->call.out, "VolumeId", NULL));
	assert_int_equal(seconds(f, volume, true), 1800);
	t = taken(f, volume, 2700000);
	assert_int_equal(t.r, 1);
	assert_true(t.percent > 49.9 && t.percent < 50.1 && !t.renew);
	t = taken(f, volume, 5400000 + 1000);
	assert_true(t.percent == 0);
	/* Another QEMU, another daemon: the credit is spent all the same. */
	assert_int_equal(seconds(f, volume, true), 0);
	reopen(f);
	assert_int_equal(seconds(f, volume, true), 0);
	mc_clock_step(60 * MC_SECOND, 60 * MC_SECOND);
	assert_int_equal(seconds(f, volume, true), 2); /* 6,000 */
	/* That one has counted anew; it idles until there is much more than it knows of. */
	t = taken(f, volume, 6000);
	assert_true(t.percent == 0 && !t.renew);
	mc_clock_step(5400 * MC_SECOND, 5400 * MC_SECOND);
	t = taken(f, volume, 6000);
	assert_true(t.percent > 9.9 && t.percent < 10.1 && !t.renew);
	mc_clock_step(100 * MC_SECOND, 100 * MC_SECOND);
	t = taken(f, volume, 6000);
	assert_true(t.renew);
	assert_int_equal(seconds(f, volume, false), 183); /* 550,000 */
	t = taken(f, volume, 6000);
	assert_true(!t.renew && t.percent > 10);
	fixture_ok(f, "CreateVolume", "{'AvailabilityZone': 'us-east-1a', 'Size': 10, 'VolumeType': 'gp3'}");
	t = taken(f, mc_json_str(f->call.out, "VolumeId", ""), 100);
	assert_int_equal(t.r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test_setup_teardown(test_kept, fixture_setup, fixture_teardown),
	};

	mc_clock_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
