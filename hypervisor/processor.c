#include "hypervisor/processor.h"

#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/ipc.h"
#include "hypervisor/work.h"

#define QUOTA_MIN 1000 /* less is refused by libvirt, and by the kernel */

const struct mc_field processor_fields[] = {
	{ .name = "quota_us", .type = MC_FIELD_INTEGER, .required = true, .min = 0, .max = PROCESSOR_PERIOD_US },
	{ 0 },
};

/* virDomainSetSchedulerParametersFlags(3): -1 is no limit. */
static int set_quota(virDomainPtr domain, int64_t quota)
{
	virTypedParameterPtr params = NULL;
	int n = 0, room = 0, r;

	r = virTypedParamsAddULLong(&params, &n, &room, VIR_DOMAIN_SCHEDULER_VCPU_PERIOD, PROCESSOR_PERIOD_US);
	if (r == 0)
		r = virTypedParamsAddLLong(&params, &n, &room, VIR_DOMAIN_SCHEDULER_VCPU_QUOTA, quota == 0 ? -1 : quota < QUOTA_MIN ? QUOTA_MIN : quota);
	if (r == 0)
		r = virDomainSetSchedulerParametersFlags(domain, params, n, VIR_DOMAIN_AFFECT_LIVE);
	virTypedParamsFree(params, n);
	return r;
}

static int limit(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	int outcome = work_find_active(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	if (set_quota(domain, mc_json_int(w->doc, "quota_us", 0)) == 0) {
		w->h->no_limits = false;
		*ret = json_object();
		return MC_IPC_OK;
	}
	/* What a domain that runs is refused with where there is no such group. */
	if (virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID && virDomainIsActive(domain) == 1) {
		w->h->no_limits = true;
		mc_err_set(err, 0, "libvirt cannot limit processors here: it has no control group \"cpu\"");
		return MC_IPC_UNSUPPORTED;
	}
	return work_failed(w, err, "limit the processors of");
}

int processor_limit(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err)
{
	struct work w = { .h = h, .id = id, .doc = doc };

	return work_run(&w, limit, ret, err);
}

static bool lists_cpu(const char *controllers)
{
	for (const char *at = controllers; *at; at += strspn(at, " \n")) {
		size_t n = strcspn(at, " \n");

		if (n == 3 && strncmp(at, "cpu", n) == 0)
			return true;
		at += n;
	}
	return false;
}

bool processor_limits_there(void)
{
	mc_autofree char *controllers = mc_fs_read("/sys/fs/cgroup/cgroup.controllers", 4096, NULL, NULL);

	return (controllers && lists_cpu(controllers)) || access("/sys/fs/cgroup/cpu/cpu.shares", F_OK) == 0;
}
