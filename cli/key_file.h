/* Private keys of key pairs: $MINICLOUD_KEYS or ~/.minicloud/keys, NAME.pem, 0600. */
#ifndef MC_CLI_KEY_FILE_H
#define MC_CLI_KEY_FILE_H

#include "common/error.h"

/* ~/.minicloud, allocated; NULL and *err where there is no home. */
char *key_file_home(mc_err **err);

/* The path of a key's file (there or not), allocated. NULL and *err where the name
 * cannot be a file's. */
char *key_file_path(const char *key_name, mc_err **err);

/* Save a private key; a file of that name already there is kept as NAME.pem.old. Its
 * path, allocated, or NULL and *err. */
char *key_file_save(const char *key_name, const char *material, mc_err **err);

#endif
