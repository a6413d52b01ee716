#include "hypervisor/attachment.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/ipc.h"
#include "common/log.h"
#include "hypervisor/disk.h"
#include "hypervisor/eject.h"
#include "hypervisor/leftover.h"
#include "hypervisor/merge.h"
#include "hypervisor/work.h"

#define AREA "hypervisor"

/* The disks of a running domain. New reference, or NULL after a libvirt error. */
static json_t *disks_of(virDomainPtr domain)
{
	mc_autofree char *xml = virDomainGetXMLDesc(domain, 0);

	return xml ? disk_list(xml) : NULL;
}

/* The running domain and its disk; MC_IPC_NOT_FOUND where it has no such disk. */
static int find_disk(const struct work *w, virDomainPtr *ret_domain, json_t **ret_disk, mc_err **err)
{
	auto_domain domain = NULL;
	mc_auto_json json_t *list = NULL;
	const json_t *disk;
	int outcome = work_find_active(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	list = disks_of(domain);
	if (!list)
		return work_failed(w, err, "describe");
	disk = disk_find(list, w->part);
	if (!disk) {
		mc_err_set(err, 0, "%s has no disk %s", w->id, w->part);
		return MC_IPC_NOT_FOUND;
	}
	*ret_domain = MC_STEAL(domain);
	*ret_disk = json_incref((json_t *)disk);
	return MC_IPC_OK;
}

/* --- limits ---------------------------------------------------------------- */

/* All of them at once: libvirt keeps what it is not told, and refuses a burst without a limit. */
static int set_limits(const struct work *w, virDomainPtr domain, const char *target, mc_err **err)
{
	static const struct { const char *key, *name; } rows[] = {
		{ "bytes", VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_BYTES_SEC },
		{ "iops", VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_IOPS_SEC },
		{ "bytes_max", VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_BYTES_SEC_MAX },
		{ "iops_max", VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_IOPS_SEC_MAX },
		{ "bytes_max_s", VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_BYTES_SEC_MAX_LENGTH },
		{ "iops_max_s", VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_IOPS_SEC_MAX_LENGTH },
		{ "io_bytes", VIR_DOMAIN_BLOCK_IOTUNE_SIZE_IOPS_SEC },
	};
	const json_t *iotune = mc_json_obj(w->doc, "iotune");
	virTypedParameterPtr params = NULL;
	int n = 0, room = 0, r = 0;

	for (size_t i = 0; i < MC_ARRAY_SIZE(rows) && r == 0; i++)
		r = virTypedParamsAddULLong(&params, &n, &room, rows[i].name,
					    (unsigned long long)mc_json_int(iotune, rows[i].key, 0));
	if (r == 0)
		r = virDomainSetBlockIoTune(domain, target, params, n, VIR_DOMAIN_AFFECT_LIVE);
	virTypedParamsFree(params, n);
	return r < 0 ? work_failed(w, err, "limit") : MC_IPC_OK;
}

static int limit(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	mc_auto_json json_t *disk = NULL;
	int outcome = find_disk(w, &domain, &disk, err);

	if (outcome == MC_IPC_OK)
		outcome = set_limits(w, domain, mc_json_str(disk, "target", ""), err);
	if (outcome == MC_IPC_OK)
		*ret = MC_STEAL(disk);
	return outcome;
}

int attachment_limit(struct hypervisor *h, const char *id, const char *volume, const json_t *doc, json_t **ret,
		     mc_err **err)
{
	struct work w = { .h = h, .id = id, .part = volume, .doc = doc };

	return work_run(&w, limit, ret, err);
}

/* --- plugging in ----------------------------------------------------------- */

static bool no_slot(const char *message)
{
	return strstr(message, "No more available PCI slots") != NULL;
}

/* One that was taken away by force is in the guest's hands still: the same device once more would be another one. */
static int check_ejected(const struct work *w, virDomainPtr domain, const json_t *list, mc_err **err)
{
	if (disk_is_ejected(list, w->part)) {
		mc_err_set(err, 0, "%s was taken away from %s by force, which has its device until it is reset", w->part, w->id);
		return MC_IPC_UNAVAILABLE;
	}
	return eject_forget_gone(domain) < 0 ? work_failed(w, err, "look at") : MC_IPC_OK;
}

static int plug(const struct work *w, virDomainPtr domain, const json_t *list, mc_err **err)
{
	struct xml *x;
	mc_autofree char *xml = NULL;
	mc_autofree char *alias = disk_alias(w->part);
	char target[8];
	int outcome = check_ejected(w, domain, list, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	if (disk_free_target(list, target) < 0) {
		mc_err_set(err, 0, "%s has %d disks already", w->id, DISK_MAX);
		return MC_IPC_NO_CAPACITY;
	}
	x = xml_new();
	disk_put_xml(x, w->part, w->doc, target, false);
	xml = xml_finish(x);
	MC_CRASH_POINT();
	if (virDomainAttachDeviceFlags(domain, xml, VIR_DOMAIN_AFFECT_LIVE) == 0) {
		mc_log(MC_LOG_INFO, AREA, "disk attached", "instance", w->id, "volume", w->part, "target", target, NULL);
		return MC_IPC_OK;
	}
	outcome = work_failed(w, err, "attach");
	if (outcome < 0 && leftover_remove(domain, alias))
		return MC_IPC_UNAVAILABLE;
	return outcome < 0 && err && no_slot((*err)->msg) ? MC_IPC_NO_CAPACITY : outcome;
}

static int answer_disk(const struct work *w, virDomainPtr domain, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *list = disks_of(domain);
	const json_t *disk = list ? disk_find(list, w->part) : NULL;

	if (!disk)
		return list ? mc_err_set(err, 0, "the disk %s is gone again", w->part) : work_failed(w, err, "describe");
	*ret = json_incref((json_t *)disk);
	return MC_IPC_OK;
}

static int put(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	mc_auto_json json_t *list = NULL;
	const json_t *disk;
	int outcome;

	if (disk_check(w->doc, "", w->h->disk_roots, err) < 0)
		return MC_IPC_BAD_REQUEST;
	outcome = work_find_active(w, &domain, err);
	if (outcome != MC_IPC_OK)
		return outcome;
	list = disks_of(domain);
	if (!list)
		return work_failed(w, err, "describe");
	disk = disk_find(list, w->part);
	outcome = disk ? set_limits(w, domain, mc_json_str(disk, "target", ""), err) : plug(w, domain, list, err);
	MC_CRASH_POINT();
	return outcome == MC_IPC_OK ? answer_disk(w, domain, ret, err) : outcome;
}

int attachment_put(struct hypervisor *h, const char *id, const char *volume, const json_t *doc, json_t **ret,
		   mc_err **err)
{
	struct work w = { .h = h, .id = id, .part = volume, .doc = doc };

	return work_run(&w, put, ret, err);
}

/* --- letting go ------------------------------------------------------------ */

static int unplug(const struct work *w, virDomainPtr domain, const char *target, mc_err **err)
{
	mc_autofree char *alias = disk_alias(w->part);

	merge_stop(domain, target);
	return work_unplug(w, domain, alias, err);
}

static int answer_detached(json_t **ret, bool detached)
{
	*ret = json_pack("{s:s}", "state", detached ? "detached" : "detaching");
	return MC_IPC_OK;
}

/* What libvirt did not know of the disk's files, QEMU still has open. */
static int answer_gone(const struct work *w, json_t **ret)
{
	auto_domain domain = NULL;

	if (work_find_active(w, &domain, NULL) == MC_IPC_OK)
		leftover_remove(domain, NULL);
	return answer_detached(ret, true);
}

/* It has been asked and has not let go. */
static int force(const struct work *w, virDomainPtr domain, json_t **ret)
{
	bool done = eject_disk(domain, w->part) == 0;

	if (!done)
		mc_log(MC_LOG_WARNING, AREA, "disk not taken away yet", "instance", w->id, "volume", w->part, NULL);
	return answer_detached(ret, done);
}

static int delete(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	mc_auto_json json_t *disk = NULL;
	mc_auto_json json_t *after = NULL;
	int outcome = find_disk(w, &domain, &disk, err);

	if (outcome == MC_IPC_NOT_FOUND || outcome == MC_IPC_CONFLICT) {
		mc_err_clear(err);
		return answer_gone(w, ret);
	}
	if (outcome == MC_IPC_OK)
		outcome = unplug(w, domain, mc_json_str(disk, "target", ""), err);
	if (outcome != MC_IPC_OK)
		return outcome;
	after = virDomainIsActive(domain) == 1 ? disks_of(domain) : NULL;
	if (!after || !disk_find(after, w->part))
		return answer_gone(w, ret);
	return mc_json_bool(w->doc, "force", false) ? force(w, domain, ret) : answer_detached(ret, false);
}

int attachment_delete(struct hypervisor *h, const char *id, const char *volume, bool force, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *doc = json_pack("{s:b}", "force", force);
	struct work w = { .h = h, .id = id, .part = volume, .doc = doc };

	return work_run(&w, delete, ret, err);
}

/* --- growing --------------------------------------------------------------- */

static int grow_to(const struct work *w, virDomainPtr domain, const char *target, unsigned long long bytes,
		   mc_err **err)
{
	virDomainBlockInfo info;

	if (virDomainGetBlockInfo(domain, target, &info, 0) < 0)
		return work_failed(w, err, "measure");
	if (info.capacity > bytes) {
		mc_err_set(err, 0, "bytes: %s has %llu already and never shrinks", w->part, info.capacity);
		return MC_IPC_BAD_REQUEST;
	}
	MC_CRASH_POINT();
	if (info.capacity < bytes && virDomainBlockResize(domain, target, bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
		return work_failed(w, err, "resize");
	return MC_IPC_OK;
}

static int grow(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	mc_auto_json json_t *disk = NULL;
	int outcome = find_disk(w, &domain, &disk, err);

	if (outcome == MC_IPC_OK)
		outcome = grow_to(w, domain, mc_json_str(disk, "target", ""),
				  (unsigned long long)mc_json_int(w->doc, "bytes", 0), err);
	if (outcome == MC_IPC_OK)
		*ret = MC_STEAL(disk);
	return outcome;
}

int attachment_grow(struct hypervisor *h, const char *id, const char *volume, int64_t bytes, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *doc = json_pack("{s:I}", "bytes", (json_int_t)bytes);
	struct work w = { .h = h, .id = id, .part = volume, .doc = doc };

	return work_run(&w, grow, ret, err);
}
