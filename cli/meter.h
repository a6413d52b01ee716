/* Rates of instances, from samples of GET /v1/stats taken one after another. */
#ifndef MC_CLI_METER_H
#define MC_CLI_METER_H

#include <jansson.h>

struct meter;

struct meter *meter_new(void);
void meter_free(struct meter *m);

/* Take a sample in. Samples closer than half a second leave rates as they are. */
void meter_sample(struct meter *m, const json_t *stats);

/* Of the last sample, those that are not terminated, in its order: [{id, name, state, type, age_s,
 * vcpus, cpu_percent (100: one processor), memory_bytes (used on the host), memory_size_bytes,
 * net_in_per_s, net_out_per_s, disk_read_per_s, disk_written_per_s}] in bytes; what is not known (yet) is missing. New reference. */
json_t *meter_rows(const struct meter *m);

#endif
