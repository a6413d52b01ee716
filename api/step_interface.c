/* Interfaces on their way into and out of a running instance. Into: known to netd, plugged
 * into the machine with its link down, its tap into the network, the link up. So the guest
 * never sends where nobody guards it. Out: the guest is asked until it has let go. */
#include <string.h>

#include "api/backend.h"
#include "api/interface.h"
#include "api/reconciler.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define AREA "interface"
#define ASK_AGAIN (2 * MC_SECOND) /* QEMU takes a repeated request after one second */
#define TAP_RETRY (20 * MC_MS)

struct move {
	struct api *api;
	const char *instance;
	const char *eni, *mac, *vpc, *state; /* borrowed from the list of moves */
	int64_t generation;
};

/* [{eni, mac, vpc, state, generation}] of all that move. New reference. */
static json_t *moves_of(struct api *api, const char *instance)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *inst = store_get(tx, instance);
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(inst ? inst->spec : NULL, "enis"), i, id) {
		const struct resource *eni = store_get(tx, json_string_value(id));

		if (eni && json_object_get(eni->spec, "attachment_state"))
			json_array_append_new(list, json_pack("{s:s, s:O, s:s, s:O, s:I}", "eni", eni->id, "mac",
				json_object_get(eni->spec, "mac"), "vpc", eni->parent, "state", json_object_get(eni->spec, "attachment_state"),
				"generation", (json_int_t)mc_json_int(eni->spec, "generation", 0)));
	}
	store_end(tx);
	return list;
}

/* The end of a move, unless it has become another one meanwhile. gone: it is attached no more. */
static int record(const struct move *m, bool gone, mc_err **err)
{
	struct store_tx *tx = store_write(m->api->store);
	const struct resource *eni = store_get(tx, m->eni);

	if (!eni || strcmp(mc_json_str(eni->spec, "instance", ""), m->instance) != 0 ||
	    strcmp(mc_json_str(eni->spec, "attachment_state", ""), m->state) != 0) {
		store_end(tx);
		return STEP_AGAIN;
	}
	if (gone)
		interface_detach(tx, m->eni);
	else
		json_object_del(store_edit(tx, m->eni)->spec, "attachment_state");
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int not_yet(int64_t delay, int64_t *ret_delay, mc_err **err)
{
	mc_err_clear(err);
	*ret_delay = delay;
	return STEP_NOT_YET;
}

/* --- in ------------------------------------------------------------------- */

static int put_nic(const struct move *m, const char *link, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:s, s:s}", "mac", m->mac, "link", link);

	return backend_call(m->api, BACKEND_HYPERVISOR, "PUT", body, NULL, err, "/v1/instances/%s/nics/%s", m->instance, m->eni);
}

/* Has it got in already, and only the note of it is missing? */
static bool is_up(const struct move *m)
{
	mc_auto_json json_t *answer = NULL;
	size_t i;
	json_t *nic;

	if (backend_call(m->api, BACKEND_HYPERVISOR, "GET", NULL, &answer, NULL, "/v1/instances/%s", m->instance) != MC_IPC_OK)
		return false;
	json_array_foreach(mc_json_arr(answer, "nics"), i, nic)
		if (strcmp(mc_json_str(nic, "eni", ""), m->eni) == 0)
			return strcmp(mc_json_str(nic, "link", ""), "up") == 0;
	return false;
}

static int plug(const struct move *m, mc_err **err)
{
	mc_auto_json json_t *empty = json_object();

	return backend_call(m->api, BACKEND_NETD, "POST", empty, NULL, err, "/v1/vpcs/%s/enis/%s/plug", m->vpc, m->eni);
}

static int move_in(const struct move *m, int64_t *ret_delay, mc_err **err)
{
	int o;

	if (waiters_applied(m->api->waiters, m->vpc) < m->generation) {
		reconciler_wake(m->api->reconciler, m->vpc, 0);
		return not_yet(MC_SECOND, ret_delay, err);
	}
	if (is_up(m))
		return record(m, false, err);
	o = put_nic(m, "down", err);
	if (o == MC_IPC_NO_CAPACITY) {
		mc_log(MC_LOG_WARNING, AREA, "attachment given up", "instance", m->instance, "eni", m->eni, "reason",
		       err ? mc_err_msg(*err) : "", NULL);
		mc_err_clear(err);
		return record(m, true, err);
	}
	if (o == MC_IPC_OK) {
		o = plug(m, err);
		if (o == MC_IPC_NOT_FOUND)
			return not_yet(TAP_RETRY, ret_delay, err);
	}
	if (o == MC_IPC_OK)
		o = put_nic(m, "up", err);
	if (o == MC_IPC_OK)
		return record(m, false, err);
	return o == MC_IPC_CONFLICT || o == MC_IPC_UNAVAILABLE ? not_yet(MC_SECOND, ret_delay, err) : -1;
}

/* --- out ------------------------------------------------------------------ */

static int move_out(const struct move *m, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(m->api, BACKEND_HYPERVISOR, "DELETE", NULL, &answer, err, "/v1/instances/%s/nics/%s", m->instance, m->eni);

	if (o == MC_IPC_OK && strcmp(mc_json_str(answer, "state", ""), "detached") == 0)
		return record(m, true, err);
	return o == MC_IPC_OK || o == MC_IPC_UNAVAILABLE ? not_yet(ASK_AGAIN, ret_delay, err) : -1;
}

/* ------------------------------------------------------------------------- */

int step_interfaces(struct api *api, const char *instance, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *moves = moves_of(api, instance);
	int result = STEP_DONE;
	size_t i;
	json_t *one;

	json_array_foreach(moves, i, one) {
		struct move m = {
			.api = api, .instance = instance, .eni = mc_json_str(one, "eni", ""), .mac = mc_json_str(one, "mac", ""),
			.vpc = mc_json_str(one, "vpc", ""), .state = mc_json_str(one, "state", ""),
			.generation = mc_json_int(one, "generation", 0),
		};
		int64_t delay = 0;
		int r = strcmp(m.state, "detaching") == 0 ? move_out(&m, &delay, err) : move_in(&m, &delay, err);

		if (r < 0)
			return r;
		if (r == STEP_NOT_YET && (result == STEP_DONE || delay < *ret_delay))
			*ret_delay = delay;
		if (result != STEP_AGAIN)
			result = r;
	}
	return result;
}
