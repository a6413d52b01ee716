/* Looks every metrics_interval seconds at what instances and volumes did (hypervisor, netd's counters,
 * meters) and puts it into the metrics: AWS/EC2, AWS/EBS and AWS/Billing. */
#ifndef MC_API_METRIC_SAMPLER_H
#define MC_API_METRIC_SAMPLER_H

#include <stdio.h>

#include "api/api.h"
#include "common/error.h"

/* NULL and *err. */
struct metric_sampler *metric_sampler_start(struct api *api, mc_err **err);
void metric_sampler_stop(struct metric_sampler *s);

/* The last look, for Prometheus: counters and gauges of each instance and volume. s NULL: nothing. */
void metric_sampler_metrics(struct metric_sampler *s, FILE *out);

/* The last look's row of an instance's run (its LaunchTime), as api/metric/health.h judged it: new reference, or NULL where it
 * was not looked at yet. Of one that is not well a new look is taken. */
json_t *metric_sampler_row(struct metric_sampler *s, const char *instance, const char *launched);

#endif
