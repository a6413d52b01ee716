/* A peering connection is looked at, waits for its answer, and is forgotten a while
 * after its end (VPC Peering Guide, "VPC peering connection lifecycle"). */
#include <stddef.h>

#include "api/peering.h"
#include "api/reconciler.h"
#include "common/clock.h"
#include "common/json.h"

#define HOUR (3600 * MC_SECOND)

/* How long it is shown after its end. */
static const int64_t shown[PEERING_STATE_MAX] = {
	[PEERING_REJECTED] = 2 * HOUR, [PEERING_FAILED] = 2 * HOUR, [PEERING_EXPIRED] = 48 * HOUR, [PEERING_DELETED] = 2 * HOUR,
};

/* When time alone changes it; wall clock ns, INT64_MAX: never. */
static int64_t due(const struct resource *r)
{
	if (r->state == PEERING_INITIATING)
		return 0;
	if (r->state == PEERING_PENDING)
		return mc_json_int(r->spec, "expires", 0);
	return shown[r->state] ? state_since(r) + shown[r->state] : INT64_MAX;
}

static void advance(struct store_tx *tx, struct resource *r)
{
	if (r->state == PEERING_INITIATING)
		peering_settle(tx, r);
	else if (r->state == PEERING_PENDING)
		state_set(tx, r, PEERING_EXPIRED);
	else
		store_delete(tx, r->id);
}

int step_peering(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	const struct resource *r = store_get(tx, id);
	int64_t left = r ? due(r) : INT64_MAX;

	if (left != INT64_MAX)
		left -= mc_clock_wall();
	if (left <= 0) {
		advance(tx, store_edit(tx, id));
		return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
	}
	store_end(tx);
	*ret_delay = left;
	return left == INT64_MAX ? STEP_DONE : STEP_NOT_YET;
}
