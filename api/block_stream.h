/* Blocks on their way between clients and storaged: bytes on a connection of storaged's. */
#ifndef MC_API_BLOCK_STREAM_H
#define MC_API_BLOCK_STREAM_H

#include "api/api.h"
#include "common/error.h"

#define BLOCK_BYTES 524288
#define BLOCK_HASH_LEN 65 /* SHA-256 in hex, and the NUL */

/* Both return an enum mc_ipc_outcome or -1, as backend_call(). */

/* One block of a snapshot: *ret_data is allocated, BLOCK_BYTES long. */
int block_stream_read(struct api *api, const char *snapshot, int64_t index, char **ret_data, mc_err **err);

/* Write BLOCK_BYTES to a volume. OK: they are on the disk. sha256: theirs, in hex. */
int block_stream_write(struct api *api, const char *volume, int64_t index, const void *data, const char *sha256, mc_err **err);

#endif
