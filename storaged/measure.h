/* How much a layer holds: the bytes of its file's own clusters, as its tables have them. That is no matter of the file
 * system, so that it stays when the store is copied elsewhere. Once it is frozen it changes by merges alone:
 * it is recorded then, and what the file says later is held against it. */
#ifndef MC_STORAGED_MEASURE_H
#define MC_STORAGED_MEASURE_H

#include <stdint.h>

#include "storaged/storage.h"

/* Walks all tables of the file: one read of 64 KiB for each 512 MiB that have been written to. 0; or -1 and *err, which says too
 * what is wrong with a table. */
int measure_layer(const struct storage *storage, const char *layer, int64_t *ret_bytes, mc_err **err);

/* Measure and record all frozen layers that are not measured yet; what cannot be now is tried again next time. */
void measure_frozen(struct storage *storage);

#endif
