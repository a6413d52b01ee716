/* A NAT gateway is there, or gone, when netd runs the generation that says so. */
#include "api/nat_gateway.h"

#include <string.h>

#include "api/backend.h"
#include "api/elastic_address.h"
#include "api/interface.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "api/vpc_part.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define LOOK_AGAIN (MC_SECOND / 2)
#define KEPT (3600 * MC_SECOND) /* what has ended stays visible for an hour */

bool nat_gateway_wanted(const struct resource *nat)
{
	return (nat->state == NAT_GATEWAY_PENDING || nat->state == NAT_GATEWAY_AVAILABLE) && !json_object_get(nat->spec, "failure_code");
}

static json_t *secondary_document(const struct resource *eni)
{
	json_t *list = json_array();

	for (size_t i = 1; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);

		json_array_append_new(list, json_pack("{s:s, s:s*, s:b}", "ip", mc_json_str(slot, "ip", ""), "public_ip",
						      mc_json_str(slot, "public_ip", NULL), "draining", json_object_get(slot, "until") != NULL));
	}
	return list;
}

json_t *vpc_part_nat_gateways(struct store_tx *tx, const struct resource *vpc)
{
	struct store_iter it = store_iter(tx, KIND_NAT_GATEWAY, vpc->account, vpc->region);
	const struct resource *nat, *eni;
	json_t *list = json_array();

	while ((nat = store_next_of(&it, vpc->id))) {
		eni = nat_gateway_wanted(nat) ? store_get(tx, mc_json_str(nat->spec, "eni", NULL)) : NULL;
		if (eni)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:o}", "id", nat->id, "subnet",
				mc_json_str(eni->spec, "subnet", ""), "eni", eni->id, "mac", mc_json_str(eni->spec, "mac", ""), "ip",
				mc_json_str(eni->spec, "ip", ""), "public_ip", mc_json_str(eni->spec, "public_ip", NULL), "secondary",
				secondary_document(eni)));
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

/* --- secondary addresses --------------------------------------------------------- */

/* How many connections go on from a draining address, by netd; -1: netd does not know it (yet). */
static int64_t connections_of(const json_t *answer, const char *ip)
{
	json_t *row;
	size_t i;

	json_array_foreach(mc_json_arr(answer, "draining"), i, row)
		if (strcmp(mc_json_str(row, "ip", ""), ip) == 0)
			return mc_json_int(row, "connections", -1);
	return -1;
}

static bool is_drained(const json_t *slot, const json_t *answer)
{
	return json_object_get(slot, "until") && (mc_clock_wall() >= mc_json_int(slot, "until", 0) ||
						  connections_of(answer, mc_json_str(slot, "ip", "")) == 0);
}

/* What netd knows is no longer on its way, what has drained goes. True where something changed. */
static bool settle(struct store_tx *tx, struct resource *eni, int64_t applied, const json_t *answer)
{
	json_t *list = mc_json_arr(eni->spec, "secondary");
	bool changed = false;

	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *slot = json_array_get(list, i);

		if (mc_json_int(slot, "generation", 0) > applied)
			continue;
		changed = changed || json_object_get(slot, "generation");
		json_object_del(slot, "generation");
		if (!is_drained(slot, answer))
			continue;
		elastic_address_unbind(tx, mc_json_str(slot, "allocation", NULL), NULL);
		json_array_remove(list, i);
		interface_touch(tx, eni);
		changed = true;
	}
	return changed;
}

/* Is one of them on its way, in or out? *ret_draining: out. */
static bool is_busy(const struct resource *eni, bool *ret_draining)
{
	bool busy = false;

	*ret_draining = false;
	for (size_t i = 1; i < interface_slots(eni); i++) {
		const json_t *slot = interface_slot(eni, i);

		*ret_draining = *ret_draining || json_object_get(slot, "until");
		busy = busy || json_object_get(slot, "generation") || json_object_get(slot, "until");
	}
	return busy;
}

/* Bring the interface on; whether there is more to do. */
static int record_addresses(struct api *api, const struct resource *nat, const json_t *answer, mc_err **err)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *eni = store_edit(tx, mc_json_str(nat->spec, "eni", NULL));

	if (!eni || !settle(tx, eni, waiters_applied(api->waiters, nat->parent), answer)) {
		store_end(tx);
		return STEP_NOT_YET;
	}
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int step_addresses(struct api *api, const struct resource *nat, int64_t *ret_delay, mc_err **err)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *eni = store_get(tx, mc_json_str(nat->spec, "eni", NULL));
	mc_auto_json json_t *answer = NULL;
	bool draining = false, busy = eni && is_busy(eni, &draining);

	store_end(tx);
	if (!busy)
		return STEP_DONE;
	*ret_delay = LOOK_AGAIN;
	reconciler_wake(api->reconciler, nat->parent, 0);
	if (draining && backend_call(api, BACKEND_NETD, "GET", NULL, &answer, err, "/v1/vpcs/%s/nat-gateways/%s", nat->parent, nat->id) != MC_IPC_OK)
		mc_err_clear(err); /* it drains until its time is up */
	return record_addresses(api, nat, answer, err);
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
		return step_addresses(api, nat, ret_delay, err);
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
