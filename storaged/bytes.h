/* Numbers in files, and reading at offsets: what the readers of foreign formats share. */
#ifndef MC_STORAGED_BYTES_H
#define MC_STORAGED_BYTES_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define BYTES_MAX_VIRTUAL (1ULL << 46) /* 64 TiB, EC2's largest volume */

static inline uint16_t bytes_le16(const uint8_t *buf, size_t at)
{
	uint16_t v;

	memcpy(&v, buf + at, sizeof(v));
	return le16toh(v);
}

static inline uint32_t bytes_le32(const uint8_t *buf, size_t at)
{
	uint32_t v;

	memcpy(&v, buf + at, sizeof(v));
	return le32toh(v);
}

static inline uint64_t bytes_le64(const uint8_t *buf, size_t at)
{
	uint64_t v;

	memcpy(&v, buf + at, sizeof(v));
	return le64toh(v);
}

static inline uint32_t bytes_be32(const uint8_t *buf, size_t at)
{
	uint32_t v;

	memcpy(&v, buf + at, sizeof(v));
	return be32toh(v);
}

static inline uint64_t bytes_be64(const uint8_t *buf, size_t at)
{
	uint64_t v;

	memcpy(&v, buf + at, sizeof(v));
	return be64toh(v);
}

/* Does [offset, offset + size) lie in a file of file_size bytes? */
static inline bool bytes_within(uint64_t offset, uint64_t size, uint64_t file_size)
{
	return offset <= file_size && size <= file_size - offset;
}

/* pread until len bytes are there or the file ends. The number of bytes, or -1. */
static inline ssize_t bytes_read(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, (char *)buf + have, len - have, (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* All of it, or false. */
static inline bool bytes_read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	return bytes_read(fd, buf, len, offset) == (ssize_t)len;
}

#endif
