/* One request's work on one instance, under its lock. */
#ifndef MC_HYPERVISOR_WORK_H
#define MC_HYPERVISOR_WORK_H

#include <jansson.h>

#include "common/error.h"
#include "hypervisor/hypervisor.h"

static inline void work_cleanup_connection(virConnectPtr *conn)
{
	if (*conn)
		virConnectClose(*conn);
}

static inline void work_cleanup_domain(virDomainPtr *domain)
{
	if (*domain)
		virDomainFree(*domain);
}

#define auto_connection __attribute__((cleanup(work_cleanup_connection))) virConnectPtr
#define auto_domain __attribute__((cleanup(work_cleanup_domain))) virDomainPtr

struct work {
	struct hypervisor *h;
	virConnectPtr conn;
	const char *id;    /* the instance's */
	const json_t *doc; /* the request's body, or NULL */
	const char *part;  /* id of the volume or interface it is about, or NULL */
};

/* An outcome (enum mc_ipc_outcome) with *ret, a new reference, where it is MC_IPC_OK; or -1 and *err. */
typedef int work_fn(const struct work *w, json_t **ret, mc_err **err);

/* Run fn with a connection, after the other requests for this instance: fills conn. */
int work_run(struct work *w, work_fn *fn, json_t **ret, mc_err **err);

/* The instance's domain: MC_IPC_OK, or MC_IPC_NOT_FOUND, or MC_IPC_CONFLICT where it is not ours. */
int work_find(const struct work *w, virDomainPtr *ret, mc_err **err);

/* Ask the guest to let go of the device with that alias: MC_IPC_OK where it is asked, now or before, or
 * the device or the whole QEMU is gone. */
int work_unplug(const struct work *w, virDomainPtr domain, const char *alias, mc_err **err);

/* The same where it has a QEMU; MC_IPC_CONFLICT where it is off. */
int work_find_active(const struct work *w, virDomainPtr *ret, mc_err **err);

/* The outcome of a libvirt call that just failed; "what i-…: …" in *err. */
int work_failed(const struct work *w, mc_err **err, const char *what);

#endif
