#include "hypervisor/freeze.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "hypervisor/work.h"

#define AREA "hypervisor"
#define PATIENCE_S 1    /* of one question to an agent */
#define AGAIN MC_SECOND /* after that somebody could not be thawed; doubled each time, up to: */
#define DOUBLED_MAX 5

struct freezes {
	char *dir; /* an empty file for each instance; owned */
	struct hypervisor *h;
	pthread_t thread;
	bool runs;
	pthread_mutex_t mutex; /* of the two below */
	bool stopping, look;
	pthread_cond_t changed;
};

/* --- notes ------------------------------------------------------------------- */

int freeze_begin(const struct freezes *f, const char *id, mc_err **err)
{
	mc_autofree char *path = mc_strf("%s/%s", f->dir, id);
	mc_auto_fd int fd = MC_CRASH_AROUND(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640));

	return fd < 0 ? mc_err_set(err, errno, "cannot make %s", path) : 0;
}

void freeze_end(const struct freezes *f, const char *id)
{
	mc_autofree char *path = mc_strf("%s/%s", f->dir, id);

	MC_CRASH_AROUND(unlink(path));
}

/* --- thawing ----------------------------------------------------------------- */

/* What is off has nothing frozen; what has no agent never had. */
static bool is_thawed(virDomainPtr domain)
{
	virDomainAgentSetResponseTimeout(domain, PATIENCE_S, 0);
	return virDomainFSThaw(domain, NULL, 0, 0) >= 0 || virGetLastErrorCode() == VIR_ERR_ARGUMENT_UNSUPPORTED ||
	       virDomainIsActive(domain) == 0;
}

static bool thaw(const struct freezes *f, const char *id, virDomainPtr domain)
{
	if (!is_thawed(domain))
		return false;
	mc_log(MC_LOG_INFO, AREA, "the guest is thawed", "instance", id, NULL);
	freeze_end(f, id);
	return true;
}

void freeze_undo(struct freezes *f, const char *id, virDomainPtr domain)
{
	if (!thaw(f, id, domain))
		freezes_look(f);
}

/* False: to be tried again. */
static bool thaw_noted(const struct freezes *f, const char *id)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(f->h->locks, id);
	auto_connection conn = connection_get(f->h->connection, NULL);
	auto_domain domain = NULL;
	const struct work w = { .h = f->h, .conn = conn, .id = id };
	int outcome = conn ? work_find_active(&w, &domain, NULL) : MC_IPC_UNAVAILABLE;

	if (outcome == MC_IPC_OK)
		return thaw(f, id, domain);
	if (outcome != MC_IPC_NOT_FOUND && outcome != MC_IPC_CONFLICT)
		return false;
	freeze_end(f, id);
	return true;
}

/* Is nobody left to be thawed? */
static bool thaw_all(const struct freezes *f)
{
	DIR *dir = opendir(f->dir);
	const struct dirent *e;
	bool all = dir != NULL;

	while (dir && (e = readdir(dir)))
		if (mc_id_valid("i", e->d_name) && !thaw_noted(f, e->d_name))
			all = false;
	if (dir)
		closedir(dir);
	return all;
}

/* --- the thread -------------------------------------------------------------- */

/* Until somebody has to be looked at, or ns have passed. False: it is to stop. */
static bool wait_for_work(struct freezes *f, int64_t ns)
{
	struct timespec until;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += until.tv_nsec;
	until.tv_sec += ns / MC_SECOND;
	until.tv_nsec = ns % MC_SECOND;
	pthread_mutex_lock(&f->mutex);
	while (!f->stopping && !f->look && pthread_cond_timedwait(&f->changed, &f->mutex, &until) == 0)
		;
	goes_on = !f->stopping;
	f->look = false;
	pthread_mutex_unlock(&f->mutex);
	return goes_on;
}

static void *run(void *arg)
{
	struct freezes *f = arg;
	int failed = 0;

	do {
		bool all = thaw_all(f);

		failed = all ? 0 : failed < DOUBLED_MAX ? failed + 1 : failed;
	} while (wait_for_work(f, AGAIN << (failed ? failed - 1 : DOUBLED_MAX)));
	return NULL;
}

void freezes_look(struct freezes *f)
{
	pthread_mutex_lock(&f->mutex);
	f->look = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->mutex);
}

/* --- life -------------------------------------------------------------------- */

struct freezes *freezes_new(const char *parent, mc_err **err)
{
	mc_autofree char *dir = mc_strf("%s/frozen", parent);
	struct freezes *f;
	pthread_condattr_t attr;

	if (mc_fs_mkdirs(dir, 0750, err) < 0)
		return NULL;
	f = mc_alloc(sizeof(*f));
	f->dir = MC_STEAL(dir);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &attr);
	pthread_condattr_destroy(&attr);
	return f;
}

int freezes_start(struct freezes *f, struct hypervisor *h, mc_err **err)
{
	int r;

	f->h = h;
	r = pthread_create(&f->thread, NULL, run, f);
	f->runs = r == 0;
	return r == 0 ? 0 : mc_err_set(err, r, "cannot start a thread");
}

void freezes_stop(struct freezes *f)
{
	if (!f || !f->runs)
		return;
	pthread_mutex_lock(&f->mutex);
	f->stopping = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->mutex);
	pthread_join(f->thread, NULL);
	f->runs = false;
}

void freezes_free(struct freezes *f)
{
	if (!f)
		return;
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->mutex);
	free(f->dir);
	free(f);
}
