/* Can this host run guests under KVM? Asked of a real virtual processor. */
#ifndef MC_HYPERVISOR_ACCELERATOR_H
#define MC_HYPERVISOR_ACCELERATOR_H

#include <stdbool.h>

#include "common/error.h"

enum accelerator_verdict {
	ACCELERATOR_KVM,     /* the probe's guest ran as on a real processor */
	ACCELERATOR_ABSENT,  /* there is no /dev/kvm */
	ACCELERATOR_DENIED,  /* it may not be opened: a matter of permissions */
	ACCELERATOR_BROKEN,  /* it opens, but the guest fails, or does not end within a second */
	ACCELERATOR_MAX
};

/* A sentence that says what was found and, where there is one, the way out. */
const char *accelerator_text(enum accelerator_verdict v);

/* Run the probe's guest on the device (normally "/dev/kvm") in a child process: pxor,
 * a loop of a million rounds, out, hlt. Some hosts run simpler guests yet hang a kernel;
 * design page "hypervisor". Takes at most about a second. */
enum accelerator_verdict accelerator_probe(const char *device);

struct accelerator {
	bool kvm;     /* else TCG */
	char *reason; /* owned */
	enum accelerator_verdict verdict; /* of the probe; ACCELERATOR_KVM where it was not asked */
};

/* Is it one of the option's words? 0 or -1 and *err. */
int accelerator_check(const char *option, mc_err **err);
/* By the option's word: "auto" probes, "kvm" and "tcg" are taken as they are. 0 or -1 and *err. */
int accelerator_choose(const char *option, struct accelerator *ret, mc_err **err);

#endif
