#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"

#define SIZE_UNKNOWN 4096 /* of a file: begin with it */

char *mc_vstrf(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

char *mc_strf(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mc_vstrf(fmt, ap);
	va_end(ap);
	return text;
}

char *mc_strdup(const char *text)
{
	char *copy;

	if (!text)
		return NULL;
	copy = strdup(text);
	if (!copy)
		abort();
	return copy;
}

void *mc_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		abort();
	return p;
}

static int read_all(int fd, char *buf, size_t max, size_t *ret_len)
{
	size_t len = 0;

	while (len < max) {
		ssize_t n = read(fd, buf + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* Up to max bytes and one more, in a buffer with room for a NUL; it grows where there is more than was thought. Files of /proc say
 * that they have none. */
static int read_whole(int fd, size_t size, size_t max, char **ret_buf, size_t *ret_len)
{
	size_t cap = size < max ? size : max, len = 0;
	int r = 0;

	for (bool more = true; more && r >= 0;) {
		size_t n = 0;
		char *grown = realloc(*ret_buf, cap + 2);

		if (!grown)
			abort();
		*ret_buf = grown;
		r = read_all(fd, grown + len, cap + 1 - len, &n);
		len += n;
		more = len > cap && cap < max;
		cap = cap < max / 2 ? 2 * cap : max;
	}
	*ret_len = len;
	return r;
}

char *mc_fs_read(const char *path, size_t max, size_t *ret_len, mc_err **err)
{
	mc_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	mc_autofree char *buf = NULL;
	struct stat st;
	size_t len = 0;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		mc_err_set(err, errno, "cannot read %s", path);
		return NULL;
	}
	r = read_whole(fd, st.st_size > 0 ? (size_t)st.st_size : SIZE_UNKNOWN, max, &buf, &len);
	if (r < 0) {
		mc_err_set(err, -r, "cannot read %s", path);
		return NULL;
	}
	if (len > max) {
		mc_err_set(err, EFBIG, "%s is larger than %zu bytes", path, max);
		return NULL;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return MC_STEAL(buf);
}

int mc_fs_remove(const char *path, mc_err **err)
{
	if (MC_CRASH_AROUND(unlink(path)) < 0 && errno != ENOENT)
		return mc_err_set(err, errno, "cannot remove %s", path);
	return 0;
}

int mc_fs_sync(const char *path, mc_err **err)
{
	mc_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return mc_err_set(err, errno, "cannot fsync %s", path);
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int mc_fs_write(const char *path, const void *data, size_t len, mode_t mode, mc_err **err)
{
	mc_autofree char *temp = mc_strf("%s.new", path);
	mc_autofree char *dir = mc_strdup(path);
	mc_auto_fd int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0)
		return mc_err_set(err, errno, "cannot write %s", temp);
	MC_CRASH_POINT();
	/* fchmod: the umask must not narrow what was asked for. */
	if (fchmod(fd, mode) < 0 || write_all(fd, data, len) < 0 || fsync(fd) < 0 ||
	    MC_CRASH_AROUND(rename(temp, path)) < 0) {
		mc_err_set(err, errno, "cannot write %s", path);
		unlink(temp);
		return -1;
	}
	return mc_fs_sync(dirname(dir), err);
}

int mc_fs_mkdirs(const char *path, mode_t mode, mc_err **err)
{
	mc_autofree char *copy = mc_strdup(path);

	for (char *slash = copy + 1; slash; ) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(copy, mode) == 0)
			MC_CRASH_POINT();
		else if (errno != EEXIST)
			return mc_err_set(err, errno, "cannot make directory %s", copy);
		if (slash)
			*slash++ = '/';
	}
	return 0;
}
