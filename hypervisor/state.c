#include "hypervisor/state.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "common/cleanup.h"

#define ANY (-1)

static const char *const names[STATE_MAX] = {
	[STATE_ABSENT] = "absent",   [STATE_STOPPED] = "stopped", [STATE_PAUSED] = "paused",
	[STATE_RUNNING] = "running", [STATE_CRASHED] = "crashed",
};

const char *state_name(enum state s)
{
	return s >= 0 && s < STATE_MAX ? names[s] : "invalid";
}

enum state state_parse(const char *word)
{
	for (int i = 0; i < STATE_MAX; i++)
		if (strcmp(names[i], word) == 0)
			return (enum state)i;
	return STATE_INVALID;
}

/* The first row that fits counts. SHUTDOWN is a guest whose QEMU has not ended yet; DAEMON
 * is a QEMU that was gone when libvirtd came back. */
struct domain_row {
	int vir_state, vir_reason;
	enum state state;
	const char *reason;
};

static const struct domain_row domain_rows[] = {
	{ VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, STATE_RUNNING, "booted" },
	{ VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED, STATE_RUNNING, "resumed" },
	{ VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_RESTORED, STATE_RUNNING, "restored" },
	{ VIR_DOMAIN_RUNNING, ANY, STATE_RUNNING, "running" },
	{ VIR_DOMAIN_BLOCKED, ANY, STATE_RUNNING, "running" },
	{ VIR_DOMAIN_SHUTDOWN, ANY, STATE_RUNNING, "shutting-down" },
	{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, STATE_PAUSED, "user" },
	{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP, STATE_PAUSED, "starting-up" },
	{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, STATE_PAUSED, STATE_IO_ERROR },
	{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_WATCHDOG, STATE_PAUSED, "watchdog" },
	{ VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_CRASHED, STATE_PAUSED, "panicked" },
	{ VIR_DOMAIN_PAUSED, ANY, STATE_PAUSED, "paused" },
	{ VIR_DOMAIN_PMSUSPENDED, ANY, STATE_PAUSED, "guest-suspended" },
	{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN, STATE_STOPPED, "guest-shutdown" },
	{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, STATE_STOPPED, "destroyed" },
	{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, STATE_CRASHED, "crashed" },
	{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON, STATE_CRASHED, "vanished" },
	{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED, STATE_STOPPED, "start-failed" },
	{ VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SAVED, STATE_STOPPED, "saved" },
	{ VIR_DOMAIN_SHUTOFF, ANY, STATE_STOPPED, "unknown" },
	{ VIR_DOMAIN_CRASHED, ANY, STATE_CRASHED, "panicked" },
};

enum state state_of_domain(int vir_state, int vir_reason, const char **ret_reason)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(domain_rows); i++)
		if (domain_rows[i].vir_state == vir_state &&
		    (domain_rows[i].vir_reason == vir_reason || domain_rows[i].vir_reason == ANY)) {
			*ret_reason = domain_rows[i].reason;
			return domain_rows[i].state;
		}
	*ret_reason = "unknown";
	return STATE_STOPPED;
}

/* A QEMU that was killed is reported as STOPPED_FAILED (libvirt 9.0; its state is then CRASHED).
 * STARTED is left out: what we start is paused first, and its SUSPENDED and RESUMED tell more. */
struct event_row {
	int vir_event, vir_detail;
	const char *event, *reason;
};

static const struct event_row event_rows[] = {
	{ VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "paused", STATE_IO_ERROR },
	{ VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, "paused", "watchdog" },
	{ VIR_DOMAIN_EVENT_SUSPENDED, ANY, "paused", "user" },
	{ VIR_DOMAIN_EVENT_PMSUSPENDED, ANY, "paused", "guest-suspended" },
	{ VIR_DOMAIN_EVENT_RESUMED, ANY, "running", "resumed" },
	{ VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "stopped", "guest-shutdown" },
	{ VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, "stopped", "destroyed" },
	{ VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED, "crashed", "crashed" },
	{ VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED, "stopped", "saved" },
	{ VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, "crashed", "crashed" },
	{ VIR_DOMAIN_EVENT_STOPPED, ANY, "stopped", "unknown" },
	{ VIR_DOMAIN_EVENT_CRASHED, ANY, "crashed", "panicked" },
};

bool state_of_event(int vir_event, int vir_detail, const char **ret_event, const char **ret_reason)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(event_rows); i++)
		if (event_rows[i].vir_event == vir_event &&
		    (event_rows[i].vir_detail == vir_detail || event_rows[i].vir_detail == ANY)) {
			*ret_event = event_rows[i].event;
			*ret_reason = event_rows[i].reason;
			return true;
		}
	return false;
}

const char *state_reason_parse(const char *word)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(domain_rows); i++)
		if (strcmp(domain_rows[i].reason, word) == 0)
			return domain_rows[i].reason;
	for (size_t i = 0; i < MC_ARRAY_SIZE(event_rows); i++)
		if (strcmp(event_rows[i].reason, word) == 0)
			return event_rows[i].reason;
	return strcmp(word, STATE_HOST_SHUTDOWN) == 0 ? STATE_HOST_SHUTDOWN : NULL;
}
