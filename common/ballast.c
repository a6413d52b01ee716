#include "common/ballast.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"

void mc_ballast_take(const char *path, off_t bytes)
{
	mc_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	MC_CRASH_POINT();
	if (fd >= 0 && posix_fallocate(fd, 0, bytes) != 0)
		unlink(path);
}

bool mc_ballast_give(const char *path)
{
	return unlink(path) == 0;
}
