/* The wanted instance (docs/ipc.md) and the libvirt domain it becomes. */
#ifndef MC_HYPERVISOR_DOMAIN_H
#define MC_HYPERVISOR_DOMAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/json.h"

/* What the host and the configuration add to the document. Strings are borrowed. */
struct domain_settings {
	bool kvm;                /* else TCG */
	const char *machine;     /* "q35", or the exact type of an instance defined before */
	const char *console_log; /* the serial port is logged there */
	int hotplug_slots;       /* PCIe ports kept free for later devices */
	const char *dac_label;   /* "+UID:+GID" of QEMU; NULL: libvirtd has no DAC driver */
};

/* The body of PUT /v1/instances/{i}. */
extern const struct mc_field domain_fields[];

/* Is the document complete for starting an instance: size, disks under one of the
 * comma-separated roots, no volume or interface twice, at most one boot disk?
 * 0, or -1 with *err saying what is wrong with it. */
int domain_check(const json_t *doc, const char *disk_roots, mc_err **err);

/* The domain's XML for a document that domain_check() passed. Owned by the caller. */
char *domain_xml(const char *instance_id, const json_t *doc, const struct domain_settings *settings);

/* The machine type in a domain's XML as libvirt writes it; NULL where there is none.
 * Owned by the caller. */
char *domain_machine(const char *xml);

/* "kvm" or "qemu" by a domain's XML as libvirt writes it; NULL where it is neither. */
const char *domain_accelerator(const char *xml);

#endif
