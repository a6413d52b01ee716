#include "netd/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/log.h"

#define SELF "/proc/thread-self/ns/net"

bool netns_pinned(const char *path)
{
	struct statfs s;

	return statfs(path, &s) == 0 && s.f_type == NSFS_MAGIC;
}

static void go_home(int home)
{
	if (setns(home, CLONE_NEWNET) == 0)
		return;
	mc_log(MC_LOG_ERROR, "netns", "cannot return to the host's namespace, aborting", NULL);
	abort();
}

static int open_home(mc_err **err)
{
	int fd = open(SELF, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		mc_err_set(err, errno, "cannot open %s", SELF);
	return fd;
}

static int pin_new(const char *path, mc_err **err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return mc_err_set(err, errno, "cannot make a network namespace");
	if (MC_CRASH_AROUND(mount(SELF, path, NULL, MS_BIND, NULL)) < 0)
		return mc_err_set(err, errno, "cannot pin a network namespace at %s", path);
	return 0;
}

int netns_create(const char *path, mc_err **err)
{
	mc_auto_fd int home = open_home(err);
	mc_auto_fd int file = -1;
	int r;

	if (home < 0)
		return -1;
	file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (file < 0)
		return mc_err_set(err, errno, "cannot make %s", path);
	MC_CRASH_POINT();
	r = pin_new(path, err);
	go_home(home);
	if (r < 0)
		unlink(path);
	return r;
}

int netns_open(const char *path, mc_err **err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		mc_err_set(err, errno, "cannot open the network namespace %s", path);
	return fd;
}

int netns_remove(const char *path, mc_err **err)
{
	while (netns_pinned(path))
		if (MC_CRASH_AROUND(umount2(path, MNT_DETACH)) < 0)
			return mc_err_set(err, errno, "cannot unmount %s", path);
	return mc_fs_remove(path, err);
}

int netns_lift(int fd)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_SETSIZE);

	if (high < 0)
		return fd;
	close(fd);
	return high;
}

int netns_call(int ns_fd, int (*fn)(void *arg), void *arg, mc_err **err)
{
	mc_auto_fd int home = open_home(err);
	int r;

	if (home < 0)
		return -1;
	if (setns(ns_fd, CLONE_NEWNET) < 0)
		return mc_err_set(err, errno, "cannot enter a network namespace");
	r = fn(arg);
	go_home(home);
	return r;
}
