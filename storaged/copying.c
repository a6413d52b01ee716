#include "storaged/copying.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "storaged/task.h"

struct job {
	struct storage *storage;
	char id[MC_ID_LEN];
	copying_fn *fn;
	char arg[];
};

static int run(struct task *task, void *arg, mc_err **err)
{
	struct job *job = arg;
	struct qemu_img_watch watch = {.cancel_fd = task_cancel_fd(task), .percent = task_percent, .ctx = task};

	return job->fn(job->storage, job->id, job->arg, &watch, err);
}

static bool is_under_way(const struct task_report *report)
{
	return report->state == TASK_WAITING || report->state == TASK_RUNNING;
}

static json_t *progress(const char *id, const struct task_report *report)
{
	return json_pack("{s:s, s:s, s:i}", "id", id, "state", "copying", "percent", report->percent);
}

bool copying_is_under_way(struct storage *storage, const char *id, json_t **ret)
{
	struct task_report report;
	bool under_way;

	if (tasks_find(storage->tasks, id, &report) > 0)
		return false;
	under_way = is_under_way(&report);
	if (under_way && ret)
		*ret = progress(id, &report);
	task_report_deinit(&report);
	return under_way;
}

bool copying_answers(struct storage *storage, const char *id, int *ret_outcome, json_t **ret, mc_err **err)
{
	struct task_report report;
	bool under_way, failed;

	if (tasks_find(storage->tasks, id, &report) > 0)
		return false;
	under_way = is_under_way(&report);
	failed = report.state == TASK_FAILED;
	if (failed)
		mc_err_set(err, 0, "%s", report.message);
	if (under_way)
		*ret = progress(id, &report);
	else
		tasks_forget(storage->tasks, id); /* whoever asks again has it tried again */
	if (under_way || failed)
		*ret_outcome = failed ? report.outcome : MC_IPC_OK;
	task_report_deinit(&report);
	return under_way || failed;
}

int copying_begin(struct storage *storage, const char *id, copying_fn *fn, const void *arg, size_t size, json_t **ret, mc_err **err)
{
	struct job *job = mc_alloc(sizeof(*job) + size);
	int outcome = MC_IPC_OK;

	job->storage = storage;
	job->fn = fn;
	snprintf(job->id, sizeof(job->id), "%s", id);
	memcpy(job->arg, arg, size);
	if (tasks_begin(storage->tasks, id, run, job, free, err) < 0)
		return MC_IPC_UNAVAILABLE;
	copying_answers(storage, id, &outcome, ret, err);
	return outcome;
}

int copying_check_none(struct storage *storage, const char *id, mc_err **err)
{
	if (!copying_is_under_way(storage, id, NULL))
		return MC_IPC_OK;
	mc_err_set(err, 0, "%s is being copied", id);
	return MC_IPC_UNAVAILABLE;
}

void copying_end(struct storage *storage, const char *id)
{
	tasks_forget(storage->tasks, id);
}
