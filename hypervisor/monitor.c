#include "hypervisor/monitor.h"

#include <libvirt/libvirt-qemu.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/crash.h"
#include "common/json.h"

/* What QEMU returned; NULL: it has refused, or there is no answer. */
static json_t *returned(int r, const char *answer)
{
	mc_auto_json json_t *doc = r == 0 && answer ? json_loads(answer, 0, NULL) : NULL;

	return json_incref(json_object_get(doc, "return"));
}

static char *question(const char *command, json_t *arguments)
{
	mc_auto_json json_t *doc = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);

	return json_dumps(doc, JSON_COMPACT);
}

/* The parentheses: for the tests that kill these are two different things. */
json_t *monitor_ask(virDomainPtr domain, const char *command, json_t *arguments)
{
	mc_autofree char *text = question(command, arguments);
	mc_autofree char *answer = NULL;
	int r = MC_CRASH_BEFORE((virDomainQemuMonitorCommand)(domain, text, &answer, 0));

	return returned(r, answer);
}

bool monitor_tell(virDomainPtr domain, const char *command, json_t *arguments)
{
	mc_autofree char *text = question(command, arguments);
	mc_autofree char *answer = NULL;
	int r = virDomainQemuMonitorCommand(domain, text, &answer, 0);
	mc_auto_json json_t *said = returned(r, answer);

	return said != NULL;
}
