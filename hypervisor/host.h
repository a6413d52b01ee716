/* What the host has to give. */
#ifndef MC_HYPERVISOR_HOST_H
#define MC_HYPERVISOR_HOST_H

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

/* The pid of the QEMU that runs this instance, found by the name libvirt gives it on its
 * command line; 0 where there is none. For people and tests: nothing may be done by it. */
pid_t host_qemu_pid(const char *instance_id);

#endif
