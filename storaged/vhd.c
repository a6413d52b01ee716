#include "storaged/vhd.h"

#include "common/cleanup.h"
#include "common/fs.h"
#include "storaged/bytes.h"

#define SECTOR 512
#define FOOTER_BYTES 512
#define DYNAMIC_BYTES 1024
#define BLOCK_MIN (1u << 16)
#define BLOCK_MAX (1u << 28)
#define UNUSED UINT32_MAX
#define VIRTUAL_MAX (2040ULL << 30) /* the format's own */

enum disk_type { TYPE_FIXED = 2, TYPE_DYNAMIC = 3, TYPE_DIFFERENCING = 4 };
enum field { AT_DATA = 16, AT_SIZE = 48, AT_TYPE = 60, AT_TABLE = 16, AT_ENTRIES = 28, AT_BLOCK = 32 };

struct vhd {
	int fd;
	uint64_t file_size, virtual_bytes, data_at, table_at;
	uint32_t type, entries, block_bytes;
};

/* QEMU goes by the copy at the start where there is one; a fixed disk has its footer at the end alone. */
static int read_footer(struct vhd *v, mc_err **err)
{
	uint8_t buf[FOOTER_BYTES];
	bool first = bytes_read_all(v->fd, buf, sizeof(buf), 0) && memcmp(buf, "conectix", 8) == 0;

	if (v->file_size < 2 * FOOTER_BYTES || v->file_size % SECTOR)
		return mc_err_set(err, 0, "it is cut off");
	if (!first && (!bytes_read_all(v->fd, buf, sizeof(buf), v->file_size - FOOTER_BYTES) || memcmp(buf, "conectix", 8) != 0))
		return mc_err_set(err, 0, "it is no VHD file");
	v->type = bytes_be32(buf, AT_TYPE);
	v->virtual_bytes = bytes_be64(buf, AT_SIZE);
	v->data_at = bytes_be64(buf, AT_DATA);
	if (v->virtual_bytes == 0 || v->virtual_bytes > VIRTUAL_MAX || v->virtual_bytes % SECTOR)
		return mc_err_set(err, 0, "its virtual size is out of bounds");
	if (v->type == TYPE_DIFFERENCING)
		return mc_err_set(err, 0, "it stands on a parent");
	if (v->type != (first ? TYPE_DYNAMIC : TYPE_FIXED))
		return mc_err_set(err, 0, "it is of an unknown type");
	if (v->type == TYPE_FIXED && v->virtual_bytes > v->file_size - FOOTER_BYTES)
		return mc_err_set(err, 0, "it is cut off");
	return 0;
}

static int read_dynamic(struct vhd *v, mc_err **err)
{
	uint8_t buf[DYNAMIC_BYTES];

	if (!bytes_within(v->data_at, sizeof(buf), v->file_size) || !bytes_read_all(v->fd, buf, sizeof(buf), v->data_at) ||
	    memcmp(buf, "cxsparse", 8) != 0)
		return mc_err_set(err, 0, "its dynamic header is missing");
	v->table_at = bytes_be64(buf, AT_TABLE);
	v->entries = bytes_be32(buf, AT_ENTRIES);
	v->block_bytes = bytes_be32(buf, AT_BLOCK);
	if (v->block_bytes < BLOCK_MIN || v->block_bytes > BLOCK_MAX || (v->block_bytes & (v->block_bytes - 1)))
		return mc_err_set(err, 0, "its block size is out of bounds");
	if ((uint64_t)v->entries * v->block_bytes < v->virtual_bytes)
		return mc_err_set(err, 0, "its block table is too small");
	if (!bytes_within(v->table_at, (uint64_t)v->entries * 4, v->file_size))
		return mc_err_set(err, 0, "its block table lies outside the file");
	return 0;
}

static int read_blocks(const struct vhd *v, uint64_t *ret_blocks, mc_err **err)
{
	uint64_t bitmap = (v->block_bytes / SECTOR / 8 + SECTOR - 1) / SECTOR * SECTOR;
	mc_autofree uint8_t *table = mc_alloc((size_t)v->entries * 4 + 1);

	if (!bytes_read_all(v->fd, table, (size_t)v->entries * 4, v->table_at))
		return mc_err_set(err, errno, "cannot read its block table");
	for (uint32_t i = 0; i < v->entries; i++) {
		uint32_t sector = bytes_be32(table, (size_t)i * 4);

		if (sector == UNUSED)
			continue;
		if (!bytes_within((uint64_t)sector * SECTOR, bitmap + v->block_bytes, v->file_size))
			return mc_err_set(err, 0, "a data block lies outside the file");
		++*ret_blocks;
	}
	return 0;
}

int vhd_inspect(int fd, const struct stat *st, struct foreign *ret, mc_err **err)
{
	struct vhd v = {.fd = fd, .file_size = (uint64_t)st->st_size};
	uint64_t blocks = 0;

	if (read_footer(&v, err) < 0)
		return -1;
	ret->virtual_bytes = v.virtual_bytes;
	ret->data_bytes = v.virtual_bytes;
	if (v.type == TYPE_FIXED)
		return 0;
	if (read_dynamic(&v, err) < 0 || read_blocks(&v, &blocks, err) < 0 ||
	    foreign_check_amount(blocks * v.block_bytes, 0, v.file_size, err) < 0)
		return -1;
	ret->data_bytes = blocks * v.block_bytes;
	return 0;
}
