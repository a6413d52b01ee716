/* The serial consoles' logs: CONSOLE_DIR/INSTANCE.log, written by QEMU. */
#ifndef MC_HYPERVISOR_CONSOLE_H
#define MC_HYPERVISOR_CONSOLE_H

#include <jansson.h>

#include "common/error.h"

#define CONSOLE_TAIL 65536 /* bytes shown, as GetConsoleOutput */

/* Make the directory (0750). 0 or -1 and *err. */
int console_init(const char *dir, mc_err **err);

/* The log's path, owned by the caller. The id must be valid. */
char *console_path(const char *dir, const char *instance_id);

/* Make the log if it is not there, owned by us and 0644: one that libvirtd makes
 * would be root's alone. 0 or -1 and *err. */
int console_prepare(const char *dir, const char *instance_id, mc_err **err);

/* {output, bytes, modified} of the log's end: base64, the log's size in bytes, ISO 8601.
 * 0, 1 where there is no log, -1 and *err. New reference. */
int console_read(const char *dir, const char *instance_id, json_t **ret, mc_err **err);

/* Remove the log. 0 (also where there is none) or -1 and *err. */
int console_remove(const char *dir, const char *instance_id, mc_err **err);

/* Give back the disk space of everything but the end of each log, without moving what
 * QEMU writes next: a guest must not fill the disk by talking. Best effort. */
void console_trim(const char *dir);

#endif
