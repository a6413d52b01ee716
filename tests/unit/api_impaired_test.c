/* A guest that QEMU has stopped over a disk: what the status calls say, and when it may be tried again. */
#include "tests/unit/api_fixture.h"

#include "api/attachment.h"
#include "api/impaired.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/clock.h"

#define LONG_AGO (10 * MC_SECOND)

struct pair {
	char inst[MC_ID_LEN], vol[MC_ID_LEN];
};

/* A running instance with one volume. */
static struct pair make(struct fixture *f)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *inst = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	struct resource *vol = store_insert(tx, KIND_VOLUME, FIXTURE_ACCOUNT, FIXTURE_REGION);
	struct pair p;

	inst->az = mc_strdup("us-east-1a");
	vol->az = mc_strdup("us-east-1a");
	json_object_set_new(inst->spec, "volumes", json_array());
	attachment_add(inst, vol, "/dev/sdf", "attached", false);
	state_init(inst, INSTANCE_RUNNING);
	state_init(vol, VOLUME_IN_USE);
	snprintf(p.inst, sizeof(p.inst), "%s", inst->id);
	snprintf(p.vol, sizeof(p.vol), "%s", vol->id);
	assert_int_equal(store_commit(tx, NULL), 0);
	return p;
}

/* A step of it, with what the hypervisor says of its disk. */
static int step(struct fixture *f, const struct pair *p, const char *error, int64_t *ret_delay)
{
	mc_auto_json json_t *disks = json_pack("[{s:s, s:s, s:s*}]", "volume", p->vol, "target", "vdb", "error", error);
	struct store_tx *tx = store_read(f->api.store);
	struct resource *copy = resource_clone(store_get(tx, p->inst));
	mc_auto_err mc_err *err = NULL;
	int r;

	store_end(tx);
	r = error ? impaired_step(&f->api, copy, disks, ret_delay, &err) : impaired_over(&f->api, copy, ret_delay, &err);
	resource_free(copy);
	return r;
}

/* As if the last try was some time ago. */
static void age(struct fixture *f, const struct pair *p)
{
	struct store_tx *tx = store_write(f->api.store);
	json_t *impaired = mc_json_obj(store_edit(tx, p->inst)->spec, "impaired");

	json_object_set_new(impaired, "tried", json_integer(mc_clock_wall() - LONG_AGO));
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void statuses_are(struct fixture *f, const char *instance, const char *volume, const char *io_enabled, const char *performance)
{
	const json_t *one, *details;

	fixture_ok(f, "DescribeInstanceStatus", "{}");
	one = json_array_get(fixture_list(f, "InstanceStatuses"), 0); /* nobody looks at the guest itself here */
	assert_string_equal(mc_json_str(mc_json_obj(one, "InstanceStatus"), "Status", ""), strcmp(instance, "ok") == 0 ? "initializing" : instance);
	assert_string_equal(mc_json_str(mc_json_obj(one, "AttachedEbsStatus"), "Status", ""), instance);
	assert_string_equal(mc_json_str(mc_json_obj(one, "SystemStatus"), "Status", ""), "initializing");
	fixture_ok(f, "DescribeVolumeStatus", "{}");
	one = json_array_get(fixture_list(f, "VolumeStatuses"), 0);
	assert_string_equal(mc_json_str(mc_json_obj(one, "VolumeStatus"), "Status", ""), volume);
	details = mc_json_arr(mc_json_obj(one, "VolumeStatus"), "Details");
	assert_string_equal(mc_json_str(json_array_get(details, 0), "Status", ""), io_enabled);
	assert_string_equal(mc_json_str(json_array_get(details, 1), "Status", ""), performance);
}

static size_t found(struct fixture *f, const char *name, const char *value)
{
	mc_autofree char *in = mc_strf("{'Filters': [{'Name': '%s', 'Values': ['%s']}]}", name, value);

	fixture_ok(f, "DescribeVolumeStatus", in);
	return json_array_size(fixture_list(f, "VolumeStatuses"));
}

static void test_no_room(void **state)
{
	struct fixture *f = *state;
	struct pair p = make(f);
	int64_t delay = 0;

	statuses_are(f, "ok", "ok", "passed", "not-applicable");
	assert_int_equal(step(f, &p, "no-space", &delay), STEP_NOT_YET);
	statuses_are(f, "impaired", "impaired", "failed", "stalled");
	assert_int_equal(found(f, "event.event-type", "io-performance:stalled"), 1);
	assert_int_equal(found(f, "action.code", "enable-volume-io"), 0);
	/* Nobody can be asked for room here. */
	age(f, &p);
	assert_int_equal(step(f, &p, "no-space", &delay), STEP_NOT_YET);
	/* It runs, but for how long? */
	statuses_are(f, "impaired", "impaired", "failed", "stalled");
	age(f, &p);
	assert_int_equal(step(f, &p, NULL, &delay), STEP_AGAIN);
	statuses_are(f, "ok", "ok", "passed", "not-applicable");
}

static void enable(struct fixture *f, const struct pair *p)
{
	mc_autofree char *in = mc_strf("{'VolumeId': '%s'}", p->vol);

	fixture_ok(f, "EnableVolumeIO", in);
}

static void test_failed(void **state)
{
	struct fixture *f = *state;
	struct pair p = make(f);
	int64_t delay = 0;

	enable(f, &p); /* of one that is well: nothing */
	assert_int_equal(step(f, &p, "failed", &delay), STEP_NOT_YET);
	statuses_are(f, "impaired", "impaired", "failed", "not-applicable");
	assert_int_equal(found(f, "event.event-type", "potential-data-inconsistency"), 1);
	assert_int_equal(found(f, "action.code", "enable-volume-io"), 1);
	assert_int_equal(found(f, "volume-status.details-status", "failed"), 1);
	age(f, &p);
	assert_int_equal(step(f, &p, "failed", &delay), STEP_NOT_YET);
	enable(f, &p);
	assert_int_equal(step(f, &p, "failed", &delay), STEP_DONE);
	/* Once; it has just been tried, and is not said to be well at once. */
	assert_int_equal(step(f, &p, "failed", &delay), STEP_NOT_YET);
	assert_int_equal(step(f, &p, NULL, &delay), STEP_NOT_YET);
	statuses_are(f, "impaired", "impaired", "failed", "not-applicable");
}

static void test_auto_enable(void **state)
{
	struct fixture *f = *state;
	struct pair p = make(f);
	mc_autofree char *set = mc_strf("{'VolumeId': '%s', 'AutoEnableIO': {'Value': true}}", p.vol);
	int64_t delay = 0;

	fixture_ok(f, "ModifyVolumeAttribute", set);
	assert_int_equal(step(f, &p, "failed", &delay), STEP_NOT_YET);
	assert_int_equal(step(f, &p, "failed", &delay), STEP_NOT_YET);
	assert_true(delay > 0 && delay <= 2 * MC_SECOND);
	age(f, &p);
	assert_int_equal(step(f, &p, "failed", &delay), STEP_DONE);
}

static void test_stopped(void **state)
{
	struct fixture *f = *state;
	struct pair p = make(f);
	struct store_tx *tx;
	int64_t delay = 0;

	assert_int_equal(step(f, &p, "failed", &delay), STEP_NOT_YET);
	tx = store_write(f->api.store);
	state_set(tx, store_edit(tx, p.inst), INSTANCE_STOPPING);
	assert_int_equal(store_commit(tx, NULL), 0);
	fixture_ok(f, "DescribeVolumeStatus", "{}");
	assert_string_equal(mc_json_str(mc_json_obj(json_array_get(fixture_list(f, "VolumeStatuses"), 0), "VolumeStatus"), "Status", ""), "ok");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = { T(test_no_room), T(test_failed), T(test_auto_enable), T(test_stopped) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
