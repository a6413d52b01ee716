#include "hypervisor/instance.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "hypervisor/console.h"
#include "hypervisor/disk.h"
#include "hypervisor/domain.h"
#include "hypervisor/host.h"
#include "hypervisor/memory.h"
#include "hypervisor/nic.h"
#include "hypervisor/state.h"
#include "hypervisor/work.h"

#define AREA "hypervisor"

/* --- describing ------------------------------------------------------------ */

/* An end that libvirtd, restarted since, knows nothing of: as it was noted; a guest that was
 * last seen running has died meanwhile; without a note it was cut off by the host's end. */
static enum state forgotten_end(const struct hypervisor *h, virDomainPtr domain, const char **ret_reason)
{
	enum state state;

	if (!watch_noted(h->watch, virDomainGetName(domain), &state, ret_reason))
		return STATE_STOPPED;
	return state == STATE_RUNNING ? state_of_domain(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON, ret_reason)
				      : state;
}

static enum state state_of(const struct hypervisor *h, virDomainPtr domain, const char **ret_reason)
{
	int vir_state, vir_reason;
	enum state state;

	if (virDomainGetState(domain, &vir_state, &vir_reason, 0) < 0)
		return STATE_INVALID;
	state = state_of_domain(vir_state, vir_reason, ret_reason);
	if (vir_state == VIR_DOMAIN_SHUTOFF && vir_reason == VIR_DOMAIN_SHUTOFF_UNKNOWN)
		return forgotten_end(h, domain, ret_reason);
	if (vir_state == VIR_DOMAIN_SHUTOFF && vir_reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN &&
	    watch_host_ended(h->watch, virDomainGetName(domain)))
		*ret_reason = STATE_HOST_SHUTDOWN;
	return state;
}

/* Note in the disks of a domain that QEMU stopped over an error which of them had it, and what it was. */
static void add_disk_errors(virDomainPtr domain, json_t *disks)
{
	virDomainDiskError errors[DISK_MAX];
	int n = virDomainGetDiskErrors(domain, errors, DISK_MAX, 0);

	for (int i = 0; i < n; i++) {
		disk_set_error(disks, errors[i].disk, errors[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE);
		free(errors[i].disk);
	}
}

/* New reference; NULL after a libvirt error. */
static json_t *describe(const struct hypervisor *h, virDomainPtr domain, bool with_pid)
{
	const char *id = virDomainGetName(domain);
	const char *reason;
	enum state state = state_of(h, domain, &reason);
	mc_autofree char *xml = state == STATE_INVALID ? NULL : virDomainGetXMLDesc(domain, 0);
	bool active = state == STATE_RUNNING || state == STATE_PAUSED;
	pid_t pid = with_pid && active ? host_qemu_pid(id) : 0;
	json_t *doc;

	if (!xml)
		return NULL;
	doc = json_pack("{s:s, s:s, s:s, s:s*}", "id", id, "state", state_name(state), "reason", reason, "accelerator",
			domain_accelerator(xml));
	if (active) {
		json_t *disks = disk_list(xml);

		if (state == STATE_PAUSED && strcmp(reason, STATE_IO_ERROR) == 0)
			add_disk_errors(domain, disks);
		disk_drop_ejected(disks);
		json_object_set_new(doc, "disks", disks);
		json_object_set_new(doc, "nics", nic_list(xml));
	}
	if (pid > 0)
		json_object_set_new(doc, "pid", json_integer(pid));
	return doc;
}

static int answer(const struct work *w, virDomainPtr domain, json_t **ret, mc_err **err)
{
	json_t *doc = describe(w->h, domain, true);

	if (!doc)
		return work_failed(w, err, "describe");
	*ret = doc;
	return MC_IPC_OK;
}

/* --- starting -------------------------------------------------------------- */

/* An instance keeps the machine type it was first defined with: its guest knows it. */
static char *machine_for(virDomainPtr before)
{
	mc_autofree char *xml = before ? virDomainGetXMLDesc(before, VIR_DOMAIN_XML_INACTIVE) : NULL;
	char *machine = xml ? domain_machine(xml) : NULL;

	return machine ? machine : mc_strdup("q35");
}

static int define(const struct work *w, virDomainPtr before, virDomainPtr *ret, mc_err **err)
{
	mc_autofree char *machine = machine_for(before);
	mc_autofree char *log = console_path(w->h->console_dir, w->id);
	struct domain_settings settings = {
		.kvm = w->h->accelerator.kvm,
		.machine = machine,
		.console_log = log,
		.hotplug_slots = w->h->hotplug_slots,
		.dac_label = w->h->has_dac ? w->h->dac_label : NULL,
	};
	mc_autofree char *xml = domain_xml(w->id, w->doc, &settings);

	*ret = virDomainDefineXMLFlags(w->conn, xml, VIR_DOMAIN_DEFINE_VALIDATE);
	return *ret ? MC_IPC_OK : work_failed(w, err, "define");
}

/* QEMU says so in its own words, which libvirt passes on as an internal error. */
static bool was_memory(const char *message)
{
	return strstr(message, "cannot set up guest memory") || strstr(message, "Cannot allocate memory");
}

static int start(const struct work *w, virDomainPtr domain, mc_err **err)
{
	int outcome;

	if (virDomainCreateWithFlags(domain, VIR_DOMAIN_START_PAUSED) == 0)
		return MC_IPC_OK;
	outcome = work_failed(w, err, "start");
	if (virDomainIsActive(domain) == 1) { /* the operator was quicker */
		mc_err_clear(err);
		return MC_IPC_OK;
	}
	return outcome < 0 && err && was_memory((*err)->msg) ? MC_IPC_NO_CAPACITY : outcome;
}

/* What never ran leaves nothing behind. Where the connection broke it may run: then its
 * console is in use, and all is left to the next request. */
static void forget_unstarted(const struct work *w, virDomainPtr domain)
{
	if (!domain || (virDomainIsActive(domain) == 0 &&
			virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_MANAGED_SAVE) == 0))
		console_remove(w->h->console_dir, w->id, NULL);
}

static int define_and_start(const struct work *w, virDomainPtr before, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	int outcome = console_prepare(w->h->console_dir, w->id, err);

	if (outcome == MC_IPC_OK)
		outcome = define(w, before, &domain, err);
	watch_forget(w->h->watch, w->id);
	if (outcome == MC_IPC_OK)
		outcome = start(w, domain, err);
	if (outcome == MC_IPC_OK) {
		mc_log(MC_LOG_INFO, AREA, "instance started, paused", "instance", w->id, NULL);
		return answer(w, domain, ret, err);
	}
	if (!before)
		forget_unstarted(w, domain);
	return outcome;
}

/* For who only wants one that is there to go on: what died stays so. */
static int look_paused(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	int outcome = work_find_active(w, &domain, err);

	return outcome == MC_IPC_OK ? answer(w, domain, ret, err) : outcome;
}

static int put_paused(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain before = NULL;
	int outcome;

	if (!mc_json_bool(w->doc, "start", true))
		return look_paused(w, ret, err);
	if (domain_check(w->doc, w->h->disk_roots, err) < 0)
		return MC_IPC_BAD_REQUEST;
	outcome = work_find(w, &before, err);
	if (outcome == MC_IPC_OK && virDomainIsActive(before) == 1)
		return answer(w, before, ret, err);
	if (outcome != MC_IPC_OK && outcome != MC_IPC_NOT_FOUND)
		return outcome;
	mc_err_clear(err);
	outcome = memory_admit(w->h->memory, w->id, mc_json_int(w->doc, "memory_mib", 0), err);
	if (outcome != MC_IPC_OK)
		return outcome;
	outcome = define_and_start(w, before, ret, err);
	memory_started(w->h->memory, w->id);
	return outcome;
}

/* --- running and stopping -------------------------------------------------- */

static int put_running(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	const char *reason;
	int outcome = work_find(w, &domain, err);
	enum state state;

	if (outcome != MC_IPC_OK)
		return outcome;
	state = state_of(w->h, domain, &reason);
	if (state == STATE_STOPPED || state == STATE_CRASHED) {
		mc_err_set(err, 0, "%s is %s: start it paused first", w->id, state_name(state));
		return MC_IPC_CONFLICT;
	}
	if (state == STATE_PAUSED)
		watch_note_running(w->h->watch, w->id);
	if (state == STATE_PAUSED && virDomainResume(domain) < 0)
		return work_failed(w, err, "resume");
	return answer(w, domain, ret, err);
}

/* Both calls fail where the domain ended meanwhile, which is what was wanted. */
static int end(const struct work *w, virDomainPtr domain, bool force, mc_err **err)
{
	int r = force ? virDomainDestroy(domain) : virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
	int outcome = r < 0 ? work_failed(w, err, force ? "destroy" : "shut down") : MC_IPC_OK;

	if (outcome == MC_IPC_OK || virDomainIsActive(domain) != 0)
		return outcome;
	mc_err_clear(err);
	return MC_IPC_OK;
}

/* Does nobody in it hear the power button: paused before its first instruction, or by a libvirtd that died while it
 * reset the guest? One whose disk failed goes on when that is mended. */
static bool is_deaf(const struct work *w, virDomainPtr domain)
{
	const char *reason;

	return state_of(w->h, domain, &reason) == STATE_PAUSED && strcmp(reason, STATE_IO_ERROR) != 0;
}

static int put_stopped(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	int outcome = work_find(w, &domain, err);

	if (outcome == MC_IPC_OK && virDomainIsActive(domain) == 1)
		outcome = end(w, domain, mc_json_bool(w->doc, "force", false) || is_deaf(w, domain), err);
	return outcome == MC_IPC_OK ? answer(w, domain, ret, err) : outcome;
}

/* --- the verbs ------------------------------------------------------------- */

static int locked(struct hypervisor *h, const char *id, const json_t *doc, work_fn *fn, json_t **ret, mc_err **err)
{
	struct work w = { .h = h, .id = id, .doc = doc };

	return work_run(&w, fn, ret, err);
}

int instance_put(struct hypervisor *h, const char *id, const json_t *doc, json_t **ret, mc_err **err)
{
	static const struct {
		enum state state;
		work_fn *fn;
	} verbs[] = {
		{ STATE_PAUSED, put_paused }, { STATE_RUNNING, put_running }, { STATE_STOPPED, put_stopped },
	};
	enum state wanted = state_parse(mc_json_str(doc, "state", ""));

	for (size_t i = 0; i < MC_ARRAY_SIZE(verbs); i++)
		if (verbs[i].state == wanted)
			return locked(h, id, doc, verbs[i].fn, ret, err);
	mc_err_set(err, 0, "state: none of paused, running, stopped");
	return MC_IPC_BAD_REQUEST;
}

/* Looking waits for nobody: no lock. */
int instance_get(struct hypervisor *h, const char *id, json_t **ret, mc_err **err)
{
	auto_connection conn = connection_get(h->connection, err);
	struct work w = { .h = h, .conn = conn, .id = id };
	auto_domain domain = NULL;
	int outcome = conn ? work_find(&w, &domain, err) : MC_IPC_UNAVAILABLE;

	return outcome == MC_IPC_OK ? answer(&w, domain, ret, err) : outcome;
}

static void append(const struct hypervisor *h, json_t *list, virDomainPtr domain)
{
	json_t *doc = watch_is_ours(domain) ? describe(h, domain, false) : NULL;

	if (doc) /* one that was undefined meanwhile is left out */
		json_array_append_new(list, doc);
}

int instance_list(struct hypervisor *h, json_t **ret, mc_err **err)
{
	auto_connection conn = connection_get(h->connection, err);
	virDomainPtr *domains = NULL;
	mc_auto_json json_t *list = json_array();
	int n;

	n = conn ? virConnectListAllDomains(conn, &domains, 0) : -1;
	if (n < 0)
		return conn ? connection_outcome(conn, err, "list instances") : MC_IPC_UNAVAILABLE;
	for (int i = 0; i < n; i++) {
		append(h, list, domains[i]);
		virDomainFree(domains[i]);
	}
	free(domains);
	/* A list cut short by a lost connection would look as if instances were gone. */
	if (virConnectIsAlive(conn) != 1) {
		mc_err_set(err, 0, "the connection to libvirtd was lost");
		return MC_IPC_UNAVAILABLE;
	}
	*ret = json_pack("{s:O}", "instances", list);
	return MC_IPC_OK;
}

static int destroy_and_undefine(const struct work *w, virDomainPtr domain, mc_err **err)
{
	static const unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
				      VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;
	int outcome = virDomainIsActive(domain) == 1 ? end(w, domain, true, err) : MC_IPC_OK;

	if (outcome != MC_IPC_OK)
		return outcome;
	if (virDomainUndefineFlags(domain, flags) == 0 || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		return MC_IPC_OK;
	return work_failed(w, err, "undefine");
}

static int delete(const struct work *w, json_t **ret, mc_err **err)
{
	auto_domain domain = NULL;
	int outcome = work_find(w, &domain, err);

	(void)ret;
	if (outcome == MC_IPC_OK)
		outcome = destroy_and_undefine(w, domain, err);
	if (outcome != MC_IPC_OK && outcome != MC_IPC_NOT_FOUND)
		return outcome;
	mc_err_clear(err);
	watch_forget(w->h->watch, w->id);
	if (console_remove(w->h->console_dir, w->id, err) < 0)
		return -1;
	if (domain)
		mc_log(MC_LOG_INFO, AREA, "instance deleted", "instance", w->id, NULL);
	return MC_IPC_OK;
}

int instance_delete(struct hypervisor *h, const char *id, mc_err **err)
{
	return locked(h, id, NULL, delete, NULL, err);
}

static int reboot_domain(const struct work *w, json_t **ret, mc_err **err, bool hard)
{
	auto_domain domain = NULL;
	int outcome = work_find_active(w, &domain, err);

	if (outcome != MC_IPC_OK)
		return outcome;
	if (hard ? virDomainReset(domain, 0) < 0 : virDomainReboot(domain, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN) < 0)
		return work_failed(w, err, "reboot");
	return answer(w, domain, ret, err);
}

static int reboot_soft(const struct work *w, json_t **ret, mc_err **err)
{
	return reboot_domain(w, ret, err, false);
}

static int reboot_hard(const struct work *w, json_t **ret, mc_err **err)
{
	return reboot_domain(w, ret, err, true);
}

int instance_reboot(struct hypervisor *h, const char *id, bool hard, json_t **ret, mc_err **err)
{
	return locked(h, id, NULL, hard ? reboot_hard : reboot_soft, ret, err);
}
