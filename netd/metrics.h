/* What netd tells Prometheus beside its IPC counters. */
#ifndef NETD_METRICS_H
#define NETD_METRICS_H

#include "common/ipc.h"

/* Of a struct netd; takes its lock for each VPC. */
mc_ipc_metrics_fn netd_metrics;

#endif
