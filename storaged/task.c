#include "storaged/task.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"

#define AREA "task"

struct task {
	char id[MC_ID_LEN];
	struct tasks *tasks;
	task_fn *fn;
	void *arg;
	void (*free_arg)(void *);
	struct task_report report; /* under the mutex */
	bool cancelled, ended, forgotten;
	int cancel_fd;
	pthread_t thread;
	UT_hash_handle hh;
};

struct tasks {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct task *all;
	unsigned at_once, running;
};

struct tasks *tasks_new(unsigned at_once)
{
	struct tasks *tasks = mc_alloc(sizeof(*tasks));

	*tasks = (struct tasks){.at_once = at_once};
	pthread_mutex_init(&tasks->mutex, NULL);
	pthread_cond_init(&tasks->changed, NULL);
	return tasks;
}

/* --- the thread's side ------------------------------------------------------ */

int task_cancel_fd(const struct task *task)
{
	return task->cancel_fd;
}

bool task_cancelled(const struct task *task)
{
	bool cancelled;

	pthread_mutex_lock(&task->tasks->mutex);
	cancelled = task->cancelled;
	pthread_mutex_unlock(&task->tasks->mutex);
	return cancelled;
}

void task_percent(void *ctx, int percent)
{
	struct task *task = ctx;

	pthread_mutex_lock(&task->tasks->mutex);
	if (percent > task->report.percent)
		task->report.percent = percent;
	pthread_mutex_unlock(&task->tasks->mutex);
}

/* Under the mutex: false when it was cancelled before its turn came. */
static bool await_turn(struct task *task)
{
	struct tasks *tasks = task->tasks;

	while (!task->cancelled && tasks->running >= tasks->at_once)
		pthread_cond_wait(&tasks->changed, &tasks->mutex);
	return !task->cancelled;
}

static void settle(struct task *task, int outcome, mc_err *err)
{
	task->report.state = outcome == MC_IPC_OK ? TASK_DONE : TASK_FAILED;
	task->report.outcome = outcome;
	if (outcome == MC_IPC_OK)
		task->report.percent = 100;
	else
		task->report.message = mc_strdup(err ? mc_err_msg(err) : "it was cancelled");
	if (outcome < 0)
		mc_log(MC_LOG_WARNING, AREA, "failed", "task", task->id, "reason", task->report.message, NULL);
}

static void *run(void *arg)
{
	struct task *task = arg;
	struct tasks *tasks = task->tasks;
	mc_err *err = NULL;
	int outcome = MC_IPC_CONFLICT;

	pthread_mutex_lock(&tasks->mutex);
	if (await_turn(task)) {
		tasks->running++;
		task->report.state = TASK_RUNNING;
		pthread_mutex_unlock(&tasks->mutex);
		outcome = task->fn(task, task->arg, &err);
		pthread_mutex_lock(&tasks->mutex);
		tasks->running--;
	}
	settle(task, outcome, err);
	task->ended = true;
	pthread_cond_broadcast(&tasks->changed);
	pthread_mutex_unlock(&tasks->mutex);
	mc_err_free(err);
	return NULL;
}

/* --- the callers' side ------------------------------------------------------ */

static void task_free(struct task *task)
{
	if (task->cancel_fd >= 0)
		close(task->cancel_fd);
	task->free_arg(task->arg);
	task_report_deinit(&task->report);
	free(task);
}

static struct task *task_new(struct tasks *tasks, const char *id, task_fn *fn, void *arg, void (*free_arg)(void *))
{
	struct task *task = mc_alloc(sizeof(*task));

	*task = (struct task){.tasks = tasks, .fn = fn, .arg = arg, .free_arg = free_arg,
			      .cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	snprintf(task->id, sizeof(task->id), "%s", id);
	return task;
}

/* Under the mutex. */
static int begin(struct tasks *tasks, struct task *task, mc_err **err)
{
	if (HASH_COUNT(tasks->all) >= TASKS_MAX)
		return mc_err_set(err, 0, "there are too many tasks already");
	if (task->cancel_fd < 0)
		return mc_err_set(err, errno, "cannot make an event");
	errno = pthread_create(&task->thread, NULL, run, task);
	if (errno != 0)
		return mc_err_set(err, errno, "cannot start a thread");
	HASH_ADD_STR(tasks->all, id, task);
	return 0;
}

int tasks_begin(struct tasks *tasks, const char *id, task_fn *fn, void *arg, void (*free_arg)(void *), mc_err **err)
{
	struct task *task = task_new(tasks, id, fn, arg, free_arg), *known = NULL;
	int r = 0;

	pthread_mutex_lock(&tasks->mutex);
	HASH_FIND_STR(tasks->all, id, known);
	if (!known)
		r = begin(tasks, task, err);
	pthread_mutex_unlock(&tasks->mutex);
	if (known || r < 0)
		task_free(task);
	return r;
}

int tasks_find(struct tasks *tasks, const char *id, struct task_report *ret)
{
	struct task *task = NULL;

	pthread_mutex_lock(&tasks->mutex);
	HASH_FIND_STR(tasks->all, id, task);
	if (task) {
		*ret = task->report;
		ret->message = mc_strdup(task->report.message);
	}
	pthread_mutex_unlock(&tasks->mutex);
	return task ? 0 : 1;
}

/* Under the mutex. */
static void cancel(struct task *task)
{
	task->cancelled = true;
	(void)!eventfd_write(task->cancel_fd, 1);
	pthread_cond_broadcast(&task->tasks->changed);
}

void tasks_forget(struct tasks *tasks, const char *id)
{
	struct task *task = NULL;

	pthread_mutex_lock(&tasks->mutex);
	HASH_FIND_STR(tasks->all, id, task);
	if (!task || task->forgotten) { /* or somebody else is at it: wait for that */
		while (task) {
			pthread_cond_wait(&tasks->changed, &tasks->mutex);
			HASH_FIND_STR(tasks->all, id, task);
		}
		pthread_mutex_unlock(&tasks->mutex);
		return;
	}
	task->forgotten = true;
	cancel(task);
	while (!task->ended)
		pthread_cond_wait(&tasks->changed, &tasks->mutex);
	HASH_DEL(tasks->all, task);
	pthread_cond_broadcast(&tasks->changed);
	pthread_mutex_unlock(&tasks->mutex);
	pthread_join(task->thread, NULL);
	task_free(task);
}

void tasks_free(struct tasks *tasks)
{
	struct task *task, *next;

	if (!tasks)
		return;
	pthread_mutex_lock(&tasks->mutex);
	HASH_ITER(hh, tasks->all, task, next)
		cancel(task);
	pthread_mutex_unlock(&tasks->mutex);
	HASH_ITER(hh, tasks->all, task, next) {
		pthread_join(task->thread, NULL);
		HASH_DEL(tasks->all, task);
		task_free(task);
	}
	pthread_cond_destroy(&tasks->changed);
	pthread_mutex_destroy(&tasks->mutex);
	free(tasks);
}

void task_report_deinit(struct task_report *report)
{
	free(report->message);
	report->message = NULL;
}

const char *task_state_name(const struct task_report *report)
{
	static const char *const names[] = {
		[TASK_WAITING] = "waiting", [TASK_RUNNING] = "running", [TASK_DONE] = "done", [TASK_FAILED] = "failed",
	};

	return names[report->state];
}
