#include "storaged/snapshot_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "common/log.h"
#include "storaged/janitor.h"
#include "storaged/layer.h"
#include "storaged/snapshot.h"
#include "storaged/task.h"

#define AREA "snapshot"
#define GIB ((int64_t)1 << 30)

/* --- the source --------------------------------------------------------------- */

/* As the copy will have it; an outcome. */
static int find_source(struct storage *storage, const char *source, struct snapshot *ret, mc_err **err)
{
	struct image image;
	int r;

	if (!mc_id_valid("ami", source))
		return snapshot_taken(storage, source, ret, err);
	r = graph_image_find(storage->graph, source, &image, err);
	if (r > 0)
		mc_err_set(err, 0, "there is no image %s", source);
	if (r != 0)
		return r < 0 ? -1 : MC_IPC_NOT_FOUND;
	*ret = (struct snapshot){.layer = image.layer, .size_gib = (image.layer.virtual_bytes + GIB - 1) / GIB,
				 .whole = true};
	image_deinit(&image);
	return MC_IPC_OK;
}

/* --- the task ----------------------------------------------------------------- */

struct job {
	struct storage *storage;
	char id[MC_ID_LEN], source[MC_ID_LEN], kms_key[MC_UUID_LEN], owner[SNAPSHOT_OWNER_LEN];
};

int snapshot_copy_layer(struct storage *storage, const char *from, const struct layer *to, const char *kms_key, bool own,
			const struct qemu_img_watch *watch, mc_err **err)
{
	int r = vault_layer_new_key(storage->vault, to->id, kms_key, err);

	if (r != MC_IPC_OK)
		return r;
	return own ? layer_copy_own(storage, from, to, STORE_MODE_FROZEN, watch, err)
		   : layer_copy(storage, from, to, STORE_MODE_FROZEN, watch, err);
}

/* All of the source's data, in a layer of its own under this KMS key. */
static int copy(struct task *task, const struct job *job, struct snapshot *s, mc_err **err)
{
	struct storage *storage = job->storage;
	struct qemu_img_watch watch = {.cancel_fd = task_cancel_fd(task), .percent = task_percent, .ctx = task};
	struct layer source = s->layer, layer = {.virtual_bytes = s->layer.virtual_bytes};
	int r;

	mc_id_new("lay", layer.id);
	if (graph_layer_begin(storage->graph, &layer, err) < 0)
		return -1;
	r = snapshot_copy_layer(storage, source.id, &layer, job->kms_key, false, &watch, err);
	s->layer = layer;
	if (r == MC_IPC_OK && snapshot_add(storage, s, err) < 0)
		r = -1;
	if (r == MC_IPC_OK)
		return MC_IPC_OK;
	storage_abandon(storage, layer.id);
	mc_err_wrap(err, "snapshot %s", s->id);
	return r;
}

static int run(struct task *task, void *arg, mc_err **err)
{
	const struct job *job = arg;
	struct snapshot s;
	int r = graph_snapshot_find(job->storage->graph, job->id, &s, err);

	if (r <= 0)
		return r < 0 ? -1 : MC_IPC_OK;
	r = find_source(job->storage, job->source, &s, err);
	if (r != MC_IPC_OK)
		return r;
	snprintf(s.id, sizeof(s.id), "%s", job->id);
	snprintf(s.owner, sizeof(s.owner), "%s", job->owner);
	r = copy(task, job, &s, err);
	janitor_wake(job->storage->janitor);
	if (r == MC_IPC_OK)
		mc_log(MC_LOG_INFO, AREA, "copied", "snapshot", job->id, "of", job->source, "key", job->kms_key, NULL);
	return r;
}

/* --- the calls ---------------------------------------------------------------- */

/* How far it is; of one that failed, how. */
static int look(struct storage *storage, const char *id, json_t **ret, mc_err **err)
{
	struct task_report report;
	int r = tasks_find(storage->tasks, id, &report);

	if (r == 0 && report.state == TASK_FAILED) {
		r = report.outcome;
		mc_err_set(err, 0, "%s", report.message);
		task_report_deinit(&report);
		tasks_forget(storage->tasks, id); /* whoever asks again has it tried again */
		return r;
	}
	if (r == 0 && report.state == TASK_DONE) {
		task_report_deinit(&report);
		tasks_forget(storage->tasks, id);
		return snapshot_get(storage, id, ret, err);
	}
	*ret = json_pack("{s:s, s:s, s:i}", "id", id, "state", "copying", "percent", r == 0 ? report.percent : 0);
	if (r == 0)
		task_report_deinit(&report);
	return MC_IPC_OK;
}

static int begin(struct storage *storage, const struct snapshot *s, const char *source, const char *kms_key, mc_err **err)
{
	const char *id = s->id;
	struct job *job = mc_alloc(sizeof(*job));

	*job = (struct job){.storage = storage};
	snprintf(job->id, sizeof(job->id), "%s", id);
	snprintf(job->source, sizeof(job->source), "%s", source);
	snprintf(job->kms_key, sizeof(job->kms_key), "%s", kms_key);
	snprintf(job->owner, sizeof(job->owner), "%s", s->owner);
	return tasks_begin(storage->tasks, id, run, job, free, err) < 0 ? MC_IPC_UNAVAILABLE : MC_IPC_OK;
}

/* The data are shared where the key is the same. */
static int copy_or_share(struct storage *storage, struct snapshot *s, const char *source, const char *kms_key, json_t **ret,
			 mc_err **err)
{
	char owner[MC_UUID_LEN];
	int r;

	if (layer_owner(storage, s->layer.id, owner, err) < 0)
		return -1;
	if (!kms_key || strcmp(kms_key, owner) == 0) {
		r = snapshot_share(storage, s, err);
		janitor_wake(storage->janitor);
		return r == 0 ? snapshot_get(storage, s->id, ret, err) : -1;
	}
	r = begin(storage, s, source, kms_key, err);
	return r == MC_IPC_OK ? look(storage, s->id, ret, err) : r;
}

int snapshot_copy(struct storage *storage, const char *id, const char *source, const char *kms_key, const char *owner, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(storage->locks, id);
	struct snapshot s;
	int r = graph_snapshot_find(storage->graph, id, &s, err);

	if (r == 0) {
		tasks_forget(storage->tasks, id);
		return snapshot_get(storage, id, ret, err);
	}
	if (r > 0)
		r = find_source(storage, source, &s, err);
	snprintf(s.id, sizeof(s.id), "%s", id);
	snprintf(s.owner, sizeof(s.owner), "%s", owner);
	return r == MC_IPC_OK ? copy_or_share(storage, &s, source, kms_key, ret, err) : r;
}

void snapshot_copy_end(struct storage *storage, const char *id)
{
	tasks_forget(storage->tasks, id);
}
