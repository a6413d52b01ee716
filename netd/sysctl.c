#include "netd/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "netd/netns.h"

#define BASE "sys/net/" /* below /proc */

struct write_args {
	const struct sysctl *rows;
	size_t n;
	const char *ifname;
	mc_err **err;
};

static void path_of(const char *pattern, const char *ifname, char *out, size_t len)
{
	const char *mark = strstr(pattern, "%s");

	if (mark)
		snprintf(out, len, BASE "%.*s%s%s", (int)(mark - pattern), pattern,
			 ifname ? ifname : "", mark + 2);
	else
		snprintf(out, len, BASE "%s", pattern);
}

/* A /proc of our own, where that may be had: in the one that all share the kernel looks for a name, "ipv4", among those of
 * all namespaces that somebody asked for, a millisecond for a thousand. The caller closes it. */
static int open_proc(void)
{
	mc_auto_fd int fs = fsopen("proc", FSOPEN_CLOEXEC);
	int own = fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0 ? fsmount(fs, FSMOUNT_CLOEXEC, 0) : -1;

	return own >= 0 ? own : open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool holds(int proc, const char *path, const char *value)
{
	char now[32] = "";
	mc_auto_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, now, sizeof(now) - 1) : -1;
	size_t want = strlen(value);

	return n > 0 && strncmp(now, value, want) == 0 && strcmp(now + want, "\n") == 0;
}

static int write_one(int proc, const struct sysctl *row, const char *ifname, mc_err **err)
{
	char path[256];
	mc_auto_fd int fd = -1;
	ssize_t n = (ssize_t)strlen(row->value);

	path_of(row->path, ifname, path, sizeof(path));
	if (holds(proc, path, row->value))
		return 0;
	MC_CRASH_POINT();
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && row->optional)
		return 0;
	if (fd < 0 || write(fd, row->value, (size_t)n) != n)
		return mc_err_set(err, errno, "cannot set %s to %s", path, row->value);
	return 0;
}

static int write_all(void *arg)
{
	struct write_args *a = arg;
	mc_auto_fd int proc = open_proc();

	if (proc < 0)
		return mc_err_set(a->err, errno, "cannot open /proc");
	for (size_t i = 0; i < a->n; i++)
		if (write_one(proc, &a->rows[i], a->ifname, a->err) < 0)
			return -1;
	return 0;
}

int sysctl_write(int ns_fd, const struct sysctl *rows, size_t n, const char *ifname, mc_err **err)
{
	struct write_args a = { .rows = rows, .n = n, .ifname = ifname, .err = err };

	return ns_fd < 0 ? write_all(&a) : netns_call(ns_fd, write_all, &a, err);
}

char sysctl_peek(const char *pattern, const char *ifname)
{
	char path[256], c = '\0';
	mc_auto_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	path_of(pattern, ifname, path, sizeof(path));
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &c, 1) == 1 ? c : '\0';
}
