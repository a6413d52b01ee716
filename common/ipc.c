#include "common/ipc.h"

#include <string.h>

#include "common/cleanup.h"

static const struct {
	const char *name;
	int status;
} outcomes[MC_IPC_OUTCOME_MAX] = {
	[MC_IPC_OK] = { "ok", 200 },
	[MC_IPC_BAD_REQUEST] = { "bad_request", 400 },
	[MC_IPC_DENIED] = { "denied", 403 },
	[MC_IPC_NOT_FOUND] = { "not_found", 404 },
	[MC_IPC_CONFLICT] = { "conflict", 409 },
	[MC_IPC_IN_USE] = { "in_use", 409 },
	[MC_IPC_NO_CAPACITY] = { "no_capacity", 507 },
	[MC_IPC_UNSUPPORTED] = { "unsupported", 501 },
	[MC_IPC_UNAVAILABLE] = { "unavailable", 503 },
	[MC_IPC_INTERNAL] = { "internal", 500 },
};

const char *mc_ipc_outcome_name(enum mc_ipc_outcome o)
{
	return o < MC_IPC_OUTCOME_MAX ? outcomes[o].name : outcomes[MC_IPC_INTERNAL].name;
}

int mc_ipc_outcome_status(enum mc_ipc_outcome o)
{
	return o < MC_IPC_OUTCOME_MAX ? outcomes[o].status : outcomes[MC_IPC_INTERNAL].status;
}

enum mc_ipc_outcome mc_ipc_outcome_parse(const char *word)
{
	for (size_t i = 0; word && i < MC_ARRAY_SIZE(outcomes); i++)
		if (strcmp(outcomes[i].name, word) == 0)
			return (enum mc_ipc_outcome)i;
	return MC_IPC_INTERNAL;
}
