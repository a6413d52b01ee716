#include "hypervisor/merge.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/ipc.h"
#include "common/log.h"
#include "hypervisor/disk.h"
#include "hypervisor/leftover.h"
#include "hypervisor/work.h"

static bool check_action(const char *text)
{
	return strcmp(text, "start") == 0 || strcmp(text, "look") == 0 || strcmp(text, "stop") == 0;
}

static bool check_kind(const char *text)
{
	return strcmp(text, "commit") == 0 || strcmp(text, "pull") == 0;
}

const struct mc_field merge_fields[] = {
	{ .name = "action", .type = MC_FIELD_STRING, .required = true, .check = check_action },
	{ .name = "kind", .type = MC_FIELD_STRING, .required = true, .check = check_kind },
	{ .name = "base", .type = MC_FIELD_STRING, .required = true, .min = 2, .max = 4095, .check = mc_check_path },
	{ .name = "top", .type = MC_FIELD_STRING, .required = true, .min = 2, .max = 4095, .check = mc_check_path },
	{ 0 },
};

/* What the request is about, in the live domain. */
struct merging {
	const struct work *w;
	virDomainPtr domain;
	char *target;
	json_t *chain; /* the disk's files, from its top down */
	bool commit;
	const char *base, *top;
};

static int load(struct merging *m, mc_err **err)
{
	mc_autofree char *xml = virDomainGetXMLDesc(m->domain, 0);
	mc_auto_json json_t *list = xml ? disk_list(xml) : NULL;
	const json_t *disk = list ? disk_find(list, m->w->part) : NULL;

	if (!xml)
		return work_failed(m->w, err, "describe");
	if (!disk) {
		mc_err_set(err, 0, "%s has no disk %s", m->w->id, m->w->part);
		return MC_IPC_NOT_FOUND;
	}
	free(m->target);
	json_decref(m->chain);
	m->target = strdup(mc_json_str(disk, "target", ""));
	m->chain = disk_chain(xml, m->w->part);
	return m->target ? MC_IPC_OK : -1;
}

/* Is it the chain of before the merge no more? */
static bool is_merged(const struct merging *m, const json_t *chain)
{
	if (m->commit)
		return !mc_json_has_str(chain, m->top) && mc_json_has_str(chain, m->base);
	return json_array_size(chain) > 1 && strcmp(mc_json_at(chain, 1), m->base) == 0;
}

/* libvirt's XML has the chain that the QEMU uses, once a job has come to its end. */
static bool is_done(const struct merging *m)
{
	return is_merged(m, m->chain);
}

/* The place of the chain's first file that goes, and of the one under the last that does. */
static bool range(const struct merging *m, size_t *ret_first, size_t *ret_base)
{
	size_t base = 0, first = m->commit ? 0 : 1, n = json_array_size(m->chain);

	while (base < n && strcmp(mc_json_at(m->chain, base), m->base) != 0)
		base++;
	while (m->commit && first < n && strcmp(mc_json_at(m->chain, first), m->top) != 0)
		first++;
	*ret_first = first;
	*ret_base = base;
	return first < base && base < n;
}

/* A libvirtd that was killed before it wrote the end down has left us one that believes in the chain of before. */
static bool is_done_in_qemu(const struct merging *m)
{
	mc_auto_json json_t *chain = leftover_chain(m->domain, m->w->part);

	if (!is_merged(m, chain))
		return false;
	mc_log(MC_LOG_WARNING, "hypervisor", "libvirt does not know that the merge is done", "instance", m->w->id, "volume", m->w->part,
	       NULL);
	return true;
}

/* libvirt has done so, unless it was killed. */
static void close_files(const struct merging *m)
{
	size_t first, base;

	if (range(m, &first, &base))
		for (size_t i = first; i < base; i++)
			leftover_close(m->domain, mc_json_at(m->chain, i));
	leftover_remove(m->domain, NULL);
}

void merge_stop(virDomainPtr domain, const char *target)
{
	virDomainBlockJobInfo info;

	if (virDomainGetBlockJobInfo(domain, target, &info, 0) > 0)
		virDomainBlockJobAbort(domain, target, 0);
}

/* A pull changes the header before the tables of what it moved have left the QEMU's memory; a guest that is
 * stopped, even if it is stopped already, has written everything. Where the QEMU is no more it has not: what the chain of a domain that is
 * off is like says nothing of an end. */
static int flush(const struct merging *m, mc_err **err)
{
	int state, reason;

	if (virDomainGetState(m->domain, &state, &reason, 0) < 0)
		return work_failed(m->w, err, "look at");
	if (state != VIR_DOMAIN_RUNNING && state != VIR_DOMAIN_PAUSED) {
		mc_err_set(err, 0, "%s is off", m->w->id);
		return MC_IPC_CONFLICT;
	}
	if (m->commit)
		return MC_IPC_OK;
	if (state == VIR_DOMAIN_PAUSED)
		return leftover_stop(m->domain) ? MC_IPC_OK : work_failed(m->w, err, "flush");
	if (virDomainSuspend(m->domain) < 0)
		return work_failed(m->w, err, "flush");
	return virDomainResume(m->domain) < 0 ? work_failed(m->w, err, "resume after the flush of") : MC_IPC_OK;
}

static int start(const struct merging *m, mc_err **err)
{
	int r;

	/* libvirt, killed while it switched the disk, would pull into a file that is frozen. */
	if (!m->commit && strcmp(mc_json_at(m->chain, 0), m->top) != 0) {
		mc_err_set(err, 0, "libvirt does not know what %s is written to", m->w->part);
		return MC_IPC_CONFLICT;
	}
	r = m->commit ? virDomainBlockCommit(m->domain, m->target, m->base, m->top, 0, 0)
		      : virDomainBlockRebase(m->domain, m->target, m->base, 0, 0);
	if (r < 0)
		return work_failed(m->w, err, "merge");
	mc_log(MC_LOG_INFO, "hypervisor", "merge begun", "instance", m->w->id, "volume", m->w->part, NULL);
	return MC_IPC_OK;
}

static json_t *running(const virDomainBlockJobInfo *info)
{
	return json_pack("{s:s, s:I, s:I}", "state", "running", "done", (json_int_t)info->cur, "total", (json_int_t)info->end);
}

static int answer_ended(struct merging *m, json_t **ret, mc_err **err)
{
	int outcome = load(m, err); /* it may have ended since we looked */
	bool done = outcome == MC_IPC_OK && (is_done(m) || is_done_in_qemu(m));

	if (done)
		outcome = flush(m, err);
	if (done && outcome == MC_IPC_OK)
		close_files(m);
	if (outcome == MC_IPC_OK)
		*ret = json_pack("{s:s}", "state", done ? "done" : "idle");
	return outcome;
}

static int act(struct merging *m, const char *action, json_t **ret, mc_err **err)
{
	virDomainBlockJobInfo info = { 0 };
	int outcome = load(m, err), job;

	if (outcome != MC_IPC_OK)
		return outcome;
	if (strcmp(action, "stop") == 0)
		merge_stop(m->domain, m->target);
	job = virDomainGetBlockJobInfo(m->domain, m->target, &info, 0);
	if (job == 0 && strcmp(action, "start") == 0 && !is_done(m)) {
		outcome = start(m, err);
		job = 1;
	}
	if (outcome < 0 && is_done_in_qemu(m)) {
		mc_err_clear(err);
		outcome = MC_IPC_OK;
		job = 0;
	}
	if (job < 0)
		return work_failed(m->w, err, "look for the merge of");
	if (outcome != MC_IPC_OK)
		return outcome;
	if (job == 0)
		return answer_ended(m, ret, err);
	*ret = running(&info);
	return MC_IPC_OK;
}

static int run(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	struct merging m = { .w = w, .commit = strcmp(mc_json_str(w->doc, "kind", ""), "commit") == 0,
			     .base = mc_json_str(w->doc, "base", ""), .top = mc_json_str(w->doc, "top", "") };
	int outcome = work_find_active(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	m.domain = domain;
	outcome = act(&m, mc_json_str(w->doc, "action", ""), ret, err);
	free(m.target);
	json_decref(m.chain);
	return outcome;
}

int merge_disk(struct hypervisor *h, const char *id, const char *volume, const json_t *doc, json_t **ret, mc_err **err)
{
	struct work w = { .h = h, .id = id, .part = volume, .doc = doc };

	return work_run(&w, run, ret, err);
}
