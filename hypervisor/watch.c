#include "hypervisor/watch.h"

#include <dirent.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/log.h"

#define UNFINISHED ".new" /* of mc_fs_write() */
#define MAX_NOTE 64

struct watch {
	struct events *events;
	const char *dir; /* a file for each instance: "STATE REASON" */
};

struct watch *watch_new(struct events *events, const char *dir, mc_err **err)
{
	struct watch *w;

	if (mc_fs_mkdirs(dir, 0750, err) < 0)
		return NULL;
	w = mc_alloc(sizeof(*w));
	w->events = events;
	w->dir = dir;
	return w;
}

void watch_free(struct watch *w)
{
	free(w);
}

bool watch_is_ours(virDomainPtr domain)
{
	const char *name = virDomainGetName(domain);
	char uuid[VIR_UUID_STRING_BUFLEN], wanted[MC_UUID_LEN];

	if (!name || !mc_id_valid("i", name) || virDomainGetUUIDString(domain, uuid) < 0)
		return false;
	mc_id_uuid(name, wanted);
	return strcmp(uuid, wanted) == 0;
}

/* --- notes ------------------------------------------------------------------- */

static void note(const struct watch *w, const char *id, const char *state, const char *reason)
{
	mc_autofree char *path = mc_strf("%s/%s", w->dir, id);
	mc_autofree char *text = mc_strf("%s %s", state, reason);
	mc_auto_err mc_err *err = NULL;

	if (mc_fs_write(path, text, strlen(text), 0640, &err) < 0)
		mc_log(MC_LOG_WARNING, "hypervisor", mc_err_msg(err), "instance", id, NULL);
}

void watch_note_running(const struct watch *w, const char *instance_id)
{
	note(w, instance_id, state_name(STATE_RUNNING), "resumed");
}

/* The note, and what a daemon that was killed while writing it left. */
void watch_forget(const struct watch *w, const char *instance_id)
{
	mc_autofree char *path = mc_strf("%s/%s", w->dir, instance_id);
	mc_autofree char *unfinished = mc_strf("%s" UNFINISHED, path);

	unlink(unfinished);
	MC_CRASH_AROUND(unlink(path));
}

bool watch_noted(const struct watch *w, const char *instance_id, enum state *ret_state, const char **ret_reason)
{
	mc_autofree char *path = mc_strf("%s/%s", w->dir, instance_id);
	mc_autofree char *text = mc_fs_read(path, MAX_NOTE, NULL, NULL);
	char *space = text ? strchr(text, ' ') : NULL;
	const char *reason = space ? state_reason_parse(space + 1) : NULL;

	if (!reason)
		return false;
	*space = '\0';
	*ret_state = state_parse(text);
	*ret_reason = reason;
	return *ret_state != STATE_INVALID;
}

bool watch_host_ended(const struct watch *w, const char *instance_id)
{
	enum state state;
	const char *reason;

	return watch_noted(w, instance_id, &state, &reason) && strcmp(reason, STATE_HOST_SHUTDOWN) == 0;
}

static bool is_there(virConnectPtr conn, const char *id)
{
	virDomainPtr domain = virDomainLookupByName(conn, id);
	bool there = domain || virGetLastErrorCode() != VIR_ERR_NO_DOMAIN;

	if (domain)
		virDomainFree(domain);
	return there;
}

void watch_sweep(const struct watch *w, virConnectPtr conn)
{
	DIR *dir = opendir(w->dir);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name), tail = strlen(UNFINISHED);
		bool unfinished = len > tail && strcmp(e->d_name + len - tail, UNFINISHED) == 0;
		mc_autofree char *id = mc_strf("%.*s", (int)(unfinished ? len - tail : len), e->d_name);

		if (mc_id_valid("i", id) && !is_there(conn, id))
			watch_forget(w, id);
	}
	if (dir)
		closedir(dir);
}

/* --- events ------------------------------------------------------------------ */

/* QEMU says who ended it just before it ends. */
static void note_who(const struct watch *w, const char *id, int vir_event, int vir_detail)
{
	if (vir_event == VIR_DOMAIN_EVENT_SHUTDOWN && vir_detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST)
		note(w, id, state_name(STATE_STOPPED), STATE_HOST_SHUTDOWN);
	else if (vir_event == VIR_DOMAIN_EVENT_STARTED || vir_event == VIR_DOMAIN_EVENT_UNDEFINED)
		watch_forget(w, id);
}

void watch_lifecycle(struct watch *w, const char *id, int vir_event, int vir_detail)
{
	const char *event, *reason;

	note_who(w, id, vir_event, vir_detail);
	if (!state_of_event(vir_event, vir_detail, &event, &reason))
		return;
	if (vir_event == VIR_DOMAIN_EVENT_STOPPED && vir_detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN &&
	    watch_host_ended(w, id))
		reason = STATE_HOST_SHUTDOWN;
	if (vir_event == VIR_DOMAIN_EVENT_STOPPED || vir_event == VIR_DOMAIN_EVENT_CRASHED)
		note(w, id, event, reason);
	mc_log(MC_LOG_INFO, "hypervisor", "instance event", "instance", id, "event", event, "reason", reason, NULL);
	MC_CRASH_POINT();
	events_publish(w->events, id, event, reason);
}

/* Asking QEMU anything has to wait for libvirtd's own first talk with it. */
void watch_settle(virConnectPtr conn)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	for (int i = 0; i < n; i++) {
		virDomainMemoryStatStruct stat;

		(void)!virDomainMemoryStats(domains[i], &stat, 1, 0);
		virDomainFree(domains[i]);
	}
	free(domains);
}
