/* Files: whole reads, durable writes. */
#ifndef MC_COMMON_FS_H
#define MC_COMMON_FS_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

/* The whole file, NUL-terminated; NULL and *err on failure or above max bytes. */
char *mc_fs_read(const char *path, size_t max, size_t *ret_len, mc_err **err);

/* Write temp, fsync, rename, fsync the directory. A file has one writer at a time: temp is
 * PATH.new, so that what a killed one left is taken over by the next. */
int mc_fs_write(const char *path, const void *data, size_t len, mode_t mode, mc_err **err);

/* Let there be no such file. 0 or -1 and *err. */
int mc_fs_remove(const char *path, mc_err **err);

/* fsync a file or directory by name. */
int mc_fs_sync(const char *path, mc_err **err);

/* mkdir -p with this mode for what is made. */
int mc_fs_mkdirs(const char *path, mode_t mode, mc_err **err);

/* Allocated printf; aborts on no memory. */
char *mc_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mc_vstrf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
char *mc_strdup(const char *text); /* NULL gives NULL */
void *mc_alloc(size_t n);          /* zeroed; aborts on no memory */

#endif
