/* What a call is told of the copying that it began. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/json.h"
#include "storaged/copying.h"
#include "storaged/task.h"

#define ID "snap-0123456789abcdef0"

struct fixture {
	struct storage storage;
	int started, go; /* the copying is on its way; it may end */
};

static int set_up(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));

	f->storage.tasks = tasks_new(1);
	f->started = eventfd(0, EFD_CLOEXEC);
	f->go = eventfd(0, EFD_CLOEXEC);
	*state = f;
	return f->started < 0 || f->go < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	eventfd_write(f->go, 1); /* a test that failed had not let it end */
	tasks_free(f->storage.tasks);
	close(f->started);
	close(f->go);
	free(f);
	return 0;
}

static void tell(int fd)
{
	eventfd_write(fd, 1);
}

static void await(int fd)
{
	eventfd_t value;

	eventfd_read(fd, &value);
}

/* --- what is copied ------------------------------------------------------- */

struct order {
	struct fixture *f;
	int outcome;
};

static int copy(struct storage *storage, const char *id, const void *arg, const struct qemu_img_watch *watch, mc_err **err)
{
	const struct order *order = arg;

	(void)storage;
	watch->percent(watch->ctx, 45);
	tell(order->f->started);
	await(order->f->go);
	if (order->outcome != MC_IPC_OK)
		mc_err_set(err, 0, "%s cannot be copied", id);
	return order->outcome;
}

/* On its way, and the call has been told so. */
static void begin(struct fixture *f, int outcome)
{
	struct order order = {f, outcome};
	mc_auto_json json_t *answer = NULL;

	assert_int_equal(copying_begin(&f->storage, ID, copy, &order, sizeof(order), &answer, NULL), MC_IPC_OK);
	assert_string_equal(mc_json_str(answer, "state", ""), "copying");
	await(f->started);
}

/* To its end, of which only asking tells. */
static void finish(struct fixture *f)
{
	tell(f->go);
	while (copying_check_none(&f->storage, ID, NULL) != MC_IPC_OK)
		usleep(1000);
}

static void assert_nothing_known(struct fixture *f)
{
	mc_auto_json json_t *answer = NULL;
	mc_auto_err mc_err *err = NULL;
	struct task_report report;
	int outcome = 12345;

	assert_int_equal(tasks_find(f->storage.tasks, ID, &report), 1);
	assert_false(copying_answers(&f->storage, ID, &outcome, &answer, &err));
	assert_int_equal(outcome, 12345);
	assert_null(answer);
	assert_null(err);
}

/* --- tests ---------------------------------------------------------------- */

static void test_nothing_was_begun(void **state)
{
	assert_nothing_known(*state);
}

static void test_on_its_way(void **state)
{
	struct fixture *f = *state;

	begin(f, MC_IPC_OK);
	for (int i = 0; i < 2; i++) {
		mc_auto_json json_t *answer = NULL;
		int outcome = -1;

		assert_true(copying_answers(&f->storage, ID, &outcome, &answer, NULL));
		assert_int_equal(outcome, MC_IPC_OK);
		assert_string_equal(mc_json_str(answer, "id", ""), ID);
		assert_string_equal(mc_json_str(answer, "state", ""), "copying");
		assert_int_equal(json_integer_value(json_object_get(answer, "percent")), 45);
	}
	assert_int_equal(copying_check_none(&f->storage, ID, NULL), MC_IPC_UNAVAILABLE);
	tell(f->go);
}

static void test_done(void **state)
{
	struct fixture *f = *state;
	mc_auto_json json_t *answer = NULL;
	int outcome = 12345;

	begin(f, MC_IPC_OK);
	finish(f);
	assert_false(copying_answers(&f->storage, ID, &outcome, &answer, NULL));
	assert_int_equal(outcome, 12345);
	assert_null(answer);
	assert_nothing_known(f);
}

/* Whoever asks is told once, whatever it was; then it can be begun anew. */
static void test_failed(void **state)
{
	static const int outcomes[] = {MC_IPC_NO_CAPACITY, MC_IPC_UNAVAILABLE, MC_IPC_CONFLICT, -1};
	struct fixture *f = *state;

	for (size_t i = 0; i < MC_ARRAY_SIZE(outcomes); i++) {
		mc_auto_json json_t *answer = NULL;
		mc_auto_err mc_err *err = NULL;
		int outcome = 12345;

		begin(f, outcomes[i]);
		finish(f);
		assert_true(copying_answers(&f->storage, ID, &outcome, &answer, &err));
		assert_int_equal(outcome, outcomes[i]);
		assert_string_equal(mc_err_msg(err), ID " cannot be copied");
		assert_null(answer);
		assert_nothing_known(f);
	}
}

static void test_ended(void **state)
{
	struct fixture *f = *state;

	begin(f, MC_IPC_NO_CAPACITY);
	tell(f->go);
	copying_end(&f->storage, ID);
	assert_nothing_known(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_was_begun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_on_its_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ended, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
