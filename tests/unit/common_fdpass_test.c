/* Descriptors over a socket: one comes through, one too many does not stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"

static size_t open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_one(void **state)
{
	mc_auto_json json_t *doc = json_pack("{s:b}", "ok", 1);
	mc_auto_json json_t *got = NULL;
	int sockets[2], fd = -1;
	size_t before;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	before = open_descriptors();
	assert_int_equal(mc_fdpass_send(sockets[0], doc, STDIN_FILENO, NULL), 0);
	assert_int_equal(mc_fdpass_recv(sockets[1], &got, &fd, NULL), 0);
	assert_true(fd >= 0 && json_equal(doc, got));
	close(fd);
	assert_int_equal(open_descriptors(), before);
	close(sockets[0]);
	json_decref(MC_STEAL(got));
	assert_int_equal(mc_fdpass_recv(sockets[1], &got, &fd, NULL), 1);
	close(sockets[1]);
}

/* What mc_fdpass_send() never does: two descriptors with one line. */
static void send_two(int sock)
{
	int fds[2] = { STDIN_FILENO, STDIN_FILENO };
	char control[CMSG_SPACE(sizeof(fds))] __attribute__((aligned(8))) = "";
	struct iovec iov = { .iov_base = "{}\n", .iov_len = 3 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	assert_int_equal(sendmsg(sock, &msg, 0), 3);
}

static void test_two(void **state)
{
	mc_auto_json json_t *got = NULL;
	int sockets[2], fd = -1;
	size_t before;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	before = open_descriptors();
	send_two(sockets[0]);
	assert_int_equal(mc_fdpass_recv(sockets[1], &got, &fd, NULL), 0);
	assert_int_equal(open_descriptors(), before + 1);
	close(fd);
	close(sockets[0]);
	close(sockets[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one), cmocka_unit_test(test_two) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
