#include "common/daemon.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/log.h"

static void handled_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void mc_daemon_init(void)
{
	sigset_t set;

	handled_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(0007);
}

void mc_daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	mc_auto_fd int fd = -1;

	if (n == 0 || n >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

int mc_daemon_wait(void (*on_hup)(void *), void *ctx)
{
	sigset_t set;
	int sig;

	handled_signals(&set);
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		if (sig != SIGHUP)
			return sig;
		if (on_hup)
			on_hup(ctx);
	}
}

int mc_daemon_fail(const char *area, const mc_err *err)
{
	mc_log(MC_LOG_ERROR, area, "cannot start", "reason", mc_err_msg(err), NULL);
	return 1;
}

uid_t *mc_daemon_uids(const char *names, mc_err **err)
{
	mc_autofree char *copy = mc_strdup(names ? names : "");
	uid_t *uids = mc_alloc((strlen(copy) + 2) * sizeof(*uids));
	size_t n = 0;
	char *save = NULL;

	for (char *name = strtok_r(copy, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		struct passwd *pw = getpwnam(name);

		if (!pw) {
			mc_err_set(err, 0, "there is no user %s", name);
			free(uids);
			return NULL;
		}
		uids[n++] = pw->pw_uid;
	}
	uids[n] = (uid_t)-1;
	return uids;
}
