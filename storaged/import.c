#include "storaged/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/exchange.h"
#include "storaged/janitor.h"
#include "storaged/qcow2.h"
#include "storaged/reader.h"
#include "storaged/snapshot.h"
#include "storaged/snapshot_copy.h"
#include "storaged/task.h"

#define AREA "import"
#define GIB (1LL << 30)
#define SECTOR 512
#define FRESH_BYTES (1ULL << 20) /* more than a new qcow2's tables take */

/* --- the file --------------------------------------------------------------- */

/* What came out must be what we expect of our own convert: QEMU counts whole sectors. */
static int result_check(const char *path, const struct layer *layer, mc_err **err)
{
	mc_auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct qcow2_header header;

	if (fd < 0)
		return mc_err_set(err, errno, "cannot open %s", path);
	if (qcow2_header_read(fd, &header, NULL, err) < 0 || qcow2_header_refuse(&header, err) < 0)
		return mc_err_wrap(err, "the converted image");
	if (header.virtual_bytes != (uint64_t)layer->virtual_bytes)
		return mc_err_set(err, 0, "the converted image has another size than its source");
	return 0;
}

static int outcome_of(int r, mc_err **err)
{
	switch (r) {
	case QEMU_IMG_OK: return MC_IPC_OK;
	case QEMU_IMG_BAD_SOURCE: return mc_err_wrap(err, "source refused"), MC_IPC_BAD_REQUEST;
	case QEMU_IMG_NO_SPACE: return MC_IPC_NO_CAPACITY;
	case QEMU_IMG_CANCELLED: return MC_IPC_CONFLICT;
	}
	return -1;
}

int import_layer(struct storage *storage, const struct layer *layer, struct qemu_img_copy *copy, mc_err **err)
{
	mc_autofree char *part = store_part_path(&storage->store, layer->id);
	int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return mc_err_set(err, errno, "cannot make %s", part);
	close(fd);
	MC_CRASH_POINT();
	copy->target = part;
	r = outcome_of(qemu_img_import(storage->sandbox, &storage->offspring, copy, err), err);
	if (r != MC_IPC_OK)
		return r;
	if (result_check(part, layer, err) < 0)
		return -1;
	return store_commit(&storage->store, layer->id, STORE_MODE_FROZEN, err) < 0 ? -1 : MC_IPC_OK;
}

/* --- the task --------------------------------------------------------------- */

struct job {
	struct storage *storage;
	char id[MC_ID_LEN], kms_key[MC_UUID_LEN], owner[SNAPSHOT_OWNER_LEN];
	char *path;
	enum foreign_format format;
};

static void job_free(void *arg)
{
	struct job *job = arg;

	free(job->path);
	free(job);
}

/* A part of a task: from this per cent on, so many of them. */
struct part {
	struct task *task;
	int from, span;
};

static void part_percent(void *ctx, int percent)
{
	const struct part *part = ctx;

	task_percent(part->task, part->from + percent * part->span / 100);
}

static struct qemu_img_watch part_watch(struct part *part)
{
	return (struct qemu_img_watch){.cancel_fd = task_cancel_fd(part->task), .percent = part_percent, .ctx = part};
}

/* The layer's file, in clear. */
static int take_file(struct task *task, const struct job *job, const struct foreign *found, const struct layer *layer, mc_err **err)
{
	struct part part = {task, 0, job->kms_key[0] ? 50 : 100};
	struct qemu_img_copy copy = {
		.driver = foreign_format_driver(job->format), .source = job->path, .data_bytes = found->data_bytes,
		.timeout_s = (unsigned)job->storage->config->import_timeout, .watch = part_watch(&part),
	};

	return import_layer(job->storage, layer, &copy, err);
}

/* By way of a layer in clear, as the file itself is: no process that reads a foreign file has a key. */
static int take_encrypted(struct task *task, const struct job *job, const struct foreign *found, const struct layer *layer, mc_err **err)
{
	struct layer clear = {.virtual_bytes = layer->virtual_bytes};
	struct part part = {task, 50, 50};
	struct qemu_img_watch watch = part_watch(&part);
	int r;

	mc_id_new("lay", clear.id);
	if (graph_layer_begin(job->storage->graph, &clear, err) < 0)
		return -1;
	r = take_file(task, job, found, &clear, err);
	MC_CRASH_POINT();
	if (r == MC_IPC_OK)
		r = snapshot_copy_layer(job->storage, clear.id, layer, job->kms_key, true, &watch, err);
	storage_abandon(job->storage, clear.id);
	return r;
}

static int bring_in(struct task *task, struct job *job, const struct foreign *found, mc_err **err)
{
	struct storage *storage = job->storage;
	struct snapshot s = {.size_gib = ((int64_t)found->virtual_bytes + GIB - 1) / GIB,
			     .layer = {.virtual_bytes = (int64_t)found->virtual_bytes}};
	int r;

	snprintf(s.id, sizeof(s.id), "%s", job->id);
	snprintf(s.owner, sizeof(s.owner), "%s", job->owner);
	mc_id_new("lay", s.layer.id);
	if (graph_layer_begin(storage->graph, &s.layer, err) < 0)
		return -1;
	r = (job->kms_key[0] ? take_encrypted : take_file)(task, job, found, &s.layer, err);
	MC_CRASH_POINT();
	if (r == MC_IPC_OK && snapshot_add(storage, &s, err) < 0)
		r = -1;
	if (r != MC_IPC_OK)
		storage_abandon(storage, s.layer.id);
	else
		janitor_wake(storage->janitor);
	if (r == MC_IPC_OK)
		mc_log(MC_LOG_INFO, AREA, "brought in", "snapshot", s.id, "layer", s.layer.id, "source", job->path, NULL);
	return r;
}

static int run(struct task *task, void *arg, mc_err **err)
{
	struct job *job = arg;
	struct foreign found;
	int r = reader_run(job->storage->sandbox, &job->storage->offspring, job->path, job->format, task_cancel_fd(task), &found, err);

	if (r == READER_REFUSED)
		return mc_err_wrap(err, "source refused"), task_cancelled(task) ? MC_IPC_CONFLICT : MC_IPC_BAD_REQUEST;
	if (r < 0)
		return -1;
	found.virtual_bytes = (found.virtual_bytes + SECTOR - 1) / SECTOR * SECTOR;
	r = storage_room(job->storage, found.data_bytes + FRESH_BYTES, err);
	return r == MC_IPC_OK ? bring_in(task, job, &found, err) : r;
}

/* --- the calls -------------------------------------------------------------- */

json_t *import_report(const char *id, const struct task_report *report)
{
	json_t *doc = json_pack("{s:s, s:s, s:i}", "id", id, "state", task_state_name(report), "percent", report->percent);

	if (report->state != TASK_FAILED)
		return doc;
	json_object_set_new(doc, "outcome", json_string(mc_ipc_outcome_name(report->outcome < 0 ? MC_IPC_INTERNAL
									    : (enum mc_ipc_outcome)report->outcome)));
	json_object_set_new(doc, "message", json_string(report->message));
	return doc;
}

/* The snapshot is there: nobody need remember the task. 0 and *ret, 1 where it is not, -1 and *err. */
static int find_done(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct snapshot s;
	int r = graph_snapshot_find(storage->graph, id, &s, err);

	if (r == 0)
		*ret = json_pack("{s:s, s:s, s:i, s:I, s:I}", "id", id, "state", "done", "percent", 100, "size_gib",
				 (json_int_t)s.size_gib, "bytes", (json_int_t)s.bytes);
	return r;
}

int import_get(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct task_report report;
	int r = find_done(storage, id, ret, err);

	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	if (tasks_find(storage->tasks, id, &report) != 0) {
		mc_err_set(err, 0, "there is no import %s", id);
		return MC_IPC_NOT_FOUND;
	}
	/* Done just now: the snapshot is there. */
	if (report.state == TASK_DONE && find_done(storage, id, ret, err) == 0)
		return task_report_deinit(&report), MC_IPC_OK;
	*ret = import_report(id, &report);
	task_report_deinit(&report);
	return MC_IPC_OK;
}

static int begin(struct storage *storage, const char *id, const struct import_wanted *wanted, enum foreign_format format, mc_err **err)
{
	mc_autofree char *path = NULL;
	struct job *job;
	int r = exchange_source(storage->config, wanted->source, &path, err);

	if (r != MC_IPC_OK)
		return r;
	if (sandbox_kind_of(storage->sandbox) == SANDBOX_NONE) {
		mc_err_set(err, 0, "this machine has neither unprivileged user namespaces nor Landlock to import an image in");
		return MC_IPC_UNSUPPORTED;
	}
	job = mc_alloc(sizeof(*job));
	*job = (struct job){.storage = storage, .path = MC_STEAL(path), .format = format};
	snprintf(job->id, sizeof(job->id), "%s", id);
	snprintf(job->kms_key, sizeof(job->kms_key), "%s", wanted->kms_key ? wanted->kms_key : "");
	snprintf(job->owner, sizeof(job->owner), "%s", wanted->owner ? wanted->owner : "");
	if (tasks_begin(storage->tasks, id, run, job, job_free, err) < 0)
		return MC_IPC_UNAVAILABLE;
	return MC_IPC_OK;
}

int import_put(struct storage *storage, const char *id, const struct import_wanted *wanted, json_t **ret, mc_err **err)
{
	enum foreign_format format = foreign_format_parse(wanted->format);
	int r = find_done(storage, id, ret, err);

	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	if (format == FOREIGN_FORMAT_MAX) {
		mc_err_set(err, 0, "format: %s is not known", wanted->format);
		return MC_IPC_BAD_REQUEST;
	}
	r = begin(storage, id, wanted, format, err);
	return r == MC_IPC_OK ? import_get(storage, id, ret, err) : r;
}

int import_delete(struct storage *storage, const char *id, mc_err **err)
{
	(void)err;
	tasks_forget(storage->tasks, id);
	return MC_IPC_OK;
}
