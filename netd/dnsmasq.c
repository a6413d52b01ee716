#include "netd/dnsmasq.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/spawn.h"
#include "netd/lease.h"

#define CONF "dnsmasq.conf"
#define PID "dnsmasq.pid"
#define START_TIMEOUT_MS 10000
#define STOP_TIMEOUT_MS 3000
#define MAX_FILE (8u << 20)
#define MAX_CMDLINE 4096

/* --- the process ---------------------------------------------------------------------- */

/* Is the process's command line our dnsmasq of this directory? */
static bool is_ours(pid_t pid, const char *conf_arg)
{
	mc_autofree char *path = mc_strf("/proc/%d/cmdline", (int)pid);
	size_t len = 0;
	mc_autofree char *cmd = mc_fs_read(path, MAX_CMDLINE, &len, NULL);
	struct stat st;

	/* Another user's process that only looks like it is none of ours. */
	path[strlen(path) - strlen("/cmdline")] = '\0';
	if (!cmd || (stat(path, &st) == 0 && st.st_uid != geteuid() && st.st_uid != 0))
		return false;
	for (size_t at = 0; at < len; at += strlen(cmd + at) + 1)
		if (strcmp(cmd + at, conf_arg) == 0)
			return true;
	return false;
}

/* What dnsmasq wrote into its pid file, 0 for nothing. */
static pid_t claimed_pid(const char *dir)
{
	mc_autofree char *path = mc_strf("%s/" PID, dir);
	mc_autofree char *text = mc_fs_read(path, 32, NULL, NULL);

	return text ? (pid_t)strtol(text, NULL, 10) : 0;
}

static pid_t scan(const char *conf_arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && isdigit((unsigned char)entry->d_name[0]) && is_ours(pid, conf_arg))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

/* The pid file is a hint only; the command line decides. What has no configuration was never started: all processes of
 * the host need not be looked through. */
pid_t dnsmasq_find(const char *dir, unsigned long long *ret_start)
{
	mc_autofree char *conf_arg = mc_strf("--conf-file=%s/" CONF, dir);
	pid_t pid = claimed_pid(dir);
	unsigned long long start;

	if (access(strchr(conf_arg, '=') + 1, F_OK) < 0)
		return 0;
	if (pid <= 0 || !is_ours(pid, conf_arg))
		pid = scan(conf_arg);
	start = pid > 0 ? mc_proc_start_time(pid) : 0;
	if (!start)
		return 0;
	*ret_start = start;
	return pid;
}

/* A descriptor of exactly that process, or -1 where it is gone. */
static int hold(pid_t pid, unsigned long long start)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0 && mc_proc_start_time(pid) != start) {
		close(fd);
		return -1;
	}
	return fd;
}

int dnsmasq_hold(const char *dir)
{
	unsigned long long start;
	pid_t pid = dnsmasq_find(dir, &start);

	return pid ? hold(pid, start) : -1;
}

static int send_signal(int pidfd, int sig)
{
	return (int)MC_CRASH_AROUND(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

static bool ended(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

static int end(int fd, const char *dir, mc_err **err)
{
	if (send_signal(fd, SIGTERM) < 0 && errno != ESRCH)
		return mc_err_set(err, errno, "cannot end the dnsmasq of %s", dir);
	if (ended(fd, STOP_TIMEOUT_MS))
		return 0;
	send_signal(fd, SIGKILL);
	if (!ended(fd, STOP_TIMEOUT_MS))
		return mc_err_set(err, 0, "the dnsmasq of %s does not end", dir);
	return 0;
}

/* One that was killed has left its pid file. Last goes the configuration, for which there may be a process. */
int dnsmasq_stop(const char *dir, mc_err **err)
{
	mc_autofree char *pid = mc_strf("%s/" PID, dir), *conf = mc_strf("%s/" CONF, dir);
	mc_auto_fd int fd = dnsmasq_hold(dir);

	if (fd >= 0 && end(fd, dir, err) < 0)
		return -1;
	return mc_fs_remove(pid, err) < 0 ? -1 : mc_fs_remove(conf, err);
}

/* In the child: into the namespace, and without the right to mount and to enter others. */
static int enter(void *arg)
{
	if (setns(*(int *)arg, CLONE_NEWNET) < 0)
		return -1;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_SYS_ADMIN, 0, 0);
	return 0;
}

/* dnsmasq puts itself into the background when its sockets are open, so that the answer
 * is known here. */
static int start(const struct dnsmasq *d, mc_err **err)
{
	mc_autofree char *conf_arg = mc_strf("--conf-file=%s/" CONF, d->dir);
	mc_autofree char *user_arg = mc_strf("--user=%s", geteuid() == 0 ? "root" : "");
	const char *argv[] = { d->program, conf_arg, geteuid() == 0 ? user_arg : NULL, NULL };
	int ns_fd = d->ns_fd;
	struct mc_spawn spawn = { .argv = argv, .timeout_ms = START_TIMEOUT_MS,
				  .in_child = enter, .arg = &ns_fd, .shares_memory = true, .child_fd = ns_fd };
	mc_auto_spawn_result struct mc_spawn_result result = { .status = 0 };

	if (mc_spawn_run(&spawn, &result, err) < 0)
		return -1;
	if (result.status != 0)
		return mc_err_set(err, 0, "dnsmasq does not start (%d): %s", result.status,
				  result.errout && *result.errout ? result.errout : result.out);
	return 0;
}

/* --- putting it in line ----------------------------------------------------------------- */

static bool file_holds(const char *dir, const char *name, const char *text)
{
	mc_autofree char *path = mc_strf("%s/%s", dir, name);
	mc_autofree char *now = mc_fs_read(path, MAX_FILE, NULL, NULL);

	return now && strcmp(now, text) == 0;
}

/* 1 when the file was changed, 0 when it held the text already, -1 and *err. */
static int update_file(const char *dir, const char *name, const char *text, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/%s", dir, name);

	if (file_holds(dir, name, text))
		return 0;
	return mc_fs_write(path, text, strlen(text), 0640, err) < 0 ? -1 : 1;
}

/* 1, 0 or -1 as update_file(). */
static int update_hosts(const struct dnsmasq *d, const struct wanted *w, mc_err **err)
{
	mc_autofree char *dhcp = dnsmasq_dhcp_hosts(w);
	mc_autofree char *dns = dnsmasq_dns_hosts(w);
	int a = update_file(d->dir, "dhcp-hosts", dhcp, err);
	int b = a < 0 ? -1 : update_file(d->dir, "dns-hosts", dns, err);

	return b < 0 ? -1 : a || b;
}

/* The process ends before its configuration changes: one that runs always runs what the
 * file says, wherever netd is killed. */
static int restart(const struct dnsmasq *d, const struct wanted *w, const char *conf, mc_err **err)
{
	mc_autofree char *leases = mc_strf("%s/leases", d->dir);

	if (dnsmasq_stop(d->dir, err) < 0 || lease_filter(leases, w, err) < 0 ||
	    update_file(d->dir, CONF, conf, err) < 0)
		return -1;
	return start(d, err);
}

static int reload(const struct dnsmasq *d, mc_err **err)
{
	mc_auto_fd int fd = hold(d->pid, d->start_time);

	if (fd < 0 || send_signal(fd, SIGHUP) < 0)
		return mc_err_set(err, errno, "cannot tell dnsmasq %d of its hosts", (int)d->pid);
	return 0;
}

int dnsmasq_apply(const struct dnsmasq *d, const struct wanted *w, mc_err **err)
{
	mc_autofree char *leases = mc_strf("%s/leases", d->dir);
	mc_autofree char *conf = dnsmasq_conf(d, w);
	bool released = true;
	int changed;

	/* While the host is still known dnsmasq takes the release of its lease. */
	if (d->pid && lease_release(leases, w, d->ns_fd, &released, err) < 0)
		return -1;
	changed = update_hosts(d, w, err);
	if (changed < 0)
		return -1;
	if (!d->pid || !released || !file_holds(d->dir, CONF, conf))
		return restart(d, w, conf, err);
	return changed || d->tell ? reload(d, err) : 0;
}
