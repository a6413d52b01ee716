/* What time does to an instance's row. */
#include "api_fixture.h"

#include "api/reconciler.h"
#include "api/state.h"
#include "common/clock.h"

#define HOUR (3600 * MC_SECOND)

static char *insert_terminated(struct fixture *f)
{
	struct store_tx *tx = store_write(f->api.store);
	struct resource *r = store_insert(tx, KIND_INSTANCE, FIXTURE_ACCOUNT, FIXTURE_REGION);
	char *id = mc_strdup(r->id);

	state_init(r, INSTANCE_TERMINATED);
	assert_int_equal(store_commit(tx, NULL), 0);
	return id;
}

static bool is_there(struct fixture *f, const char *id)
{
	struct store_tx *tx = store_read(f->api.store);
	bool there = store_get(tx, id) != NULL;

	store_end(tx);
	return there;
}

/* "Terminated instances remain visible after termination (for approximately one hour)":
 * TerminateInstances in the EC2 API reference. */
static void test_terminated_for_an_hour(void **state)
{
	struct fixture *f = *state;
	mc_autofree char *id = insert_terminated(f);
	int64_t delay = 0;

	assert_int_equal(step_instance(&f->api, id, &delay, NULL), STEP_NOT_YET);
	assert_true(delay > HOUR - MC_SECOND * 60 && delay <= HOUR);
	mc_clock_step(HOUR - MC_SECOND * 60, HOUR - MC_SECOND * 60);
	assert_int_equal(step_instance(&f->api, id, &delay, NULL), STEP_NOT_YET);
	assert_true(delay > 0 && delay <= MC_SECOND * 60);
	assert_true(is_there(f, id));
	mc_clock_step(delay, delay);
	assert_int_equal(step_instance(&f->api, id, &delay, NULL), STEP_DONE);
	assert_false(is_there(f, id));
	/* The reconciler may be told of it once more. */
	assert_int_equal(step_instance(&f->api, id, &delay, NULL), STEP_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_terminated_for_an_hour, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
