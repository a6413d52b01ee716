#include "api/lifecycle_event.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "api/action.h"
#include "api/lifecycle.h"
#include "api/lifecycle_copy.h"
#include "api/sharing.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

#define TARGETS_MAX 3
#define OWNERS_MAX 50
#define EVENTS_MAX 1000      /* that wait in one policy */
#define PATTERN_MAX 1000     /* characters, as AWS has it */
#define EFFORT_MAX 100000    /* steps of a match; what needs more does not match */
#define HEAP_MAX_KIB 1024

bool lifecycle_event_policy(const json_t *details)
{
	return strcmp(mc_json_str(details, "PolicyType", ""), "EVENT_BASED_POLICY") == 0;
}

static const json_t *parameters(const json_t *details)
{
	return mc_json_obj(mc_json_obj(details, "EventSource"), "Parameters");
}

static const json_t *action_of(const json_t *details)
{
	return json_array_get(mc_json_arr(details, "Actions"), 0);
}

static const json_t *copies_of(const json_t *details)
{
	return mc_json_arr(action_of(details), "CrossRegionCopy");
}

/* --- the pattern --------------------------------------------------------------- */

static void free_code(pcre2_code **code)
{
	pcre2_code_free(*code);
}

#define auto_code __attribute__((cleanup(free_code))) pcre2_code *

/* NULL where it is none. It is the caller's to free. */
static pcre2_code *compile(const char *pattern)
{
	int error;
	PCRE2_SIZE at;

	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
}

/* Anybody's pattern meets anybody's text: the effort is bounded. */
static bool matches(const char *pattern, const char *text)
{
	auto_code code = compile(pattern);
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = code ? pcre2_match_data_create_from_pattern(code, NULL) : NULL;
	bool found = false;

	if (limits && data) {
		pcre2_set_match_limit(limits, EFFORT_MAX);
		pcre2_set_depth_limit(limits, EFFORT_MAX);
		pcre2_set_heap_limit(limits, HEAP_MAX_KIB);
		found = pcre2_match(code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, PCRE2_NO_UTF_CHECK, data, limits) >= 0;
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	return found;
}

/* --- checking ------------------------------------------------------------------ */

static int invalid(struct call *call, const char *text)
{
	return action_fail_rest(call, API_REST_INVALID, NULL, "%s", text);
}

static int check_source(struct call *call, const json_t *details)
{
	const json_t *p = parameters(details), *owners = mc_json_arr(p, "SnapshotOwner");
	const char *pattern = mc_json_str(p, "DescriptionRegex", NULL);
	auto_code code = pattern && strlen(pattern) <= PATTERN_MAX ? compile(pattern) : NULL;

	if (strcmp(mc_json_str(mc_json_obj(details, "EventSource"), "Type", ""), "MANAGED_CWE") != 0 ||
	    strcmp(mc_json_str(p, "EventType", ""), "shareSnapshot") != 0)
		return invalid(call, "An event source is of type MANAGED_CWE, its event shareSnapshot.");
	if (!json_array_size(owners) || json_array_size(owners) > OWNERS_MAX)
		return invalid(call, "An event source names 1 to 50 accounts that share.");
	for (size_t i = 0; i < json_array_size(owners); i++)
		if (!sharing_account(mc_json_at(owners, i)))
			return invalid(call, "A snapshot's owner is an account of 12 digits.");
	return code ? 0 : invalid(call, "DescriptionRegex is not a regular expression of up to 1,000 characters.");
}

static int check_copy(struct call *call, const json_t *copy)
{
	const json_t *retain = mc_json_obj(copy, "RetainRule");

	if (!api_region_known(call->api, lifecycle_copy_region(copy)))
		return invalid(call, "The target of a copy is a region of this cloud.");
	if (retain && (mc_json_int(retain, "Interval", 0) <= 0 || !mc_json_str(retain, "IntervalUnit", NULL)))
		return invalid(call, "The retention rule of a copy has an interval and its unit.");
	return 0;
}

static int check_action(struct call *call, const json_t *details)
{
	const json_t *copies = copies_of(details);

	if (json_array_size(mc_json_arr(details, "Actions")) != 1 || !mc_json_str(action_of(details), "Name", NULL))
		return invalid(call, "An event policy has one action, with a name.");
	if (!json_array_size(copies) || json_array_size(copies) > TARGETS_MAX)
		return invalid(call, "An action copies to 1 to 3 regions.");
	for (size_t i = 0; i < json_array_size(copies); i++) {
		if (check_copy(call, json_array_get(copies, i)))
			return 1;
		for (size_t k = 0; k < i; k++)
			if (strcmp(lifecycle_copy_region(json_array_get(copies, i)), lifecycle_copy_region(json_array_get(copies, k))) == 0)
				return invalid(call, "An action copies to each region once.");
	}
	return 0;
}

int lifecycle_event_check(struct call *call, const json_t *details)
{
	static const char *const others[] = { "ResourceTypes", "ResourceLocations", "TargetTags", "Schedules", "Parameters" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(others); i++)
		if (json_object_get(details, others[i]))
			return action_fail_rest(call, API_REST_INVALID, NULL, "Event policies have no %s.", others[i]);
	return check_source(call, details) || check_action(call, details);
}

/* --- the event ----------------------------------------------------------------- */

static bool is_meant(const struct resource *policy, const struct resource *snapshot)
{
	const json_t *details = mc_json_obj(policy->doc, "PolicyDetails"), *p = parameters(details);

	return lifecycle_enabled(policy) && lifecycle_event_policy(details) && mc_json_has_str(mc_json_arr(p, "SnapshotOwner"), snapshot->account) &&
	       matches(mc_json_str(p, "DescriptionRegex", ""), mc_json_str(snapshot->doc, "Description", ""));
}

static void note(struct store_tx *tx, const struct resource *policy, const struct resource *snapshot)
{
	struct resource *edited = store_edit(tx, policy->id);
	json_t *events = mc_json_arr(edited->spec, "events");

	if (!events) {
		events = json_array();
		json_object_set_new(edited->spec, "events", events);
	}
	if (json_array_size(events) < EVENTS_MAX)
		json_array_append_new(events, json_pack("{s:s, s:I}", "snapshot", snapshot->id, "at", (json_int_t)mc_clock_wall()));
	else
		mc_log(MC_LOG_WARNING, "lifecycle", "too many events wait", "policy", policy->id, "snapshot", snapshot->id, NULL);
}

void lifecycle_event_shared(struct store_tx *tx, const struct resource *snapshot, const json_t *accounts)
{
	for (size_t i = 0; i < json_array_size(accounts); i++) {
		struct store_iter it = store_iter(tx, KIND_LIFECYCLE_POLICY, mc_json_at(accounts, i), snapshot->region);
		const struct resource *policy;

		while ((policy = store_next(&it)))
			if (is_meant(policy, snapshot))
				note(tx, policy, snapshot);
	}
}

/* --- the action ---------------------------------------------------------------- */

static void copy_to(struct api *api, struct store_tx *tx, const struct resource *policy, size_t number, const struct resource *source, int64_t now)
{
	const json_t *details = mc_json_obj(policy->doc, "PolicyDetails"), *rule = json_array_get(copies_of(details), number);
	const char *name = mc_json_str(action_of(details), "Name", "");
	mc_autofree char *text = mc_strf("Copied for policy: %s action: %s from %s", policy->id, name, source->region);
	struct lifecycle_copy_order order = { .account = policy->account, .policy = policy->id, .schedule = name, .text = text, .rule = rule,
					      .encryption = mc_json_obj(rule, "EncryptionConfiguration"), .number = number };
	struct resource *copy = lifecycle_copy_make(api, tx, &order, source, now);

	if (copy)
		json_object_update_new(copy->tags, json_pack("{s:s, s:s}", "aws:dlm:lifecycle-policy-id", policy->id, "dlm:managed", "true"));
}

/* May it go? What is shared no longer is not copied. */
static bool handle(struct api *api, struct store_tx *tx, const struct resource *policy, const json_t *event, int64_t now)
{
	const struct resource *source = store_get(tx, mc_json_str(event, "snapshot", ""));
	const json_t *details = mc_json_obj(policy->doc, "PolicyDetails");

	if (source && source->state == SNAPSHOT_PENDING)
		return false;
	if (!source || source->state != SNAPSHOT_COMPLETED || !snapshot_allowed(source, policy->account))
		return true;
	for (size_t i = 0; i < json_array_size(copies_of(details)); i++)
		copy_to(api, tx, policy, i, source, now);
	return true;
}

int lifecycle_event_copy(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, bool *ret_pending)
{
	struct resource *edited;
	json_t *events;
	int n = 0;

	if (!json_array_size(mc_json_arr(policy->spec, "events")))
		return 0;
	edited = store_edit(tx, policy->id);
	events = mc_json_arr(edited->spec, "events");
	for (size_t i = 0; i < json_array_size(events);) {
		if (!handle(api, tx, edited, json_array_get(events, i), now)) {
			*ret_pending = true;
			i++;
			continue;
		}
		json_array_remove(events, i);
		n++;
	}
	return n;
}

int lifecycle_event_retire(struct api *api, struct store_tx *tx, const struct resource *policy, int64_t now, int64_t *next)
{
	const json_t *details = mc_json_obj(policy->doc, "PolicyDetails");

	return lifecycle_copy_retire(api, tx, policy, mc_json_str(action_of(details), "Name", ""), copies_of(details), now, next);
}
