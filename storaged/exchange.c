#include "storaged/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"

#define NAME_MAX_BYTES 1024 /* of an S3 key */

bool exchange_name_valid(const char *name)
{
	const char *part = name;

	if (!*name || strlen(name) > NAME_MAX_BYTES || !strchr(name, '/'))
		return false;
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	for (;;) {
		size_t n = strcspn(part, "/");

		if (n == 0 || part[0] == '.') /* hidden ones are the operator's */
			return false;
		if (!part[n])
			return true;
		part += n + 1;
	}
}

/* What lies below the directory, NULL where the path does not. */
static const char *below(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* openat2 below a directory, following no link. */
static int open_below(const char *dir, const char *name, int flags)
{
	mc_auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

	return dir_fd < 0 ? -1 : (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

/* The directory that a source lies below, and its name there. False: below neither. */
static bool find_source(const struct storaged_config *config, const char *name, const char **ret_dir, const char **ret_name)
{
	const char *rest;

	*ret_dir = config->exchange_dir;
	*ret_name = name;
	if (name[0] != '/')
		return exchange_name_valid(name);
	rest = below(config->exchange_dir, name);
	*ret_name = rest;
	if (rest)
		return exchange_name_valid(rest);
	rest = below(config->import_dir, name);
	*ret_dir = config->import_dir;
	*ret_name = rest;
	return rest && *rest && *rest != '.' && !strchr(rest, '/');
}

int exchange_source(const struct storaged_config *config, const char *name, char **ret_path, mc_err **err)
{
	const char *dir, *rest;
	mc_auto_fd int fd = -1;
	struct stat st;

	if (!find_source(config, name, &dir, &rest)) {
		mc_err_set(err, 0, "%s is neither directly inside %s nor in a bucket's directory below %s", name, config->import_dir,
			   config->exchange_dir);
		return MC_IPC_BAD_REQUEST;
	}
	fd = open_below(dir, rest, O_RDONLY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		mc_err_set(err, 0, "there is no %s", name);
		return MC_IPC_NOT_FOUND;
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		mc_err_set(err, fd < 0 ? errno : 0, "%s is no regular file that can be read", name);
		return MC_IPC_BAD_REQUEST;
	}
	*ret_path = mc_strf("%s/%s", dir, rest);
	return MC_IPC_OK;
}

int exchange_target(const struct storaged_config *config, const char *name, int *ret_dir_fd, mc_err **err)
{
	mc_autofree char *copy = mc_strdup(name);
	const char *dir;
	int fd;

	if (!exchange_name_valid(name)) {
		mc_err_set(err, 0, "%s is no name of a file in a bucket", name);
		return MC_IPC_BAD_REQUEST;
	}
	dir = dirname(copy);
	fd = open_below(config->exchange_dir, dir, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		bool denied = errno == EACCES;

		mc_err_set(err, errno, "there is no directory %s in %s that can be written to", dir, config->exchange_dir);
		return denied ? MC_IPC_BAD_REQUEST : MC_IPC_NOT_FOUND;
	}
	*ret_dir_fd = fd;
	return MC_IPC_OK;
}
