#include "storaged/janitor.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "storaged/merge.h"
#include "storaged/measure.h"

#define RETRY (20 * MC_SECOND)

struct janitor {
	struct storage *storage;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool wanted, busy, stopping;
	bool failed; /* the last attempt: it is made again after a while */
	unsigned pauses;
	int cancel_fd; /* readable: end what you do */
};

/* One merge, without the mutex: what merge_idle() returned. */
static int work(struct janitor *j)
{
	mc_auto_err mc_err *err = NULL;
	int r = merge_idle(j->storage, j->cancel_fd, &err);

	if (r < 0)
		mc_log(MC_LOG_WARNING, "merge", "layers cannot be merged now", "reason", mc_err_msg(err), NULL);
	return r;
}

/* What merges have left; in nobody's way, so that nobody waits for it. */
static void measure(struct janitor *j)
{
	pthread_mutex_unlock(&j->mutex);
	measure_frozen(j->storage);
	pthread_mutex_lock(&j->mutex);
}

/* Until something changes; or for a while where the last attempt failed. */
static void wait_for_change(struct janitor *j)
{
	int64_t until = mc_clock_wall() + RETRY;
	struct timespec t = {.tv_sec = until / MC_SECOND, .tv_nsec = until % MC_SECOND};

	if (!j->failed)
		pthread_cond_wait(&j->changed, &j->mutex);
	else if (pthread_cond_timedwait(&j->changed, &j->mutex, &t) == ETIMEDOUT)
		j->wanted = true;
}

static void *run(void *arg)
{
	struct janitor *j = arg;

	pthread_mutex_lock(&j->mutex);
	while (!j->stopping) {
		int r;

		if (!j->wanted || j->pauses > 0) {
			wait_for_change(j);
			continue;
		}
		j->wanted = false;
		j->busy = true;
		pthread_mutex_unlock(&j->mutex);
		r = work(j);
		pthread_mutex_lock(&j->mutex);
		j->busy = false;
		j->failed = r < 0;
		j->wanted |= r == 0; /* there may be more */
		pthread_cond_broadcast(&j->changed);
		if (r == 1 && !j->wanted && !j->stopping)
			measure(j);
	}
	pthread_mutex_unlock(&j->mutex);
	return NULL;
}

struct janitor *janitor_start(struct storage *storage, mc_err **err)
{
	struct janitor *j = mc_alloc(sizeof(*j));

	*j = (struct janitor){.storage = storage, .wanted = true, .cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	pthread_mutex_init(&j->mutex, NULL);
	pthread_cond_init(&j->changed, NULL);
	errno = j->cancel_fd < 0 ? errno : pthread_create(&j->thread, NULL, run, j);
	if (errno == 0)
		return j;
	mc_err_set(err, errno, "cannot start the thread that merges layers");
	if (j->cancel_fd >= 0)
		close(j->cancel_fd);
	free(j);
	return NULL;
}

void janitor_stop(struct janitor *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	j->stopping = true;
	(void)!eventfd_write(j->cancel_fd, 1);
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->mutex);
	pthread_join(j->thread, NULL);
	close(j->cancel_fd);
	pthread_cond_destroy(&j->changed);
	pthread_mutex_destroy(&j->mutex);
	free(j);
}

void janitor_wake(struct janitor *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	j->wanted = true;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->mutex);
}

void janitor_pause(struct janitor *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	j->pauses++;
	if (j->busy)
		(void)!eventfd_write(j->cancel_fd, 1);
	while (j->busy)
		pthread_cond_wait(&j->changed, &j->mutex);
	pthread_mutex_unlock(&j->mutex);
}

void janitor_resume(struct janitor *j)
{
	eventfd_t n;

	if (!j)
		return;
	pthread_mutex_lock(&j->mutex);
	if (--j->pauses == 0 && !j->stopping) {
		(void)!eventfd_read(j->cancel_fd, &n);
		j->wanted = true; /* what was interrupted */
	}
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->mutex);
}
