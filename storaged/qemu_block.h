/* Single blocks of layers, by QEMU's own tools: where they are, what they hold. */
#ifndef MC_STORAGED_QEMU_BLOCK_H
#define MC_STORAGED_QEMU_BLOCK_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "storaged/offspring.h"
#include "storaged/qemu_arguments.h"

#define BLOCK_BYTES 524288 /* of the EBS direct APIs */

enum qemu_block_outcome {
	QEMU_BLOCK_OK,
	QEMU_BLOCK_BUSY,     /* another program has a file of the chain locked: *err says so */
	QEMU_BLOCK_NO_SPACE, /* the disk is full */
	QEMU_BLOCK_TOO_MUCH, /* map: ask for less at a time */
};

/* The extents of length bytes from start on, as `qemu-img map` lists them: [{start, length, depth,
 * present, zero, data}]. An outcome above, or -1 and *err. *ret: new reference. */
int qemu_block_map(const struct offspring *offspring, const struct qemu_img_file *file, uint64_t start, uint64_t length, json_t **ret,
		   mc_err **err);

/* What the guest sees of block index, into the empty file fd (a memfd). */
int qemu_block_read(const struct offspring *offspring, const struct qemu_img_file *file, int64_t index, int fd, mc_err **err);

/* Write the BLOCK_BYTES of the file fd there. On the disk when it returns. */
int qemu_block_write(const struct offspring *offspring, const struct qemu_img_file *file, int64_t index, int fd, mc_err **err);

#endif
