/* The KVM probe: its verdicts, and that it ends in time whatever the host does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "hypervisor/accelerator.h"

static void test_absent(void **state)
{
	(void)state;
	assert_int_equal(accelerator_probe("/nonexistent/kvm"), ACCELERATOR_ABSENT);
}

/* A device that opens but is no KVM. */
static void test_broken(void **state)
{
	(void)state;
	assert_int_equal(accelerator_probe("/dev/null"), ACCELERATOR_BROKEN);
}

/* As another user, in a child: root may open everything. */
static void test_denied(void **state)
{
	char path[] = "/tmp/hypervisor_accelerator_test.XXXXXX";
	int fd = mkstemp(path);
	int status = 0;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chmod(path, 0600), 0);
	pid = geteuid() == 0 ? fork() : -1;
	if (pid == 0)
		_exit(setuid(65534) == 0 ? (int)accelerator_probe(path) : 99);
	if (pid > 0)
		waitpid(pid, &status, 0);
	unlink(path);
	if (pid < 0)
		skip();
	assert_int_equal(WEXITSTATUS(status), ACCELERATOR_DENIED);
	assert_non_null(strstr(accelerator_text(ACCELERATOR_DENIED), "permission"));
}

static void test_real(void **state)
{
	int64_t start = mc_clock_boot();
	enum accelerator_verdict v = accelerator_probe("/dev/kvm");

	(void)state;
	assert_true(mc_clock_boot() - start < 60 * MC_SECOND);
	assert_in_range(v, 0, ACCELERATOR_MAX - 1);
	print_message("this host: %s\n", accelerator_text(v));
}

static void choose(const char *option, bool kvm)
{
	struct accelerator a = { 0 };

	assert_int_equal(accelerator_choose(option, &a, NULL), 0);
	assert_int_equal(a.kvm, kvm);
	assert_non_null(a.reason);
	free(a.reason);
}

static void test_choose(void **state)
{
	struct accelerator a = { .kvm = true };
	mc_auto_err mc_err *err = NULL;

	(void)state;
	choose("kvm", true);
	choose("tcg", false);
	choose("auto", accelerator_probe("/dev/kvm") == ACCELERATOR_KVM);
	assert_int_equal(accelerator_choose("xen", &a, &err), -1);
	assert_non_null(strstr(mc_err_msg(err), "xen"));
	assert_true(a.kvm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent), cmocka_unit_test(test_broken), cmocka_unit_test(test_denied),
		cmocka_unit_test(test_real),   cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
