#include "api/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/attachment.h"
#include "api/image.h"
#include "api/lifecycle_copy.h"
#include "api/lifecycle_event.h"
#include "api/schedule.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

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

/* Its instances become images, not sets of snapshots. */
static bool of_images(const struct resource *policy)
{
	return strcmp(mc_json_str(details(policy), "PolicyType", ""), "IMAGE_MANAGEMENT") == 0;
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
	size_t number; /* which of the policy's it is */
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

/* The tags of what was taken; source: whose tags are copied. */
static void mark(const struct run *run, struct resource *r, const struct resource *source, const struct resource *target)
{
	if (mc_json_bool(run->schedule, "CopyTags", false))
		copy_tags(r->tags, source);
	set_tags(r->tags, mc_json_arr(run->schedule, "TagsToAdd"));
	set_variable_tags(r->tags, run, target);
	json_object_update_new(r->tags, json_pack("{s:s, s:s, s:s}", "aws:dlm:lifecycle-policy-id", run->policy->id,
						  "aws:dlm:lifecycle-schedule-name", run->name, "dlm:managed", "true"));
}

/* It is this policy's to retire. */
static void note(const struct run *run, struct resource *r, const struct resource *target)
{
	json_object_set_new(r->spec, "dlm", json_pack("{s:s, s:s, s:I, s:I, s:s}", "policy", run->policy->id, "schedule", run->name, "due",
						      (json_int_t)run->due, "taken", (json_int_t)run->now, "target", target->id));
}

static struct resource *take_one(struct run *run, const struct resource *vol, const struct resource *target)
{
	mc_autofree char *text = mc_strf("Created for policy: %s schedule: %s", run->policy->id, run->name);
	struct resource *r = snapshot_make(run->call, vol, text);

	mark(run, r, vol, target);
	note(run, r, target);
	if (json_array_size(mc_json_arr(run->schedule, "ShareRules"))) {
		json_object_set(r->spec, "users", mc_json_arr(json_array_get(mc_json_arr(run->schedule, "ShareRules"), 0), "TargetAccounts"));
		lifecycle_event_shared(run->call->tx, r, mc_json_arr(r->spec, "users"));
	}
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

/* All volumes of an instance at one point in time; those that others write to, too, at their own. */
static void take_instance(struct run *run, const struct resource *inst)
{
	mc_auto_json json_t *ids = json_array();
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry) {
		const struct resource *vol = store_get(run->call->tx, mc_json_str(entry, "id", "")), *r;

		if (excluded(run, inst, entry, vol))
			continue;
		r = take_one(run, vol, inst);
		if (!snapshot_of_shared(run->call->tx, vol, NULL))
			json_array_append_new(ids, json_string(r->id));
	}
	snapshot_share_set(run->call->tx, ids);
}

/* --- images ---------------------------------------------------------------------- */

/* What CreateImage is asked for. A name has no colons. */
static json_t *image_wanted(const struct run *run, const struct resource *inst)
{
	char time[MC_ISO8601_LEN];

	mc_clock_iso8601(run->due, time);
	for (char *p = time; (p = strchr(p, ':'));)
		*p = '.';
	return json_pack("{s:s, s:o, s:o, s:b}", "InstanceId", inst->id, "Name",
			 json_sprintf("%s_%s_%s_%zu", run->policy->id, inst->id, time, run->number), "Description",
			 json_sprintf("Created for policy: %s schedule: %s", run->policy->id, run->name), "NoReboot",
			 mc_json_bool(mc_json_obj(details(run->policy), "Parameters"), "NoReboot", false));
}

struct marking {
	struct run *run;
	const struct resource *inst;
};

static void mark_snapshot(void *ctx, const char *id)
{
	struct marking *m = ctx;

	mark(m->run, store_edit(m->run->call->tx, id), m->inst, m->inst);
}

/* As the account's own CreateImage would. */
static void take_image(struct run *run, const struct resource *inst)
{
	const struct action *create = action_find("ec2", "CreateImage");
	mc_auto_json json_t *in = image_wanted(run, inst);
	struct call call = { .api = run->call->api, .caller = run->call->caller, .tx = run->call->tx, .in = in, .fd = -1 };
	struct marking m = { run, inst };
	struct resource *image;

	if (create->fn(&call) == 0) {
		image = store_edit(call.tx, mc_json_str(call.out, "ImageId", ""));
		mark(run, image, inst, inst);
		note(run, image, inst);
		image_snapshots(image, mark_snapshot, &m);
		run->taken++;
	} else {
		mc_log(MC_LOG_WARNING, "lifecycle", "no image", "policy", run->policy->id, "instance", inst->id, "reason",
		       call.error_message ? call.error_message : "", NULL);
	}
	json_decref(call.out);
	json_decref(call.job);
	free(call.error_code);
	free(call.error_message);
	mc_err_free(call.err);
}

static void take_schedule(struct run *run)
{
	const struct resource *p = run->policy, *r;
	struct store_iter it = store_iter(run->call->tx, by_instance(p) ? KIND_INSTANCE : KIND_VOLUME, p->account, p->region);

	while ((r = store_next(&it)))
		if (is_target(p, r) && of_images(p))
			take_image(run, r);
		else if (is_target(p, r) && r->kind == KIND_INSTANCE)
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
				   .number = i, .due = next_of(edited, i), .now = now };

		if (run.due > now)
			continue;
		take_schedule(&run);
		taken += run.taken;
		json_array_set_new(mc_json_arr(edited->spec, "next"), i, json_integer(schedule_next(mc_json_obj(s, "CreateRule"), now)));
	}
	return taken;
}

/* --- retiring ----------------------------------------------------------------- */

/* What one schedule has taken of one volume, or instance, is kept by number or by age. */
struct kept {
	const struct resource **items; /* the oldest first */
	size_t n;
};

/* One schedule's look at what it has taken. */
struct retirement {
	struct api *api;
	struct store_tx *tx;
	const struct resource *policy;
	const json_t *schedule;
	struct kept kept;
	int64_t now, next; /* next: when there will be more to do */
	bool pending;      /* some are still being taken */
	int done;
};

static bool taken_by(const struct resource *r, const struct resource *policy, const char *schedule)
{
	const json_t *dlm = mc_json_obj(r->spec, "dlm");

	return dlm && strcmp(mc_json_str(dlm, "policy", ""), policy->id) == 0 && strcmp(mc_json_str(dlm, "schedule", ""), schedule) == 0;
}

static bool is_pending(const struct resource *r)
{
	return r->state == (r->kind == KIND_IMAGE ? (int)IMAGE_PENDING : (int)SNAPSHOT_PENDING);
}

static bool is_there(const struct resource *r)
{
	return r->kind == KIND_IMAGE ? r->state == IMAGE_AVAILABLE || r->state == IMAGE_DISABLED : r->state == SNAPSHOT_COMPLETED;
}

static void gather(struct retirement *ret)
{
	const struct resource *p = ret->policy, *r;
	struct store_iter it = store_iter(ret->tx, of_images(p) ? KIND_IMAGE : KIND_SNAPSHOT, p->account, p->region);
	struct kept *k = &ret->kept;

	while ((r = store_next(&it))) {
		if (!taken_by(r, p, mc_json_str(ret->schedule, "Name", "")))
			continue;
		ret->pending |= is_pending(r);
		if (!is_there(r))
			continue;
		if (k->n % 64 == 0)
			k->items = realloc(k->items, (k->n + 64) * sizeof(*k->items));
		if (!k->items)
			abort();
		k->items[k->n++] = r;
	}
}

/* What it was taken of: those of one are counted together. */
static const char *source_of(const struct resource *r)
{
	return r->kind == KIND_IMAGE ? mc_json_str(mc_json_obj(r->spec, "dlm"), "target", "") : mc_json_str(r->spec, "volume", "");
}

/* How many of the same were taken after it. */
static int64_t newer(const struct kept *k, size_t at)
{
	int64_t n = 0;

	for (size_t i = at + 1; i < k->n; i++)
		n += strcmp(source_of(k->items[i]), source_of(k->items[at])) == 0;
	return n;
}

/* Is what it was taken for still a target? Of one that is not, the last one is kept for good. */
static bool targeted(const struct retirement *ret, const struct resource *r)
{
	const struct resource *target = store_get(ret->tx, mc_json_str(mc_json_obj(r->spec, "dlm"), "target", ""));

	return target && is_target(ret->policy, target);
}

/* The moment so long after it was taken; INT64_MAX: without an interval. */
static int64_t aged(const struct resource *r, const json_t *rule, const char *member, const char *unit)
{
	int64_t interval = mc_json_int(rule, member, 0);

	if (!interval)
		return INT64_MAX;
	return schedule_later(mc_json_int(mc_json_obj(r->spec, "dlm"), "taken", 0), interval, mc_json_str(rule, unit, "DAYS"));
}

/* When a rule of a number or an age holds for it; 0: now, INT64_MAX: not by time. */
static int64_t falls(const struct retirement *ret, const json_t *rule, size_t at)
{
	int64_t count = mc_json_int(rule, "Count", 0);

	if (count)
		return newer(&ret->kept, at) >= count ? 0 : INT64_MAX;
	return aged(ret->kept.items[at], rule, "Interval", "IntervalUnit");
}

/* Is it time? Else note when it will be. */
static bool is_due(struct retirement *ret, int64_t at)
{
	if (at > ret->now && at < ret->next)
		ret->next = at;
	return at <= ret->now;
}

static void remove_snapshot(void *ctx, const char *id)
{
	struct retirement *ret = ctx;
	const struct resource *r = store_get(ret->tx, id);

	if (r && !image_of_snapshot(ret->tx, id, NULL))
		snapshot_remove(ret->api, ret->tx, r);
}

static void retire(struct retirement *ret, const struct resource *r)
{
	ret->done++;
	if (r->kind != KIND_IMAGE) {
		snapshot_remove(ret->api, ret->tx, r);
		return;
	}
	image_remove(ret->api, ret->tx, r);
	image_snapshots(r, remove_snapshot, ret);
}

static void deprecate(struct retirement *ret, const struct resource *r)
{
	char now[MC_ISO8601_LEN];

	if (json_object_get(r->doc, "DeprecationTime"))
		return;
	mc_clock_iso8601(ret->now, now);
	json_object_set_new(store_edit(ret->tx, r->id)->doc, "DeprecationTime", json_string(now));
	ret->done++;
}

/* Nobody it was shared with by the policy has it any more, once. */
static void unshare(struct retirement *ret, const struct resource *r, const json_t *accounts)
{
	struct resource *edited;
	json_t *users;

	if (mc_json_bool(mc_json_obj(r->spec, "dlm"), "unshared", false))
		return;
	edited = store_edit(ret->tx, r->id);
	users = mc_json_arr(edited->spec, "users");
	for (size_t i = json_array_size(users); i-- > 0;)
		if (mc_json_has_str(accounts, mc_json_at(users, i)))
			json_array_remove(users, i);
	json_object_set_new(mc_json_obj(edited->spec, "dlm"), "unshared", json_true());
	ret->done++;
}

static void look_at(struct retirement *ret, size_t at)
{
	const struct resource *r = ret->kept.items[at];
	const json_t *share = json_array_get(mc_json_arr(ret->schedule, "ShareRules"), 0);
	const json_t *retain = mc_json_obj(ret->schedule, "RetainRule");
	bool last = !mc_json_int(retain, "Count", 0) && newer(&ret->kept, at) == 0 && !targeted(ret, r);

	if (r->kind == KIND_SNAPSHOT)
		ret->done += lifecycle_copy(ret->api, ret->tx, ret->schedule, r, ret->now);
	if (!last && is_due(ret, falls(ret, retain, at))) {
		retire(ret, r);
		return;
	}
	if (share && is_due(ret, aged(r, share, "UnshareInterval", "UnshareIntervalUnit")))
		unshare(ret, r, mc_json_arr(share, "TargetAccounts"));
	if (mc_json_obj(ret->schedule, "DeprecateRule") && is_due(ret, falls(ret, mc_json_obj(ret->schedule, "DeprecateRule"), at)))
		deprecate(ret, r);
}

int lifecycle_retire(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, int64_t *ret_next, bool *ret_pending)
{
	struct retirement ret = { .api = api, .tx = tx, .policy = policy, .now = now, .next = INT64_MAX };
	size_t i;

	json_array_foreach(schedules(policy), i, ret.schedule) {
		ret.kept = (struct kept){ .n = 0 };
		gather(&ret);
		for (size_t at = 0; at < ret.kept.n; at++)
			look_at(&ret, at);
		free(ret.kept.items);
		ret.done += lifecycle_copy_retire(api, tx, policy, mc_json_str(ret.schedule, "Name", ""),
						  mc_json_arr(ret.schedule, "CrossRegionCopyRules"), now, &ret.next);
	}
	if (lifecycle_event_policy(details(policy))) {
		ret.done += lifecycle_event_copy(api, tx, policy, now, &ret.pending);
		ret.done += lifecycle_event_retire(api, tx, store_get(tx, policy->id), now, &ret.next);
	}
	*ret_next = ret.next;
	*ret_pending = ret.pending;
	return ret.done;
}
