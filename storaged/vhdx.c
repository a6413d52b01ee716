#include "storaged/vhdx.h"

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/bytes.h"

#define KIB 1024ULL
#define MIB (1ULL << 20)
#define HEADER_BYTES 4096
#define REGION_BYTES (64 * KIB)
#define REGION_AT (192 * KIB)
#define REGIONS_MAX 2047
#define METADATA_MAX 2047
#define BLOCK_MIN MIB
#define BLOCK_MAX (256 * MIB)
#define PRESENT 6 /* payload states: fully there, */
#define PARTLY 7  /* and the rest in the parent */

static const uint8_t guid_bat[16] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t guid_metadata[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t guid_parameters[16] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
static const uint8_t guid_size[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
static const uint8_t guid_sector[16] = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};
static const uint8_t guid_none[16];

struct vhdx {
	int fd;
	uint64_t file_size;
	uint64_t bat_at, bat_bytes, metadata_at, metadata_bytes;
	uint64_t virtual_bytes, block_bytes, sector_bytes;
	bool has_parent;
};

/* --- headers ---------------------------------------------------------------- */

/* CRC-32C of a buffer whose own four bytes at `hole` count as zero. */
static uint32_t crc32c(const uint8_t *buf, size_t len, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : buf[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

/* The header that counts: whole, and the later one. Only its log matters here. */
static int check_headers(const struct vhdx *v, mc_err **err)
{
	static const uint64_t places[] = {64 * KIB, 128 * KIB};
	uint64_t latest = 0;
	bool found = false, log = false;
	uint8_t buf[HEADER_BYTES];

	for (size_t i = 0; i < MC_ARRAY_SIZE(places); i++) {
		if (!bytes_read_all(v->fd, buf, sizeof(buf), places[i]) || memcmp(buf, "head", 4) != 0 ||
		    bytes_le32(buf, 4) != crc32c(buf, sizeof(buf), 4))
			continue;
		if (found && bytes_le64(buf, 8) < latest)
			continue;
		found = true;
		latest = bytes_le64(buf, 8);
		log = memcmp(buf + 48, guid_none, sizeof(guid_none)) != 0;
	}
	if (!found)
		return mc_err_set(err, 0, "neither of its headers is whole");
	if (log)
		return mc_err_set(err, 0, "it was not closed cleanly: its log is not empty");
	return 0;
}

/* --- regions ---------------------------------------------------------------- */

static int take_region(struct vhdx *v, const uint8_t *entry, mc_err **err)
{
	uint64_t at = bytes_le64(entry, 16), bytes = bytes_le32(entry, 24);
	bool bat = memcmp(entry, guid_bat, 16) == 0, metadata = memcmp(entry, guid_metadata, 16) == 0;

	if (!bat && !metadata && bytes_le32(entry, 28) & 1)
		return mc_err_set(err, 0, "it needs a region that is not known");
	if (!bat && !metadata)
		return 0;
	if (at < MIB || at % MIB || bytes == 0 || bytes % MIB || !bytes_within(at, bytes, v->file_size))
		return mc_err_set(err, 0, "a region lies outside the file");
	if (bat ? v->bat_at : v->metadata_at)
		return mc_err_set(err, 0, "a region is there twice");
	*(bat ? &v->bat_at : &v->metadata_at) = at;
	*(bat ? &v->bat_bytes : &v->metadata_bytes) = bytes;
	return 0;
}

static int read_regions(struct vhdx *v, mc_err **err)
{
	mc_autofree uint8_t *buf = mc_alloc(REGION_BYTES);
	uint32_t n;

	if (!bytes_read_all(v->fd, buf, REGION_BYTES, REGION_AT) || memcmp(buf, "regi", 4) != 0)
		return mc_err_set(err, 0, "its region table is missing");
	n = bytes_le32(buf, 8);
	if (n > REGIONS_MAX)
		return mc_err_set(err, 0, "its region table has an impossible size");
	for (uint32_t i = 0; i < n; i++)
		if (take_region(v, buf + 16 + (size_t)i * 32, err) < 0)
			return -1;
	if (!v->bat_at || !v->metadata_at)
		return mc_err_set(err, 0, "it lacks a region");
	return 0;
}

/* --- metadata --------------------------------------------------------------- */

/* The first eight bytes of an item. */
static int read_item(const struct vhdx *v, const uint8_t *entry, uint64_t *ret, mc_err **err)
{
	uint64_t at = bytes_le32(entry, 16), bytes = bytes_le32(entry, 20);
	uint8_t buf[8] = {0};

	if (bytes < 4 || at < 64 * KIB || !bytes_within(at, bytes, v->metadata_bytes))
		return mc_err_set(err, 0, "its metadata lie outside their region");
	if (!bytes_read_all(v->fd, buf, bytes < 8 ? 4 : 8, v->metadata_at + at))
		return mc_err_set(err, errno, "cannot read its metadata");
	*ret = bytes_le64(buf, 0);
	return 0;
}

static int take_item(struct vhdx *v, const uint8_t *entry, mc_err **err)
{
	bool parameters = memcmp(entry, guid_parameters, 16) == 0, size = memcmp(entry, guid_size, 16) == 0;
	uint64_t value = 0;

	if (!parameters && !size && memcmp(entry, guid_sector, 16) != 0)
		return 0;
	if (read_item(v, entry, &value, err) < 0)
		return -1;
	if (parameters) {
		v->block_bytes = value & UINT32_MAX;
		v->has_parent = value >> 32 & 2;
	} else if (size) {
		v->virtual_bytes = value;
	} else {
		v->sector_bytes = value & UINT32_MAX;
	}
	return 0;
}

static int read_metadata(struct vhdx *v, mc_err **err)
{
	mc_autofree uint8_t *buf = mc_alloc(64 * KIB);
	uint16_t n;

	if (!bytes_read_all(v->fd, buf, 64 * KIB, v->metadata_at) || memcmp(buf, "metadata", 8) != 0)
		return mc_err_set(err, 0, "its metadata table is missing");
	n = bytes_le16(buf, 10);
	if (n > METADATA_MAX)
		return mc_err_set(err, 0, "its metadata table has an impossible size");
	for (uint16_t i = 0; i < n; i++)
		if (take_item(v, buf + 32 + (size_t)i * 32, err) < 0)
			return -1;
	if (v->has_parent)
		return mc_err_set(err, 0, "it stands on a parent");
	if (v->block_bytes < BLOCK_MIN || v->block_bytes > BLOCK_MAX || (v->block_bytes & (v->block_bytes - 1)))
		return mc_err_set(err, 0, "its block size is out of bounds");
	if (v->sector_bytes != 512 && v->sector_bytes != 4096)
		return mc_err_set(err, 0, "its sector size is out of bounds");
	if (v->virtual_bytes == 0 || v->virtual_bytes > BYTES_MAX_VIRTUAL || v->virtual_bytes % v->sector_bytes)
		return mc_err_set(err, 0, "its virtual size is out of bounds");
	return 0;
}

/* --- blocks ----------------------------------------------------------------- */

static int check_block(const struct vhdx *v, uint64_t entry, uint64_t *blocks, mc_err **err)
{
	if ((entry & 7) == PARTLY)
		return mc_err_set(err, 0, "it stands on a parent");
	if ((entry & 7) != PRESENT)
		return 0;
	++*blocks;
	return bytes_within(entry & ~(MIB - 1), v->block_bytes, v->file_size) && entry >= MIB
	       ? 0 : mc_err_set(err, 0, "a data block lies outside the file");
}

/* After each `ratio` blocks the table has one entry for a bitmap, which only a child uses. */
static int read_blocks(const struct vhdx *v, uint64_t *ret_blocks, mc_err **err)
{
	uint64_t n = (v->virtual_bytes + v->block_bytes - 1) / v->block_bytes, ratio = (v->sector_bytes << 23) / v->block_bytes;
	uint64_t entries = n + (n - 1) / ratio;
	mc_autofree uint8_t *bat = NULL;

	if (entries > v->bat_bytes / 8)
		return mc_err_set(err, 0, "its block table is too small");
	bat = mc_alloc((size_t)entries * 8 + 1);
	if (!bytes_read_all(v->fd, bat, (size_t)entries * 8, v->bat_at))
		return mc_err_set(err, errno, "cannot read its block table");
	for (uint64_t i = 0; i < entries; i++)
		if (i % (ratio + 1) != ratio && check_block(v, bytes_le64(bat, (size_t)i * 8), ret_blocks, err) < 0)
			return -1;
	return 0;
}

int vhdx_inspect(int fd, const struct stat *st, struct foreign *ret, mc_err **err)
{
	struct vhdx v = {.fd = fd, .file_size = (uint64_t)st->st_size};
	uint64_t blocks = 0;
	uint8_t magic[8];

	if (!bytes_read_all(fd, magic, sizeof(magic), 0) || memcmp(magic, "vhdxfile", 8) != 0)
		return mc_err_set(err, 0, "it is no VHDX file");
	if (check_headers(&v, err) < 0 || read_regions(&v, err) < 0 || read_metadata(&v, err) < 0 ||
	    read_blocks(&v, &blocks, err) < 0 || foreign_check_amount(blocks * v.block_bytes, 0, v.file_size, err) < 0)
		return -1;
	ret->virtual_bytes = v.virtual_bytes;
	ret->data_bytes = blocks * v.block_bytes;
	return 0;
}
