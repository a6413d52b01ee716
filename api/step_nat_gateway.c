/* A NAT gateway is there, or gone, when netd runs the generation that says so. */
#include "api/nat_gateway.h"

#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "api/vpc_part.h"
#include "api/waiters.h"
#include "common/clock.h"
#include "common/json.h"

#define LOOK_AGAIN (MC_SECOND / 2)
#define KEPT (3600 * MC_SECOND) /* what has ended stays visible for an hour */

bool nat_gateway_wanted(const struct resource *nat)
{
	return (nat->state == NAT_GATEWAY_PENDING || nat->state == NAT_GATEWAY_AVAILABLE) && !json_object_get(nat->spec, "failure_code");
}

json_t *vpc_part_nat_gateways(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_NAT_GATEWAY, vpc->account, vpc->region);
	const struct resource *nat, *eni;
	json_t *list = json_array();

	while ((nat = store_next_of(&it, vpc->id))) {
		eni = nat_gateway_wanted(nat) ? store_get(tx, mc_json_str(nat->spec, "eni", NULL)) : NULL;
		if (eni)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "id", nat->id, "subnet",
				mc_json_str(eni->spec, "subnet", ""), "eni", eni->id, "mac", mc_json_str(eni->spec, "mac", ""), "ip",
				mc_json_str(eni->spec, "ip", ""), "public_ip", mc_json_str(eni->spec, "public_ip", NULL)));
	}
	return list;
}

/* One that has failed keeps its interface no longer than its failure needs to be seen. */
static int record(struct api *api, const struct resource *nat, int to, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, nat->id);
	char now[MC_ISO8601_LEN];

	if (!r || r->state != nat->state) {
		store_end(tx);
		return STEP_AGAIN;
	}
	mc_clock_iso8601(mc_clock_wall(), now);
	if (to == NAT_GATEWAY_DELETED || to == NAT_GATEWAY_FAILED)
		json_object_set_new(r->spec, "deleted", json_string(now));
	if (to == NAT_GATEWAY_FAILED) {
		interface_delete(tx, mc_json_str(r->spec, "eni", ""));
		json_object_del(r->spec, "eni");
	}
	state_set(tx, r, to);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int forget(struct api *api, const struct resource *nat, int64_t *ret_delay, mc_err **err)
{
	int64_t left = state_since(nat) + KEPT - mc_clock_wall();
	struct store_tx *tx;

	if (left > 0) {
		*ret_delay = left;
		return STEP_NOT_YET;
	}
	tx = store_write(api->store);
	store_delete(tx, nat->id);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

static int step(struct api *api, const struct resource *nat, int64_t *ret_delay, mc_err **err)
{
	bool applied = waiters_applied(api->waiters, nat->parent) >= mc_json_int(nat->spec, "generation", 0);

	if (nat->state == NAT_GATEWAY_DELETED || nat->state == NAT_GATEWAY_FAILED)
		return forget(api, nat, ret_delay, err);
	if (nat->state == NAT_GATEWAY_AVAILABLE)
		return STEP_DONE;
	if (nat->state == NAT_GATEWAY_PENDING && json_object_get(nat->spec, "failure_code"))
		return record(api, nat, NAT_GATEWAY_FAILED, err);
	if (applied)
		return record(api, nat, nat->state == NAT_GATEWAY_PENDING ? NAT_GATEWAY_AVAILABLE : NAT_GATEWAY_DELETED, err);
	reconciler_wake(api->reconciler, nat->parent, 0);
	*ret_delay = LOOK_AGAIN;
	return STEP_NOT_YET;
}

int step_nat_gateway(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *found = store_get(tx, id);
	struct resource *nat = found ? resource_clone(found) : NULL;
	int r;

	store_end(tx);
	r = nat ? step(api, nat, ret_delay, err) : STEP_DONE;
	resource_free(nat);
	return r;
}
