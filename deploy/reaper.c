/* Keeps one program alive: starts it, starts it again whenever it dies, in the same
 * namespaces, and collects the orphans it leaves behind (a dead libvirtd's QEMUs, which
 * go on running as our children). Only SIGTERM ends it, so that killing libvirtd is a
 * test and not the end. READY=1 of the program (sd_notify(3)) is passed on as ours. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/spawn.h"

#define AREA "reaper"
#define TERM_PATIENCE (10 * MC_SECOND)
#define DELAY_MIN (100 * MC_MS)
#define DELAY_MAX (10 * MC_SECOND)
#define STEADY (1 * MC_SECOND) /* having run so long, the program is worth an immediate restart */
#define NEVER INT64_MAX

static const char usage_text[] =
	"usage: reaper [-k] [-p PIDFILE] PROGRAM [ARG...]\n"
	"  -k          on SIGTERM end the orphans of the program too\n"
	"  -p PIDFILE  write \"PID START-TIME\" there, remove it at the end\n";

struct reaper {
	char **argv;
	bool end_orphans;
	const char *pidfile;
	int signal_fd, notify_fd;
	char notify_name[sizeof(struct sockaddr_un)]; /* "@name", abstract */
	pid_t child;         /* 0: not running */
	int64_t started;     /* boot clock */
	int64_t delay;       /* before the next start */
	int64_t deadline;    /* of the next thing to do: start again, or kill */
	unsigned starts;
	bool ending, killing;
	int exit_code;
};

/* An abstract datagram socket: nothing of it stays behind in the file system. */
static int notify_open(struct reaper *r, mc_err **err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(a);

	r->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->notify_fd < 0 || bind(r->notify_fd, (struct sockaddr *)&a, sizeof(a.sun_family)) < 0 ||
	    getsockname(r->notify_fd, (struct sockaddr *)&a, &len) < 0)
		return mc_err_set(err, errno, "cannot make the notify socket");
	snprintf(r->notify_name, sizeof(r->notify_name), "@%.*s",
		 (int)(len - offsetof(struct sockaddr_un, sun_path) - 1), a.sun_path + 1);
	return 0;
}

static int signals_open(struct reaper *r, mc_err **err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT); /* blocked and never acted on */
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return mc_err_set(err, errno, "cannot block signals");
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? mc_err_set(err, errno, "cannot make a signalfd") : 0;
}

static int pidfile_write(const struct reaper *r, mc_err **err)
{
	mc_autofree char *text = mc_strf("%ld %llu\n", (long)getpid(), mc_proc_start_time(getpid()));

	return r->pidfile ? mc_fs_write(r->pidfile, text, strlen(text), 0644, err) : 0;
}

/* Our environment with the program's own NOTIFY_SOCKET. Caller frees the array and its last entry. */
static char **child_environment(const struct reaper *r)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = mc_alloc((n + 2) * sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "NOTIFY_SOCKET=", 14) != 0)
			env[kept++] = environ[i];
	env[kept] = mc_strf("NOTIFY_SOCKET=%s", r->notify_name);
	return env;
}

static int child_spawn(struct reaper *r)
{
	posix_spawnattr_t attr;
	sigset_t none;
	char **env = child_environment(r);
	size_t last = 0;
	int e;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	/* Its own session: a Ctrl-C at the terminal is not for it. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	e = posix_spawnp(&r->child, r->argv[0], NULL, &attr, r->argv, env);
	posix_spawnattr_destroy(&attr);
	while (env[last + 1])
		last++;
	free(env[last]);
	free(env);
	return e;
}

static void child_start(struct reaper *r)
{
	int e = child_spawn(r);

	r->started = mc_clock_boot();
	r->deadline = NEVER;
	if (e == 0) {
		mc_logf(MC_LOG_INFO, AREA, "started %s pid=%d", r->argv[0], (int)r->child);
	} else {
		r->child = 0;
		mc_logf(MC_LOG_ERROR, AREA, "cannot start %s: %s", r->argv[0], strerror(e));
		r->deadline = r->started + r->delay;
		r->ending = r->starts == 0;
		r->exit_code = 1;
	}
	r->starts++;
}

static int parent_of(pid_t pid)
{
	mc_autofree char *path = mc_strf("/proc/%d/stat", (int)pid);
	mc_autofree char *text = mc_fs_read(path, 4096, NULL, NULL);
	const char *p = text ? strrchr(text, ')') : NULL;
	int parent;

	return p && sscanf(p + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

/* Signal every child but the program; their own children become ours as they end. */
static void orphans_signal(int sig)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		/* A child stays at least a zombie until we collect it, so the pid cannot be another's. */
		if (pid > 1 && parent_of(pid) == getpid())
			kill(pid, sig);
	}
	if (proc)
		closedir(proc);
}

/* SIGTERM now, SIGKILL when the patience is over; first the program, then its orphans. */
static void end_step(struct reaper *r)
{
	int sig = r->killing ? SIGKILL : SIGTERM;

	if (r->child > 0)
		kill(r->child, sig);
	else if (r->end_orphans)
		orphans_signal(sig);
	r->deadline = mc_clock_boot() + TERM_PATIENCE;
	r->killing = true;
}

static void child_ended(struct reaper *r, int status)
{
	int64_t lived = mc_clock_boot() - r->started;

	mc_logf(MC_LOG_WARNING, AREA, "%s ended by %s %d", r->argv[0],
		WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	r->child = 0;
	if (r->ending) {
		r->killing = false;
		end_step(r);
		return;
	}
	/* A first start that ends at once by itself is a wrong configuration: say so, do not
	 * loop. (libvirtd then says READY=1 and exits with 0.) */
	if (r->starts == 1 && lived < STEADY && WIFEXITED(status)) {
		r->exit_code = 1;
		r->ending = true;
		end_step(r);
		return;
	}
	r->delay = lived >= STEADY ? 0 : r->delay * 2;
	r->delay = r->delay < DELAY_MIN ? DELAY_MIN : r->delay > DELAY_MAX ? DELAY_MAX : r->delay;
	r->deadline = lived >= STEADY ? mc_clock_boot() : mc_clock_boot() + r->delay;
}

/* Collect whatever ended. Are there children left? */
static bool collect(struct reaper *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == r->child)
			child_ended(r, status);
		else if (r->ending && r->child == 0 && r->end_orphans)
			orphans_signal(SIGTERM); /* what this one left behind is ours now */
	}
	return pid == 0 || errno != ECHILD;
}

static void on_signals(struct reaper *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGTERM || r->ending)
			continue;
		r->ending = true;
		mc_daemon_notify("STOPPING=1");
		end_step(r);
	}
}

static void on_notify(struct reaper *r)
{
	char text[512];
	ssize_t n;

	while ((n = recv(r->notify_fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[n] = '\0';
		if (strstr(text, "READY=1"))
			mc_daemon_notify("READY=1");
	}
}

static void on_deadline(struct reaper *r)
{
	if (r->ending)
		end_step(r);
	else if (r->child == 0)
		child_start(r);
}

static int timeout_of(const struct reaper *r)
{
	int64_t left;

	if (r->deadline == NEVER)
		return -1;
	left = r->deadline - mc_clock_boot();
	return left > 0 ? (int)(left / MC_MS) + 1 : 0;
}

static bool finished(const struct reaper *r, bool children)
{
	return r->ending && r->child == 0 && (!r->end_orphans || !children);
}

static int run(struct reaper *r)
{
	bool children = true;

	child_start(r);
	while (!finished(r, children)) {
		struct pollfd p[] = { { .fd = r->signal_fd, .events = POLLIN },
				      { .fd = r->notify_fd, .events = POLLIN } };
		int n = poll(p, 2, timeout_of(r));

		if (n == 0)
			on_deadline(r);
		if (n > 0 && p[0].revents)
			on_signals(r);
		if (n > 0 && p[1].revents)
			on_notify(r);
		children = collect(r);
	}
	if (r->pidfile)
		unlink(r->pidfile);
	return r->exit_code;
}

static int setup(struct reaper *r, mc_err **err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return mc_err_set(err, errno, "cannot become a subreaper");
	if (signals_open(r, err) < 0 || notify_open(r, err) < 0)
		return -1;
	return pidfile_write(r, err);
}

int main(int argc, char **argv)
{
	struct reaper r = { .signal_fd = -1, .notify_fd = -1, .deadline = NEVER };
	mc_auto_err mc_err *err = NULL;
	int option;

	while ((option = getopt(argc, argv, "+kp:")) != -1) {
		if (option == 'k')
			r.end_orphans = true;
		else if (option == 'p')
			r.pidfile = optarg;
		else
			return fputs(usage_text, stderr), 2;
	}
	if (optind >= argc)
		return fputs(usage_text, stderr), 2;
	r.argv = argv + optind;
	if (setup(&r, &err) < 0)
		return mc_daemon_fail(AREA, err);
	return run(&r);
}
