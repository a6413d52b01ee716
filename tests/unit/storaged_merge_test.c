/* Reading layers that merges may take away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/ipc.h"
#include "storaged/merge.h"
#include "tests/unit/storaged_fixture.h"

/* Whose layer it was may have another one by now: it is not for a layer's reader to say that there is nothing. */
static void test_a_layer_that_went_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct layer top = {.id = "lay-00000000000000001", .virtual_bytes = 1 << 20};
	mc_auto_err mc_err *gone = NULL, *changes = NULL;

	assert_int_equal(merge_read(&f->storage, "lay-00000000000000002", &gone), MC_IPC_UNAVAILABLE);
	assert_non_null(strstr(mc_err_msg(gone), "lay-00000000000000002"));
	assert_int_equal(graph_layer_begin(f->storage.graph, &top, NULL), 0); /* there, but not frozen */
	assert_int_equal(merge_read(&f->storage, top.id, &changes), MC_IPC_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_layer_that_went_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
