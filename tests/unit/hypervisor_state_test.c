/* libvirt's states and events in our words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "hypervisor/state.h"

static void test_names(void **state)
{
	(void)state;
	for (int s = 0; s < STATE_MAX; s++)
		assert_int_equal(state_parse(state_name((enum state)s)), s);
	assert_int_equal(state_parse("hibernated"), STATE_INVALID);
	assert_string_equal(state_name(STATE_INVALID), "invalid");
	assert_string_equal(state_name(STATE_MAX), "invalid");
}

static void domain_is(int vir_state, int vir_reason, enum state wanted, const char *reason)
{
	const char *got = NULL;

	assert_int_equal(state_of_domain(vir_state, vir_reason, &got), wanted);
	assert_string_equal(got, reason);
}

static void test_domains(void **state)
{
	(void)state;
	domain_is(VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, STATE_RUNNING, "booted");
	domain_is(VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED, STATE_RUNNING, "running");
	domain_is(VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_USER, STATE_RUNNING, "shutting-down");
	domain_is(VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, STATE_PAUSED, "io-error");
	domain_is(VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SNAPSHOT, STATE_PAUSED, "paused");
	domain_is(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN, STATE_STOPPED, "guest-shutdown");
	domain_is(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, STATE_CRASHED, "crashed");
	domain_is(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON, STATE_CRASHED, "vanished");
	domain_is(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED, STATE_STOPPED, "start-failed");
	domain_is(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN, STATE_STOPPED, "unknown");
	domain_is(VIR_DOMAIN_NOSTATE, 0, STATE_STOPPED, "unknown");
	domain_is(VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED, STATE_CRASHED, "panicked");
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(state_reason_parse("vanished"), "vanished");
	assert_string_equal(state_reason_parse("guest-suspended"), "guest-suspended");
	assert_string_equal(state_reason_parse(STATE_HOST_SHUTDOWN), "host-shutdown");
	assert_null(state_reason_parse("tired"));
	assert_null(state_reason_parse(""));
}

static void event_is(int vir_event, int detail, const char *event, const char *reason)
{
	const char *got_event = NULL, *got_reason = NULL;

	assert_true(state_of_event(vir_event, detail, &got_event, &got_reason));
	assert_string_equal(got_event, event);
	assert_string_equal(got_reason, reason);
}

static void test_events(void **state)
{
	const char *event, *reason;

	(void)state;
	event_is(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "stopped", "guest-shutdown");
	event_is(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED, "crashed", "crashed");
	event_is(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, "crashed", "crashed");
	event_is(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, "stopped", "destroyed");
	event_is(VIR_DOMAIN_EVENT_STOPPED, 99, "stopped", "unknown");
	event_is(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "paused", "io-error");
	event_is(VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, "running", "resumed");
	assert_false(state_of_event(VIR_DOMAIN_EVENT_DEFINED, 0, &event, &reason));
	assert_false(state_of_event(VIR_DOMAIN_EVENT_STARTED, 0, &event, &reason));
	assert_false(state_of_event(VIR_DOMAIN_EVENT_SHUTDOWN, 0, &event, &reason));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_domains), cmocka_unit_test(test_events),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
