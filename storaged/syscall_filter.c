#include "storaged/syscall_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"

/* All that qemu-img convert, glibc and the dynamic loader use (found with strace). No
 * sockets, no signals to others, nothing that makes processes or namespaces. */
static const char *const allowed[] = {
	"access", "arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close",
	"close_range", "copy_file_range", "dup", "dup2", "dup3", "epoll_create1", "epoll_ctl",
	"epoll_pwait", "epoll_wait", "eventfd2", "execve", "exit", "exit_group", "faccessat",
	"faccessat2", "fadvise64", "fallocate", "fchmod", "fcntl", "fdatasync", "fstat",
	"fstatfs", "fsync", "ftruncate", "futex", "get_mempolicy", "get_robust_list", "getcwd",
	"getdents64", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom", "getrlimit",
	"getrusage", "gettid", "gettimeofday", "getuid", "lseek", "lstat", "madvise", "membarrier",
	"mmap", "mprotect", "mremap", "munmap", "nanosleep", "newfstatat", "open", "openat", "pipe",
	"pipe2", "poll", "ppoll", "pread64", "preadv", "pselect6", "pwrite64", "pwritev",
	"read", "readahead", "readlink", "readlinkat", "readv", "restart_syscall", "rseq",
	"rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn",
	"rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity",
	"sched_getparam", "sched_getscheduler", "sched_yield", "select", "set_robust_list",
	"set_tid_address", "sigaltstack", "signalfd4", "stat", "statfs", "statx", "sync_file_range",
	"sysinfo", "timer_create", "timer_delete", "timer_settime", "timerfd_create",
	"timerfd_settime", "umask", "uname", "unlink", "write", "writev",
};

static int filter_rules(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < MC_ARRAY_SIZE(allowed) && r == 0; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);

		if (number >= 0) /* else this architecture has no such call */
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
	}
	if (r == 0) /* threads, but no new processes or namespaces */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_NEWUSER, CLONE_THREAD));
	if (r == 0) /* its flags cannot be looked at: glibc then falls back to clone */
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0) /* its own limits */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				     SCMP_CMP(0, SCMP_CMP_EQ, 0, 0));
	if (r == 0) /* thread names */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_CMP(0, SCMP_CMP_EQ, PR_SET_NAME, 0));
	return r;
}

static int filter_export(scmp_filter_ctx ctx, struct sock_fprog *ret, mc_err **err)
{
	mc_auto_fd int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (r < 0 || fstat(fd, &st) < 0)
		return mc_err_set(err, r < 0 ? -r : errno, "cannot build the system call filter");

	mc_autofree void *code = mc_alloc((size_t)st.st_size);

	if (pread(fd, code, (size_t)st.st_size, 0) != st.st_size)
		return mc_err_set(err, EIO, "cannot read the system call filter");
	ret->len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	ret->filter = MC_STEAL(code);
	return 0;
}

int syscall_filter_make(struct sock_fprog *ret, mc_err **err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (ctx && filter_rules(ctx) == 0)
		r = filter_export(ctx, ret, err);
	else
		r = mc_err_set(err, 0, "cannot build the system call filter");
	seccomp_release(ctx);
	return r;
}

int syscall_filter_apply(const struct sock_fprog *filter)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter);
}
