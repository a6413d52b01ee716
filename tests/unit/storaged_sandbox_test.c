/* What a program in the sandbox can reach: the two files, libraries, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
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
	bool lacking;
};

static int set_up(void **state, enum sandbox_kind kind)
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
	if (!f->sandbox || offspring_open(&f->offspring, f->lock, true, NULL) < 0)
		return -1;
	/* In a chroot there are no user namespaces, in an old kernel is no Landlock. */
	f->lacking = sandbox_choose(f->sandbox, &f->offspring, kind, f->lock, NULL) != kind;
	return 0;
}

static int set_up_namespaces(void **state)
{
	return set_up(state, SANDBOX_NAMESPACES);
}

static int set_up_landlock(void **state)
{
	return set_up(state, SANDBOX_LANDLOCK);
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
	const char *const argv[] = {"/usr/bin/python3", "-ISc", program, SANDBOX_SOURCE, SANDBOX_TARGET, NULL};
	struct sandbox_job job = {.argv = argv, .source = f->source, .target = f->target,
				  .target_bytes = 4096, .timeout_s = 120};
	mc_auto_err mc_err *err = NULL;
	struct mc_spawn_result result = {0};

	if (f->lacking)
		skip();
	if (sandbox_run(f->sandbox, &f->offspring, &job, &result, &err) < 0)
		fail_msg("%s", mc_err_msg(err));
	return result;
}

static void test_the_two_files(void **state)
{
	struct fixture *f = *state;
	mc_auto_spawn_result struct mc_spawn_result r =
		python(f, "import sys; open(sys.argv[2], 'w').write(open(sys.argv[1]).read() + '\\n')");
	size_t len;

	if (r.status)
		fail_msg("%d: %s", r.status, r.errout);
	mc_autofree char *text = mc_fs_read(f->target, 100, &len, NULL);

	assert_string_equal(text, "input\n");
}

/* With namespaces there are no other names at all. */
static void test_the_root(void **state)
{
	mc_auto_spawn_result struct mc_spawn_result r =
		python(*state, "import os; print(*sorted(os.listdir('/')), *os.listdir('/dev'))");

	assert_string_equal(r.out, "dev lib lib64 source target usr null\n");
}

/* Each must end in an exception of the system's. */
static const char *const forbidden[] = {
	"open(sys.argv[1], 'w')",
	"open(os.path.dirname(sys.argv[1]) + '/lock')",
	"os.unlink(sys.argv[2])",
	"open('/new', 'w')",
	"open('/usr/new', 'w')",
	"open('/etc/passwd')",
	"open('/proc/self/maps')",
	"open(sys.argv[1] + '/../../etc/hostname')",
	"os.listdir('/etc')",
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
			"import os, sys, ctypes\nlibc = ctypes.CDLL(None)\ndef fail(): raise OSError\n"
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
		python(f, "import sys\nf = open(sys.argv[2], 'wb')\nfor i in range(100): f.write(bytes(1 << 20))");

	if (!strstr(r.errout, "File too large"))
		fail_msg("%d: %s", r.status, r.errout);
}

static void test_no_sandbox_no_run(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"/usr/bin/echo", "ran", NULL};
	struct sandbox_job job = {.argv = argv, .source = "/nonexistent", .target = f->target, .timeout_s = 120};
	mc_auto_err mc_err *err = NULL;
	struct mc_spawn_result result;

	if (f->lacking)
		skip();
	assert_int_equal(sandbox_run(f->sandbox, &f->offspring, &job, &result, &err), -1);
	assert_non_null(strstr(mc_err_msg(err), "sandbox: "));
}

int main(void)
{
#define NAMESPACES(t) cmocka_unit_test_setup_teardown(t, set_up_namespaces, tear_down)
#define LANDLOCK(t) cmocka_unit_test_setup_teardown(t, set_up_landlock, tear_down)
	const struct CMUnitTest tests[] = {
		NAMESPACES(test_the_two_files), NAMESPACES(test_the_root), NAMESPACES(test_forbidden),
		NAMESPACES(test_target_is_bounded), NAMESPACES(test_no_sandbox_no_run),
		LANDLOCK(test_the_two_files), LANDLOCK(test_forbidden), LANDLOCK(test_target_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
