#include "storaged/offspring.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"

int offspring_open(struct offspring *offspring, const char *lock_path, bool wait, mc_err **err)
{
	mc_auto_fd int fd = open(lock_path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return mc_err_set(err, errno, "cannot open %s", lock_path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (!wait && errno == EWOULDBLOCK)
			return mc_err_set(err, 0, "another storaged, or what one left running, has the store");
		if (errno != EWOULDBLOCK)
			return mc_err_set(err, errno, "cannot lock %s", lock_path);
		mc_log(MC_LOG_WARNING, "storage", "waiting for another storaged, or what one left running, to end",
		       "lock", lock_path, NULL);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return mc_err_set(err, errno, "cannot lock %s", lock_path);
	}
	*offspring = (struct offspring){.lock_fd = MC_STEAL_FD(fd), .parent = getpid()};
	return 0;
}

void offspring_close(struct offspring *offspring)
{
	if (offspring->parent)
		close(offspring->lock_fd);
	*offspring = (struct offspring){0};
}

int offspring_bind(const struct offspring *offspring)
{
	if (fcntl(offspring->lock_fd, F_SETFD, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	return getppid() == offspring->parent ? 0 : -1; /* or it was too late */
}
