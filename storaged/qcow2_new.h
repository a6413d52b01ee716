/* A new, empty, encrypted qcow2 file (QEMU's docs/interop/qcow2.txt); those without encryption are qemu-img's. */
#ifndef MC_STORAGED_QCOW2_NEW_H
#define MC_STORAGED_QCOW2_NEW_H

#include <stdint.h>

#include "common/error.h"

/* Write it into an empty file. luks: LUKS_BYTES bytes. backing: the qcow2's name that it stands on, or NULL.
 * 0, or -1 and *err. Not yet durable. */
int qcow2_new(int fd, uint64_t virtual_bytes, const char *backing, const uint8_t *luks, mc_err **err);

#endif
