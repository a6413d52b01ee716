#include "storaged/qcow2_new.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/luks.h"
#include "storaged/qcow2.h"

#define CLUSTER_BITS 16
#define CLUSTER (1u << CLUSTER_BITS)
#define WRITTEN 4096 /* of a cluster that is nearly empty; the rest stays a hole */
#define HEADER 104 /* version 3, without what came later */
#define ENTRY_BYTES 8
#define BYTES_PER_L1 ((uint64_t)CLUSTER * (CLUSTER / ENTRY_BYTES))
#define REFCOUNT_ORDER 4 /* 16 bits */
#define CRYPT_LUKS 2
#define EXTENSION_FORMAT 0xe2792acau
#define EXTENSION_LUKS 0x0537be77u

/* The clusters in their order: header, refcount table, refcount block, L1 table, LUKS header. */
enum { AT_REFCOUNT_TABLE = 1, AT_REFCOUNT_BLOCK = 2, AT_L1 = 3 };

static uint64_t clusters(uint64_t bytes)
{
	return (bytes + CLUSTER - 1) / CLUSTER;
}

static uint64_t l1_entries(uint64_t virtual_bytes)
{
	return (virtual_bytes + BYTES_PER_L1 - 1) / BYTES_PER_L1;
}

static uint64_t luks_at(uint64_t virtual_bytes)
{
	return AT_L1 + clusters(l1_entries(virtual_bytes) * ENTRY_BYTES);
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof(v));
	return at + sizeof(v);
}

static uint8_t *put64(uint8_t *at, uint64_t v)
{
	v = htobe64(v);
	memcpy(at, &v, sizeof(v));
	return at + sizeof(v);
}

/* The extensions behind the header and the backing file's name behind them. */
static void put_extensions(uint8_t *header, uint64_t virtual_bytes, const char *backing)
{
	static const char format[8] = "qcow2";
	uint8_t *at = header + HEADER;

	at = put32(put32(at, EXTENSION_LUKS), 16);
	at = put64(put64(at, luks_at(virtual_bytes) * CLUSTER), LUKS_ROOM);
	if (backing) {
		at = put32(put32(at, EXTENSION_FORMAT), (uint32_t)strlen(format));
		memcpy(at, format, sizeof(format));
		at += sizeof(format);
	}
	at = put64(at, 0);
	if (!backing)
		return;
	memcpy(at, backing, strlen(backing));
	put32(put64(header + 8, (uint64_t)(at - header)), (uint32_t)strlen(backing));
}

static void put_header(uint8_t *header, uint64_t virtual_bytes, const char *backing)
{
	uint8_t *at = header;

	at = put32(put32(at, 0x514649fb), 3);
	at = put32(put64(at, 0), 0); /* backing file */
	at = put32(at, CLUSTER_BITS);
	at = put64(at, virtual_bytes);
	at = put32(at, CRYPT_LUKS);
	at = put32(at, (uint32_t)l1_entries(virtual_bytes));
	at = put64(at, (uint64_t)AT_L1 * CLUSTER);
	at = put64(at, (uint64_t)AT_REFCOUNT_TABLE * CLUSTER);
	at = put32(at, 1);
	at = put64(put32(at, 0), 0); /* snapshots */
	at = put64(put64(put64(at, 0), 0), 0); /* features */
	put32(put32(at, REFCOUNT_ORDER), HEADER);
	put_extensions(header, virtual_bytes, backing);
}

static bool write_at(int fd, const void *bytes, size_t n, uint64_t offset)
{
	return pwrite(fd, bytes, n, (off_t)offset) == (ssize_t)n;
}

int qcow2_new(int fd, uint64_t virtual_bytes, const char *backing, const uint8_t *luks, mc_err **err)
{
	uint64_t all = luks_at(virtual_bytes) + clusters(LUKS_ROOM);
	mc_autofree uint8_t *header = mc_alloc(WRITTEN), *table = mc_alloc(WRITTEN), *block = mc_alloc(WRITTEN);

	if (virtual_bytes == 0 || virtual_bytes > QCOW2_VIRTUAL_MAX || (backing && strlen(backing) >= QCOW2_BACKING_MAX))
		return mc_err_set(err, 0, "no qcow2 has such a size or backing file");
	put_header(header, virtual_bytes, backing);
	put64(table, (uint64_t)AT_REFCOUNT_BLOCK * CLUSTER);
	for (uint64_t i = 0; i < all; i++)
		block[2 * i + 1] = 1;
	if (ftruncate(fd, (off_t)(all * CLUSTER)) < 0 || !write_at(fd, header, WRITTEN, 0) ||
	    !write_at(fd, table, WRITTEN, AT_REFCOUNT_TABLE * CLUSTER) ||
	    !write_at(fd, block, WRITTEN, AT_REFCOUNT_BLOCK * CLUSTER) ||
	    !write_at(fd, luks, LUKS_BYTES, luks_at(virtual_bytes) * CLUSTER))
		return mc_err_set(err, errno, "cannot write an encrypted layer");
	return 0;
}
