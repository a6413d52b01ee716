/* The lock by name: one at a time for one key, nobody waits for another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/keylock.h"

#define ROUNDS 2000

struct contest {
	struct mc_keylock *locks;
	pthread_barrier_t start;
	long a, b; /* unguarded but for the lock of their key */
};

/* Without the lock another thread's count is lost here. */
static void count(struct contest *c, const char *key, long *n)
{
	long before;

	mc_keylock_lock(c->locks, key);
	before = *n;
	sched_yield();
	*n = before + 1;
	mc_keylock_unlock(c->locks, key);
}

/* The keys are equal by their text only. */
static void *contend(void *arg)
{
	struct contest *c = arg;
	char a[] = "a", b[] = "b";

	pthread_barrier_wait(&c->start);
	for (int i = 0; i < ROUNDS; i++) {
		count(c, a, &c->a);
		count(c, b, &c->b);
	}
	return NULL;
}

static void test_exclusion(void **state)
{
	struct contest c = { .locks = mc_keylock_new() };
	pthread_t threads[4];

	(void)state;
	pthread_barrier_init(&c.start, NULL, MC_ARRAY_SIZE(threads));
	mc_keylock_lock(c.locks, "c"); /* in nobody's way */
	for (size_t i = 0; i < MC_ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, &c), 0);
	for (size_t i = 0; i < MC_ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	mc_keylock_unlock(c.locks, "c");
	pthread_barrier_destroy(&c.start);
	assert_int_equal(c.a, 4 * ROUNDS);
	assert_int_equal(c.b, 4 * ROUNDS);
	mc_keylock_free(c.locks);
}

/* Without the guard's end the second round would wait for ever. */
static void test_scope(void **state)
{
	struct mc_keylock *locks = mc_keylock_new();

	(void)state;
	for (int i = 0; i < 2; i++) {
		mc_keylock_hold struct mc_keylock_guard g = mc_keylock_guard(locks, "a");
		mc_keylock_hold struct mc_keylock_guard h = mc_keylock_guard(locks, "b");
	}
	mc_keylock_free(locks);
	mc_keylock_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusion),
		cmocka_unit_test(test_scope),
	};

	return cmocka_run_group_tests_name("keylock", tests, NULL, NULL);
}
