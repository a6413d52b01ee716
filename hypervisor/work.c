#include "hypervisor/work.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/crash.h"
#include "common/fs.h"
#include "common/ipc.h"

int work_failed(const struct work *w, mc_err **err, const char *what)
{
	mc_autofree char *context = mc_strf("%s %s", what, w->part ? w->part : w->id);

	return connection_outcome(w->conn, err, context);
}

int work_find(const struct work *w, virDomainPtr *ret, mc_err **err)
{
	auto_domain domain = virDomainLookupByName(w->conn, w->id);

	if (!domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
		mc_err_set(err, 0, "there is no instance %s here", w->id);
		return MC_IPC_NOT_FOUND;
	}
	if (!domain)
		return work_failed(w, err, "look up");
	if (!watch_is_ours(domain)) {
		mc_err_set(err, 0, "the domain %s is not ours: its UUID is another", w->id);
		return MC_IPC_CONFLICT;
	}
	*ret = MC_STEAL(domain);
	return MC_IPC_OK;
}

int work_find_active(const struct work *w, virDomainPtr *ret, mc_err **err)
{
	auto_domain domain = NULL;
	int outcome = work_find(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	if (virDomainIsActive(domain) == 0) {
		mc_err_set(err, 0, "%s is off", w->id);
		return MC_IPC_CONFLICT;
	}
	*ret = MC_STEAL(domain);
	return MC_IPC_OK;
}

int work_run(struct work *w, work_fn *fn, json_t **ret, mc_err **err)
{
	mc_keylock_hold struct mc_keylock_guard guard = mc_keylock_guard(w->h->locks, w->id);
	auto_connection conn = connection_get(w->h->connection, err);
	int64_t began = mc_clock_boot();
	int outcome;

	if (!conn)
		return MC_IPC_UNAVAILABLE;
	w->conn = conn;
	outcome = fn(w, ret, err);
	mc_durations_note(&w->h->work, mc_clock_boot() - began);
	return outcome;
}

/* Does QEMU wait for the guest already? It says so in its own words. */
static bool under_way(void)
{
	return strstr(virGetLastErrorMessage(), "in the process of unplug") || virGetLastErrorCode() == VIR_ERR_DEVICE_MISSING;
}

/* Where QEMU was already without the device libvirt 9.0 does not write that down, and when it was killed
 * its successor takes the device away once more, fails, and ends the guest. A change of what describes the
 * domain writes down all of it; there is no title, and there is none after. */
static void write_down(virDomainPtr domain)
{
	(void)virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_TITLE, NULL, NULL, NULL, VIR_DOMAIN_AFFECT_LIVE);
}

int work_unplug(const struct work *w, virDomainPtr domain, const char *alias, mc_err **err)
{
	int outcome;

	MC_CRASH_POINT();
	if (virDomainDetachDeviceAlias(domain, alias, VIR_DOMAIN_AFFECT_LIVE) == 0) {
		write_down(domain);
		return MC_IPC_OK;
	}
	if (under_way())
		return MC_IPC_OK;
	outcome = work_failed(w, err, "detach"); /* first: libvirt forgets the reason when it is asked anything */
	if (virDomainIsActive(domain) != 0)
		return outcome;
	mc_err_clear(err);
	return MC_IPC_OK;
}
