#include "api/impaired.h"

#include <string.h>

#include "api/attachment.h"
#include "api/backend.h"
#include "api/reconciler.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/finding.h"
#include "common/json.h"
#include "common/log.h"

#define RETRY (2 * MC_SECOND)      /* between two tries: each may fail at once */
#define SETTLED (MC_SECOND)        /* one that has run so long since a try runs */
#define ROOM_BYTES (16LL << 20)    /* with less than that it would stop again at once */
#define MEMBER "impaired"
#define FOUND_MAX 10               /* told of one by one */

bool impaired_by(const char *state, const char *reason)
{
	return strcmp(state, "paused") == 0 && strcmp(reason, "io-error") == 0;
}

static const json_t *noted(const struct resource *instance)
{
	return instance->state == INSTANCE_RUNNING ? mc_json_obj(instance->spec, MEMBER) : NULL;
}

bool impaired_is(const struct resource *instance)
{
	return noted(instance) != NULL;
}

/* --- recording ---------------------------------------------------------------- */

/* Begin a write on the instance if it still runs. */
static struct resource *edit(struct api *api, const char *id, struct store_tx **ret_tx)
{
	struct store_tx *tx = store_write(api->store);
	struct resource *r = store_edit(tx, id);

	if (r && r->state == INSTANCE_RUNNING) {
		*ret_tx = tx;
		return r;
	}
	store_end(tx);
	return NULL;
}

/* volumes: {id: error}. */
static int note(struct api *api, const char *id, const json_t *volumes, mc_err **err)
{
	struct store_tx *tx;
	struct resource *r = edit(api, id, &tx);
	json_t *was = r ? mc_json_obj(r->spec, MEMBER) : NULL;
	int64_t now = mc_clock_wall();

	if (!r)
		return 0;
	json_object_set_new(r->spec, MEMBER, json_pack("{s:I, s:I, s:O}", "since", (json_int_t)mc_json_int(was, "since", now), "tried",
						       (json_int_t)now, "volumes", volumes));
	return store_commit(tx, err);
}

/* {id: error} of those disks that have one. New reference. */
static json_t *errors_of(const json_t *disks)
{
	json_t *errors = json_object(), *disk;
	size_t i;

	json_array_foreach(disks, i, disk)
		if (mc_json_str(disk, "error", NULL))
			json_object_set(errors, mc_json_str(disk, "volume", ""), json_object_get(disk, "error"));
	return errors;
}

/* --- going on ----------------------------------------------------------------- */

static bool has_room(struct api *api)
{
	mc_auto_json json_t *host = NULL;
	mc_auto_err mc_err *err = NULL;
	int o = backend_call(api, BACKEND_STORAGED, "GET", NULL, &host, &err, "/v1/host");

	return o == MC_IPC_OK && mc_json_int(host, "free_bytes", 0) >= ROOM_BYTES;
}

/* An instance-store disk has nobody to enable it. */
static bool enabled(struct api *api, const json_t *impaired, const char *volume)
{
	struct store_tx *tx;
	const struct resource *vol;
	bool on;

	if (mc_json_bool(mc_json_obj(impaired, "enabled"), volume, false))
		return true;
	tx = store_read(api->store);
	vol = store_get(tx, volume);
	on = !vol || mc_json_bool(vol->spec, "auto_enable_io", false);
	store_end(tx);
	return on;
}

/* May it be tried? One that waits for room alone: when there is some. */
static bool may_go_on(struct api *api, const json_t *impaired)
{
	const char *volume;
	json_t *error;
	bool for_room = false;

	json_object_foreach(mc_json_obj(impaired, "volumes"), volume, error) {
		if (strcmp(json_string_value(error), "failed") == 0 && !enabled(api, impaired, volume))
			return false;
		if (strcmp(json_string_value(error), "failed") != 0 && !mc_json_bool(mc_json_obj(impaired, "enabled"), volume, false))
			for_room = true;
	}
	return !for_room || has_room(api);
}

int impaired_step(struct api *api, const struct resource *instance, const json_t *disks, int64_t *ret_delay, mc_err **err)
{
	const json_t *impaired = noted(instance);
	mc_auto_json json_t *errors = errors_of(disks);
	int64_t since_try = mc_clock_wall() - mc_json_int(impaired, "tried", 0);

	*ret_delay = RETRY;
	if (!impaired || !json_equal(errors, mc_json_obj(impaired, "volumes"))) {
		mc_autofree char *text = json_dumps(errors, JSON_COMPACT);

		mc_log(MC_LOG_WARNING, "instance", "its disks cannot be used: it waits", "id", instance->id, "errors", text, NULL);
		return note(api, instance->id, errors, err) < 0 ? -1 : STEP_NOT_YET;
	}
	if (since_try >= 0 && since_try < RETRY && !mc_json_obj(impaired, "enabled")) {
		*ret_delay = RETRY - since_try;
		return STEP_NOT_YET;
	}
	if (!may_go_on(api, impaired))
		return STEP_NOT_YET;
	return note(api, instance->id, errors, err) < 0 ? -1 : STEP_DONE;
}

int impaired_over(struct api *api, const struct resource *instance, int64_t *ret_delay, mc_err **err)
{
	int64_t since_try = mc_clock_wall() - mc_json_int(noted(instance), "tried", 0);
	struct store_tx *tx;
	struct resource *r;

	if (since_try >= 0 && since_try < SETTLED) {
		*ret_delay = SETTLED - since_try;
		return STEP_NOT_YET;
	}
	r = edit(api, instance->id, &tx);
	if (!r)
		return STEP_AGAIN;
	mc_log(MC_LOG_INFO, "instance", "its disks can be used again: it goes on", "id", instance->id, NULL);
	json_object_del(r->spec, MEMBER);
	return store_commit(tx, err) < 0 ? -1 : STEP_AGAIN;
}

void impaired_enable(struct store_tx *tx, const struct resource *volume)
{
	const char *error;
	char since[MC_ISO8601_LEN];
	json_t *id;
	size_t i;

	if (!impaired_by_volume(tx, volume, &error, since))
		return;
	json_array_foreach(mc_json_arr(volume->spec, "instances"), i, id) {
		struct resource *inst = store_edit(tx, json_string_value(id));
		json_t *impaired = inst ? mc_json_obj(inst->spec, MEMBER) : NULL;

		if (!mc_json_str(mc_json_obj(impaired, "volumes"), volume->id, NULL))
			continue;
		if (!mc_json_obj(impaired, "enabled"))
			json_object_set_new(impaired, "enabled", json_object());
		json_object_set_new(mc_json_obj(impaired, "enabled"), volume->id, json_true());
	}
}

/* --- showing ------------------------------------------------------------------ */

static void show_since(const json_t *impaired, char ret[static MC_ISO8601_LEN])
{
	mc_clock_iso8601(mc_json_int(impaired, "since", 0), ret);
}

json_t *impaired_check_doc(const struct resource *instance)
{
	const json_t *impaired = noted(instance);
	json_t *detail = json_pack("{s:s, s:s}", "Name", "reachability", "Status", impaired ? "failed" : "passed");
	char since[MC_ISO8601_LEN];

	if (impaired) {
		show_since(impaired, since);
		json_object_set_new(detail, "ImpairedSince", json_string(since));
	}
	return json_pack("{s:s, s:[o]}", "Status", impaired ? "impaired" : "ok", "Details", detail);
}

const struct resource *impaired_by_volume(struct store_tx *tx, const struct resource *volume, const char **ret_error,
					  char ret_since[static MC_ISO8601_LEN])
{
	json_t *id;
	size_t i;

	json_array_foreach(mc_json_arr(volume->spec, "instances"), i, id) {
		const struct resource *inst = store_get(tx, json_string_value(id));
		const json_t *impaired = inst ? noted(inst) : NULL;
		const char *error = mc_json_str(mc_json_obj(impaired, "volumes"), volume->id, NULL);

		if (!error)
			continue;
		*ret_error = error;
		show_since(impaired, ret_since);
		return inst;
	}
	return NULL;
}

static void find_one(const struct resource *inst, json_t *findings)
{
	const json_t *impaired = noted(inst);
	mc_autofree char *volumes = json_dumps(mc_json_obj(impaired, "volumes"), JSON_COMPACT);
	char since[MC_ISO8601_LEN];

	show_since(impaired, since);
	mc_finding_add(findings, "impaired", MC_FINDING_ERROR, "no-space: make room in the store, it goes on by itself; failed: see what "
		       "is wrong with the host's disk, then EnableVolumeIO", "%s waits since %s for its disks: %s", inst->id, since, volumes);
}

void impaired_find(struct api *api, json_t *findings)
{
	struct store_tx *tx = store_read(api->store);
	struct store_iter it = store_pass(tx, KIND_INSTANCE, NULL, NULL, MEMBER);
	const struct resource *r;
	size_t n = 0;

	while ((r = store_next(&it)))
		if (impaired_is(r) && n++ < FOUND_MAX)
			find_one(r, findings);
	store_end(tx);
	if (n > FOUND_MAX)
		mc_finding_add(findings, "impaired", MC_FINDING_ERROR, NULL, "%zu more wait like that", n - FOUND_MAX);
	if (n == 0)
		mc_finding_add(findings, "impaired", MC_FINDING_OK, NULL, "no guest waits for its disks");
}
