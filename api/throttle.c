#include "api/throttle.h"

#include "api/backend.h"
#include "api/billing/credit.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#define AREA "throttle"

bool throttle_tell(struct api *api, const char *instance, int64_t quota)
{
	mc_auto_json json_t *body = json_pack("{s:I}", "quota_us", (json_int_t)quota);
	mc_auto_err mc_err *err = NULL;
	int o = backend_call(api, BACKEND_HYPERVISOR, "POST", body, NULL, &err, "/v1/instances/%s/processors", instance);

	if (o == MC_IPC_OK)
		return true;
	mc_log(quota ? MC_LOG_WARNING : MC_LOG_DEBUG, AREA, "an instance's processors cannot be limited", "id", instance, "reason",
	       err ? mc_err_msg(err) : mc_ipc_outcome_name((enum mc_ipc_outcome)o), NULL);
	return false;
}

void throttle_start(struct api *api, const struct resource *instance)
{
	mc_auto_err mc_err *err = NULL;
	sqlite3 *db = store_reader(api->store, &err);
	int64_t quota = 0;

	if (!db || credit_quota_at_start(db, instance, api->config.metrics_interval * MC_SECOND, &quota, &err) < 0)
		mc_log(MC_LOG_WARNING, AREA, "the credits cannot be read", "id", instance->id, "reason", mc_err_msg(err), NULL);
	sqlite3_close(db);
	if (quota)
		throttle_tell(api, instance->id, quota);
}
