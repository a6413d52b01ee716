/* What the parts of this daemon share. Filled by main, unchanged afterwards but for the
 * atomic. */
#ifndef MC_HYPERVISOR_HYPERVISOR_H
#define MC_HYPERVISOR_HYPERVISOR_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/keylock.h"
#include "common/metrics.h"
#include "hypervisor/accelerator.h"
#include "hypervisor/connection.h"
#include "hypervisor/events.h"
#include "hypervisor/freeze.h"
#include "hypervisor/watch.h"

struct hypervisor {
	const char *disk_roots;    /* comma-separated */
	const char *console_dir;
	int hotplug_slots;
	struct memory *memory;
	char *dac_label;           /* "+UID:+GID" of QEMU; owned */
	struct accelerator accelerator;
	struct connection *connection;
	struct events *events;
	struct serials *serials;
	struct mc_keylock *locks;
	struct watch *watch;
	struct mc_durations work;  /* on one instance, from its lock on */
	struct freezes *freezes;
	_Atomic bool has_dac;      /* does libvirtd have its DAC security driver? */
	_Atomic bool no_limits;    /* libvirt has refused to limit processors, for want of a control group */
};

#endif
