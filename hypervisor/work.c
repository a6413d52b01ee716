#include "hypervisor/work.h"

#include <libvirt/virterror.h>

#include "common/cleanup.h"
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

	w->conn = conn;
	return conn ? fn(w, ret, err) : MC_IPC_UNAVAILABLE;
}
