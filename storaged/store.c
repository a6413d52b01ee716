#include "storaged/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"

#define SUFFIX ".qcow2"
#define RAW_SUFFIX ".raw"
#define PART ".part"
#define DIR_MODE 02770
#define MIB (1ULL << 20)

/* As root (a trial) a missing group is no obstacle; as a daemon we must be in it. */
static int disk_group(const char *name, gid_t *ret, mc_err **err)
{
	const struct group *g = *name ? getgrnam(name) : NULL;

	if (!g && *name && geteuid() != 0)
		return mc_err_set(err, 0, "disk_group: there is no group %s", name);
	*ret = g ? g->gr_gid : (gid_t)-1;
	return 0;
}

static int make_dir(const char *path, gid_t group, mc_err **err)
{
	if (access(path, F_OK) == 0)
		return 0;
	if (mc_fs_mkdirs(path, 0755, err) < 0)
		return -1;
	if (chown(path, (uid_t)-1, group) < 0 || chmod(path, DIR_MODE) < 0)
		return mc_err_set(err, errno, "cannot set the owner and mode of %s", path);
	return 0;
}

int store_open(struct store *store, const struct storaged_config *config, mc_err **err)
{
	gid_t group = (gid_t)-1;

	if (disk_group(config->disk_group, &group, err) < 0 || make_dir(config->store, group, err) < 0)
		return -1;

	mc_auto_fd int fd = open(config->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || access(config->store, R_OK | W_OK | X_OK) < 0)
		return mc_err_set(err, errno, "cannot use the store %s", config->store);
	*store = (struct store){
		.dir = mc_strdup(config->store), .dir_fd = MC_STEAL_FD(fd), .group = group,
		.reserve_bytes_min = (uint64_t)config->reserve_mib * MIB,
		.reserve_percent = (unsigned)config->reserve_percent,
	};
	return 0;
}

void store_close(struct store *store)
{
	if (!store->dir)
		return;
	close(store->dir_fd);
	free(store->dir);
	store->dir = NULL;
}

bool store_is_raw(const char *layer_id)
{
	return mc_id_valid(STORE_RAW, layer_id);
}

char *store_name(const char *layer_id)
{
	return mc_strf("%s%s", layer_id, store_is_raw(layer_id) ? RAW_SUFFIX : SUFFIX);
}

char *store_path(const struct store *store, const char *layer_id)
{
	mc_autofree char *name = store_name(layer_id);

	return mc_strf("%s/%s", store->dir, name);
}

char *store_part_path(const struct store *store, const char *layer_id)
{
	mc_autofree char *name = store_name(layer_id);

	return mc_strf("%s/%s" PART, store->dir, name);
}

static int sync_dir(const struct store *store, mc_err **err)
{
	return fsync(store->dir_fd) == 0 ? 0 : mc_err_set(err, errno, "cannot sync %s", store->dir);
}

int store_commit(const struct store *store, const char *layer_id, mode_t mode, mc_err **err)
{
	mc_autofree char *part = store_part_path(store, layer_id);
	mc_autofree char *path = store_path(store, layer_id);
	mc_auto_fd int fd = open(part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return mc_err_set(err, errno, "cannot open %s", part);
	if ((store->group != (gid_t)-1 && fchown(fd, (uid_t)-1, store->group) < 0) ||
	    fchmod(fd, mode) < 0)
		return mc_err_set(err, errno, "cannot set the group and mode of %s", part);
	if (fsync(fd) < 0)
		return mc_err_set(err, errno, "cannot sync %s", part);
	if (MC_CRASH_AROUND(rename(part, path)) < 0)
		return mc_err_set(err, errno, "cannot rename %s", part);
	return sync_dir(store, err);
}

/* What a file system without clones says, and one that has them for other files. */
static bool cannot_clone(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EXDEV || error == EINVAL;
}

int store_clone(const struct store *store, const char *from, const char *to, mc_err **err)
{
	mc_autofree char *path = store_path(store, from);
	mc_autofree char *part = store_part_path(store, to);
	mc_auto_fd int source = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	mc_auto_fd int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (source < 0 || fd < 0)
		return mc_err_set(err, errno, "cannot open %s", source < 0 ? path : part);
	if (ioctl(fd, FICLONE, source) == 0)
		return store_commit(store, to, STORE_MODE_FROZEN, err);
	return cannot_clone(errno) ? 1 : mc_err_set(err, errno, "cannot clone %s", path);
}

int store_remove(const struct store *store, const char *layer_id, mc_err **err)
{
	mc_autofree char *part = store_part_path(store, layer_id);
	mc_autofree char *path = store_path(store, layer_id);

	if (mc_fs_remove(part, err) < 0 || mc_fs_remove(path, err) < 0)
		return -1;
	return sync_dir(store, err);
}

int store_sync(const struct store *store, const char *layer_id, mc_err **err)
{
	mc_autofree char *path = store_path(store, layer_id);

	return mc_fs_sync(path, err);
}

int store_set_mode(const struct store *store, const char *layer_id, mode_t mode, mc_err **err)
{
	mc_autofree char *name = store_name(layer_id);
	struct stat st;

	if (fstatat(store->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return mc_err_set(err, errno, "cannot look at %s", name);
	if ((st.st_mode & 07777) != mode && fchmodat(store->dir_fd, name, mode, 0) < 0)
		return mc_err_set(err, errno, "cannot set the mode of %s", name);
	return 0;
}

uint64_t store_allocated(const struct store *store, const char *layer_id)
{
	mc_autofree char *name = store_name(layer_id);
	struct stat st;

	return fstatat(store->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int store_space(const struct store *store, struct store_space *ret, mc_err **err)
{
	struct statvfs v;
	uint64_t by_percent;

	if (fstatvfs(store->dir_fd, &v) < 0)
		return mc_err_set(err, errno, "statvfs %s", store->dir);
	ret->total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
	ret->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	by_percent = ret->total_bytes / 100 * store->reserve_percent;
	ret->reserve_bytes = by_percent < store->reserve_bytes_min ? by_percent : store->reserve_bytes_min;
	return 0;
}
