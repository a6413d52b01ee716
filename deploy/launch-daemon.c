/* Starts one daemon in the background and returns when it is ready; stops it again.
 * Used by the launcher, which is shell: pids, pidfds and sd_notify need C.
 * A pid file holds "PID START-TIME"; a pid is only trusted together with its start time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/fs.h"
#include "common/spawn.h"

#define DEFAULT_TIMEOUT_S 30
#define DYING_MS 20000 /* for the kernel to take back what a killed process had */

static const char usage_text[] =
	"usage: launch-daemon start PIDFILE LOGFILE NOTIFY-SOCKET TIMEOUT-S PROGRAM [ARG...]\n"
	"       launch-daemon stop PIDFILE [TIMEOUT-S]    SIGTERM, then SIGKILL after the timeout\n"
	"       launch-daemon signal PIDFILE HUP|TERM|KILL\n"
	"       launch-daemon status PIDFILE              prints the pid; exit 3 when it does not run\n"
	"start returns 0 when the program runs already or said READY=1 (sd_notify(3)).\n";

/* Whether SIGKILL was sent to it: until the end that stays among the pending signals, see
 * proc_pid_status(5). A leader that is a zombie only waits for its threads. */
static bool is_dying(pid_t pid)
{
	mc_autofree char *path = mc_strf("/proc/%d/status", (int)pid);
	mc_autofree char *text = mc_fs_read(path, 8192, NULL, NULL);
	const char *pending = text ? strstr(text, "\nShdPnd:") : NULL;

	return !pending || strstr(text, "\nState:\tZ") || strtoull(pending + 8, NULL, 16) & 1ULL << (SIGKILL - 1);
}

/* The pidfd of the process named by the file, -1 where it does not run (any more). Waits for the end of
 * one that is dying: nothing else may count on it, and its sockets and locks are in the way of the next. */
static int pidfile_open(const char *path, pid_t *ret_pid)
{
	mc_autofree char *text = mc_fs_read(path, 128, NULL, NULL);
	unsigned long long start;
	long pid;

	if (!text || sscanf(text, "%ld %llu", &pid, &start) != 2 || pid <= 1)
		return -1;

	mc_auto_fd int fd = pidfd_open((pid_t)pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0 || mc_proc_start_time((pid_t)pid) != start)
		return -1;
	if (poll(&p, 1, is_dying((pid_t)pid) ? DYING_MS : 0) != 0) /* readable: it has ended, nobody reaped it yet */
		return -1;
	*ret_pid = (pid_t)pid;
	return MC_STEAL_FD(fd);
}

static int pidfile_write(const char *path, pid_t pid, mc_err **err)
{
	mc_autofree char *text = mc_strf("%ld %llu\n", (long)pid, mc_proc_start_time(pid));

	return mc_fs_write(path, text, strlen(text), 0644, err);
}

/* Wait until fd is readable, at most until the boot-clock deadline. poll(2)'s result. */
static int wait_readable(struct pollfd *fds, nfds_t n, int64_t deadline)
{
	for (;;) {
		int64_t left = (deadline - mc_clock_boot()) / MC_MS;
		int r = poll(fds, n, left > 0 ? (int)left : 0);

		if (r >= 0 || errno != EINTR)
			return r;
	}
}

/* A datagram socket at path that takes SO_PEERCRED-like credentials with each message. */
static int notify_listen(const char *path, mc_err **err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int on = 1;

	if (strlen(path) >= sizeof(address.sun_path))
		return mc_err_set(err, ENAMETOOLONG, "notify socket %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);

	mc_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return mc_err_set(err, errno, "notify socket %s", path);
	/* The directory around it says who may reach it. */
	if (chmod(path, 0666) < 0)
		return mc_err_set(err, errno, "chmod %s", path);
	return MC_STEAL_FD(fd);
}

/* Has a READY=1 from this very process arrived? */
static bool notify_ready(int fd, pid_t pid)
{
	char text[1024];
	union {
		char space[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
			   .msg_controllen = sizeof(control.space)};
	ssize_t n;

	while ((n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC)) >= 0) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		struct ucred peer = {0};

		if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&peer, CMSG_DATA(c), sizeof(peer));
		text[n] = '\0';
		if (peer.pid == pid && strstr(text, "READY=1"))
			return true;
		m.msg_controllen = sizeof(control.space);
	}
	return false;
}

/* In the child: wait until the parent has recorded us, then become the program. */
static void child_run(int go_fd, int log_fd, const char *notify, char **argv)
{
	int null_fd = open("/dev/null", O_RDONLY);
	sigset_t none;
	char c;

	if (read(go_fd, &c, 1) != 1)
		_exit(125);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0 ||
	    setenv("NOTIFY_SOCKET", notify, 1) < 0)
		_exit(125);
	close_range(3, ~0U, 0);
	execvp(argv[0], argv);
	dprintf(2, "launch-daemon: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Fork the program; it runs only once the pid file is there. */
static pid_t child_start(const char *pidfile, const char *logfile, const char *notify, char **argv,
			 mc_err **err)
{
	mc_auto_fd int log_fd = open(logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	int go[2];

	if (log_fd < 0)
		return mc_err_set(err, errno, "log file %s", logfile);
	if (pipe2(go, O_CLOEXEC) < 0)
		return mc_err_set(err, errno, "pipe");

	mc_auto_fd int go_read = go[0];
	mc_auto_fd int go_write = go[1];
	pid_t pid = fork();

	if (pid < 0)
		return mc_err_set(err, errno, "fork");
	if (pid == 0) {
		close(go_write); /* so that the parent's death is seen */
		child_run(go_read, log_fd, notify, argv);
	}
	if (pidfile_write(pidfile, pid, err) < 0)
		return -1;
	if (write(go_write, "x", 1) != 1)
		return mc_err_set(err, errno, "starting %s", argv[0]);
	return pid;
}

/* 0 when it said it is ready; -1 and *err when it ended or took too long (then it is killed). */
static int child_wait(pid_t pid, int notify_fd, int64_t timeout_s, mc_err **err)
{
	int64_t deadline = mc_clock_boot() + timeout_s * MC_SECOND;
	mc_auto_fd int pidfd = pidfd_open(pid, 0);
	struct pollfd fds[] = {{.fd = notify_fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};

	if (pidfd < 0)
		return mc_err_set(err, errno, "pidfd_open");
	for (;;) {
		int r = wait_readable(fds, 2, deadline);

		if (r < 0)
			return mc_err_set(err, errno, "poll");
		if (r == 0) {
			pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
			return mc_err_set(err, 0, "not ready within %lld s",
					  (long long)timeout_s);
		}
		if (notify_ready(notify_fd, pid))
			return 0;
		if (fds[1].revents)
			return mc_err_set(err, 0, "ended before it was ready");
	}
}

static int start_run(char **argv, int64_t timeout_s, mc_err **err)
{
	const char *pidfile = argv[0], *logfile = argv[1], *notify = argv[2];
	pid_t pid;
	mc_auto_fd int running = pidfile_open(pidfile, &pid);

	if (running >= 0)
		return 0;

	mc_auto_fd int notify_fd = notify_listen(notify, err);

	if (notify_fd < 0)
		return -1;
	pid = child_start(pidfile, logfile, notify, argv + 4, err);

	int r = pid < 0 ? -1 : child_wait(pid, notify_fd, timeout_s, err);

	unlink(notify);
	if (r < 0)
		unlink(pidfile);
	return r;
}

static int64_t timeout_parse(const char *text)
{
	char *end;
	long s = text ? strtol(text, &end, 10) : DEFAULT_TIMEOUT_S;

	return text && (*end || s < 1 || s > 3600) ? -1 : s;
}

static int do_start(int argc, char **argv)
{
	mc_auto_err mc_err *err = NULL;
	int64_t timeout_s = argc >= 5 ? timeout_parse(argv[3]) : -1;

	if (timeout_s < 0)
		return fputs(usage_text, stderr), 2;
	if (start_run(argv, timeout_s, &err) == 0)
		return 0;
	fprintf(stderr, "launch-daemon: %s\n", mc_err_msg(err));
	return 1;
}

static int do_stop(int argc, char **argv)
{
	int64_t timeout_s = timeout_parse(argc > 1 ? argv[1] : NULL);
	pid_t pid;
	mc_auto_fd int fd = pidfile_open(argv[0], &pid);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int killed = 0;

	if (timeout_s < 0)
		return fputs(usage_text, stderr), 2;
	if (fd >= 0) {
		pidfd_send_signal(fd, SIGTERM, NULL, 0);
		if (wait_readable(&p, 1, mc_clock_boot() + timeout_s * MC_SECOND) == 0) {
			killed = 1;
			pidfd_send_signal(fd, SIGKILL, NULL, 0);
			wait_readable(&p, 1, mc_clock_boot() + DEFAULT_TIMEOUT_S * MC_SECOND);
		}
	}
	unlink(argv[0]);
	if (killed)
		fprintf(stderr, "launch-daemon: pid %ld took longer than %lld s, killed\n",
			(long)pid, (long long)timeout_s);
	return 0;
}

static int do_signal(int argc, char **argv)
{
	static const struct { const char *name; int number; } signals[] = {
		{"HUP", SIGHUP}, {"TERM", SIGTERM}, {"KILL", SIGKILL},
	};
	pid_t pid;
	mc_auto_fd int fd = pidfile_open(argv[0], &pid);

	for (size_t i = 0; argc == 2 && i < MC_ARRAY_SIZE(signals); i++)
		if (strcmp(argv[1], signals[i].name) == 0)
			return fd >= 0 && pidfd_send_signal(fd, signals[i].number, NULL, 0) == 0 ? 0 : 3;
	return fputs(usage_text, stderr), 2;
}

static int do_status(int argc, char **argv)
{
	pid_t pid;
	mc_auto_fd int fd = pidfile_open(argv[0], &pid);

	(void)argc;
	if (fd < 0)
		return 3;
	printf("%ld\n", (long)pid);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(int argc, char **argv); } commands[] = {
		{"start", do_start}, {"stop", do_stop}, {"signal", do_signal}, {"status", do_status},
	};

	for (size_t i = 0; argc >= 3 && i < MC_ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fputs(usage_text, stderr);
	return 2;
}
