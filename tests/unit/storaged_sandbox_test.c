/* What a program in the sandbox can reach: the two files, libraries, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/sandbox.h"

struct fixture {
	char dir[32];
	char *source, *target, *lock;
	struct sandbox *sandbox;
	struct offspring offspring;
};

static int set_up(void **state)
{
	struct fixture *f = mc_alloc(sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/sandboxXXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->source = mc_strf("%s/source", f->dir);
	f->target = mc_strf("%s/target", f->dir);
	f->lock = mc_strf("%s/lock", f->dir);
	assert_int_equal(mc_fs_write(f->source, "input", 5, 0644, NULL), 0);
	assert_int_equal(mc_fs_write(f->target, "", 0, 0644, NULL), 0);
	f->sandbox = sandbox_new(NULL);
	*state = f;
	return f->sandbox ? offspring_open(&f->offspring, f->lock, NULL) : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	offspring_close(&f->offspring);
	sandbox_free(f->sandbox);
	unlink(f->source);
	unlink(f->target);
	unlink(f->lock);
	rmdir(f->dir);
	free(f->source);
	free(f->target);
	free(f->lock);
	free(f);
	return 0;
}

/* Run Python in the sandbox: it can try any system call. */
static struct mc_spawn_result python(struct fixture *f, const char *program)
{
	const char *const argv[] = {"/usr/bin/python3", "-ISc", program, NULL};
	struct sandbox_job job = {.argv = argv, .source = f->source, .target = f->target,
				  .target_bytes = 4096, .timeout_s = 10};
	mc_auto_err mc_err *err = NULL;
	struct mc_spawn_result result = {0};

	if (sandbox_run(f->sandbox, &f->offspring, &job, &result, &err) < 0)
		fail_msg("%s", mc_err_msg(err));
	return result;
}

static void test_the_two_files(void **state)
{
	struct fixture *f = *state;
	mc_auto_spawn_result struct mc_spawn_result r =
		python(f, "import os; open('/target', 'w').write(open('/source').read() + '\\n');"
			  "print(*sorted(os.listdir('/')), *os.listdir('/dev'))");
	size_t len;

	if (r.status)
		fail_msg("%d: %s", r.status, r.errout);
	assert_string_equal(r.out, "dev lib lib64 source target usr null\n");

	mc_autofree char *text = mc_fs_read(f->target, 100, &len, NULL);

	assert_string_equal(text, "input\n");
}

/* Each must end in an exception of the system's. */
static const char *const forbidden[] = {
	"open('/source', 'w')",
	"open('/new', 'w')",
	"open('/usr/new', 'w')",
	"open('/etc/passwd')",
	"open('/proc/self/maps')",
	"open('/source/../../etc/hostname')",
	"os.mkdir('/dir')",
	"os.mknod('/dev/sda', 0o60600, 0x800)",
	"__import__('_socket').socket(2, 1, 0)",
	"__import__('_socket').socket(1, 1, 0)",
	"os.fork()",
	"os.kill(1, 0)",
	"os.setuid(0)",
	"os.chroot('/usr')",
	"libc.unshare(0x10000000) and fail()",
	"libc.mount(b'none', b'/usr', b'tmpfs', 0, None) and fail()",
	"libc.ptrace(0, 0, 0, 0) and fail()",
	"libc.prctl(4, 1, 0, 0, 0) and fail()",
};

static void test_forbidden(void **state)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(forbidden); i++) {
		mc_autofree char *program = mc_strf(
			"import os, ctypes\nlibc = ctypes.CDLL(None)\ndef fail(): raise OSError\n"
			"try: %s; print('possible')\nexcept OSError: print('refused')", forbidden[i]);
		mc_auto_spawn_result struct mc_spawn_result r = python(*state, program);

		if (strcmp(r.out, "refused\n") != 0)
			fail_msg("%s: %s%s", forbidden[i], r.out, r.errout);
	}
}

static void test_target_is_bounded(void **state)
{
	struct fixture *f = *state;
	mc_auto_spawn_result struct mc_spawn_result r = /* 4 KiB and the slack for tables: some 64 MiB */
		python(f, "f = open('/target', 'wb')\nfor i in range(100): f.write(bytes(1 << 20))");

	assert_int_not_equal(r.status, 0);
	assert_false(r.timed_out);
}

static void test_no_sandbox_no_run(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"/usr/bin/true", NULL};
	struct sandbox_job job = {.argv = argv, .source = "/nonexistent", .target = f->target, .timeout_s = 10};
	mc_auto_err mc_err *err = NULL;
	struct mc_spawn_result result;

	assert_int_equal(sandbox_run(f->sandbox, &f->offspring, &job, &result, &err), -1);
	assert_non_null(strstr(mc_err_msg(err), "open the files"));
}

int main(void)
{
#define SANDBOX_TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_the_two_files), SANDBOX_TEST(test_forbidden),
		SANDBOX_TEST(test_target_is_bounded), SANDBOX_TEST(test_no_sandbox_no_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
