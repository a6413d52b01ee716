/* A VPC is true when netd runs its present generation and its metadata socket is served. */
#include <string.h>

#include "api/backend.h"
#include "api/counters.h"
#include "api/endpoint_server.h"
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

/* So is one that runs and has an interface on its way in or out. */
static void wake_movers(struct api *api, struct store_tx *tx, const char *vpc_id)
{
	struct store_iter it = store_pass(tx, KIND_NETWORK_INTERFACE, NULL, NULL, "attachment_state");
	const struct resource *eni;

	while ((eni = store_next_of(&it, vpc_id)))
		if (json_object_get(eni->spec, "attachment_state"))
			reconciler_wake(api->reconciler, mc_json_str(eni->spec, "instance", ""), 0);
}

/* Instances on their way wait for their network. */
static void wake_instances(struct api *api, const char *vpc_id)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_iter(tx, KIND_INSTANCE, NULL, NULL);
	const struct resource *r;

	while ((r = store_next_bare(&it)))
		if (in_motion(r) && r->parent && strcmp(r->parent, vpc_id) == 0)
			reconciler_wake(api->reconciler, r->id, 0);
	wake_movers(api, tx, vpc_id);
	it = store_iter(tx, KIND_NAT_GATEWAY, NULL, NULL);
	while ((r = store_next_of(&it, vpc_id)))
		reconciler_wake(api->reconciler, r->id, 0);
	store_end(tx);
}

static int remove_vpc(struct api *api, const char *id, mc_err **err)
{
	int o;

	metadata_close(api->metadata, id);
	endpoint_servers_close(api->endpoints, id, NULL);
	counters_before(api, id, NULL);
	o = backend_call(api, BACKEND_NETD, "DELETE", NULL, NULL, err, "/v1/vpcs/%s", id);
	if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND)
		return -1;
	mc_err_clear(err);
	counters_after(api, id, NULL);
	waiters_forget(api->waiters, id);
	return STEP_DONE;
}

static int put_vpc(struct api *api, const char *id, const json_t *doc, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	bool empty = json_array_size(mc_json_arr(doc, "enis")) == 0;
	int o;

	/* An open listening socket would keep the namespace alive. */
	if (empty)
		metadata_close(api->metadata, id);
	endpoint_servers_close(api->endpoints, id, doc);
	counters_before(api, id, doc);
	o = backend_call(api, BACKEND_NETD, "PUT", doc, &answer, err, "/v1/vpcs/%s", id);
	if (o == MC_IPC_CONFLICT) {
		/* A worker of another moment was ahead with a newer document. */
		mc_err_clear(err);
		*ret_delay = RETRY;
		return STEP_NOT_YET;
	}
	if (o != MC_IPC_OK || (!empty && metadata_open(api->metadata, id, err) < 0) ||
	    endpoint_servers_open(api->endpoints, id, doc, err) < 0)
		return -1;
	counters_after(api, id, doc);
	waiters_confirm(api->waiters, id, mc_json_int(doc, "generation", 0));
	wake_instances(api, id);
	return STEP_AGAIN;
}

/* Rules alone changed since what netd has: it is told these. true: it has them. Else it gets the whole document, which
 * says the same. */
static bool post_changes(struct api *api, const char *id, const json_t *changes)
{
	mc_auto_err mc_err *err = NULL;

	if (!changes || backend_call(api, BACKEND_NETD, "POST", changes, NULL, &err, "/v1/vpcs/%s/rules", id) != MC_IPC_OK)
		return false;
	waiters_confirm(api->waiters, id, mc_json_int(changes, "generation", 0));
	wake_instances(api, id);
	return true;
}

static int put_present(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	mc_auto_json json_t *doc = vpc_document(tx, id);

	store_end(tx);
	return doc ? put_vpc(api, id, doc, ret_delay, err) : remove_vpc(api, id, err);
}

int step_vpc(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	int64_t applied = waiters_applied(api->waiters, id);
	bool current = store_get(tx, id) && applied >= vpc_generation(tx, id);
	mc_auto_json json_t *changes = current || !applied ? NULL : vpc_changes(tx, id, applied);

	store_end(tx);
	if (current) /* a network that stands is looked at again when its counters are due */
		return counters_step(api, id, ret_delay) ? STEP_NOT_YET : STEP_DONE;
	return post_changes(api, id, changes) ? STEP_AGAIN : put_present(api, id, ret_delay, err);
}
