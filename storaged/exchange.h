/* Where the operator lets files come in and go out: import_dir, and below exchange_dir a directory for
 * each "bucket". Nothing else is opened for a caller, and no link is followed. */
#ifndef MC_STORAGED_EXCHANGE_H
#define MC_STORAGED_EXCHANGE_H

#include <stdbool.h>

#include "common/error.h"
#include "storaged/config.h"

/* Is it a relative name of a file in a bucket, "BUCKET/…/NAME": no empty, "." or ".." part, no control character? */
bool exchange_name_valid(const char *name);

/* name: absolute, below one of the two, or BUCKET/…/NAME. MC_IPC_OK with the absolute path (allocated) of a
 * regular file that can be read; MC_IPC_BAD_REQUEST, MC_IPC_NOT_FOUND with *err. */
int exchange_source(const struct storaged_config *config, const char *name, char **ret_path, mc_err **err);

/* Where a file of this name (BUCKET/…/NAME) is to be written: its directory, opened (its last part is
 * the file's own name). MC_IPC_OK, or an outcome with *err. */
int exchange_target(const struct storaged_config *config, const char *name, int *ret_dir_fd, mc_err **err);

#endif
