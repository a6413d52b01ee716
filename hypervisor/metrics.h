/* What this daemon tells Prometheus beside its IPC counters. */
#ifndef MC_HYPERVISOR_METRICS_H
#define MC_HYPERVISOR_METRICS_H

#include "common/ipc.h"

/* Of a struct hypervisor. Without libvirtd the domains are missing. */
mc_ipc_metrics_fn hypervisor_metrics;

#endif
