/* Bodies that clients compress: Content-Encoding: gzip. */
#ifndef MC_API_PROTOCOL_GZIP_H
#define MC_API_PROTOCOL_GZIP_H

#include <stddef.h>

#include "api/protocol/error.h"

/* What is in a gzip body, allocated and NUL-terminated, at most max bytes. 0, or -1 with *error
 * (RequestEntityTooLarge, or SerializationException for what is no gzip). */
int protocol_gunzip(const char *body, size_t len, size_t max, char **ret, size_t *ret_len, struct protocol_error *error);

#endif
