#include "hypervisor/console.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"

#define TRIM_ABOVE (1 << 20) /* bytes on disk at which a log is worth trimming */

int console_init(const char *dir, mc_err **err)
{
	return mc_fs_mkdirs(dir, 0750, err);
}

char *console_path(const char *dir, const char *instance_id)
{
	return mc_strf("%s/%s.log", dir, instance_id);
}

int console_prepare(const char *dir, const char *instance_id, mc_err **err)
{
	mc_autofree char *path = console_path(dir, instance_id);
	mc_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	MC_CRASH_POINT();
	/* The umask is tighter than what libvirtd needs to see. */
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return mc_err_set(err, errno, "console log %s", path);
	return 0;
}

static char *base64(const unsigned char *data, size_t n)
{
	char *text = mc_alloc(4 * ((n + 2) / 3) + 1);

	EVP_EncodeBlock((unsigned char *)text, data, (int)n);
	return text;
}

/* Up to CONSOLE_TAIL bytes before end. -1 on failure. */
static ssize_t read_tail(int fd, off_t end, unsigned char *tail)
{
	off_t from = end > CONSOLE_TAIL ? end - CONSOLE_TAIL : 0;
	size_t have = 0;
	ssize_t n;

	while ((n = pread(fd, tail + have, CONSOLE_TAIL - have, from + (off_t)have)) > 0)
		have += (size_t)n;
	return n < 0 ? -1 : (ssize_t)have;
}

static json_t *tail_doc(const unsigned char *tail, size_t n, const struct stat *st)
{
	mc_autofree char *output = base64(tail, n);
	char modified[MC_ISO8601_LEN];

	mc_clock_iso8601((int64_t)st->st_mtim.tv_sec * MC_SECOND + st->st_mtim.tv_nsec, modified);
	return json_pack("{s:s, s:I, s:s}", "output", output, "bytes", (json_int_t)st->st_size, "modified", modified);
}

int console_read(const char *dir, const char *instance_id, json_t **ret, mc_err **err)
{
	mc_autofree char *path = console_path(dir, instance_id);
	mc_autofree unsigned char *tail = mc_alloc(CONSOLE_TAIL);
	mc_auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return mc_err_set(err, errno, "console log %s", path);
	n = read_tail(fd, st.st_size, tail);
	if (n < 0)
		return mc_err_set(err, errno, "console log %s", path);
	*ret = tail_doc(tail, (size_t)n, &st);
	return 0;
}

int console_remove(const char *dir, const char *instance_id, mc_err **err)
{
	mc_autofree char *path = console_path(dir, instance_id);

	return mc_fs_remove(path, err);
}

/* The time of the guest's last word stays: a hole is none. */
static void trim(int dir_fd, const char *name)
{
	mc_auto_fd int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_blocks * 512 <= TRIM_ABOVE ||
	    st.st_size <= CONSOLE_TAIL)
		return;
	times[1] = st.st_mtim;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size - CONSOLE_TAIL) == 0)
		(void)!futimens(fd, times);
}

void console_trim(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			trim(dirfd(d), e->d_name);
	if (d)
		closedir(d);
}
