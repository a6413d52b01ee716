/* A look at the instances in Prometheus' text format. */
#ifndef MC_API_METRIC_EXPORT_H
#define MC_API_METRIC_EXPORT_H

#include <jansson.h>
#include <stdio.h>

/* look: metric_look()'s, NULL: none yet. */
void metric_export(json_t *look, FILE *out);

#endif
