#include "hypervisor/snapshot.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "hypervisor/disk.h"
#include "hypervisor/leftover.h"
#include "hypervisor/merge.h"
#include "hypervisor/secret.h"

#define AREA "hypervisor"
#define AGENT_PATIENCE_S 1
#define SWITCH_FLAGS (VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC | \
		      VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA | VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT)

static bool check_volume(const char *text)
{
	return mc_id_valid("vol", text);
}

static const struct mc_field switch_fields[] = {
	{ .name = "volume", .type = MC_FIELD_STRING, .required = true, .check = check_volume },
	{ .name = "path", .type = MC_FIELD_STRING, .required = true, .min = 2, .max = 4095, .check = mc_check_path },
	{ .name = "key", .type = MC_FIELD_STRING, .check = secret_key_valid },
	{ 0 },
};

const struct mc_field snapshot_fields[] = {
	{ .name = "disks", .type = MC_FIELD_OBJECTS, .required = true, .min = 1, .max = DISK_MAX, .sub = switch_fields },
	{ 0 },
};

static int check_paths(const struct work *w, mc_err **err)
{
	const json_t *disks = mc_json_arr(w->doc, "disks"), *disk;
	size_t i;

	json_array_foreach(disks, i, disk) {
		mc_autofree char *where = mc_strf("disks[%zu].", i);

		if (disk_check(disk, where, w->h->disk_roots, err) < 0)
			return MC_IPC_BAD_REQUEST;
	}
	return MC_IPC_OK;
}

/* What is left to do: [{volume, now, target, path, key?}]. Outcome. */
static int pending(const struct work *w, const json_t *list, json_t **ret, mc_err **err)
{
	const json_t *disks = mc_json_arr(w->doc, "disks"), *disk;
	mc_auto_json json_t *left = json_array();
	size_t i;

	json_array_foreach(disks, i, disk) {
		const char *volume = mc_json_str(disk, "volume", ""), *path = mc_json_str(disk, "path", "");
		const json_t *now = disk_find(list, volume);

		if (!now) {
			mc_err_set(err, 0, "%s has no disk %s", w->id, volume);
			return MC_IPC_NOT_FOUND;
		}
		if (strcmp(mc_json_str(now, "path", ""), path) != 0)
			json_array_append_new(left, json_pack("{s:s, s:O, s:O, s:s, s:O*}", "volume", volume, "now", json_object_get(now, "path"),
							       "target", json_object_get(now, "target"), "path", path, "key",
							       json_object_get(disk, "key")));
	}
	*ret = json_incref(left);
	return MC_IPC_OK;
}

/* Every disk of the domain is named: libvirt would take one too of those that are not. */
static char *switch_xml(const json_t *all, const json_t *left)
{
	struct xml *x = xml_new();
	const json_t *disk;
	size_t i;

	xml_begin(x, "domainsnapshot", NULL);
	xml_begin(x, "disks", NULL);
	json_array_foreach(all, i, disk) {
		const char *target = mc_json_str(disk, "target", "");
		const json_t *to = disk_find_target(left, target);

		if (!to) {
			xml_empty(x, "disk", "name", target, "snapshot", "no", NULL);
			continue;
		}
		xml_begin(x, "disk", "name", target, "snapshot", "external", "type", "file", NULL);
		xml_empty(x, "driver", "type", "qcow2", NULL);
		disk_put_source(x, mc_json_str(to, "path", ""), mc_json_str(to, "key", NULL));
		xml_end(x);
	}
	return xml_finish(x);
}

static int create(virDomainPtr domain, const char *xml, unsigned flags)
{
	virDomainSnapshotPtr snapshot = virDomainSnapshotCreateXML(domain, xml, SWITCH_FLAGS | flags);

	if (!snapshot)
		return -1;
	virDomainSnapshotFree(snapshot);
	return 0;
}

/* True: switched while the guest's file systems were frozen, and thawed again. */
static bool switch_frozen(const struct work *w, virDomainPtr domain, const char *xml)
{
	mc_auto_err mc_err *err = NULL;

	if (freeze_begin(w->h->freezes, w->id, &err) < 0) {
		mc_log(MC_LOG_WARNING, AREA, "the guest is not frozen", "instance", w->id, "reason", mc_err_msg(err), NULL);
		return false;
	}
	virDomainAgentSetResponseTimeout(domain, AGENT_PATIENCE_S, 0);
	if (create(domain, xml, VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE) == 0) {
		freeze_end(w->h->freezes, w->id);
		return true;
	}
	mc_log(MC_LOG_WARNING, AREA, "the guest's agent does not freeze", "instance", w->id, "reason", virGetLastErrorMessage(),
	       NULL);
	return false;
}

int snapshot_take(const struct work *w, virDomainPtr domain, const char *xml, bool agent, bool *ret_frozen, mc_err **err)
{
	int outcome = MC_IPC_OK;

	if (agent && switch_frozen(w, domain, xml)) {
		*ret_frozen = true;
		return MC_IPC_OK;
	}
	if (create(domain, xml, 0) < 0)
		outcome = work_failed(w, err, "switch disks of"); /* now: the next call forgets what libvirt said */
	/* It may have frozen since: nobody else would end that. */
	if (agent)
		freeze_undo(w->h->freezes, w->id, domain);
	*ret_frozen = false;
	return outcome;
}

/* Does QEMU write to that file ("now", "path") of each? */
static bool are_tops(virDomainPtr domain, const json_t *left, const char *which)
{
	const json_t *one;
	size_t i;

	json_array_foreach(left, i, one)
		if (!leftover_is_top(domain, mc_json_str(one, "volume", ""), mc_json_str(one, which, "")))
			return false;
	return true;
}

/* Where libvirt is wrong about a disk's top it would put the next file somewhere into the chain. The next start of the
 * guest puts that right. */
static int check_tops(const struct work *w, virDomainPtr domain, const json_t *left, mc_err **err)
{
	if (are_tops(domain, left, "now"))
		return MC_IPC_OK;
	mc_err_set(err, 0, "libvirt does not know what a disk of %s writes to, since it was killed; until the instance is stopped and started",
		   w->id);
	return MC_IPC_CONFLICT;
}

/* libvirt switches no disk that is being merged; a merge can be had again. */
static void stop_merges(virDomainPtr domain, const json_t *left)
{
	const json_t *one;
	size_t i;

	json_array_foreach(left, i, one)
		merge_stop(domain, mc_json_str(one, "target", ""));
}

/* Does the guest's agent hold its end of the channel? libvirt writes it into the channel's target. */
static bool agent_connected(const char *xml)
{
	const char *channel = strstr(xml, "name='org.qemu.guest_agent.0'");
	const char *end = channel ? strchr(channel, '>') : NULL;
	const char *connected = channel ? strstr(channel, "state='connected'") : NULL;

	return connected && connected < end;
}

/* A libvirtd that was killed while it switched has left QEMU on its way, or at its end: all disks or none. Its successor knows
 * of neither. */
static int switch_disks(const struct work *w, virDomainPtr domain, const char *live, const json_t *list, const json_t *left,
			bool *ret_frozen, mc_err **err)
{
	mc_autofree char *xml = switch_xml(list, left);
	int outcome;

	stop_merges(domain, left);
	if (are_tops(domain, left, "path")) {
		mc_log(MC_LOG_WARNING, AREA, "libvirt does not know that the disks are switched", "instance", w->id, NULL);
		return MC_IPC_OK;
	}
	MC_CRASH_POINT();
	outcome = check_tops(w, domain, left, err);
	if (outcome == MC_IPC_OK)
		outcome = snapshot_take(w, domain, xml, agent_connected(live), ret_frozen, err);
	MC_CRASH_POINT();
	return outcome < 0 && leftover_remove(domain, NULL) ? MC_IPC_UNAVAILABLE : outcome;
}

static int run(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	mc_autofree char *live = NULL;
	mc_auto_json json_t *list = NULL;
	mc_auto_json json_t *left = NULL;
	bool frozen = false;
	int outcome = check_paths(w, err);

	if (outcome == MC_IPC_OK)
		outcome = work_find_active(w, &domain, err);
	if (outcome != MC_IPC_OK)
		return outcome;
	live = virDomainGetXMLDesc(domain, 0);
	if (!live)
		return work_failed(w, err, "describe");
	list = disk_list(live);
	outcome = pending(w, list, &left, err);
	if (outcome != MC_IPC_OK)
		return outcome;
	if (json_array_size(left) > 0) {
		outcome = switch_disks(w, domain, live, list, left, &frozen, err);
		if (outcome != MC_IPC_OK)
			return outcome;
		mc_log(MC_LOG_INFO, AREA, "disks switched", "instance", w->id, "frozen", frozen ? "yes" : "no", NULL);
	}
	*ret = json_pack("{s:b, s:O}", "frozen", frozen, "disks", mc_json_arr(w->doc, "disks"));
	return MC_IPC_OK;
}

int snapshot_switch(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err)
{
	struct work w = { .h = h, .id = id, .doc = doc };

	return work_run(&w, run, ret, err);
}
