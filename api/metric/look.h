/* One look at all instances: what was counted since each one's start. */
#ifndef MC_API_METRIC_LOOK_H
#define MC_API_METRIC_LOOK_H

#include <jansson.h>

#include "api/api.h"
#include "common/error.h"

/* {id: {account, region, type, launched, vcpus, at_ns, cpu_ns?, disk_…?, ebs_…?, net_in_bytes, net_out_bytes,
 * packets_in, packets_out, vpc, eni, answers? (the guest to ARP), system_failed, instance_failed, ebs_failed, disks: {vol-…: {read_bytes …}}}} of the
 * instances that are running by the store. NULL and *err: the hypervisor does not answer. New reference. */
json_t *metric_look(struct api *api, mc_err **err);

#endif
