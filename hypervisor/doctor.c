#include "hypervisor/doctor.h"

#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/finding.h"
#include "common/fs.h"
#include "hypervisor/host.h"
#include "hypervisor/memory.h"
#include "hypervisor/processor.h"

#define LITTLE_MIB 128 /* less than the smallest instance that is worth its while */

/* What helps, by what was found; NULL for a choice of the operator's. */
static const char *const remedies[ACCELERATOR_MAX] = {
	[ACCELERATOR_ABSENT] = "switch virtualization on in the firmware (where this host is a virtual machine: nested "
			       "virtualization in its hypervisor) and load kvm_intel or kvm_amd",
	[ACCELERATOR_DENIED] = "let the group of /dev/kvm have it (chgrp kvm /dev/kvm; chmod 0660 /dev/kvm), with minicloud-hypervisor "
			       "and minicloud-qemu in that group, and start the daemon anew",
	[ACCELERATOR_BROKEN] = "this host's /dev/kvm cannot run a real kernel, as with some nested ones: use another host, or live "
			       "with emulation",
};

static void find_accelerator(const struct accelerator *a, json_t *findings)
{
	if (a->kvm)
		mc_finding_add(findings, "kvm", MC_FINDING_OK, NULL, "%s", a->reason);
	else
		mc_finding_add(findings, "kvm", MC_FINDING_WARNING, remedies[a->verdict],
			       "no hardware virtualization, guests run some ten times slower: %s", a->reason);
}

static char *version_text(unsigned long v)
{
	return mc_strf("%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

static void find_libvirt(struct hypervisor *h, json_t *findings)
{
	mc_auto_err mc_err *err = NULL;
	virConnectPtr conn = connection_get(h->connection, &err);
	unsigned long libvirt = 0, qemu = 0;

	if (!conn || virConnectGetLibVersion(conn, &libvirt) < 0 || virConnectGetVersion(conn, &qemu) < 0) {
		mc_finding_add(findings, "libvirt", MC_FINDING_ERROR,
			       "start it (systemctl start libvirtd, or deploy/launcher start) and see its log: journalctl -u libvirtd",
			       "no instance can be started or stopped: %s", conn ? virGetLastErrorMessage() : mc_err_msg(err));
	} else {
		mc_autofree char *libvirt_text = version_text(libvirt), *qemu_text = version_text(qemu);

		mc_finding_add(findings, "libvirt", MC_FINDING_OK, NULL, "libvirt %s with QEMU %s answers", libvirt_text, qemu_text);
	}
	if (conn)
		virConnectClose(conn);
	if (!h->has_dac && conn)
		mc_finding_add(findings, "libvirt-dac", MC_FINDING_WARNING,
			       "let security_driver in /etc/libvirt/qemu.conf contain \"dac\" or be unset",
			       "libvirtd has no DAC security driver: QEMU runs as the user that libvirtd's configuration names");
}

static void find_memory(const struct hypervisor *h, json_t *findings)
{
	struct memory_room room;
	mc_auto_err mc_err *err = NULL;

	if (memory_room(h->memory, &room, &err) < 0)
		mc_finding_add(findings, "memory", MC_FINDING_WARNING, NULL, "%s", mc_err_msg(err));
	else if (room.free_mib < LITTLE_MIB)
		mc_finding_add(findings, "memory", MC_FINDING_ERROR, "stop instances or other programs",
			       "%lld MiB of memory are available and %lld are promised to instances that run or kept back: "
			       "no instance can be started", (long long)room.available_mib,
			       (long long)(room.available_mib - room.free_mib));
	else
		mc_finding_add(findings, "memory", MC_FINDING_OK, NULL,
			       "%lld of %lld MiB of memory are free for instances, %lld more are promised to those that run",
			       (long long)room.free_mib, (long long)room.total_mib, (long long)room.promised_mib);
}

static void find_processors(const struct hypervisor *h, json_t *findings)
{
	bool there = processor_limits_there();

	mc_finding_add(findings, "processors", MC_FINDING_INFO, NULL, "%d processors", host_cpus());
	if (there && !h->no_limits)
		mc_finding_add(findings, "processor-limits", MC_FINDING_OK, NULL,
			       "burstable instances in standard mode that have no credits are slowed down, by the control group \"cpu\"");
	else
		mc_finding_add(findings, "processor-limits", MC_FINDING_WARNING,
			       "mount the control groups' controller \"cpu\" (systemd does), let cgroup_controllers in libvirt's qemu.conf contain it, "
			       "and start libvirtd and the instances anew",
			       "burstable instances in standard mode (t2, t3, t3a) that have no credits are not slowed down: %s",
			       there ? "libvirt uses no control group \"cpu\"" : "this host has no control group \"cpu\"");
}

json_t *doctor_report(struct hypervisor *h)
{
	json_t *findings = json_array();

	find_accelerator(&h->accelerator, findings);
	find_libvirt(h, findings);
	find_processors(h, findings);
	find_memory(h, findings);
	return json_pack("{s:o}", "findings", findings);
}
