/* What running instances use, as libvirt counts it. */
#ifndef MC_HYPERVISOR_STATS_H
#define MC_HYPERVISOR_STATS_H

#include <jansson.h>

#include "common/error.h"
#include "hypervisor/hypervisor.h"

/* {instances: [{id, cpu_ns, vcpus, memory_kib, rss_kib, disk_read_bytes, disk_written_bytes, disk_reads,
 * disk_writes}]} of those that run, cpu_ns being the time of its processors without QEMU's own; each
 * member but id may be missing. An instance that libvirt works on just now may be missing as a
 * whole: nobody waits for it. id NULL: all; of an instance that is off the list is empty. An outcome as elsewhere (hypervisor/instance.h). */
int stats_list(struct hypervisor *h, const char *id, json_t **ret, mc_err **err);

#endif
