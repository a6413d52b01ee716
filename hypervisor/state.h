/* libvirt's domain states and lifecycle events in the words of docs/ipc.md. */
#ifndef MC_HYPERVISOR_STATE_H
#define MC_HYPERVISOR_STATE_H

#include <stdbool.h>

enum state {
	STATE_INVALID = -1,
	STATE_ABSENT,
	STATE_STOPPED,
	STATE_PAUSED,
	STATE_RUNNING,
	STATE_CRASHED,
	STATE_MAX
};

const char *state_name(enum state s);
enum state state_parse(const char *word); /* STATE_INVALID where it is none */

/* virDomainGetState()'s two numbers; *ret_reason is a static word. */
enum state state_of_domain(int vir_state, int vir_reason, const char **ret_reason);

/* A virDomainEventType and its detail. False: of no interest to our callers. */
bool state_of_event(int vir_event, int vir_detail, const char **ret_event, const char **ret_reason);

/* A reason that libvirt has no number for: the host ended QEMU by a signal. */
#define STATE_HOST_SHUTDOWN "host-shutdown"

/* Why QEMU has paused a guest whose disk could not be read or written. */
#define STATE_IO_ERROR "io-error"

/* The static word equal to this one, which one of the two above gave, or STATE_HOST_SHUTDOWN;
 * NULL where it is none. */
const char *state_reason_parse(const char *word);

#endif
