#include "storaged/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/landlock.h"
#include "storaged/syscall_filter.h"

#define ROOT "/tmp" /* covered by a tmpfs of the new mount namespace, then the root itself */
#define NOBODY 65534
#define ADDRESS_SPACE (2ULL << 30)
#define TARGET_SLACK (64ULL << 20) /* tables of the target beside its data */
#define OPEN_FILES 64
#define CPUS_AT_ONCE 8                /* threads it may keep busy for the whole time */
#define PROBE_S 20
#define SET_UP_FAILED 126 /* exit status of the child when it got no further than the set-up */

struct sandbox {
	struct sock_fprog filter;
	enum sandbox_kind kind;
};

static const char *const kind_names[SANDBOX_KIND_MAX] = {
	[SANDBOX_NAMESPACES] = "namespaces", [SANDBOX_LANDLOCK] = "landlock", [SANDBOX_NONE] = "none",
};

const char *sandbox_kind_name(enum sandbox_kind kind)
{
	return kind < SANDBOX_KIND_MAX ? kind_names[kind] : "invalid";
}

struct sandbox *sandbox_new(mc_err **err)
{
	struct sock_fprog filter;
	struct sandbox *sandbox;

	if (syscall_filter_make(&filter, err) < 0)
		return NULL;
	sandbox = mc_alloc(sizeof(*sandbox));
	sandbox->filter = filter;
	return sandbox;
}

void sandbox_free(struct sandbox *sandbox)
{
	if (!sandbox)
		return;
	free(sandbox->filter.filter);
	free(sandbox);
}

enum sandbox_kind sandbox_kind_of(const struct sandbox *sandbox)
{
	return sandbox->kind;
}

/* --- the child: runs between fork and exec, so system calls only */

struct child {
	const struct sandbox *sandbox;
	const struct offspring *offspring;
	const struct sandbox_job *job;
	const char *self; /* path of our program, NULL: another one runs */
	char uid_map[32], gid_map[32];
};

static int complain(const char *what)
{
	dprintf(2, "sandbox: %s: %s\n", what, strerror(errno));
	return -1;
}

static int put(const char *path, const char *text)
{
	mc_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	return fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : complain(path);
}

static int new_namespaces(const struct child *c)
{
	if (offspring_bind(c->offspring) < 0)
		return complain("bind to the parent");
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC |
		    CLONE_NEWUTS) < 0)
		return complain("unshare (are unprivileged user namespaces off?)");
	if (offspring_bind(c->offspring) < 0)
		return complain("bind to the parent");
	if (put("/proc/self/setgroups", "deny") < 0 || put("/proc/self/uid_map", c->uid_map) < 0 ||
	    put("/proc/self/gid_map", c->gid_map) < 0)
		return -1;
	return 0;
}

/* Remount a bind mount read-only, keeping the flags the host locked on it. */
static int make_read_only(const char *path)
{
	static const struct { unsigned long have, flag; } kept[] = {
		{ST_NOSUID, MS_NOSUID}, {ST_NODEV, MS_NODEV}, {ST_NOEXEC, MS_NOEXEC},
		{ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME},
	};
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
	struct statvfs v;

	if (statvfs(path, &v) < 0)
		return complain(path);
	for (size_t i = 0; i < MC_ARRAY_SIZE(kept); i++)
		if (v.f_flag & kept[i].have)
			flags |= kept[i].flag;
	return mount(NULL, path, NULL, flags, NULL) == 0 ? 0 : complain(path);
}

/* The libraries, as far as this Debian has the directory; links (/lib -> usr/lib) as links. */
static int bind_system(const char *name, const char *inside)
{
	struct stat st;
	char link[64];
	ssize_t n;

	if (lstat(name, &st) < 0)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		n = readlink(name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		return n > 0 && symlink(link, inside) == 0 ? 0 : complain(inside);
	}
	if (mkdir(inside, 0755) < 0 || mount(name, inside, NULL, MS_BIND | MS_REC, NULL) < 0)
		return complain(name);
	return make_read_only(inside);
}

/* Bind what the descriptor (opened in this mount namespace) stands for. */
static int bind_file(int fd, const char *inside)
{
	char by_fd[32];
	mc_auto_fd int made = open(inside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
	if (made < 0 || mount(by_fd, inside, NULL, MS_BIND, NULL) < 0)
		return complain(inside);
	return 0;
}

static int new_root(const struct child *c)
{
	const struct sandbox_job *job = c->job;

	/* They may lie under ROOT: hold them before it is covered. */
	mc_auto_fd int source = open(job->source, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	mc_auto_fd int target = job->target ? open(job->target, O_PATH | O_CLOEXEC | O_NOFOLLOW) : -1;
	mc_auto_fd int null = open("/dev/null", O_PATH | O_CLOEXEC);
	mc_auto_fd int self = c->self ? open(c->self, O_PATH | O_CLOEXEC | O_NOFOLLOW) : -1;

	if (source < 0 || (job->target && target < 0) || null < 0 || (c->self && self < 0))
		return complain("open the files");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") < 0)
		return complain("mount a root");
	if (bind_system("/usr", ROOT "/usr") < 0 || bind_system("/lib", ROOT "/lib") < 0 ||
	    bind_system("/lib64", ROOT "/lib64") < 0)
		return -1;
	if (mkdir(ROOT "/dev", 0755) < 0 || bind_file(null, ROOT "/dev/null") < 0)
		return complain("/dev/null"); /* QEMU tries its file locks on it */
	if (bind_file(source, ROOT SANDBOX_SOURCE) < 0 || make_read_only(ROOT SANDBOX_SOURCE) < 0 ||
	    (job->target && bind_file(target, ROOT SANDBOX_TARGET) < 0))
		return -1;
	if (c->self && (bind_file(self, ROOT SANDBOX_SELF) < 0 || make_read_only(ROOT SANDBOX_SELF) < 0))
		return -1;
	/* pivot_root(".", "."): the old root ends up on top and is then let go. */
	if (chdir(ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return complain("change the root");
	return make_read_only("/");
}

static int set_limits(const struct sandbox_job *job)
{
	const struct { __rlimit_resource_t what; rlim_t most; } limits[] = {
		{RLIMIT_AS, job->memory_bytes ? job->memory_bytes : ADDRESS_SPACE},
		{RLIMIT_CPU, (rlim_t)job->timeout_s * CPUS_AT_ONCE}, {RLIMIT_CORE, 0},
		{RLIMIT_FSIZE, job->target_bytes + TARGET_SLACK}, {RLIMIT_NOFILE, OPEN_FILES},
		{RLIMIT_MEMLOCK, 0},
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(limits); i++) {
		struct rlimit l = {limits[i].most, limits[i].most};

		if (setrlimit(limits[i].what, &l) < 0)
			return complain("setrlimit");
	}
	return 0;
}

/* The first process of the pid namespace: die with the one outside, which holds the pipe's other end. */
static int bind_to_outside(const int alive[2])
{
	struct pollfd p = {.fd = alive[0], .events = POLLIN};

	close(alive[1]);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&p, 1, 0) != 0)
		return complain("bind to the parent"); /* readable: it is gone already */
	return 0;
}

/* A pid namespace begins with the next fork: its first process goes on, we wait for it. */
static int enter_pid_namespace(void)
{
	int alive[2], status;
	pid_t pid;

	if (pipe2(alive, O_CLOEXEC) < 0)
		return complain("pipe");
	pid = fork();
	if (pid < 0)
		return complain("fork");
	if (pid == 0)
		return bind_to_outside(alive);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			_exit(SET_UP_FAILED);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int enter_namespaces(const struct child *c)
{
	if (new_namespaces(c) < 0 || enter_pid_namespace() < 0 || new_root(c) < 0)
		return -1;
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	return fcntl(c->offspring->lock_fd, F_SETFD, 0) == 0 ? 0 : complain("keep the lock");
}

/* No names of its own and no process numbers, but nothing else to reach either; signals
 * and sockets are the system call filter's. */
static int enter_landlock(const struct child *c)
{
	const struct landlock_rule rules[] = {
		{"/usr", LANDLOCK_RUN}, {"/lib", LANDLOCK_RUN}, {"/lib64", LANDLOCK_RUN},
		{"/etc/ld.so.cache", LANDLOCK_READ}, {"/dev/null", LANDLOCK_WRITE},
		{c->job->source, LANDLOCK_READ}, {c->job->target ? c->job->target : "/dev/null", LANDLOCK_WRITE},
		{c->self ? c->self : "/dev/null", c->self ? LANDLOCK_RUN : LANDLOCK_WRITE}, {NULL, LANDLOCK_READ},
	};

	if (offspring_bind(c->offspring) < 0)
		return complain("bind to the parent");
	return landlock_apply(rules) == 0 ? 0 : complain("landlock");
}

static int enter(void *arg)
{
	const struct child *c = arg;
	bool namespaces = c->sandbox->kind == SANDBOX_NAMESPACES;

	if ((namespaces ? enter_namespaces(c) : enter_landlock(c)) < 0 || set_limits(c->job) < 0)
		return -1;
	return syscall_filter_apply(&c->sandbox->filter) == 0 ? 0 : complain("seccomp");
}

/* --- the parent */

/* The job's arguments with the names that the two files have inside. Allocated, elements borrowed. */
static const char **arguments(const struct sandbox *sandbox, const struct sandbox_job *job, const char *self)
{
	bool renamed = sandbox->kind == SANDBOX_NAMESPACES;
	const char **argv;
	size_t n = 0;

	while (job->argv[n])
		n++;
	argv = mc_alloc((n + 1) * sizeof(*argv));
	for (size_t i = 0; i < n; i++) {
		argv[i] = job->argv[i];
		if (!renamed && strcmp(argv[i], SANDBOX_SOURCE) == 0)
			argv[i] = job->source;
		else if (!renamed && strcmp(argv[i], SANDBOX_TARGET) == 0)
			argv[i] = job->target;
		else if (!renamed && strcmp(argv[i], SANDBOX_SELF) == 0)
			argv[i] = self;
	}
	return argv;
}

static char *own_path(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	return mc_strdup(path);
}

int sandbox_run(const struct sandbox *sandbox, const struct offspring *offspring,
		const struct sandbox_job *job, struct mc_spawn_result *ret, mc_err **err)
{
	struct child c = {.sandbox = sandbox, .offspring = offspring, .job = job};
	mc_autofree char *self = strcmp(job->argv[0], SANDBOX_SELF) == 0 ? own_path() : NULL;
	mc_autofree const char **argv = arguments(sandbox, job, self);
	struct mc_spawn spawn = {.argv = argv, .timeout_ms = job->timeout_s * 1000,
				 .in_child = enter, .arg = &c, .cancel_fd = job->cancel_fd, .on_output = job->on_output,
				 .output_ctx = job->output_ctx};
	struct mc_spawn_result result;

	if (sandbox->kind == SANDBOX_NONE)
		return mc_err_set(err, 0, "this machine has neither unprivileged user namespaces nor Landlock");
	c.self = self;
	snprintf(c.uid_map, sizeof(c.uid_map), "%d %u 1", NOBODY, geteuid());
	snprintf(c.gid_map, sizeof(c.gid_map), "%d %u 1", NOBODY, getegid());
	if (mc_spawn_run(&spawn, &result, err) < 0)
		return -1;
	if (!result.timed_out && result.status == SET_UP_FAILED) {
		mc_err_set(err, 0, "%.*s", (int)strcspn(result.errout, "\n"), result.errout);
		mc_spawn_result_free(&result);
		return -1;
	}
	*ret = result;
	return 0;
}

enum sandbox_kind sandbox_choose(struct sandbox *sandbox, const struct offspring *offspring,
				 enum sandbox_kind best, const char *file, mc_err **err)
{
	static const char *const argv[] = {"/usr/bin/true", NULL};
	struct sandbox_job job = {.argv = argv, .source = argv[0], .target = file, .timeout_s = PROBE_S};

	for (sandbox->kind = best; sandbox->kind < SANDBOX_NONE; sandbox->kind++) {
		struct mc_spawn_result result;

		if (sandbox_run(sandbox, offspring, &job, &result, err) < 0)
			continue;
		mc_spawn_result_free(&result);
		if (result.status == 0)
			break;
		mc_err_set(err, 0, "sandbox: %s ended with %d", argv[0], result.status);
	}
	return sandbox->kind;
}
