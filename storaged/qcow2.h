/* Reading of qcow2 files that nobody has to trust yet (QEMU's docs/interop/qcow2.txt). */
#ifndef MC_STORAGED_QCOW2_H
#define MC_STORAGED_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define QCOW2_HEADER_MAX 65536           /* this much of a file is all the parser looks at */
#define QCOW2_BACKING_MAX 1024           /* longest backing name the format allows, and the NUL */
#define QCOW2_VIRTUAL_MAX (1ULL << 46)   /* 64 TiB, EC2's largest volume */

struct qcow2_header {
	uint32_t version, cluster_bits;
	uint64_t virtual_bytes;
	uint64_t l1_offset;
	uint32_t l1_entries;
	bool encrypted, data_file, corrupt, extended_l2;
	uint32_t snapshots;
	char backing[QCOW2_BACKING_MAX]; /* "" where there is none */
};

/* Parse the first len bytes of a file that is file_size bytes long. Every offset
 * and size is checked against the file. 0, or -1 with *err saying what is wrong
 * with the file (for the caller of the API too). Touches nothing but buf. */
int qcow2_header_parse(const uint8_t *buf, size_t len, uint64_t file_size,
		       struct qcow2_header *ret, mc_err **err);

/* The same for an open file. -1 also where it cannot be read. */
int qcow2_header_read(int fd, struct qcow2_header *ret, uint64_t *ret_file_size, mc_err **err);

/* What an image from elsewhere must not have: a backing file, a data file,
 * encryption, internal snapshots, damage. 0, or -1 with *err naming it. */
int qcow2_header_refuse(const struct qcow2_header *header, mc_err **err);

/* Walk the two table levels: every table and cluster must lie within the file.
 * ret_data_bytes: guest bytes that have data, compressed ones counted whole. 0 or -1 and *err. */
int qcow2_extents_check(int fd, const struct qcow2_header *header, uint64_t file_size,
			uint64_t *ret_data_bytes, mc_err **err);

#endif
