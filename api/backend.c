#include "api/backend.h"

#include <string.h>

#include <stdarg.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/crash.h"
#include "common/fs.h"

/* Imports and snapshots are long; everything else is far below this. */
#define PATIENCE_MS 600000

int backend_call(struct api *api, enum backend b, const char *method, const json_t *body,
		 json_t **ret_answer, mc_err **err, const char *path, ...)
{
	const char *const sockets[] = {
		[BACKEND_HYPERVISOR] = api->config.hypervisor,
		[BACKEND_NETD] = api->config.netd,
		[BACKEND_STORAGED] = api->config.storaged,
	};
	mc_autofree char *full = NULL;
	va_list ap;
	int outcome;

	va_start(ap, path);
	full = mc_vstrf(path, ap);
	va_end(ap);
	MC_CRASH_POINT();
	outcome = mc_ipc_call(sockets[b], method, full, body, PATIENCE_MS, ret_answer, err);
	MC_CRASH_POINT();
	return outcome;
}

bool backend_transient(int outcome)
{
	return outcome == MC_IPC_UNAVAILABLE;
}

bool backend_copies(const json_t *answer)
{
	return strcmp(mc_json_str(answer, "state", ""), "copying") == 0;
}
