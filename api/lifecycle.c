#include "api/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/attachment.h"
#include "api/schedule.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

static const json_t *details(const struct resource *policy)
{
	return mc_json_obj(policy->doc, "PolicyDetails");
}

static json_t *schedules(const struct resource *policy)
{
	return mc_json_arr(details(policy), "Schedules");
}

static int64_t next_of(const struct resource *policy, size_t schedule)
{
	json_t *next = json_array_get(mc_json_arr(policy->spec, "next"), schedule);

	return next ? json_integer_value(next) : INT64_MAX;
}

bool lifecycle_enabled(const struct resource *policy)
{
	return strcmp(mc_json_str(policy->spec, "state", ""), "ENABLED") == 0;
}

void lifecycle_plan(struct resource *policy, int64_t now)
{
	json_t *next = json_array(), *s;
	size_t i;

	json_array_foreach(schedules(policy), i, s)
		json_array_append_new(next, json_integer(schedule_next(mc_json_obj(s, "CreateRule"), now)));
	json_object_set_new(policy->spec, "next", next);
}

int64_t lifecycle_due(const struct resource *policy)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < json_array_size(schedules(policy)); i++)
		first = next_of(policy, i) < first ? next_of(policy, i) : first;
	return first;
}

/* --- targets ------------------------------------------------------------------ */

static bool tagged(const struct resource *r, const json_t *tags)
{
	json_t *tag;
	size_t i;

	json_array_foreach(tags, i, tag) {
		const char *have = mc_json_str(r->tags, mc_json_str(tag, "Key", ""), NULL);

		if (have && strcmp(have, mc_json_str(tag, "Value", "")) == 0)
			return true;
	}
	return false;
}

static bool by_instance(const struct resource *policy)
{
	const char *type = mc_json_at(mc_json_arr(details(policy), "ResourceTypes"), 0);

	return type && strcmp(type, "INSTANCE") == 0;
}

static bool is_target(const struct resource *policy, const struct resource *r)
{
	bool there = r->kind == KIND_VOLUME ? r->state == VOLUME_AVAILABLE || r->state == VOLUME_IN_USE
					    : r->state == INSTANCE_RUNNING || r->state == INSTANCE_STOPPED || r->state == INSTANCE_STOPPING;

	return there && tagged(r, mc_json_arr(details(policy), "TargetTags"));
}

/* --- taking ------------------------------------------------------------------- */

/* One schedule that is due. */
struct run {
	struct call *call; /* the policy's own account */
	const struct resource *policy;
	const json_t *schedule;
	const char *name;
	int64_t due, now;
	int taken;
};

static void set_tags(json_t *tags, const json_t *list)
{
	json_t *tag;
	size_t i;

	json_array_foreach(list, i, tag)
		json_object_set(tags, mc_json_str(tag, "Key", ""), json_object_get(tag, "Value"));
}

static void copy_tags(json_t *tags, const struct resource *from)
{
	const char *key;
	json_t *value;

	json_object_foreach(from->tags, key, value)
		if (strncmp(key, "aws:", 4) != 0)
			json_object_set(tags, key, value);
}

/* $(instance-id) and $(timestamp): those of instances' policies. */
static void set_variable_tags(json_t *tags, const struct run *run, const struct resource *target)
{
	char time[MC_ISO8601_LEN];
	json_t *tag;
	size_t i;

	mc_clock_iso8601(run->now, time);
	json_array_foreach(mc_json_arr(run->schedule, "VariableTags"), i, tag) {
		bool id = strcmp(mc_json_str(tag, "Value", ""), "$(instance-id)") == 0;

		json_object_set_new(tags, mc_json_str(tag, "Key", ""), json_string(id ? target->id : time));
	}
}

static struct resource *take_one(struct run *run, const struct resource *vol, const struct resource *target)
{
	mc_autofree char *text = mc_strf("Created for policy: %s schedule: %s", run->policy->id, run->name);
	struct resource *r = snapshot_make(run->call, vol, text);

	if (mc_json_bool(run->schedule, "CopyTags", false))
		copy_tags(r->tags, vol);
	set_tags(r->tags, mc_json_arr(run->schedule, "TagsToAdd"));
	set_variable_tags(r->tags, run, target);
	json_object_update_new(r->tags, json_pack("{s:s, s:s, s:s}", "aws:dlm:lifecycle-policy-id", run->policy->id,
						  "aws:dlm:lifecycle-schedule-name", run->name, "dlm:managed", "true"));
	json_object_set_new(r->spec, "dlm", json_pack("{s:s, s:s, s:I, s:I, s:s}", "policy", run->policy->id, "schedule", run->name, "due",
						      (json_int_t)run->due, "taken", (json_int_t)run->now, "target", target->id));
	if (json_array_size(mc_json_arr(run->schedule, "ShareRules")))
		json_object_set(r->spec, "users", mc_json_arr(json_array_get(mc_json_arr(run->schedule, "ShareRules"), 0), "TargetAccounts"));
	run->taken++;
	return r;
}

static bool excluded(const struct run *run, const struct resource *inst, const json_t *entry, const struct resource *vol)
{
	const json_t *parameters = mc_json_obj(details(run->policy), "Parameters");

	if (!vol || (vol->state != VOLUME_AVAILABLE && vol->state != VOLUME_IN_USE) || json_object_get(entry, "ephemeral"))
		return true;
	return entry == attachment_root(inst) ? mc_json_bool(parameters, "ExcludeBootVolume", false)
					      : tagged(vol, mc_json_arr(parameters, "ExcludeDataVolumeTags"));
}

/* All volumes of an instance at one point in time. */
static void take_instance(struct run *run, const struct resource *inst)
{
	mc_auto_json json_t *ids = json_array();
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry) {
		const struct resource *vol = store_get(run->call->tx, mc_json_str(entry, "id", ""));

		if (!excluded(run, inst, entry, vol))
			json_array_append_new(ids, json_string(take_one(run, vol, inst)->id));
	}
	snapshot_share_set(run->call->tx, ids);
}

static void take_schedule(struct run *run)
{
	const struct resource *p = run->policy, *r;
	struct store_iter it = store_iter(run->call->tx, by_instance(p) ? KIND_INSTANCE : KIND_VOLUME, p->account, p->region);

	while ((r = store_next(&it)))
		if (is_target(p, r) && r->kind == KIND_INSTANCE)
			take_instance(run, r);
		else if (is_target(p, r))
			take_one(run, r, r);
}

int lifecycle_take(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now)
{
	struct resource *edited = store_edit(tx, policy->id);
	struct caller caller = { .account = "" };
	struct call call = { .api = api, .caller = &caller, .tx = tx, .fd = -1 };
	int taken = 0;
	json_t *s;
	size_t i;

	snprintf(caller.account, sizeof(caller.account), "%s", policy->account);
	snprintf(caller.region, sizeof(caller.region), "%s", policy->region);
	json_array_foreach(schedules(edited), i, s) {
		struct run run = { .call = &call, .policy = edited, .schedule = s, .name = mc_json_str(s, "Name", ""),
				   .due = next_of(edited, i), .now = now };

		if (run.due > now)
			continue;
		take_schedule(&run);
		taken += run.taken;
		json_array_set_new(mc_json_arr(edited->spec, "next"), i, json_integer(schedule_next(mc_json_obj(s, "CreateRule"), now)));
	}
	return taken;
}

/* --- retiring ----------------------------------------------------------------- */

/* What one schedule has taken of one volume is kept by number or by age. */
struct kept {
	const struct resource **items; /* the oldest first */
	size_t n;
};

static bool taken_by(const struct resource *r, const struct resource *policy, const char *schedule)
{
	const json_t *dlm = mc_json_obj(r->spec, "dlm");

	return dlm && strcmp(mc_json_str(dlm, "policy", ""), policy->id) == 0 && strcmp(mc_json_str(dlm, "schedule", ""), schedule) == 0;
}

static struct kept gather(struct store_tx *tx, const struct resource *policy, const char *schedule, bool *pending)
{
	struct store_iter it = store_iter(tx, KIND_SNAPSHOT, policy->account, policy->region);
	struct kept k = { .n = 0 };
	const struct resource *r;

	while ((r = store_next(&it))) {
		if (!taken_by(r, policy, schedule))
			continue;
		*pending |= r->state == SNAPSHOT_PENDING;
		if (r->state != SNAPSHOT_COMPLETED)
			continue;
		if (k.n % 64 == 0)
			k.items = realloc(k.items, (k.n + 64) * sizeof(*k.items));
		if (!k.items)
			abort();
		k.items[k.n++] = r;
	}
	return k;
}

/* How many of the same volume were taken after it. */
static int64_t newer(const struct kept *k, size_t at)
{
	const char *volume = mc_json_str(k->items[at]->spec, "volume", "");
	int64_t n = 0;

	for (size_t i = at + 1; i < k->n; i++)
		n += strcmp(mc_json_str(k->items[i]->spec, "volume", ""), volume) == 0;
	return n;
}

/* Is what it was taken for still a target? Of one that is not, the last one is kept for good. */
static bool targeted(struct store_tx *tx, const struct resource *policy, const struct resource *r)
{
	const struct resource *target = store_get(tx, mc_json_str(mc_json_obj(r->spec, "dlm"), "target", ""));

	return target && is_target(policy, target);
}

/* When it goes; 0: now, INT64_MAX: not by time. */
static int64_t retires(struct store_tx *tx, const struct resource *policy, const json_t *rule, const struct kept *k, size_t at)
{
	int64_t count = mc_json_int(rule, "Count", 0), interval = mc_json_int(rule, "Interval", 0);

	if (count)
		return newer(k, at) >= count ? 0 : INT64_MAX;
	if (!interval || (newer(k, at) == 0 && !targeted(tx, policy, k->items[at])))
		return INT64_MAX;
	return schedule_later(mc_json_int(mc_json_obj(k->items[at]->spec, "dlm"), "taken", 0), interval, mc_json_str(rule, "IntervalUnit", "DAYS"));
}

static int retire_schedule(struct api *api, struct store_tx *tx, const struct resource *policy, const json_t *schedule, int64_t now,
			   int64_t *next, bool *pending)
{
	struct kept k = gather(tx, policy, mc_json_str(schedule, "Name", ""), pending);
	int gone = 0;

	for (size_t i = 0; i < k.n; i++) {
		int64_t at = retires(tx, policy, mc_json_obj(schedule, "RetainRule"), &k, i);

		if (at <= now) {
			snapshot_remove(api, tx, k.items[i]);
			gone++;
		} else if (at < *next) {
			*next = at;
		}
	}
	free(k.items);
	return gone;
}

int lifecycle_retire(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, int64_t *ret_next, bool *ret_pending)
{
	int64_t next = INT64_MAX;
	bool pending = false;
	int gone = 0;
	json_t *s;
	size_t i;

	json_array_foreach(schedules(policy), i, s)
		gone += retire_schedule(api, tx, policy, s, now, &next, &pending);
	*ret_next = next;
	*ret_pending = pending;
	return gone;
}
