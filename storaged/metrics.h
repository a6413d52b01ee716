#ifndef MC_STORAGED_METRICS_H
#define MC_STORAGED_METRICS_H

/* What storaged tells Prometheus beside its IPC counters. */

#include "common/ipc.h"

/* Of a struct storage. */
mc_ipc_metrics_fn storaged_metrics;

#endif
