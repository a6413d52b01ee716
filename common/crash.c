#include "common/crash.h"

#ifdef MC_CRASH_POINTS
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"

#define DEPTH 64

extern const char __executable_start, etext; /* the linker's: where the program begins, and where its code ends */

static void count_down(const char *number)
{
	static _Atomic long passed;

	if (++passed == strtol(number, NULL, 10))
		kill(getpid(), SIGKILL);
}

/* How we came here: what the libraries have between is left out. Allocated. */
static char *crash_way(void)
{
	void *frames[DEPTH];
	char *text = mc_strf("%s", "");
	int n = backtrace(frames, DEPTH);

	for (int i = 0; i < n; i++) {
		uintptr_t at = (uintptr_t)frames[i], from = (uintptr_t)&__executable_start;
		char *longer;

		if (at < from || at >= (uintptr_t)&etext)
			continue;
		longer = mc_strf("%s %lx", text, (unsigned long)(at - from));
		free(text);
		text = longer;
	}
	return text;
}

static void crash_ask(const char *path, const char *file, int line, const char *when)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	mc_autofree char *come = crash_way();
	mc_autofree char *text = mc_strf("%s %s:%d%s%s", program_invocation_short_name, file, line, when, come);
	mc_auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char go;

	if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		(void)!recv(fd, &go, 1, 0);
}

void mc_crash_point(const char *file, int line, const char *when)
{
	const char *chosen = getenv("MINICLOUD_CRASH");
	int kept = errno;

	if (chosen && *chosen == '/')
		crash_ask(chosen, file, line, when);
	else if (chosen)
		count_down(chosen);
	errno = kept;
}
#endif
