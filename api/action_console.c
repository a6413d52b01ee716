/* GetConsoleOutput: the serial log of the last boot, from the hypervisor. */
#include <string.h>

#include "api/action.h"
#include "api/backend.h"
#include "common/clock.h"
#include "common/cleanup.h"
#include "common/json.h"

static int get_console_output(struct call *call)
{
	const struct resource *r = action_resource(call, KIND_INSTANCE, mc_json_str(call->in, "InstanceId", NULL));

	if (!r)
		return 1;
	call->job = json_string(r->id);
	return 0;
}

static int console_backend(struct call *call)
{
	const char *id = json_string_value(call->job);
	mc_auto_json json_t *answer = NULL;
	char now[MC_ISO8601_LEN];
	int o = backend_call(call->api, BACKEND_HYPERVISOR, "GET", NULL, &answer, &call->err, "/v1/instances/%s/console", id);

	if (o == MC_IPC_UNAVAILABLE)
		return action_fail(call, API_UNAVAILABLE);
	if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND)
		return -1;
	mc_err_clear(&call->err);
	mc_clock_iso8601(mc_clock_wall(), now);
	call->out = json_pack("{s:s, s:s, s:s}", "InstanceId", id, "Output", mc_json_str(answer, "output", ""), "Timestamp",
			      mc_json_str(answer, "modified", now));
	return 0;
}

const struct action actions_console[] = {
	{ .service = "ec2", .name = "GetConsoleOutput", .fn = get_console_output, .flags = ACTION_BACKEND, .backend = console_backend },
	{ 0 },
};
