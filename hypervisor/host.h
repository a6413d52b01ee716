/* What the host has to give, and the QEMUs on it. */
#ifndef MC_HYPERVISOR_HOST_H
#define MC_HYPERVISOR_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct host_memory {
	int64_t total_mib, available_mib; /* MemTotal, MemAvailable */
};

/* From a file in the form of /proc/meminfo (proc(5)). 0 or -1 and *err. */
int host_memory_read(const char *path, struct host_memory *ret, mc_err **err);

/* Processors online. */
int host_cpus(void);

/* A QEMU as libvirt starts them (qemu(1)): `-name guest=NAME,...`, `-m MEMORY`. */
struct host_qemu {
	pid_t pid;
	uid_t uid;
	const char *guest;  /* the domain's name */
	int64_t memory_mib; /* what its guest was promised */
};

/* fn for each of them, until it returns false. proc: "/proc". Whoever may start programs may
 * start one that looks like a QEMU: uid says whose it is. */
void host_each_qemu(const char *proc, bool (*fn)(void *ctx, const struct host_qemu *qemu), void *ctx);

/* Memory of its own that a process has in use, RssAnon of proc(5); 0 where that is not known. */
int64_t host_anonymous_mib(const char *proc, pid_t pid);

/* The pid of the QEMU that runs this instance; 0 where there is none. For people and tests:
 * nothing may be done by it. */
pid_t host_qemu_pid(const char *instance_id);

#endif
