#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"

#define DEFAULT_OUTPUT (64u * 1024)
#define EXEC_FAILED 127
#define CHILD_STACK (128 << 10) /* execvpe() keeps a path and the arguments on it */

static const char *const minimal_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL,
};

struct beginning {
	const struct mc_spawn *spawn;
	int in, out, errfd;
};

/* In the child: only what signal-safety(7) allows, apart from the caller's hook. It may be on a stack that ASan does not know. */
__attribute__((noreturn, no_sanitize_address)) static void child(const struct beginning *b)
{
	const struct mc_spawn *s = b->spawn;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(b->in, 0) < 0 || dup2(b->out, 1) < 0 || dup2(b->errfd, 2) < 0)
		_exit(EXEC_FAILED);
	if (s->in_child && s->in_child(s->arg) != 0)
		_exit(126);
	execvpe(s->argv[0], (char *const *)s->argv, (char *const *)(s->env ? s->env : minimal_env));
	_exit(EXEC_FAILED);
}

static int highest(const struct beginning *b)
{
	const int fds[] = { b->in, b->out, b->errfd, b->spawn->child_fd };
	int top = STDERR_FILENO;

	for (size_t i = 0; i < MC_ARRAY_SIZE(fds); i++)
		top = fds[i] > top ? fds[i] : top;
	return top;
}

/* The descriptors are the parent's until here: it has a table of its own before it changes one, into which those that it needs
 * are copied, and not all that there are. */
__attribute__((no_sanitize_address)) static int sharing_child(void *arg)
{
	const struct beginning *b = arg;

	if (close_range((unsigned)highest(b) + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0 && unshare(CLONE_FILES) < 0)
		_exit(EXEC_FAILED);
	child(b);
}

/* The parent stands still until the child has its program, or ended. */
static pid_t begin_sharing(struct beginning *b)
{
	mc_autofree char *stack = mc_alloc(CHILD_STACK);

	return clone(sharing_child, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, b);
}

static pid_t begin(struct beginning *b)
{
	pid_t pid = b->spawn->shares_memory ? begin_sharing(b) : fork();

	if (pid == 0)
		child(b);
	return pid;
}

static pid_t start(const struct mc_spawn *s, int out, int errfd, mc_err **err)
{
	struct beginning b = { .spawn = s, .in = s->stdin_fd, .out = out, .errfd = errfd };
	mc_auto_fd int null = -1;
	pid_t pid;

	if (b.in <= 0)
		b.in = null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (b.in < 0)
		return mc_err_set(err, errno, "cannot open /dev/null");
	pid = begin(&b);
	if (pid < 0)
		return mc_err_set(err, errno, "cannot fork for %s", s->argv[0]);
	return pid;
}

struct sink {
	int fd;
	char *buf;
	size_t len, max;
	const struct mc_spawn *watched; /* whose on_output sees it, or NULL */
};

static void sink_close(struct sink *k)
{
	close(k->fd);
	k->fd = -1;
}

/* What does not fit is read and dropped, so that the child never blocks on us. */
static void sink_read(struct sink *k)
{
	char chunk[4096];
	ssize_t n = read(k->fd, chunk, sizeof(chunk));
	size_t take;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		sink_close(k);
		return;
	}
	if (k->watched && k->watched->on_output)
		k->watched->on_output(k->watched->output_ctx, chunk, (size_t)n);
	take = (size_t)n < k->max - k->len ? (size_t)n : k->max - k->len;
	memcpy(k->buf + k->len, chunk, take);
	k->len += take;
	k->buf[k->len] = '\0';
}

static int remaining_ms(int64_t deadline)
{
	int64_t left = (deadline - mc_clock_boot()) / MC_MS;

	return left > 0 ? (int)left + 1 : 0;
}

enum ending { ENDED, TIMED_OUT, CANCELLED };

/* Read both ends until they close. */
static enum ending drain(struct sink *sinks, const struct mc_spawn *s)
{
	int64_t deadline = mc_clock_boot() + (int64_t)s->timeout_ms * MC_MS;

	while (sinks[0].fd >= 0 || sinks[1].fd >= 0) {
		struct pollfd p[3] = { { .fd = sinks[0].fd, .events = POLLIN },
				       { .fd = sinks[1].fd, .events = POLLIN },
				       { .fd = s->cancel_fd > 0 ? s->cancel_fd : -1, .events = POLLIN } };
		int left = s->timeout_ms ? remaining_ms(deadline) : -1;

		if (left == 0)
			return TIMED_OUT;
		if (poll(p, 3, left) < 0 && errno != EINTR)
			return ENDED;
		if (p[2].revents)
			return CANCELLED;
		for (int i = 0; i < 2; i++)
			if (sinks[i].fd >= 0 && p[i].revents)
				sink_read(&sinks[i]);
	}
	return ENDED;
}

static int wait_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXEC_FAILED;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int mc_spawn_run(const struct mc_spawn *s, struct mc_spawn_result *result, mc_err **err)
{
	int out[2], errp[2];
	size_t max = s->max_output ? s->max_output : DEFAULT_OUTPUT;
	struct sink sinks[2];
	enum ending ending;
	pid_t pid;

	memset(result, 0, sizeof(*result));
	if (pipe2(out, O_CLOEXEC) < 0)
		return mc_err_set(err, errno, "cannot make a pipe");
	if (pipe2(errp, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return mc_err_set(err, errno, "cannot make a pipe");
	}
	MC_CRASH_POINT();
	pid = start(s, out[1], errp[1], err);
	close(out[1]);
	close(errp[1]);
	if (pid < 0) {
		close(out[0]);
		close(errp[0]);
		return -1;
	}
	sinks[0] = (struct sink){ .fd = out[0], .buf = mc_alloc(max + 1), .max = max, .watched = s };
	sinks[1] = (struct sink){ .fd = errp[0], .buf = mc_alloc(max + 1), .max = max };
	ending = drain(sinks, s);
	result->timed_out = ending == TIMED_OUT;
	result->cancelled = ending == CANCELLED;
	if (ending != ENDED)
		kill(pid, SIGKILL);
	for (int i = 0; i < 2; i++)
		if (sinks[i].fd >= 0)
			sink_close(&sinks[i]);
	result->out = sinks[0].buf;
	result->errout = sinks[1].buf;
	result->status = wait_status(pid);
	MC_CRASH_POINT();
	if (result->status == EXEC_FAILED && !*result->errout && !*result->out) {
		mc_spawn_result_free(result);
		return mc_err_set(err, ENOENT, "cannot run %s", s->argv[0]);
	}
	return 0;
}

void mc_spawn_result_free(struct mc_spawn_result *result)
{
	free(result->out);
	free(result->errout);
	result->out = result->errout = NULL;
}

pid_t mc_spawn_start(const struct mc_spawn *s, int log_fd, mc_err **err)
{
	int fd = log_fd >= 0 ? log_fd : STDERR_FILENO;

	return start(s, fd, fd, err);
}

unsigned long long mc_proc_start_time(pid_t pid)
{
	mc_autofree char *path = mc_strf("/proc/%d/stat", (int)pid);
	mc_autofree char *text = mc_fs_read(path, 4096, NULL, NULL);
	char *p = text ? strrchr(text, ')') : NULL;

	/* Behind the name's closing parenthesis the state is field 3. */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}
