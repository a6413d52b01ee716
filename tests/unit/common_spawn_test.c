/* Children that share our memory until they have their program (spawn.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/spawn.h"

#define LOW 300  /* descriptors that stay open when a program is run */
#define HIGH 700
#define RUNS 100

static int copy_to(int fd)
{
	mc_auto_fd int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int copy = fcntl(file, F_DUPFD, fd);

	assert_int_equal(copy, fd);
	return copy;
}

static int note_that_it_is_open(void *arg)
{
	int *fd = arg;

	if (fcntl(*fd, F_GETFD) < 0)
		return -1;
	*fd = -1;
	return 0;
}

static int refuse(void *arg)
{
	(void)arg;
	return -1;
}

static void test_only_what_it_needs(void **state)
{
	static const char *const argv[] = { "sh", "-c", "for n in 300 700; do test ! -e /proc/$$/fd/$n || echo $n; done", NULL };
	mc_auto_fd int low = copy_to(LOW), high = copy_to(HIGH);
	int seen = low;
	struct mc_spawn spawn = { .argv = argv, .in_child = note_that_it_is_open, .arg = &seen, .shares_memory = true, .child_fd = low };
	mc_auto_spawn_result struct mc_spawn_result result = { .status = -1 };
	struct stat before[3], after;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(fstat(i, &before[i]), 0);
	assert_int_equal(mc_spawn_run(&spawn, &result, NULL), 0);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, "300\n");
	assert_int_equal(seen, -1); /* written by the child */
	assert_true(fcntl(low, F_GETFD) >= 0 && fcntl(high, F_GETFD) >= 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fstat(i, &after), 0);
		assert_true(after.st_ino == before[i].st_ino && after.st_dev == before[i].st_dev);
	}
}

static void test_what_fails(void **state)
{
	static const char *const none[] = { "/no/such/program", NULL }, *const good[] = { "true", NULL };
	mc_auto_spawn_result struct mc_spawn_result result = { .status = -1 };
	mc_auto_err mc_err *err = NULL;

	(void)state;
	assert_int_equal(mc_spawn_run(&(struct mc_spawn){ .argv = none, .shares_memory = true }, &result, &err), -1);
	assert_non_null(err);
	assert_int_equal(mc_spawn_run(&(struct mc_spawn){ .argv = good, .in_child = refuse, .shares_memory = true }, &result, NULL), 0);
	assert_int_equal(result.status, 126);
}

/* The lowest descriptors come and go, as in a daemon. */
static void *open_and_close(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop)) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || close(fd) < 0)
			return (void *)(intptr_t)errno;
	}
	return NULL;
}

static void test_beside_other_threads(void **state)
{
	static const char *const argv[] = { "echo", "here", NULL };
	atomic_bool stop = false;
	pthread_t threads[2];
	void *failed;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &stop), 0);
	for (int i = 0; i < RUNS; i++) {
		mc_auto_spawn_result struct mc_spawn_result result = { .status = -1 };

		assert_int_equal(mc_spawn_run(&(struct mc_spawn){ .argv = argv, .shares_memory = true }, &result, NULL), 0);
		assert_int_equal(result.status, 0);
		assert_string_equal(result.out, "here\n");
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_it_needs),
		cmocka_unit_test(test_what_fails),
		cmocka_unit_test(test_beside_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
