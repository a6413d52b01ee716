/* What a daemon tells systemd (sd_notify(3)), and whom it lets in. */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/fs.h"

/* A socket as the service manager has it; name may begin with '@' (unix(7), abstract). */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && n < sizeof(address.sun_path));
	memcpy(address.sun_path, name, n);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void assert_heard(int fd, const char *text)
{
	char heard[64];
	ssize_t n = recv(fd, heard, sizeof(heard) - 1, 0); /* unix datagrams are there when they are sent */

	assert_int_equal(n, strlen(text));
	heard[n] = '\0';
	assert_string_equal(heard, text);
}

static void test_path(void **state)
{
	char dir[] = "/tmp/common_daemon_test.XXXXXX";
	mc_autofree char *path = NULL;
	mc_auto_fd int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = mc_strf("%s/notify", dir);
	fd = listen_at(path);
	mc_daemon_notify("READY=1");
	mc_daemon_notify("STOPPING=1");
	assert_heard(fd, "READY=1");
	assert_heard(fd, "STOPPING=1");
	unlink(path);
	rmdir(dir);
}

static void test_abstract(void **state)
{
	mc_autofree char *name = mc_strf("@common_daemon_test/%d", (int)getpid());
	mc_auto_fd int fd = listen_at(name);

	(void)state;
	mc_daemon_notify("READY=1");
	assert_heard(fd, "READY=1");
}

/* Without a service manager, or with one that is gone, nothing happens. */
static void test_nobody_listens(void **state)
{
	char name[4096];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	mc_daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	mc_daemon_notify("READY=1");
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	mc_daemon_notify("READY=1");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	mc_daemon_notify("READY=1");
}

static void test_uids(void **state)
{
	mc_auto_err mc_err *err = NULL;
	mc_autofree uid_t *uids = mc_daemon_uids("root, daemon,", NULL);

	(void)state;
	assert_int_equal(uids[0], 0);
	assert_int_equal(uids[1], getpwnam("daemon")->pw_uid);
	assert_true(uids[2] == (uid_t)-1);
	assert_null(mc_daemon_uids("root,nobody-of-that-name", &err));
	assert_string_equal(mc_err_msg(err), "there is no user nobody-of-that-name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_uids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
