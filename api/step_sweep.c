/* What a backend has and the store does not know. A row that is deleted leaves nothing that a
 * step would be run for after a crash: an api that died between DeleteVpc's commit and netd's
 * DELETE left the network behind. */
#include "api/backend.h"
#include "api/reconciler.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"

static bool is_known(struct api *api, const char *id)
{
	struct store_tx *tx = store_read(api->store);
	bool known = store_get(tx, id) != NULL;

	store_end(tx);
	return known;
}

/* The step of a VPC that is not there takes its network away. */
int step_sweep(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(api, BACKEND_NETD, "GET", NULL, &answer, err, "/v1/vpcs");
	json_t *vpc;
	size_t i;

	(void)id, (void)ret_delay;
	if (o != MC_IPC_OK)
		return -1;
	json_array_foreach(mc_json_arr(answer, "vpcs"), i, vpc) {
		const char *found = mc_json_str(vpc, "id", "");

		if (is_known(api, found))
			continue;
		mc_log(MC_LOG_INFO, "sweep", "netd has a network of no VPC", "vpc", found, NULL);
		reconciler_wake(api->reconciler, found, 0);
	}
	return STEP_DONE;
}
