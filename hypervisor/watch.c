#include "hypervisor/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/crash.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/log.h"
#include "hypervisor/state.h"

struct watch {
	struct events *events;
	pthread_mutex_t lock;
	json_t *host_ended; /* set of instance ids */
};

struct watch *watch_new(struct events *events)
{
	struct watch *w = mc_alloc(sizeof(*w));

	w->events = events;
	w->host_ended = json_object();
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	json_decref(w->host_ended);
	pthread_mutex_destroy(&w->lock);
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

bool watch_host_ended(struct watch *w, const char *instance_id)
{
	bool found;

	pthread_mutex_lock(&w->lock);
	found = json_object_get(w->host_ended, instance_id) != NULL;
	pthread_mutex_unlock(&w->lock);
	return found;
}

/* QEMU says who ended it just before it ends. */
static void note_who(struct watch *w, const char *id, int vir_event, int vir_detail)
{
	pthread_mutex_lock(&w->lock);
	if (vir_event == VIR_DOMAIN_EVENT_SHUTDOWN && vir_detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST)
		json_object_set_new(w->host_ended, id, json_true());
	else if (vir_event == VIR_DOMAIN_EVENT_STARTED || vir_event == VIR_DOMAIN_EVENT_UNDEFINED)
		json_object_del(w->host_ended, id);
	pthread_mutex_unlock(&w->lock);
}

void watch_lifecycle(struct watch *w, const char *id, int vir_event, int vir_detail)
{
	const char *event, *reason;

	note_who(w, id, vir_event, vir_detail);
	if (!state_of_event(vir_event, vir_detail, &event, &reason))
		return;
	if (vir_event == VIR_DOMAIN_EVENT_STOPPED && vir_detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN &&
	    watch_host_ended(w, id))
		reason = "host-shutdown";
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
