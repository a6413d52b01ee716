/* The one program that writes layers. Formats are always named, never probed. */
#ifndef MC_STORAGED_QEMU_IMG_H
#define MC_STORAGED_QEMU_IMG_H

#include <stdint.h>

#include "common/error.h"
#include "storaged/qemu_arguments.h"
#include "storaged/sandbox.h"

/* Make a qcow2 at path. backing: name of a qcow2 in the same directory, or NULL; a QEMU may be
 * writing to it. 0 or -1 and *err. Not yet durable. */
int qemu_img_create(const struct offspring *offspring, const char *path, const char *backing,
		    uint64_t virtual_bytes, mc_err **err);

/* See by QEMU's own locks that nobody writes to the qcow2. 0 or -1 and *err. */
int qemu_img_quiet(const struct offspring *offspring, const char *path, mc_err **err);

/* Another name in the header for what the qcow2 stands on, whose guest sees the same. The file is named
 * without what it stands on. */
int qemu_img_rename_backing(const struct offspring *offspring, const struct qemu_img_file *file, const char *backing, mc_err **err);

/* Bring the data of a file down into what it stands on, whose file then shows the same (the file stays as it
 * is); or what lies between it and `backing`, further down its chain, up into the file, which then
 * stands on that (with an encrypted file's name for it, where it is one). Ended when cancel_fd becomes readable: 1; what there is shows the same then
 * too. 0, or -1 and *err. */
int qemu_img_commit(const struct offspring *offspring, const struct qemu_img_file *file, int cancel_fd, mc_err **err);
int qemu_img_pull(const struct offspring *offspring, const struct qemu_img_file *file, const char *backing, int cancel_fd,
		  mc_err **err);

/* Give back clusters that an interrupted writer has left without use. 0 or -1 and *err. */
int qemu_img_mend(const struct offspring *offspring, const struct qemu_img_file *file, mc_err **err);

/* Make the guest's size of a qcow2 that nobody has open larger. 0 or -1 and *err. */
int qemu_img_resize(const struct offspring *offspring, const struct qemu_img_file *file, uint64_t virtual_bytes, mc_err **err);

/* Write zeros, as its key has them, over these bytes of the guest's of an encrypted raw file, which QEMUs may have open; no
 * hole reads as zeros there. `file` is a name of these bytes alone (a raw node with offset and size). 0 or -1 and *err. Not yet durable. */
int qemu_img_zero(const struct offspring *offspring, const struct qemu_img_file *file, uint64_t bytes, mc_err **err);

enum qemu_img_outcome {
	QEMU_IMG_OK,
	QEMU_IMG_BAD_SOURCE, /* the source cannot be converted: *err says why */
	QEMU_IMG_NO_SPACE,
	QEMU_IMG_CANCELLED,
};

/* How far something long is, and whether it is to go on. */
struct qemu_img_watch {
	int cancel_fd; /* readable: end it; 0 or -1: none */
	void (*percent)(void *ctx, int percent); /* called as it goes; NULL: nobody asks */
	void *ctx;
};

/* Write what a frozen source shows into an empty qcow2 of its size or larger. watch NULL: to its end. 0, 1 where it
 * was cancelled, or -1 and *err. */
int qemu_img_copy(const struct offspring *offspring, const struct qemu_img_file *source, const struct qemu_img_file *target,
		  const struct qemu_img_watch *watch, mc_err **err);

struct qemu_img_copy {
	const char *driver;   /* QEMU's name of the source's format */
	const char *source, *target;
	uint64_t data_bytes;  /* about as much as the target will hold */
	unsigned timeout_s;
	struct qemu_img_watch watch;
};

/* Copy the guest's data of the source (already checked: storaged/reader.h) into the existing file
 * target as a fresh qcow2, in the sandbox. -1 and *err where that failed for no
 * fault of the source. */
int qemu_img_import(const struct sandbox *sandbox, const struct offspring *offspring,
		    const struct qemu_img_copy *copy, mc_err **err);

/* Copy what a layer of ours shows into a file of this name in the opened directory, in a format of this
 * driver with these options (NULL: none). 0, 1 where it was cancelled, or -1 and *err. */
int qemu_img_export(const struct offspring *offspring, const char *layer, const char *driver, const char *options,
		    int dir_fd, const char *name, const struct qemu_img_watch *watch, mc_err **err);

#endif
