/* The life of an instance, one idempotent step at a time. Every step can be
 * repeated after a crash at any point: it looks first, then does what lacks. */
#include "api/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/attachment.h"
#include "api/backend.h"
#include "api/imaging.h"
#include "api/impaired.h"
#include "api/interface.h"
#include "api/billing/billing.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "api/throttle.h"
#include "api/vpc.h"
#include "api/waiters.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define LOOK_AGAIN (MC_SECOND)         /* a lost event costs at most this */
#define TAP_RETRY (20 * MC_MS)
#define BACKEND_RETRY (MC_SECOND / 10)
#define MAX_ATTEMPTS 5
#define HOUR (3600 * MC_SECOND)

/* A worker's view of one instance: copies, so that no lock is held. */
struct view {
	struct api *api;
	struct resource *inst;
	json_t *disks;      /* of the hypervisor's document: NULL until they are open */
	json_t *nics;
	json_t *plugs;      /* [{eni, vpc}] */
	json_t *vpcs;       /* {vpc: the generation netd must run before the guest may} */
	bool volumes_ready, volumes_failed, volumes_gone;
	char *volume_error;
};

/* --- reading ------------------------------------------------------------ */

static void view_volumes(struct store_tx *tx, struct view *v)
{
	json_t *entry;
	size_t i;

	v->volumes_ready = v->volumes_gone = true;
	json_array_foreach(mc_json_arr(v->inst->spec, "volumes"), i, entry) {
		const struct resource *vol = store_get(tx, mc_json_str(entry, "id", NULL));

		if (json_object_get(entry, "ephemeral"))
			continue;
		if (!vol) {
			v->volumes_ready = false;
			continue;
		}
		if (mc_json_bool(entry, "delete_on_termination", true))
			v->volumes_gone = false;
		if (vol->state == VOLUME_ERROR) {
			v->volumes_failed = true;
			free(v->volume_error);
			v->volume_error = mc_strdup(mc_json_str(vol->spec, "error", "the volume cannot be made"));
		}
		if (vol->state != VOLUME_IN_USE)
			v->volumes_ready = false;
	}
}

static void need_generation(struct view *v, const char *vpc, int64_t generation)
{
	if (generation > mc_json_int(v->vpcs, vpc, 0))
		json_object_set_new(v->vpcs, vpc, json_integer(generation));
}

static void view_interfaces(struct store_tx *tx, struct view *v)
{
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(v->inst->spec, "enis"), i, entry) {
		const struct resource *eni = store_get(tx, json_string_value(entry));

		if (!eni)
			continue;
		need_generation(v, eni->parent, mc_json_int(eni->spec, "generation", 0));
		json_array_append_new(v->nics, json_pack("{s:s, s:s}", "eni", eni->id, "mac", mc_json_str(eni->spec, "mac", "")));
		json_array_append_new(v->plugs, json_pack("{s:s, s:s}", "eni", eni->id, "vpc", eni->parent));
	}
}

static bool view_load(struct view *v, struct api *api, const char *id)
{
	struct store_tx *tx = store_read(api->store);
	const struct resource *r = store_find(tx, KIND_INSTANCE, NULL, NULL, id);

	memset(v, 0, sizeof(*v));
	v->api = api;
	if (r) {
		v->inst = resource_clone(r);
		v->nics = json_array();
		v->plugs = json_array();
		v->vpcs = json_object();
		view_volumes(tx, v);
		view_interfaces(tx, v);
	}
	store_end(tx);
	return r != NULL;
}

static void view_free(struct view *v)
{
	resource_free(v->inst);
	json_decref(v->disks);
	json_decref(v->nics);
	json_decref(v->plugs);
	json_decref(v->vpcs);
	free(v->volume_error);
}

/* --- recording ---------------------------------------------------------- */

static void set_reason(struct resource *r, const char *code, const char *message)
{
	mc_autofree char *text = mc_strf("%s: %s", code, message);

	json_object_set_new(r->spec, "state_reason", json_pack("{s:s, s:s}", "Code", code, "Message", text));
}

void instance_set_reason(struct resource *r, const char *code, const char *message)
{
	set_reason(r, code, message);
}

/* Begin a write on the instance if it still is in this state. */
static struct resource *edit_in_state(struct view *v, int state, struct store_tx **ret_tx)
{
	struct store_tx *tx = store_write(v->api->store);
	struct resource *r = store_edit(tx, v->inst->id);

	if (r && r->state == state) {
		*ret_tx = tx;
		return r;
	}
	store_end(tx);
	return NULL;
}

/* What the guest was started with is attached. */
static void note_attached(struct resource *r)
{
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(r->spec, "volumes"), i, entry)
		if (strcmp(mc_json_str(entry, "state", ""), "attaching") == 0)
			json_object_set_new(entry, "state", json_string("attached"));
}

static int to_state(struct view *v, int from, int to, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, from, &tx);

	if (!r)
		return STEP_AGAIN;
	state_set(tx, r, to);
	if (to == INSTANCE_RUNNING) {
		json_object_del(r->spec, "imaging"); /* one that a stop has overtaken */
		json_object_del(r->spec, "impaired");
		note_attached(r);
		interface_settle(tx, r); /* it started with all that it has */
		json_object_del(r->spec, "attempts");
		json_object_del(r->spec, "state_reason");
		json_object_set_new(r->spec, "was_running", json_true());
	}
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

/* Note why the launch cannot go on; the next step takes it back. */
static int fail_launch(struct view *v, const char *code, const char *message, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r;

	mc_log(MC_LOG_WARNING, "instance", "launch failed", "id", v->inst->id, "code", code, "reason", message, NULL);
	mc_err_clear(err);
	r = edit_in_state(v, v->inst->state, &tx);
	if (!r)
		return STEP_AGAIN;
	set_reason(r, code, message);
	json_object_set_new(r->spec, "failed", json_true());
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* A volume cannot be made: AWS has two words for it, the log has the reason. */
static int fail_volumes(struct view *v, mc_err **err)
{
	const char *full = mc_ipc_outcome_name(MC_IPC_NO_CAPACITY);

	mc_log(MC_LOG_WARNING, "instance", "volume failed", "id", v->inst->id, "reason", v->volume_error, NULL);
	if (strncmp(v->volume_error, full, strlen(full)) == 0)
		return fail_launch(v, "Server.InsufficientInstanceCapacity",
				   "Insufficient capacity to satisfy instance request", err);
	return fail_launch(v, "Server.InternalError", "Internal error on launch", err);
}

/* Count failures that may pass; after some of them the launch is given up. */
static int attempt_failed(struct view *v, mc_err **err)
{
	int64_t n = mc_json_int(v->inst->spec, "attempts", 0) + 1;
	mc_autofree char *text = mc_strdup(err ? mc_err_msg(*err) : "");
	struct store_tx *tx;
	struct resource *r;

	mc_log(MC_LOG_WARNING, "instance", "attempt failed", "id", v->inst->id, "reason", text, NULL);
	if (n >= MAX_ATTEMPTS)
		return fail_launch(v, "Server.InternalError", "Internal error on launch", err);
	mc_err_clear(err);
	r = edit_in_state(v, v->inst->state, &tx);
	if (!r)
		return STEP_AGAIN;
	json_object_set_new(r->spec, "attempts", json_integer(n));
	return store_commit(tx, err) < 0 ? -1 : STEP_NOT_YET;
}

/* --- bringing up -------------------------------------------------------- */

static const json_t *type_of(struct view *v)
{
	return json_object_get(v->api->types, mc_json_str(v->inst->doc, "InstanceType", ""));
}

static int put_instance(struct view *v, const char *state, bool whole, bool force, json_t **ret, mc_err **err)
{
	const json_t *type = type_of(v);
	mc_auto_json json_t *body = json_pack("{s:s}", "state", state);

	if (force)
		json_object_set_new(body, "force", json_true());
	if (whole)
		json_object_update_new(body, json_pack("{s:I, s:I, s:O, s:O, s:s}", "vcpus", (json_int_t)mc_json_int(type, "vcpus", 1),
			"memory_mib", (json_int_t)mc_json_int(type, "memory_mib", 512), "disks", v->disks, "nics", v->nics,
			"instance_type", mc_json_str(v->inst->doc, "InstanceType", "")));
	return backend_call(v->api, BACKEND_HYPERVISOR, "PUT", body, ret, err, "/v1/instances/%s", v->inst->id);
}

/* An outcome of a backend that is not OK, while the instance comes up. */
static int up_refused(struct view *v, int outcome, int64_t *ret_delay, mc_err **err)
{
	*ret_delay = BACKEND_RETRY;
	if (outcome == MC_IPC_UNAVAILABLE) {
		mc_log(MC_LOG_DEBUG, "instance", "backend unavailable", "id", v->inst->id, "reason", err ? mc_err_msg(*err) : "", NULL);
		mc_err_clear(err);
		return STEP_NOT_YET;
	}
	if (outcome == MC_IPC_NO_CAPACITY)
		return fail_launch(v, "Server.InsufficientInstanceCapacity",
				   "Insufficient capacity to satisfy instance request", err);
	if (outcome == MC_IPC_DENIED)
		return fail_launch(v, "Client.InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state", err);
	return attempt_failed(v, err);
}

static int plug_all(struct view *v, mc_err **err)
{
	json_t *plug;
	size_t i;

	json_array_foreach(v->plugs, i, plug) {
		mc_auto_json json_t *empty = json_object();
		int o = backend_call(v->api, BACKEND_NETD, "POST", empty, NULL, err, "/v1/vpcs/%s/enis/%s/plug",
				     mc_json_str(plug, "vpc", ""), mc_json_str(plug, "eni", ""));

		if (o != MC_IPC_OK)
			return o;
	}
	return MC_IPC_OK;
}

static bool network_ready(struct view *v)
{
	const char *vpc;
	json_t *generation;
	bool ready = true;

	json_object_foreach(v->vpcs, vpc, generation) {
		if (waiters_applied(v->api->waiters, vpc) >= json_integer_value(generation))
			continue;
		reconciler_wake(v->api->reconciler, vpc, 0);
		ready = false;
	}
	return ready;
}

/* Its QEMU, if it has one. Other than observe() it waits for a start under way, by whoever asked for it. */
static int look_paused(struct view *v, json_t **ret, mc_err **err)
{
	mc_auto_json json_t *body = json_pack("{s:s, s:b}", "state", "paused", "start", false);

	return backend_call(v->api, BACKEND_HYPERVISOR, "PUT", body, ret, err, "/v1/instances/%s", v->inst->id);
}

static int start_paused(struct view *v, json_t **ret, mc_err **err)
{
	int o = attachments_open(v->api, v->inst, &v->disks, err);

	return o == MC_IPC_OK ? put_instance(v, "paused", true, false, ret, err) : o;
}

/* Who makes that it runs. */
enum bringing {
	BRING_ON, /* it was seen paused: if it has died since, that is an end as any other */
	BRING_UP, /* by a new QEMU where there is none */
};

/* Domain there and paused, taps plugged, then resumed. STEP_DONE when it runs. A QEMU takes
 * longer to start than its network to be made: nobody waits for the network before that. */
static int bring(struct view *v, enum bringing how, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	mc_auto_json json_t *after = NULL;
	int o = look_paused(v, &answer, err);

	if (o == MC_IPC_CONFLICT || o == MC_IPC_NOT_FOUND) {
		mc_err_clear(err);
		if (how == BRING_ON)
			return STEP_AGAIN;
		o = start_paused(v, &answer, err);
	}
	if (o != MC_IPC_OK)
		return up_refused(v, o, ret_delay, err);
	*ret_delay = LOOK_AGAIN;
	if (!network_ready(v))
		return STEP_NOT_YET;
	o = plug_all(v, err);
	if (o == MC_IPC_NOT_FOUND) {
		/* The tap may have gone with a QEMU that just died. */
		int r = attempt_failed(v, err);

		*ret_delay = TAP_RETRY;
		return r;
	}
	if (o != MC_IPC_OK)
		return up_refused(v, o, ret_delay, err);
	if (strcmp(mc_json_str(answer, "state", ""), "running") == 0)
		return STEP_DONE;
	throttle_start(v->api, v->inst);
	o = put_instance(v, "running", false, false, &after, err);
	return o == MC_IPC_OK ? STEP_DONE : up_refused(v, o, ret_delay, err);
}

static int tear_down(struct view *v, int64_t *ret_delay, mc_err **err);
static int back_to_stopped(struct view *v, int64_t *ret_delay, mc_err **err);

static int step_pending(struct view *v, int64_t *ret_delay, mc_err **err)
{
	int r;

	if (mc_json_bool(v->inst->spec, "failed", false))
		return mc_json_bool(v->inst->spec, "was_running", false) ? back_to_stopped(v, ret_delay, err)
									  : tear_down(v, ret_delay, err);
	if (v->volumes_failed)
		return fail_volumes(v, err);
	*ret_delay = LOOK_AGAIN;
	/* Volumes and network come up side by side; each wakes us when it is there. */
	if (!v->volumes_ready)
		return STEP_NOT_YET;
	r = bring(v, BRING_UP, ret_delay, err);
	return r == STEP_DONE ? to_state(v, INSTANCE_PENDING, INSTANCE_RUNNING, err) : r;
}

/* --- watching ----------------------------------------------------------- */

/* What the hypervisor says: its word for the state; "absent" for none. *ret_disks: its disks, NULL where it has none
 * now, a new reference. -1 and *err. */
static int observe_disks(struct view *v, char ret_state[16], char ret_reason[48], json_t **ret_disks, mc_err **err)
{
	mc_auto_json json_t *answer = NULL;
	int o = backend_call(v->api, BACKEND_HYPERVISOR, "GET", NULL, &answer, err, "/v1/instances/%s", v->inst->id);

	snprintf(ret_state, 16, "%s", o == MC_IPC_OK ? mc_json_str(answer, "state", "absent") : "absent");
	snprintf(ret_reason, 48, "%s", mc_json_str(answer, "reason", ""));
	if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND)
		return -1;
	mc_err_clear(err);
	*ret_disks = json_incref(mc_json_arr(answer, "disks"));
	return 0;
}

static int observe(struct view *v, char ret_state[16], char ret_reason[48], mc_err **err)
{
	mc_auto_json json_t *disks = NULL;

	return observe_disks(v, ret_state, ret_reason, &disks, err);
}

static void transition_text(struct resource *r, const char *who)
{
	char now[MC_ISO8601_LEN];
	mc_autofree char *text = NULL;

	mc_clock_iso8601(mc_clock_wall(), now);
	text = mc_strf("%s (%.10s %.8s GMT)", who, now, now + 11);
	json_object_set_new(r->spec, "transition_reason", json_string(text));
}

void instance_set_transition(struct resource *r, const char *who)
{
	transition_text(r, who);
}

static int guest_ended(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, INSTANCE_RUNNING, &tx);
	bool terminate = strcmp(mc_json_str(v->inst->spec, "shutdown_behavior", "stop"), "terminate") == 0;

	if (!r)
		return STEP_AGAIN;
	set_reason(r, "Client.InstanceInitiatedShutdown", "Instance initiated shutdown");
	json_object_set_new(r->spec, "transition_reason", json_string(""));
	state_set(tx, r, terminate ? INSTANCE_SHUTTING_DOWN : INSTANCE_STOPPING);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int guest_crashed(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, INSTANCE_RUNNING, &tx);

	if (!r)
		return STEP_AGAIN;
	set_reason(r, "Server.InternalError", "The virtual machine ended unexpectedly");
	transition_text(r, "Server.InternalError");
	state_set(tx, r, INSTANCE_STOPPING);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* What is on its way in or out: the first that is not there yet decides when to look again. */
static int step_devices(struct view *v, int64_t *ret_delay, mc_err **err)
{
	int64_t disk_delay = 0, nic_delay = 0;
	int disks = attachments_step(v->api, v->inst, true, &disk_delay, err), nics;

	if (disks < 0)
		return disks;
	nics = step_interfaces(v->api, v->inst->id, &nic_delay, err);
	if (nics < 0)
		return nics;
	if (disks == STEP_NOT_YET && nics == STEP_NOT_YET)
		*ret_delay = disk_delay < nic_delay ? disk_delay : nic_delay;
	else
		*ret_delay = disks == STEP_NOT_YET ? disk_delay : nic_delay;
	if (disks == STEP_AGAIN || nics == STEP_AGAIN)
		return STEP_AGAIN;
	return disks == STEP_DONE ? nics : disks;
}

/* What was to run again cannot be started; why is noted already. */
static int given_up(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, INSTANCE_RUNNING, &tx);

	if (!r)
		return STEP_AGAIN;
	transition_text(r, mc_json_str(mc_json_obj(r->spec, "state_reason"), "Code", "Server.InternalError"));
	state_set(tx, r, INSTANCE_STOPPING);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* QEMU died: while it ran, or at its very start, which was not one of ours now. */
static bool has_crashed(const struct view *v, const char *state, const char *reason)
{
	return strcmp(state, "crashed") == 0 ||
	       (strcmp(state, "stopped") == 0 && strcmp(reason, "start-failed") == 0 &&
		mc_json_int(v->inst->spec, "attempts", 0) == 0);
}

static bool is_off(const char *state);
static int ask_to_stop(struct view *v, int64_t patience, int64_t *ret_delay, mc_err **err);

static int imaging_over(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, INSTANCE_RUNNING, &tx);

	if (!r)
		return STEP_AGAIN;
	json_object_del(r->spec, "imaging");
	json_object_del(r->spec, "attempts");
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

/* CreateImage: the guest ends cleanly, its volumes' snapshots are taken, it starts again.
 * To everybody it is running all the while, as on AWS. */
static int step_imaging(struct view *v, int64_t *ret_delay, mc_err **err)
{
	char state[16], reason[48];
	int r;

	billing_confirm(v->api->billing, v->inst->id);
	if (!imaging_is_down(v->inst)) {
		if (observe(v, state, reason, err) < 0)
			return -1;
		return is_off(state) ? imaging_now_down(v->api, v->inst, err)
				     : ask_to_stop(v, v->api->config.stop_timeout * MC_SECOND, ret_delay, err);
	}
	*ret_delay = LOOK_AGAIN;
	if (imaging_waits(v->api, v->inst) || !network_ready(v))
		return STEP_NOT_YET;
	r = bring(v, BRING_UP, ret_delay, err);
	return r == STEP_DONE ? imaging_over(v, err) : r;
}

/* The event of its going on, or of its stopping again, makes it be looked at. */
static int step_impaired(struct view *v, const json_t *disks, int64_t *ret_delay, mc_err **err)
{
	int r = impaired_step(v->api, v->inst, disks, ret_delay, err);

	billing_confirm(v->api->billing, v->inst->id);
	if (r != STEP_DONE)
		return r;
	*ret_delay = LOOK_AGAIN;
	return put_instance(v, "running", false, false, NULL, err) == MC_IPC_OK ? STEP_NOT_YET : -1;
}

/* It goes on: what failed on the way does not count when it is brought up the next time. */
static int brought_up(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r;

	if (!json_object_get(v->inst->spec, "attempts"))
		return STEP_DONE;
	r = edit_in_state(v, INSTANCE_RUNNING, &tx);
	if (!r)
		return STEP_AGAIN;
	json_object_del(r->spec, "attempts");
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

static int step_running(struct view *v, int64_t *ret_delay, mc_err **err)
{
	mc_auto_json json_t *disks = NULL;
	char state[16], reason[48];
	int r;

	if (mc_json_bool(v->inst->spec, "failed", false))
		return given_up(v, err);
	if (imaging_under_way(v->inst))
		return step_imaging(v, ret_delay, err);
	if (observe_disks(v, state, reason, &disks, err) < 0)
		return -1;
	if (strcmp(state, "running") == 0) {
		billing_confirm(v->api->billing, v->inst->id);
		if (impaired_is(v->inst))
			return impaired_over(v->api, v->inst, ret_delay, err);
		return step_devices(v, ret_delay, err);
	}
	if (impaired_by(state, reason))
		return step_impaired(v, disks, ret_delay, err);
	if (has_crashed(v, state, reason))
		return guest_crashed(v, err);
	if (strcmp(state, "stopped") == 0 && strcmp(reason, "guest-shutdown") == 0)
		return guest_ended(v, err);
	/* Paused half way up, or off since the host went down: what ran runs on. */
	r = bring(v, strcmp(state, "paused") == 0 ? BRING_ON : BRING_UP, ret_delay, err);
	return r == STEP_DONE ? brought_up(v, err) : r;
}

/* --- stopping ----------------------------------------------------------- */

static int now_stopped(struct view *v, int from, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r;

	if (attachments_close(v->api, v->inst, err) < 0)
		return -1;
	r = edit_in_state(v, from, &tx);
	if (!r)
		return STEP_AGAIN;
	json_object_del(r->spec, "failed");
	json_object_del(r->spec, "force");
	json_object_del(r->spec, "attempts");
	interface_settle(tx, r);
	interface_take_back(tx, r); /* public addresses that were only lent */
	state_set(tx, r, INSTANCE_STOPPED);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

static bool is_off(const char *state)
{
	return strcmp(state, "running") != 0 && strcmp(state, "paused") != 0;
}

/* Ask the guest until the patience ends, then pull the plug. */
static int ask_to_stop(struct view *v, int64_t patience, int64_t *ret_delay, mc_err **err)
{
	int64_t since = imaging_since(v->inst, state_since(v->inst)), now = mc_clock_wall();
	bool force = mc_json_bool(v->inst->spec, "force", false) || now - since >= patience;
	int o = put_instance(v, "stopped", false, force, NULL, err);

	if (o == MC_IPC_NOT_FOUND || o == MC_IPC_OK) {
		mc_err_clear(err);
		*ret_delay = force ? TAP_RETRY : LOOK_AGAIN;
		return STEP_NOT_YET;
	}
	return -1;
}

static int step_stopping(struct view *v, int64_t *ret_delay, mc_err **err)
{
	char state[16], reason[48];

	if (observe(v, state, reason, err) < 0)
		return -1;
	if (is_off(state))
		return now_stopped(v, INSTANCE_STOPPING, err);
	/* One that QEMU has stopped over its disk hears nothing. */
	return ask_to_stop(v, impaired_by(state, reason) ? 0 : v->api->config.stop_timeout * MC_SECOND, ret_delay, err);
}

/* A start that failed: the instance keeps everything and is stopped again. */
static int back_to_stopped(struct view *v, int64_t *ret_delay, mc_err **err)
{
	char state[16], reason[48];

	if (observe(v, state, reason, err) < 0)
		return -1;
	if (is_off(state))
		return now_stopped(v, INSTANCE_PENDING, err);
	return ask_to_stop(v, 0, ret_delay, err);
}

/* --- terminating -------------------------------------------------------- */

/* One that goes with the instance still names it, to wake it when it is gone. */
static void give_back_volumes(struct store_tx *tx, struct resource *inst)
{
	mc_auto_json json_t *entries = json_deep_copy(mc_json_arr(inst->spec, "volumes"));
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		const char *id = mc_json_str(entry, "id", "");
		struct resource *vol = store_edit(tx, id);

		if (!vol)
			continue;
		if (mc_json_bool(entry, "delete_on_termination", true) &&
		    json_array_size(mc_json_arr(vol->spec, "instances")) <= 1)
			state_set(tx, vol, VOLUME_DELETING);
		else
			attachment_remove(tx, inst, id);
	}
}

/* The rows that stand on the instance: their own steps end them. */
static int give_back(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, v->inst->state, &tx);

	if (!r)
		return STEP_AGAIN;
	interface_release(tx, r);
	give_back_volumes(tx, r);
	json_object_set_new(r->spec, "torn_generation", json_integer(vpc_touch(tx, r->parent)));
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int now_terminated(struct view *v, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit_in_state(v, v->inst->state, &tx);

	if (!r)
		return STEP_AGAIN;
	json_object_set_new(r->spec, "enis", json_array());
	json_object_set_new(r->spec, "volumes", json_array());
	state_set(tx, r, INSTANCE_TERMINATED);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

static int tear_down(struct view *v, int64_t *ret_delay, mc_err **err)
{
	int64_t torn = mc_json_int(v->inst->spec, "torn_generation", 0);
	int o;

	if (!torn) {
		o = backend_call(v->api, BACKEND_HYPERVISOR, "DELETE", NULL, NULL, err, "/v1/instances/%s", v->inst->id);
		if (o != MC_IPC_OK && o != MC_IPC_NOT_FOUND)
			return -1;
		mc_err_clear(err);
		return attachments_close(v->api, v->inst, err) < 0 ? -1 : give_back(v, err);
	}
	*ret_delay = LOOK_AGAIN;
	need_generation(v, v->inst->parent, torn);
	if (!network_ready(v) || !v->volumes_gone)
		return STEP_NOT_YET;
	return now_terminated(v, err);
}

static int step_shutting_down(struct view *v, int64_t *ret_delay, mc_err **err)
{
	char state[16], reason[48];

	if (mc_json_int(v->inst->spec, "torn_generation", 0))
		return tear_down(v, ret_delay, err);
	if (observe(v, state, reason, err) < 0)
		return -1;
	if (strcmp(state, "running") == 0 && !mc_json_bool(v->inst->spec, "force", false) &&
	    mc_clock_wall() - state_since(v->inst) < v->api->config.terminate_timeout * MC_SECOND)
		return ask_to_stop(v, INT64_MAX, ret_delay, err);
	return tear_down(v, ret_delay, err);
}

/* Terminated instances stay visible for an hour. */
static int step_terminated(struct view *v, int64_t *ret_delay, mc_err **err)
{
	int64_t left = state_since(v->inst) + HOUR - mc_clock_wall();
	struct store_tx *tx;

	if (left > 0) {
		*ret_delay = left;
		return STEP_NOT_YET;
	}
	tx = store_write(v->api->store);
	store_delete(tx, v->inst->id);
	return store_commit(tx, err) < 0 ? -1 : STEP_DONE;
}

static int step_stopped(struct view *v, int64_t *ret_delay, mc_err **err)
{
	return attachments_step(v->api, v->inst, false, ret_delay, err);
}

/* ------------------------------------------------------------------------ */

int step_instance(struct api *api, const char *id, int64_t *ret_delay, mc_err **err)
{
	static int (*const by_state[INSTANCE_STATE_MAX])(struct view *, int64_t *, mc_err **) = {
		[INSTANCE_PENDING] = step_pending,
		[INSTANCE_RUNNING] = step_running,
		[INSTANCE_SHUTTING_DOWN] = step_shutting_down,
		[INSTANCE_TERMINATED] = step_terminated,
		[INSTANCE_STOPPING] = step_stopping,
		[INSTANCE_STOPPED] = step_stopped,
	};
	struct view v;
	int r = STEP_DONE;

	if (view_load(&v, api, id))
		r = by_state[v.inst->state](&v, ret_delay, err);
	view_free(&v);
	return r;
}
