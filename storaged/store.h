/* The store directory: files by layer id, durable under every crash. */
#ifndef MC_STORAGED_STORE_H
#define MC_STORAGED_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "storaged/config.h"

struct store {
	char *dir;
	int dir_fd;
	gid_t group; /* (gid_t)-1: left alone */
	uint64_t reserve_bytes_min;
	unsigned reserve_percent;
};

#define STORE_OWNERS "owners" /* a directory in it, see storaged/owners.h */
#define STORE_MODE_TOP 0660    /* QEMU writes it */
#define STORE_MODE_FROZEN 0440 /* nobody does */

/* Make the directory (2770) where it is missing, and open it. 0 or -1 and *err. */
int store_open(struct store *store, const struct storaged_config *config, mc_err **err);
void store_close(struct store *store);

/* A layer whose id begins with "raw-" is a raw file: one that several QEMUs write to. It stands on nothing,
 * and nothing on it. */
#define STORE_RAW "raw"
bool store_is_raw(const char *layer_id);

/* "lay-….qcow2" or "raw-….raw", also the name overlays carry in their header; its full path; and
 * the path a file has until it is whole. Allocated. */
char *store_name(const char *layer_id);
char *store_path(const struct store *store, const char *layer_id);
char *store_part_path(const struct store *store, const char *layer_id);

/* Give the part file its owner group and mode, make it durable, then give it its name. */
int store_commit(const struct store *store, const char *layer_id, mode_t mode, mc_err **err);

/* Make the layer's file as a clone of another's, of one point in time whoever writes to that (ioctl_ficlone(2)), with the mode of a frozen
 * one. 0, 1 where the file system cannot, or -1 and *err. */
int store_clone(const struct store *store, const char *from, const char *to, mc_err **err);

/* Remove the layer's file and its part; absent ones are fine. Durable when it returns. */
int store_remove(const struct store *store, const char *layer_id, mc_err **err);

/* What was written to the layer's file is on the disk when it returns. */
int store_sync(const struct store *store, const char *layer_id, mc_err **err);

/* Another mode for a file that has its name already; fine where it has it. */
int store_set_mode(const struct store *store, const char *layer_id, mode_t mode, mc_err **err);

/* Bytes a layer's file takes on the disk; 0 where it is absent. */
uint64_t store_allocated(const struct store *store, const char *layer_id);

struct store_space {
	uint64_t total_bytes, free_bytes, reserve_bytes;
};
int store_space(const struct store *store, struct store_space *ret, mc_err **err);

#endif
