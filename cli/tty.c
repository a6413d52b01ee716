#include "cli/tty.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "common/fs.h"

struct tty {
	struct termios before;
	sigset_t mask;
	int signal_fd;
};

static void caught(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGWINCH };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(set, signals[i]);
}

struct tty *tty_raw(mc_err **err)
{
	struct tty *t = mc_alloc(sizeof(*t));
	struct termios raw;
	sigset_t set;

	caught(&set);
	t->signal_fd = -1;
	if (tcgetattr(STDIN_FILENO, &t->before) < 0) {
		free(t);
		mc_err_set(err, 0, "standard input is not a terminal");
		return NULL;
	}
	sigprocmask(SIG_BLOCK, &set, &t->mask);
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	raw = t->before;
	cfmakeraw(&raw);
	if (t->signal_fd >= 0 && tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0)
		return t;
	mc_err_set(err, errno, "cannot set the terminal's mode");
	tty_restore(t);
	return NULL;
}

void tty_restore(struct tty *t)
{
	if (!t)
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
	if (t->signal_fd >= 0)
		close(t->signal_fd);
	sigprocmask(SIG_SETMASK, &t->mask, NULL);
	free(t);
}

int tty_signal_fd(const struct tty *t)
{
	return t->signal_fd;
}

int tty_signal(const struct tty *t)
{
	struct signalfd_siginfo info;

	return read(t->signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void tty_size(int *ret_rows, int *ret_columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	(void)!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_rows = size.ws_row ? size.ws_row : 24;
	*ret_columns = size.ws_col ? size.ws_col : 80;
}
