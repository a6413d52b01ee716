/* Policies of Data Lifecycle Manager: what is due is taken and noted in one transaction, so that a kill
 * neither doubles nor loses it; the snapshots themselves are their own steps' work. */
#include "api/cloud_time.h"
#include "api/lifecycle.h"
#include "api/reconciler.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

#define SOON (MC_SECOND / 4) /* while snapshots are being taken, whose number counts */

static int run(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, int64_t *ret_delay)
{
	int64_t next = INT64_MAX, due;
	bool pending = false;
	int taken = lifecycle_due(policy) <= now ? lifecycle_take(api, tx, policy, now) : 0;
	int gone = lifecycle_retire(api, tx, policy, now, &next, &pending);

	if (taken || gone)
		mc_logf(MC_LOG_INFO, "lifecycle", "%s: %d taken, %d others changed", policy->id, taken, gone);
	due = lifecycle_due(store_get(tx, policy->id));
	next = due < next ? due : next;
	*ret_delay = next < INT64_MAX ? cloud_time_until(api, next) : 3600 * MC_SECOND;
	if (pending && *ret_delay > SOON)
		*ret_delay = SOON;
	return taken + gone;
}

int step_lifecycle(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	int64_t now = cloud_time(api);
	struct store_tx *tx = store_write(api->store);
	const struct resource *policy = store_find(tx, KIND_LIFECYCLE_POLICY, NULL, NULL, id);
	bool enabled = policy && lifecycle_enabled(policy), due = enabled && lifecycle_due(policy) <= now;

	if (!enabled) {
		store_end(tx);
		return STEP_DONE;
	}
	if (run(api, tx, policy, now, ret_delay) == 0 && !due) {
		store_end(tx);
		return STEP_NOT_YET;
	}
	return store_commit(tx, err) < 0 ? -1 : STEP_NOT_YET;
}
