/* The store: what a transaction sees, what survives, what a dropped one leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/state.h"
#include "api/store.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/json.h"

static char dir[] = "/tmp/mc-store-XXXXXX";
static char *path;

static int setup(void **state)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	path = mc_strf("%s/db", dir);
	*state = store_open(path, NULL);
	assert_non_null(*state);
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	store_close(*state);
	for (size_t i = 0; i < MC_ARRAY_SIZE(ends); i++) {
		mc_autofree char *file = mc_strf("%s%s", path, ends[i]);

		unlink(file);
	}
	free(path);
	return rmdir(dir);
}

static void put(struct store *s, char *ret_id)
{
	struct store_tx *tx = store_write(s);
	struct resource *r = store_insert(tx, KIND_INSTANCE, "1", "us-east-1");

	json_object_set_new(r->doc, "InstanceType", json_string("t3.nano"));
	state_init(r, INSTANCE_PENDING);
	strcpy(ret_id, r->id); /* NOLINT: the test's own buffer is MC_ID_LEN */
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void test_insert_is_seen_after_commit(void **state)
{
	struct store_tx *tx = store_write(*state);
	struct resource *r = store_insert(tx, KIND_VPC, "1", "us-east-1");
	char id[MC_ID_LEN];

	memcpy(id, r->id, sizeof(id));
	assert_ptr_equal(store_get(tx, id), r);
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(*state);
	assert_non_null(store_get(tx, id));
	assert_null(store_find(tx, KIND_VPC, "2", NULL, id));
	assert_null(store_find(tx, KIND_VPC, NULL, "eu-west-1", id));
	assert_null(store_find(tx, KIND_SUBNET, NULL, NULL, id));
	store_end(tx);
}

static void test_dropped_write_leaves_nothing(void **state)
{
	char id[MC_ID_LEN];
	struct store_tx *tx;
	struct store_iter it;

	put(*state, id);
	tx = store_write(*state);
	json_object_set_new(store_edit(tx, id)->doc, "InstanceType", json_string("changed"));
	store_insert(tx, KIND_INSTANCE, "1", "us-east-1");
	store_end(tx);
	tx = store_read(*state);
	assert_string_equal(mc_json_str(store_get(tx, id)->doc, "InstanceType", ""), "t3.nano");
	it = store_iter(tx, KIND_INSTANCE, "1", NULL);
	assert_non_null(store_next(&it));
	assert_null(store_next(&it));
	store_end(tx);
}

static void test_iteration_sees_own_writes(void **state)
{
	char a[MC_ID_LEN], b[MC_ID_LEN];
	struct store_tx *tx;
	struct store_iter it;
	struct resource *c;

	put(*state, a);
	put(*state, b);
	tx = store_write(*state);
	store_delete(tx, a);
	assert_null(store_edit(tx, a));
	c = store_insert(tx, KIND_INSTANCE, "1", "us-east-1");
	it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	assert_string_equal(store_next(&it)->id, b);
	assert_ptr_equal(store_next(&it), c);
	assert_null(store_next(&it));
	assert_null(store_next(&it));
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(*state);
	assert_null(store_get(tx, a));
	assert_non_null(store_get(tx, b));
	store_end(tx);
}

static void test_survives_reopening(void **state)
{
	char id[MC_ID_LEN];
	struct access_key before, after;
	struct store_tx *tx;
	struct resource *r;

	put(*state, id);
	tx = store_write(*state);
	r = store_edit(tx, id);
	json_object_set_new(r->tags, "Name", json_string("x"));
	assert_int_equal(state_set(tx, r, INSTANCE_RUNNING), 0);
	store_set_fact(tx, "k", "v");
	assert_int_equal(store_commit(tx, NULL), 0);
	store_default_key(*state, &before);
	store_close(*state);
	*state = store_open(path, NULL);
	assert_non_null(*state);
	store_default_key(*state, &after);
	assert_string_equal(before.secret, after.secret);
	tx = store_read(*state);
	assert_int_equal(store_get(tx, id)->state, INSTANCE_RUNNING);
	assert_string_equal(mc_json_str(store_get(tx, id)->tags, "Name", ""), "x");
	assert_string_equal(store_fact(tx, "k"), "v");
	store_end(tx);
}

/* Rows that were loaded hold what they have in common once; a change is one's own. */
static void test_loaded_rows_share(void **state)
{
	char a[MC_ID_LEN], b[MC_ID_LEN];
	const struct resource *one, *other;
	struct store_tx *tx;

	put(*state, a);
	put(*state, b);
	store_close(*state);
	*state = store_open(path, NULL);
	tx = store_write(*state);
	one = store_get(tx, a);
	other = store_get(tx, b);
	assert_ptr_equal(one->tags, other->tags);
	assert_ptr_not_equal(one->spec, other->spec); /* the time of the state differs */
	assert_ptr_equal(json_object_get(one->doc, "InstanceType"), json_object_get(other->doc, "InstanceType"));
	json_object_set_new(store_edit(tx, a)->tags, "Name", json_string("x"));
	json_object_set_new(store_edit(tx, a)->doc, "InstanceType", json_string("t3.micro"));
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(*state);
	assert_int_equal(json_object_size(store_get(tx, b)->tags), 0);
	assert_string_equal(mc_json_str(store_get(tx, b)->doc, "InstanceType", ""), "t3.nano");
	assert_string_equal(mc_json_str(store_get(tx, a)->doc, "InstanceType", ""), "t3.micro");
	store_end(tx);
}

static void test_illegal_transition_is_refused(void **state)
{
	char id[MC_ID_LEN];
	struct store_tx *tx;
	struct resource *r;

	put(*state, id);
	tx = store_write(*state);
	r = store_edit(tx, id);
	assert_int_equal(state_set(tx, r, INSTANCE_TERMINATED), 0);
	assert_int_equal(state_set(tx, r, INSTANCE_RUNNING), -1);
	assert_int_equal(r->state, INSTANCE_TERMINATED);
	store_end(tx);
}

static void test_state_names_round_trip(void **state)
{
	static const struct state_machine *const machines[] = { &state_instance, &state_volume, &state_image };

	(void)state;
	for (size_t m = 0; m < MC_ARRAY_SIZE(machines); m++)
		for (int i = 0; i < machines[m]->n; i++)
			assert_int_equal(state_parse(machines[m], machines[m]->names[i]), i);
	assert_int_equal(state_parse(&state_instance, "nonsense"), -1);
}

static void test_client_token(void **state)
{
	struct store_tx *tx = store_write(*state);
	mc_auto_json json_t *result = json_pack("{s:s}", "ReservationId", "r-1");
	mc_auto_json json_t *back = NULL;
	mc_autofree char *digest = NULL;

	store_token_put(tx, "1/us-east-1/RunInstances", "tok", "d", result);
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_write(*state);
	assert_int_equal(store_token_get(tx, "1/us-east-1/RunInstances", "tok", &digest, &back, NULL), 1);
	assert_string_equal(digest, "d");
	assert_true(json_equal(result, back));
	assert_int_equal(store_token_get(tx, "2/us-east-1/RunInstances", "tok", NULL, NULL, NULL), 0);
	store_end(tx);
}

static struct store_change last_change;
static unsigned n_changes;

static void on_commit(void *ctx, const struct store_change *change)
{
	struct store_tx *tx = ctx ? store_read(*(struct store **)ctx) : NULL;

	/* Who hears of it may look at it. */
	if (tx)
		assert_true((change->to < 0) == !store_get(tx, change->id));
	store_end(tx);
	last_change = *change;
	n_changes++;
}

static void test_commits_are_told(void **state)
{
	struct store *s = *state;
	struct store_tx *tx;
	char id[MC_ID_LEN];

	store_on_commit(s, on_commit, &s);
	put(s, id);
	assert_int_equal(last_change.from, -1);
	assert_int_equal(last_change.to, INSTANCE_PENDING);
	assert_string_equal(last_change.id, id);
	tx = store_write(s);
	state_set(tx, store_edit(tx, id), INSTANCE_RUNNING);
	store_end(tx);
	assert_int_equal(n_changes, 1); /* a dropped one has not happened */
	tx = store_write(s);
	state_set(tx, store_edit(tx, id), INSTANCE_RUNNING);
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_int_equal(last_change.from, INSTANCE_PENDING);
	assert_int_equal(last_change.to, INSTANCE_RUNNING);
	tx = store_write(s);
	store_delete(tx, id);
	assert_int_equal(store_commit(tx, NULL), 0);
	assert_int_equal(last_change.from, INSTANCE_RUNNING);
	assert_int_equal(last_change.to, -1);
	assert_string_equal(last_change.account, "1");
	assert_int_equal(n_changes, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_insert_is_seen_after_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dropped_write_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iteration_sees_own_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_survives_reopening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loaded_rows_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_illegal_transition_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state_names_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commits_are_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
