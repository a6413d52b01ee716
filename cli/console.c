/* `minicloud console i-...`: the instance's serial port on this terminal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/line.h"
#include "cli/tty.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"

#define PROTOCOL "minicloud-console"
#define ESCAPE 0x1d /* Ctrl-] */
#define TYPED 1024

enum end { OPEN, ESCAPED, CLOSED, BROKEN, SIGNALLED };

struct session {
	struct line *line;
	struct tty *tty;
	char typed[TYPED]; /* not sent yet */
	size_t n;
	enum end end;
};

static void write_whole(const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t k = write(STDOUT_FILENO, bytes, n);

		if (k < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (k > 0) {
			bytes += k;
			n -= (size_t)k;
		}
	}
}

static void from_guest(struct session *s)
{
	char bytes[4096];
	ssize_t n;

	while ((n = line_recv(s->line, bytes, sizeof(bytes))) > 0)
		write_whole(bytes, (size_t)n);
	if (n == 0)
		s->end = CLOSED;
	else if (errno != EAGAIN)
		s->end = BROKEN;
}

/* What was typed before the escape key still goes out. */
static void from_keyboard(struct session *s)
{
	ssize_t n = read(STDIN_FILENO, s->typed + s->n, TYPED - s->n);
	const char *escape;

	if (n <= 0) {
		if (n == 0 || (errno != EINTR && errno != EAGAIN))
			s->end = SIGNALLED; /* the terminal is gone */
		return;
	}
	escape = memchr(s->typed + s->n, ESCAPE, (size_t)n);
	s->n = escape ? (size_t)(escape - s->typed) : s->n + (size_t)n;
	if (escape)
		s->end = ESCAPED;
}

static void to_guest(struct session *s)
{
	ssize_t n = s->n ? line_send(s->line, s->typed, s->n) : 0;

	if (n < 0)
		s->end = BROKEN;
	if (n <= 0)
		return;
	memmove(s->typed, s->typed + n, s->n - (size_t)n);
	s->n -= (size_t)n;
}

static void on_signal(struct session *s)
{
	int sig = tty_signal(s->tty);

	if (sig && sig != SIGWINCH) /* a serial line has no size */
		s->end = SIGNALLED;
}

static void talk(struct session *s)
{
	while (s->end == OPEN) {
		struct pollfd fds[] = {
			{ .fd = line_fd(s->line), .events = (short)(POLLIN | (s->n ? POLLOUT : 0)) },
			{ .fd = s->n < TYPED ? STDIN_FILENO : -1, .events = POLLIN },
			{ .fd = tty_signal_fd(s->tty), .events = POLLIN },
		};

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
			from_guest(s);
		if (fds[1].revents)
			from_keyboard(s);
		if (fds[2].revents)
			on_signal(s);
		to_guest(s);
	}
}

static int say_end(enum end end, const char *id)
{
	static const char *const words[] = {
		[OPEN] = "broken off", [ESCAPED] = "left", [CLOSED] = "closed by the other side",
		[BROKEN] = "the connection broke", [SIGNALLED] = "ended by a signal",
	};

	fprintf(stderr, "\nminicloud: console of %s: %s\n", id, words[end]);
	return end == ESCAPED || end == CLOSED ? CLI_OK : CLI_FAILURE;
}

static int refused(const json_t *refusal)
{
	fprintf(stderr, "An error occurred (%s) when opening the console: %s\n", mc_json_str(refusal, "code", ""),
		mc_json_str(refusal, "message", ""));
	if (strcmp(mc_json_str(refusal, "code", ""), "ConsoleInUse") == 0)
		fputs("minicloud: --force takes it over\n", stderr);
	return CLI_API;
}

static int run(struct cli *cli, const char *id, bool force)
{
	mc_autofree char *page = mc_strf("/v1/instances/%s/console%s", id, force ? "?force=1" : "");
	mc_auto_err mc_err *err = NULL;
	mc_auto_json json_t *refusal = NULL;
	struct session s = { .end = OPEN };
	int r;

	if (!isatty(STDIN_FILENO)) {
		mc_err_set(&err, 0, "a console needs a terminal (get-console-output prints what was said)");
		return cli_failed(err);
	}
	r = line_open(cli, page, PROTOCOL, &s.line, &refusal, &err);
	if (r)
		return r < 0 ? cli_failed(err) : refused(refusal);
	fprintf(stderr, "minicloud: console of %s. Ctrl-] leaves it; Enter may bring a prompt.\n", id);
	s.tty = tty_raw(&err);
	if (s.tty)
		talk(&s);
	tty_restore(s.tty);
	line_close(s.line);
	return err ? cli_failed(err) : say_end(s.end, id);
}

int command_console(struct cli *cli, int argc, char **argv)
{
	const char *id = NULL;
	bool force = false;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--force") == 0)
			force = true;
		else if (*argv[i] == '-')
			return cli_usage("console", "unknown option %s", argv[i]);
		else if (id)
			return cli_usage("console", "one instance at a time");
		else
			id = argv[i];
	}
	if (!id)
		return cli_usage("console", "which instance?");
	if (!mc_id_valid("i", id))
		return cli_usage("console", "'%s' is not the id of an instance (i-...)", id);
	return run(cli, id, force);
}
