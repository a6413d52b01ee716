/* A VPC is true when netd runs its present generation and its metadata socket is served. */
#include <string.h>

#include "api/backend.h"
#include "api/metadata.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "api/vpc.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define RETRY (MC_SECOND / 2)

static bool in_motion(const struct resource *r)
{
	return r->state == INSTANCE_PENDING || r->state == INSTANCE_STOPPING || r->state == INSTANCE_SHUTTING_DOWN;
}

/* Instances on their way wait for their network. */
static void wake_instances(struct api *api, const char *vpc_id)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (in_motion(r) && r->parent && strcmp(r->parent, vpc_id) == 0)
			reconciler_wake(api->reconciler, r->id, 0);
	store_end(tx);
}

static int remove_vpc(struct api *api, const char *id, mc_err **err)
{
	int o;

	metadata_close(api->metadata, id);
	o = backend_call(api, BACKEND_NETD, "DELETE", NULL, NULL, err, "/v1/vpcs/%s", id);
	if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND)
		return -1;
	mc_err_clear(err);
	waiters_forget(api->waiters, id);
	return STEP_DONE;
}

int step_vpc(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	mc_auto_json json_t *doc = vpc_document(tx, id);
	mc_auto_json json_t *answer = NULL;
	int64_t generation = vpc_generation(tx, id);
	bool empty = json_array_size(mc_json_arr(doc, "enis")) == 0;
	int o;

	store_end(tx);
	if (!doc)
		return remove_vpc(api, id, err);
	if (waiters_applied(api->waiters, id) >= generation)
		return STEP_DONE;
	/* An open listening socket would keep the namespace alive. */
	if (empty)
		metadata_close(api->metadata, id);
	o = backend_call(api, BACKEND_NETD, "PUT", doc, &answer, err, "/v1/vpcs/%s", id);
	if (o == MC_IPC_CONFLICT) {
		/* A worker of another moment was ahead with a newer document. */
		mc_err_clear(err);
		*ret_delay = RETRY;
		return STEP_NOT_YET;
	}
	if (o != MC_IPC_OK || (!empty && metadata_open(api->metadata, id, err) < 0))
		return -1;
	waiters_confirm(api->waiters, id, generation);
	wake_instances(api, id);
	return STEP_AGAIN;
}
