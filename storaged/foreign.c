#include "storaged/foreign.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "storaged/bytes.h"
#include "storaged/qcow2.h"
#include "storaged/vhd.h"
#include "storaged/vhdx.h"
#include "storaged/vmdk.h"

#define SECTOR 512
#define UNPACK_MOST 256             /* times the file's size; real images stay far below */
#define UNPACK_ALWAYS (64ULL << 20) /* so much is fine from any file */

static const struct {
	const char *name, *driver;
} formats[FOREIGN_FORMAT_MAX] = {
	[FOREIGN_RAW] = {"raw", "raw"}, [FOREIGN_QCOW2] = {"qcow2", "qcow2"}, [FOREIGN_VMDK] = {"vmdk", "vmdk"},
	[FOREIGN_VHDX] = {"vhdx", "vhdx"}, [FOREIGN_VHD] = {"vhd", "vpc"},
};

const char *foreign_format_name(enum foreign_format format)
{
	return format < FOREIGN_FORMAT_MAX ? formats[format].name : "invalid";
}

const char *foreign_format_driver(enum foreign_format format)
{
	return format < FOREIGN_FORMAT_MAX ? formats[format].driver : "invalid";
}

enum foreign_format foreign_format_parse(const char *word)
{
	int f = 0;

	while (f < FOREIGN_FORMAT_MAX && strcmp(formats[f].name, word) != 0)
		f++;
	return (enum foreign_format)f;
}

int foreign_check_amount(uint64_t stored, uint64_t packed, uint64_t file_size, mc_err **err)
{
	if (stored > file_size)
		return mc_err_set(err, 0, "its data clusters overlap");
	if (packed > UNPACK_ALWAYS && packed / UNPACK_MOST > file_size)
		return mc_err_set(err, 0, "it unpacks to more than %d times its size", UNPACK_MOST);
	return 0;
}

/* --- raw -------------------------------------------------------------------- */

/* A guest that was given a raw disk may have written any of these to it (CVE-2015-7548); nobody looks at
 * them later, but what is called raw and is not is no disk. */
static int check_no_other(int fd, mc_err **err)
{
	static const struct { const char *magic; size_t len; const char *format; } others[] = {
		{"QFI\xfb", 4, "a qcow2"}, {"KDMV", 4, "a VMDK"}, {"COWD", 4, "a VMDK"},
		{"# Disk DescriptorFile", 21, "a VMDK descriptor"}, {"vhdxfile", 8, "a VHDX"}, {"conectix", 8, "a VHD"},
		{"json:", 5, "a JSON name"}, {"LUKS\xba\xbe", 6, "an encrypted disk"}, {"QED", 4, "a QED"},
		{"<<< Oracle", 10, "a VDI"},
	};
	uint8_t head[32] = {0};

	if (bytes_read(fd, head, sizeof(head), 0) < 0)
		return mc_err_set(err, errno, "cannot read it");
	for (size_t i = 0; i < MC_ARRAY_SIZE(others); i++)
		if (memcmp(head, others[i].magic, others[i].len) == 0)
			return mc_err_set(err, 0, "it is said to be raw and is %s file", others[i].format);
	return 0;
}

static int inspect_raw(int fd, const struct stat *st, struct foreign *ret, mc_err **err)
{
	if (st->st_size == 0 || st->st_size % SECTOR != 0)
		return mc_err_set(err, 0, "its size is no multiple of %d bytes", SECTOR);
	if (check_no_other(fd, err) < 0)
		return -1;
	ret->virtual_bytes = (uint64_t)st->st_size;
	ret->data_bytes = (uint64_t)st->st_blocks * SECTOR;
	if (ret->data_bytes > ret->virtual_bytes)
		ret->data_bytes = ret->virtual_bytes;
	return 0;
}

/* --- qcow2 ------------------------------------------------------------------ */

static int inspect_qcow2(int fd, const struct stat *st, struct foreign *ret, mc_err **err)
{
	struct qcow2_header header;
	uint64_t file_size;

	(void)st;
	if (qcow2_header_read(fd, &header, &file_size, err) < 0 || qcow2_header_refuse(&header, err) < 0 ||
	    qcow2_extents_check(fd, &header, file_size, &ret->data_bytes, err) < 0)
		return -1;
	ret->virtual_bytes = header.virtual_bytes;
	return 0;
}

/* ---------------------------------------------------------------------------- */

int foreign_inspect(int fd, enum foreign_format format, struct foreign *ret, mc_err **err)
{
	static int (*const inspectors[FOREIGN_FORMAT_MAX])(int, const struct stat *, struct foreign *, mc_err **) = {
		[FOREIGN_RAW] = inspect_raw, [FOREIGN_QCOW2] = inspect_qcow2, [FOREIGN_VMDK] = vmdk_inspect,
		[FOREIGN_VHDX] = vhdx_inspect, [FOREIGN_VHD] = vhd_inspect,
	};
	struct foreign found = {0};
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return mc_err_set(err, 0, "it is no regular file");
	if (inspectors[format](fd, &st, &found, err) < 0)
		return -1;
	if (found.virtual_bytes == 0 || found.virtual_bytes > BYTES_MAX_VIRTUAL)
		return mc_err_set(err, 0, "its virtual size is out of bounds");
	*ret = found;
	return 0;
}
