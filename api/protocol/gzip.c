#include "api/protocol/gzip.h"

#include <string.h>
#include <zlib.h>

#include "api/protocol/buffer.h"
#include "common/cleanup.h"

#define PIECE (64u << 10)
#define GZIP_ONLY (16 + MAX_WBITS) /* zlib's inflateInit2(): this header and no other */

/* Z_STREAM_END when all is there; else what is wrong, Z_BUF_ERROR for what is too large. */
static int inflate_all(z_stream *z, size_t max, struct buffer *out)
{
	unsigned char piece[PIECE];
	int r = Z_OK;

	while (r == Z_OK) {
		z->next_out = piece;
		z->avail_out = sizeof(piece);
		r = inflate(z, Z_NO_FLUSH);
		if (r == Z_OK && z->avail_out == sizeof(piece))
			return Z_DATA_ERROR; /* it ends too early */
		if (out->len + sizeof(piece) - z->avail_out > max)
			return Z_BUF_ERROR;
		buffer_add(out, piece, sizeof(piece) - z->avail_out);
	}
	return r == Z_BUF_ERROR ? Z_DATA_ERROR : r;
}

int protocol_gunzip(const char *body, size_t len, size_t max, char **ret, size_t *ret_len, struct protocol_error *error)
{
	z_stream z = { .next_in = (unsigned char *)body, .avail_in = (unsigned)len };
	auto_buffer struct buffer out = { 0 };
	int r = inflateInit2(&z, GZIP_ONLY);

	if (r == Z_OK) {
		r = inflate_all(&z, max, &out);
		inflateEnd(&z);
	}
	if (r == Z_BUF_ERROR)
		return protocol_error_set(error, 413, "RequestEntityTooLarge", "The request is larger than this service takes.");
	if (r != Z_STREAM_END || z.avail_in)
		return protocol_error_set(error, 400, "SerializationException", "The body is not what its Content-Encoding says.");
	*ret = buffer_take(&out, ret_len);
	return 0;
}
