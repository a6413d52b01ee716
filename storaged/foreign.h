/* Image files from elsewhere, looked into without QEMU. Their format is what somebody said, never what the
 * content suggests; the content must be of it. To be called where a file that is out to do harm can do
 * none: storaged/reader.h. */
#ifndef MC_STORAGED_FOREIGN_H
#define MC_STORAGED_FOREIGN_H

#include <stdint.h>

#include "common/error.h"

enum foreign_format { FOREIGN_RAW, FOREIGN_QCOW2, FOREIGN_VMDK, FOREIGN_VHDX, FOREIGN_VHD, FOREIGN_FORMAT_MAX };

/* "raw", "qcow2", "vmdk", "vhdx", "vhd". FOREIGN_FORMAT_MAX for an unknown word. */
const char *foreign_format_name(enum foreign_format format);
enum foreign_format foreign_format_parse(const char *word);
/* What QEMU calls its driver. */
const char *foreign_format_driver(enum foreign_format format);

struct foreign {
	uint64_t virtual_bytes; /* the disk a guest would see */
	uint64_t data_bytes;    /* of it, those that the file has data for; compressed ones unpacked */
};

/* Check the open file and all its tables: everything within the file, nothing outside of it that it stands
 * on, nothing that unpacks to far more than it is. 0, or -1 with *err saying what is wrong with it. */
int foreign_inspect(int fd, enum foreign_format format, struct foreign *ret, mc_err **err);

/* Shared by the formats: -1 and *err where `stored` bytes of data cannot lie in a file of so many
 * bytes without overlapping, or `packed` bytes unpack to too much of it. */
int foreign_check_amount(uint64_t stored, uint64_t packed, uint64_t file_size, mc_err **err);

#endif
