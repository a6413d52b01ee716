/* The store: what a transaction sees, what survives, what a dropped one leaves. */
#include <pthread.h>
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

/* Documents are read when they are looked at, and are one's own when they are changed. */
static void test_loaded_rows_are_cold(void **state)
{
	char a[MC_ID_LEN], b[MC_ID_LEN];
	const struct resource *one, *other;
	struct store_tx *tx;

	put(*state, a);
	put(*state, b);
	store_close(*state);
	*state = store_open(path, NULL);
	tx = store_write(*state);
	one = store_get_bare(tx, a);
	assert_null(one->doc);
	assert_string_equal(one->region, "us-east-1");
	other = store_get_bare(tx, b);
	assert_ptr_equal(one->region, other->region); /* kept once */
	one = store_load(tx, one);
	assert_string_equal(mc_json_str(one->doc, "InstanceType", ""), "t3.nano");
	json_object_set_new(store_edit(tx, a)->tags, "Name", json_string("x"));
	json_object_set_new(store_edit(tx, a)->doc, "InstanceType", json_string("t3.micro"));
	assert_string_equal(mc_json_str(one->doc, "InstanceType", ""), "t3.nano");
	assert_null(other->doc);
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(*state);
	assert_int_equal(json_object_size(store_get(tx, b)->tags), 0);
	assert_string_equal(mc_json_str(store_get(tx, b)->doc, "InstanceType", ""), "t3.nano");
	assert_string_equal(mc_json_str(store_get(tx, a)->doc, "InstanceType", ""), "t3.micro");
	store_end(tx);
}

#define MANY 1000

static void put_many(struct store *s)
{
	struct store_tx *tx = store_write(s);

	for (int i = 0; i < MANY; i++) {
		struct resource *r = store_insert(tx, KIND_VOLUME, "1", "us-east-1");

		r->parent = mc_strdup(i % 2 ? "odd" : "even");
		json_object_set_new(r->spec, "number", json_integer(i));
		json_object_set_new(r->doc, "Name", json_sprintf("the %d.", i));
	}
	assert_int_equal(store_commit(tx, NULL), 0);
}

static void look_at_all(struct store *s, bool passing)
{
	struct store_tx *tx = store_read(s);
	struct store_iter it = passing ? store_pass(tx, KIND_VOLUME, NULL, NULL, NULL) : store_iter(tx, KIND_VOLUME, NULL, NULL);
	const struct resource *r, *first = store_next(&it);
	int n = 1;

	while ((r = store_next(&it)))
		assert_int_equal(mc_json_int(r->spec, "number", -1), n++);
	assert_int_equal(n, MANY);
	if (!passing) /* all stay for as long as the transaction does */
		assert_int_equal(mc_json_int(first->spec, "number", -1), 0);
	else /* memory for some of them is enough */
		assert_in_range(store_mark(tx), 0, MANY / 4);
	store_end(tx);
}

/* A resource got twice is the same one; what was got before a mark stays. */
static void test_documents_of_a_transaction(void **state)
{
	struct store_tx *tx;
	struct store_iter it;
	const struct resource *one, *bare;
	char id[MC_ID_LEN];

	put(*state, id);
	put_many(*state);
	look_at_all(*state, false);
	look_at_all(*state, true);
	tx = store_read(*state);
	bare = store_get_bare(tx, id);
	assert_null(bare->doc);
	one = store_get(tx, id);
	assert_ptr_equal(store_load(tx, bare), one);
	assert_ptr_equal(store_load(tx, one), one);
	it = store_pass(tx, KIND_VOLUME, NULL, NULL, NULL);
	while (store_next(&it))
		;
	assert_ptr_equal(store_get(tx, id), one);
	assert_string_equal(mc_json_str(one->doc, "InstanceType", ""), "t3.nano");
	store_end(tx);
}

static size_t count(struct store_iter it, const char *parent)
{
	size_t n = 0;

	while (store_next_of(&it, parent))
		n++;
	return n;
}

/* A word is searched in what is published; what the transaction has written is always there. */
static void test_search(void **state)
{
	struct store_tx *tx;
	struct store_iter it;
	const struct resource *r;

	put_many(*state);
	tx = store_write(*state);
	assert_int_equal(count(store_pass(tx, KIND_VOLUME, NULL, NULL, NULL), "odd"), MANY / 2);
	assert_int_equal(count(store_pass(tx, KIND_VOLUME, NULL, NULL, "the 7"), "odd"), 1 + 5 + 50);
	assert_int_equal(count(store_pass(tx, KIND_VOLUME, NULL, NULL, "nowhere"), "odd"), 0);
	it = store_pass(tx, KIND_VOLUME, NULL, NULL, "the 77.");
	r = store_next(&it);
	assert_int_equal(mc_json_int(r->spec, "number", 0), 77);
	json_object_set_new(store_edit(tx, r->id)->doc, "Name", json_string("else"));
	store_insert(tx, KIND_VOLUME, "1", "us-east-1")->parent = mc_strdup("odd");
	assert_int_equal(count(store_pass(tx, KIND_VOLUME, NULL, NULL, "nowhere"), "odd"), 2);
	assert_int_equal(store_count(tx, KIND_VOLUME, "1", "us-east-1", "odd"), MANY / 2 + 1);
	assert_int_equal(store_count(tx, KIND_VOLUME, NULL, NULL, NULL), MANY + 1);
	assert_int_equal(store_count(tx, KIND_VOLUME, "2", NULL, NULL), 0);
	store_end(tx);
}

static void *read_all_the_time(void *store)
{
	for (int i = 0; i < 10; i++)
		look_at_all(store, i & 1);
	return NULL;
}

/* Readers read rows while a writer replaces them. */
static void test_readers_and_writer(void **state)
{
	pthread_t readers[3];

	put_many(*state);
	for (size_t i = 0; i < MC_ARRAY_SIZE(readers); i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, *state), 0);
	for (int i = 0; i < 50; i++) {
		struct store_tx *tx = store_write(*state);
		struct store_iter it = store_iter(tx, KIND_VOLUME, NULL, NULL);
		const struct resource *r = NULL;

		for (int n = 0; n <= i * 7 % MANY; n++)
			r = store_next_bare(&it);
		json_object_set_new(store_edit(tx, r->id)->tags, "n", json_integer(i));
		assert_int_equal(store_commit(tx, NULL), 0);
	}
	for (size_t i = 0; i < MC_ARRAY_SIZE(readers); i++)
		pthread_join(readers[i], NULL);
}

/* What was inserted and deleted again in one transaction leaves nothing. */
static void test_inserted_and_deleted(void **state)
{
	struct store_tx *tx = store_write(*state);
	struct resource *a = store_insert(tx, KIND_VPC, "1", "us-east-1"), *b = store_insert(tx, KIND_VPC, "1", "us-east-1");
	struct store_iter it;
	char id[MC_ID_LEN];

	store_delete(tx, a->id);
	assert_null(store_get(tx, a->id));
	assert_null(store_edit(tx, a->id));
	it = store_iter(tx, KIND_VPC, NULL, NULL);
	assert_ptr_equal(store_next(&it), b);
	assert_null(store_next(&it));
	memcpy(id, a->id, sizeof(id));
	assert_int_equal(store_commit(tx, NULL), 0);
	tx = store_read(*state);
	assert_null(store_get(tx, id));
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
		cmocka_unit_test_setup_teardown(test_loaded_rows_are_cold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_documents_of_a_transaction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_search, setup, teardown),
		cmocka_unit_test_setup_teardown(test_readers_and_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inserted_and_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_illegal_transition_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state_names_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commits_are_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
