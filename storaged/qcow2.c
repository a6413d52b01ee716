#include "storaged/qcow2.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/bytes.h"
#include "storaged/foreign.h"

#define MAGIC 0x514649fbu
#define V2_HEADER 72
#define V3_HEADER 104
#define MIN_CLUSTER_BITS 9
#define MAX_CLUSTER_BITS 21
#define MAX_L1_BYTES (32u << 20) /* QEMU's own bound */
#define OFFSET_MASK 0x00fffffffffffe00ULL
#define COMPRESSED (1ULL << 62)
#define ZERO 1ULL
#define SECTOR 512

enum incompatible {
	INCOMPATIBLE_DIRTY = 1 << 0,
	INCOMPATIBLE_CORRUPT = 1 << 1,
	INCOMPATIBLE_DATA_FILE = 1 << 2,
	INCOMPATIBLE_COMPRESSION = 1 << 3,
	INCOMPATIBLE_EXTENDED_L2 = 1 << 4,
	INCOMPATIBLE_KNOWN = (1 << 5) - 1,
};

enum extension { EXTENSION_END = 0, EXTENSION_DATA_FILE = 0x44415441, EXTENSION_LUKS = 0x0537be77 };

/* Byte offsets of the header's fields. */
enum field {
	AT_MAGIC = 0, AT_VERSION = 4, AT_BACKING_OFFSET = 8, AT_BACKING_SIZE = 16, AT_CLUSTER_BITS = 20,
	AT_SIZE = 24, AT_CRYPT = 32, AT_L1_SIZE = 36, AT_L1_OFFSET = 40, AT_REFCOUNT_OFFSET = 48,
	AT_REFCOUNT_CLUSTERS = 56, AT_SNAPSHOTS = 60, AT_INCOMPATIBLE = 72, AT_HEADER_LENGTH = 100,
};

/* How many L1 entries the virtual size needs. */
static uint64_t l1_needed(const struct qcow2_header *h)
{
	/* An L2 table is one cluster of 8-byte entries (16 with extended L2). */
	uint32_t per_l2_bits = h->cluster_bits - (h->extended_l2 ? 4 : 3);
	uint64_t bytes_per_l1 = 1ULL << (h->cluster_bits + per_l2_bits);

	return (h->virtual_bytes + bytes_per_l1 - 1) / bytes_per_l1;
}

static int parse_backing(const uint8_t *buf, size_t len, struct qcow2_header *h, mc_err **err)
{
	uint64_t offset = bytes_be64(buf, AT_BACKING_OFFSET);
	uint32_t size = bytes_be32(buf, AT_BACKING_SIZE);

	if (offset == 0)
		return 0;
	if (size >= QCOW2_BACKING_MAX || !bytes_within(offset, size, len))
		return mc_err_set(err, 0, "the backing file's name lies outside the header");
	memcpy(h->backing, buf + offset, size);
	h->backing[size] = '\0';
	if (size == 0 || strlen(h->backing) != size)
		return mc_err_set(err, 0, "the backing file's name is malformed");
	return 0;
}

static int parse_sizes(const uint8_t *buf, uint64_t file_size, struct qcow2_header *h, mc_err **err)
{
	uint64_t refcount_bytes = (uint64_t)bytes_be32(buf, AT_REFCOUNT_CLUSTERS) << h->cluster_bits;

	h->virtual_bytes = bytes_be64(buf, AT_SIZE);
	h->l1_entries = bytes_be32(buf, AT_L1_SIZE);
	h->l1_offset = bytes_be64(buf, AT_L1_OFFSET);
	if (h->virtual_bytes == 0 || h->virtual_bytes > QCOW2_VIRTUAL_MAX)
		return mc_err_set(err, 0, "its virtual size is out of bounds");
	if (h->l1_entries > MAX_L1_BYTES / 8 || h->l1_entries < l1_needed(h))
		return mc_err_set(err, 0, "its L1 table has an impossible size");
	if (!bytes_within(h->l1_offset, (uint64_t)h->l1_entries * 8, file_size))
		return mc_err_set(err, 0, "its L1 table lies outside the file");
	if (!bytes_within(bytes_be64(buf, AT_REFCOUNT_OFFSET), refcount_bytes, file_size))
		return mc_err_set(err, 0, "its refcount table lies outside the file");
	return 0;
}

static int parse_extensions(const uint8_t *buf, size_t len, size_t at, struct qcow2_header *h,
			    mc_err **err)
{
	size_t end = (size_t)1 << h->cluster_bits;

	end = end < len ? end : len;
	while (at + 8 <= end) {
		uint32_t type = bytes_be32(buf, at), size = bytes_be32(buf, at + 4);

		if (type == EXTENSION_END)
			return 0;
		at += 8;
		if (size > end - at)
			return mc_err_set(err, 0, "a header extension lies outside the header");
		h->data_file |= type == EXTENSION_DATA_FILE;
		h->encrypted |= type == EXTENSION_LUKS;
		at += ((size_t)size + 7) & ~(size_t)7;
	}
	return 0;
}

static int parse_features(const uint8_t *buf, size_t len, struct qcow2_header *h,
			  size_t *ret_header_length, mc_err **err)
{
	uint64_t incompatible;

	*ret_header_length = V2_HEADER;
	if (h->version == 2)
		return 0;
	if (len < V3_HEADER)
		return mc_err_set(err, 0, "its header is cut off");
	incompatible = bytes_be64(buf, AT_INCOMPATIBLE);
	*ret_header_length = bytes_be32(buf, AT_HEADER_LENGTH);
	if (*ret_header_length < V3_HEADER || *ret_header_length > len || *ret_header_length % 8)
		return mc_err_set(err, 0, "its header has an impossible length");
	if (incompatible & ~(uint64_t)INCOMPATIBLE_KNOWN)
		return mc_err_set(err, 0, "it uses qcow2 features this version does not know");
	h->corrupt = incompatible & INCOMPATIBLE_CORRUPT;
	h->data_file = incompatible & INCOMPATIBLE_DATA_FILE;
	h->extended_l2 = incompatible & INCOMPATIBLE_EXTENDED_L2;
	return 0;
}

int qcow2_header_parse(const uint8_t *buf, size_t len, uint64_t file_size,
		       struct qcow2_header *ret, mc_err **err)
{
	struct qcow2_header h = {0};
	size_t header_length;

	if (len < V2_HEADER || bytes_be32(buf, AT_MAGIC) != MAGIC)
		return mc_err_set(err, 0, "it is no qcow2 file");
	h.version = bytes_be32(buf, AT_VERSION);
	h.cluster_bits = bytes_be32(buf, AT_CLUSTER_BITS);
	h.encrypted = bytes_be32(buf, AT_CRYPT) != 0;
	h.snapshots = bytes_be32(buf, AT_SNAPSHOTS);
	if (h.version != 2 && h.version != 3)
		return mc_err_set(err, 0, "it is qcow2 of an unknown version (%u)", h.version);
	if (h.cluster_bits < MIN_CLUSTER_BITS || h.cluster_bits > MAX_CLUSTER_BITS)
		return mc_err_set(err, 0, "its cluster size is out of bounds");
	if (parse_features(buf, len, &h, &header_length, err) < 0 ||
	    parse_sizes(buf, file_size, &h, err) < 0 ||
	    parse_backing(buf, len, &h, err) < 0 ||
	    parse_extensions(buf, len, header_length, &h, err) < 0)
		return -1;
	*ret = h;
	return 0;
}

int qcow2_header_read(int fd, struct qcow2_header *ret, uint64_t *ret_file_size, mc_err **err)
{
	mc_autofree uint8_t *buf = mc_alloc(QCOW2_HEADER_MAX);
	ssize_t n = bytes_read(fd, buf, QCOW2_HEADER_MAX, 0);
	struct stat st;

	if (n < 0 || fstat(fd, &st) < 0)
		return mc_err_set(err, errno, "cannot read it");
	if (qcow2_header_parse(buf, (size_t)n, (uint64_t)st.st_size, ret, err) < 0)
		return -1;
	if (ret_file_size)
		*ret_file_size = (uint64_t)st.st_size;
	return 0;
}

int qcow2_header_refuse(const struct qcow2_header *h, mc_err **err)
{
	const struct { bool found; const char *text; } reasons[] = {
		{h->backing[0] != '\0', "it names a backing file"},
		{h->data_file, "it names an external data file"},
		{h->encrypted, "it is encrypted"},
		{h->snapshots != 0, "it holds internal snapshots"},
		{h->corrupt, "it is marked corrupt"},
	};

	for (size_t i = 0; i < MC_ARRAY_SIZE(reasons); i++)
		if (reasons[i].found)
			return mc_err_set(err, 0, "%s", reasons[i].text);
	return 0;
}

struct walk {
	int fd;
	const struct qcow2_header *header;
	uint64_t l2_offset; /* of the table at work */
	uint64_t file_size, stored, packed; /* bytes of data, as they are and compressed ones */
	uint8_t *table; /* one cluster */
};

/* Does [offset, offset + size) touch the L1 table? */
static bool on_l1(const struct qcow2_header *h, uint64_t offset, uint64_t size)
{
	return offset < h->l1_offset + (uint64_t)h->l1_entries * 8 && offset + size > h->l1_offset;
}

/* One L2 entry; -1 where what it points at is not in the file, or is a table. */
static int walk_entry(struct walk *w, uint64_t entry)
{
	uint64_t cluster = 1ULL << w->header->cluster_bits, offset = entry & OFFSET_MASK;
	uint64_t size = 1; /* the last cluster of a file may be cut short */

	if (entry & COMPRESSED) {
		uint32_t offset_bits = 62 - (w->header->cluster_bits - 8);

		offset = entry & ((1ULL << offset_bits) - 1);
		w->packed += cluster;
	} else if (offset == 0 || (!w->header->extended_l2 && (entry & ZERO))) {
		return 0;
	} else if (offset & (cluster - 1) || offset == w->l2_offset || on_l1(w->header, offset, cluster)) {
		return -1;
	} else {
		w->stored += cluster;
	}
	return bytes_within(offset, size, w->file_size) ? 0 : -1;
}

static int walk_l2(struct walk *w, uint64_t l2_offset, mc_err **err)
{
	size_t cluster = (size_t)1 << w->header->cluster_bits;
	size_t step = w->header->extended_l2 ? 16 : 8;

	w->l2_offset = l2_offset;
	if (on_l1(w->header, l2_offset, cluster))
		return mc_err_set(err, 0, "a table stands for itself");
	if (l2_offset & (cluster - 1) || !bytes_within(l2_offset, cluster, w->file_size))
		return mc_err_set(err, 0, "an L2 table lies outside the file");
	if (bytes_read(w->fd, w->table, cluster, l2_offset) != (ssize_t)cluster)
		return mc_err_set(err, errno, "cannot read an L2 table");
	for (size_t at = 0; at < cluster; at += step)
		if (walk_entry(w, bytes_be64(w->table, at)) < 0)
			return mc_err_set(err, 0, "a data cluster lies outside the file or on a table");
	return 0;
}

int qcow2_extents_check(int fd, const struct qcow2_header *header, uint64_t file_size,
			uint64_t *ret_data_bytes, mc_err **err)
{
	size_t l1_bytes = (size_t)l1_needed(header) * 8; /* beyond them nothing is reachable */
	mc_autofree uint8_t *l1 = mc_alloc(l1_bytes + 1);
	mc_autofree uint8_t *table = mc_alloc((size_t)1 << header->cluster_bits);
	struct walk w = {.fd = fd, .header = header, .file_size = file_size, .table = table};
	uint64_t tables_left = file_size >> header->cluster_bits; /* each is a cluster of its own */

	if (bytes_read(fd, l1, l1_bytes, header->l1_offset) != (ssize_t)l1_bytes)
		return mc_err_set(err, errno, "cannot read its L1 table");
	for (size_t at = 0; at < l1_bytes; at += 8) {
		uint64_t l2_offset = bytes_be64(l1, at) & OFFSET_MASK;

		if (l2_offset == 0)
			continue;
		if (tables_left-- == 0)
			return mc_err_set(err, 0, "its L2 tables overlap");
		if (walk_l2(&w, l2_offset, err) < 0)
			return -1;
	}
	*ret_data_bytes = w.stored + w.packed;
	/* The last cluster of a file may be cut short. */
	return foreign_check_amount(w.stored, w.packed, file_size + ((uint64_t)1 << header->cluster_bits), err);
}
