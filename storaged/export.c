#include "storaged/export.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/exchange.h"
#include "storaged/foreign.h"
#include "storaged/import.h"
#include "storaged/merge.h"
#include "storaged/qemu_img.h"
#include "storaged/task.h"

#define AREA "export"
#define AGAIN_MS 100

struct job {
	struct storage *storage;
	char id[MC_ID_LEN], source[MC_ID_LEN];
	char layer[MC_ID_LEN]; /* the source's, while it is read */
	char *target;  /* BUCKET/…/NAME */
	enum foreign_format format;
};

static void job_free(void *arg)
{
	struct job *job = arg;

	free(job->target);
	free(job);
}

/* What others can read too: no format's newest variant. */
static const char *options_of(enum foreign_format format)
{
	switch (format) {
	case FOREIGN_VMDK: return "subformat=streamOptimized";
	case FOREIGN_VHD: return "subformat=dynamic,force_size=on";
	default: return NULL;
	}
}

/* --- the task --------------------------------------------------------------- */

/* Convert into a hidden file beside the target, by the directory's descriptor: no link can lead it away. */
static int convert(struct task *task, const struct job *job, int dir_fd, const char *part, mc_err **err)
{
	mc_autofree char *layer = store_path(&job->storage->store, job->layer);
	struct qemu_img_watch watch = {.cancel_fd = task_cancel_fd(task), .percent = task_percent, .ctx = task};
	int r;

	r = qemu_img_export(&job->storage->offspring, layer, foreign_format_driver(job->format), options_of(job->format), dir_fd,
			    part, &watch, err);
	if (r > 0)
		return mc_err_set(err, 0, "it was cancelled"), MC_IPC_CONFLICT;
	return r < 0 ? MC_IPC_BAD_REQUEST : MC_IPC_OK;
}

/* Whole and on the disk, then under its name. */
static int publish(int dir_fd, const char *part, const char *name, mc_err **err)
{
	mc_auto_fd int fd = openat(dir_fd, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return mc_err_set(err, errno, "cannot finish %s", part);
	if (MC_CRASH_AROUND(renameat(dir_fd, part, dir_fd, name)) < 0 || fsync(dir_fd) < 0)
		return mc_err_set(err, errno, "cannot give %s its name", name);
	return 0;
}

static int write_out(struct task *task, const struct job *job, mc_err **err)
{
	mc_auto_fd int dir_fd = -1;
	mc_autofree char *copy = mc_strdup(job->target);
	const char *name = basename(copy);
	mc_autofree char *part = mc_strf(".%s.part", job->id);
	int r = exchange_target(job->storage->config, job->target, &dir_fd, err);

	if (r != MC_IPC_OK)
		return r;
	unlinkat(dir_fd, part, 0); /* of a run that was killed */
	r = convert(task, job, dir_fd, part, err);
	if (r == MC_IPC_OK && publish(dir_fd, part, name, err) < 0)
		r = -1;
	if (r != MC_IPC_OK)
		unlinkat(dir_fd, part, 0);
	else
		mc_log(MC_LOG_INFO, AREA, "written", "export", job->id, "layer", job->layer, "file", job->target, NULL);
	return r;
}

/* --- the source ------------------------------------------------------------- */

/* The frozen layer of a snapshot or an image; an outcome. */
static int find_layer(struct storage *storage, const char *source, char ret[MC_ID_LEN], mc_err **err)
{
	struct snapshot s;
	struct image image = {0};
	int r;

	if (mc_id_valid("ami", source)) {
		r = graph_image_find(storage->graph, source, &image, err);
		if (r == 0)
			snprintf(ret, MC_ID_LEN, "%s", image.layer.id);
		image_deinit(&image);
	} else {
		r = graph_snapshot_find(storage->graph, source, &s, err);
		if (r == 0 && s.overlay[0])
			return mc_err_set(err, 0, "%s has not been taken yet", source), MC_IPC_UNAVAILABLE;
		if (r == 0)
			snprintf(ret, MC_ID_LEN, "%s", s.layer.id);
	}
	if (r > 0)
		return mc_err_set(err, 0, "there is no %s", source), MC_IPC_NOT_FOUND;
	return r < 0 ? -1 : MC_IPC_OK;
}

/* Merges move the source to another layer, and may have to end first. */
static int hold(struct task *task, struct job *job, mc_err **err)
{
	struct pollfd cancelled = {.fd = task_cancel_fd(task), .events = POLLIN};
	int r = MC_IPC_UNAVAILABLE;

	while (r == MC_IPC_UNAVAILABLE && !task_cancelled(task)) {
		mc_err_clear(err);
		r = find_layer(job->storage, job->source, job->layer, err);
		if (r == MC_IPC_OK)
			r = merge_read(job->storage, job->layer, err);
		if (r == MC_IPC_UNAVAILABLE)
			poll(&cancelled, 1, AGAIN_MS);
	}
	return r;
}

static int run(struct task *task, void *arg, mc_err **err)
{
	struct job *job = arg;
	int r = hold(task, job, err);

	if (r != MC_IPC_OK)
		return r;
	r = write_out(task, job, err);
	merge_read_end(job->storage, job->layer);
	return r;
}

/* --- the calls -------------------------------------------------------------- */

int export_get(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct task_report report;

	if (tasks_find(storage->tasks, id, &report) != 0) {
		mc_err_set(err, 0, "there is no export %s", id);
		return MC_IPC_NOT_FOUND;
	}
	*ret = import_report(id, &report);
	task_report_deinit(&report);
	return MC_IPC_OK;
}

int export_put(struct storage *storage, const char *id, const char *source, const char *word, const char *target,
	       json_t **ret, mc_err **err)
{
	enum foreign_format format = foreign_format_parse(word);
	struct job job = {.storage = storage, .format = format}, *own;
	mc_auto_fd int dir_fd = -1;
	int r = find_layer(storage, source, job.layer, err);

	if (r == MC_IPC_OK)
		r = exchange_target(storage->config, target, &dir_fd, err);
	if (r != MC_IPC_OK)
		return r;
	if (format == FOREIGN_FORMAT_MAX) {
		mc_err_set(err, 0, "format: %s is not known", word);
		return MC_IPC_BAD_REQUEST;
	}
	snprintf(job.id, sizeof(job.id), "%s", id);
	snprintf(job.source, sizeof(job.source), "%s", source);
	job.target = mc_strdup(target);
	own = mc_alloc(sizeof(*own));
	*own = job;
	if (tasks_begin(storage->tasks, id, run, own, job_free, err) < 0)
		return MC_IPC_UNAVAILABLE;
	return export_get(storage, id, ret, err);
}

int export_delete(struct storage *storage, const char *id, mc_err **err)
{
	(void)err;
	tasks_forget(storage->tasks, id);
	return MC_IPC_OK;
}
