/* Data Lifecycle Manager: its policies (service "dlm"). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/action.h"
#include "api/cloud_time.h"
#include "api/lifecycle.h"
#include "api/lifecycle_copy.h"
#include "api/lifecycle_event.h"
#include "api/schedule.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define POLICIES_MAX 100 /* of an account in a region: AWS's quota */
#define TAGS_MAX 50

static int invalid(struct call *call, const char *text)
{
	return action_fail_rest(call, API_REST_INVALID, NULL, "%s", text);
}

static char *policy_arn(const struct resource *policy)
{
	return mc_strf("arn:aws:dlm:%s:%s:policy/%s", policy->region, policy->account, policy->id);
}

/* --- finding -------------------------------------------------------------------- */

static const struct resource *find(struct call *call, const char *id)
{
	const struct resource *r = store_find(call->tx, KIND_LIFECYCLE_POLICY, call->caller->account, call->caller->region, id);

	if (!r)
		action_fail_rest(call, API_REST_NOT_FOUND, NULL, "Policy with id %s does not exist.", id);
	return r;
}

static const struct resource *named(struct call *call)
{
	return find(call, mc_json_str(call->in, "PolicyId", ""));
}

static const struct resource *tagged(struct call *call)
{
	const char *arn = mc_json_str(call->in, "ResourceArn", ""), *slash = strrchr(arn, '/');
	const struct resource *r = find(call, slash ? slash + 1 : "");
	mc_autofree char *own = r ? policy_arn(r) : NULL;

	if (!r || strcmp(own, arn) == 0)
		return r;
	action_fail_rest(call, API_REST_NOT_FOUND, NULL, "The resource %s does not exist.", arn);
	return NULL;
}

/* --- checking ------------------------------------------------------------------- */

/* What we do not do is refused, not forgotten. */
static int refuse_members(struct call *call, const json_t *in, const char *const *members)
{
	for (size_t i = 0; members[i]; i++) {
		const json_t *given = json_object_get(in, members[i]);

		if (given && !json_is_false(given) && (!json_is_array(given) || json_array_size(given)))
			return action_fail_rest(call, API_REST_INVALID, NULL, "%s is not supported by this cloud yet.", members[i]);
	}
	return 0;
}

static int check_retain(struct call *call, const json_t *rule)
{
	bool count = mc_json_int(rule, "Count", 0) > 0, interval = mc_json_int(rule, "Interval", 0) > 0;

	if (count == interval)
		return invalid(call, "A retention rule has either a count or an interval.");
	if (interval && !mc_json_str(rule, "IntervalUnit", NULL))
		return invalid(call, "The interval of a retention rule has a unit.");
	return 0;
}

static int check_variable_tags(struct call *call, const json_t *tags, bool instances)
{
	json_t *tag;
	size_t i;

	if (json_array_size(tags) && !instances)
		return invalid(call, "VariableTags are for policies of instances.");
	json_array_foreach(tags, i, tag)
		if (strcmp(mc_json_str(tag, "Value", ""), "$(instance-id)") != 0 && strcmp(mc_json_str(tag, "Value", ""), "$(timestamp)") != 0)
			return invalid(call, "A variable tag's value is $(instance-id) or $(timestamp).");
	return 0;
}

/* What only policies of images have, or only those of snapshots. */
static int check_kind(struct call *call, const json_t *s, bool images)
{
	const json_t *deprecate = mc_json_obj(s, "DeprecateRule"), *share = json_array_get(mc_json_arr(s, "ShareRules"), 0);

	if (images && share)
		return invalid(call, "AMI policies have no share rules.");
	if (deprecate && !images)
		return invalid(call, "Deprecation rules are for AMI policies.");
	if (deprecate && check_retain(call, deprecate))
		return 1;
	if (share && (json_object_get(share, "UnshareInterval") != NULL) != (json_object_get(share, "UnshareIntervalUnit") != NULL))
		return invalid(call, "The unshare interval of a share rule has a unit.");
	return 0;
}

static int check_copies(struct call *call, const json_t *s, bool images)
{
	json_t *rule;
	size_t i;

	json_array_foreach(mc_json_arr(s, "CrossRegionCopyRules"), i, rule) {
		const char *region = lifecycle_copy_region(rule);

		if (images)
			return invalid(call, "Copies of images to other regions are not supported by this cloud yet.");
		if (json_object_get(rule, "Target") && json_object_get(rule, "TargetRegion"))
			return invalid(call, "A copy rule has either a target or a target region.");
		if (!api_region_known(call->api, region) || strcmp(region, call->caller->region) == 0)
			return invalid(call, "The target of a copy rule is another region of this cloud.");
		if (mc_json_obj(rule, "DeprecateRule"))
			return invalid(call, "Deprecation rules are for AMI policies.");
	}
	return 0;
}

static int check_schedule(struct call *call, const json_t *s, bool instances, bool images)
{
	static const char *const not_yet[] = { "FastRestoreRule", "ArchiveRule", NULL };
	mc_auto_err mc_err *err = NULL;

	if (!mc_json_str(s, "Name", NULL))
		return invalid(call, "A schedule has a name.");
	if (refuse_members(call, s, not_yet) || check_variable_tags(call, mc_json_arr(s, "VariableTags"), instances))
		return 1;
	if (check_kind(call, s, images) || check_copies(call, s, images))
		return 1;
	if (strcmp(mc_json_str(mc_json_obj(s, "CreateRule"), "Location", "CLOUD"), "CLOUD") != 0)
		return invalid(call, "Snapshots stay in this cloud.");
	if (schedule_check(mc_json_obj(s, "CreateRule"), &err) < 0)
		return invalid(call, mc_err_msg(err));
	return check_retain(call, mc_json_obj(s, "RetainRule"));
}

static int check_names(struct call *call, const json_t *schedules)
{
	for (size_t i = 0; i < json_array_size(schedules); i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(mc_json_str(json_array_get(schedules, i), "Name", ""), mc_json_str(json_array_get(schedules, j), "Name", "")) == 0)
				return invalid(call, "The names of a policy's schedules differ.");
	return 0;
}

static int check_parameters(struct call *call, const json_t *parameters, bool images)
{
	if (images && (mc_json_bool(parameters, "ExcludeBootVolume", false) || json_array_size(mc_json_arr(parameters, "ExcludeDataVolumeTags"))))
		return invalid(call, "AMI policies take all volumes of an instance.");
	if (!images && json_object_get(parameters, "NoReboot"))
		return invalid(call, "NoReboot is for AMI policies.");
	return 0;
}

static int check_details(struct call *call, const json_t *details)
{
	static const char *const not_yet[] = { "EventSource", "Actions", NULL };
	const char *type = mc_json_str(details, "PolicyType", "EBS_SNAPSHOT_MANAGEMENT");
	const char *resources = mc_json_at(mc_json_arr(details, "ResourceTypes"), 0), *place = mc_json_at(mc_json_arr(details, "ResourceLocations"), 0);
	bool instances = resources && strcmp(resources, "INSTANCE") == 0, images = strcmp(type, "IMAGE_MANAGEMENT") == 0;
	json_t *s;
	size_t i;

	if (lifecycle_event_policy(details))
		return lifecycle_event_check(call, details);
	if (!images && strcmp(type, "EBS_SNAPSHOT_MANAGEMENT") != 0)
		return invalid(call, "Policies of this type are not supported by this cloud yet.");
	if (refuse_members(call, details, not_yet))
		return 1;
	if (!resources || !json_array_size(mc_json_arr(details, "TargetTags")) || !json_array_size(mc_json_arr(details, "Schedules")))
		return invalid(call, "A policy has ResourceTypes, TargetTags and Schedules.");
	if (place && strcmp(place, "CLOUD") != 0)
		return invalid(call, "Snapshots stay in this cloud.");
	if (mc_json_obj(details, "Parameters") && !instances)
		return invalid(call, "Parameters are for policies of instances.");
	if (images && !instances)
		return invalid(call, "AMI policies are for resources of type INSTANCE.");
	if (check_parameters(call, mc_json_obj(details, "Parameters"), images))
		return 1;
	json_array_foreach(mc_json_arr(details, "Schedules"), i, s)
		if (check_schedule(call, s, instances, images))
			return 1;
	return check_names(call, mc_json_arr(details, "Schedules"));
}

/* --- making and changing ---------------------------------------------------------- */

/* What AWS adds: where nobody said when, it begins at the next full minute. */
static void fill_in(json_t *details, int64_t now)
{
	json_t *s, *rule;
	size_t i;

	if (!json_object_get(details, "PolicyType"))
		json_object_set_new(details, "PolicyType", json_string("EBS_SNAPSHOT_MANAGEMENT"));
	if (lifecycle_event_policy(details))
		return;
	if (!json_object_get(details, "ResourceLocations"))
		json_object_set_new(details, "ResourceLocations", json_pack("[s]", "CLOUD"));
	json_array_foreach(mc_json_arr(details, "Schedules"), i, s) {
		time_t at = (time_t)(now / MC_SECOND) + 60;
		char text[8];
		struct tm tm;

		rule = mc_json_obj(s, "CreateRule");
		if (!json_object_get(rule, "Location"))
			json_object_set_new(rule, "Location", json_string("CLOUD"));
		if (!json_object_get(s, "CopyTags"))
			json_object_set_new(s, "CopyTags", json_false());
		if (json_object_get(rule, "CronExpression") || json_array_size(mc_json_arr(rule, "Times")))
			continue;
		gmtime_r(&at, &tm);
		strftime(text, sizeof(text), "%H:%M", &tm);
		json_object_set_new(rule, "Times", json_pack("[s]", text));
	}
}

/* Plan anew from now on, unless only words have changed. */
static int put_details(struct call *call, struct resource *r)
{
	json_t *given = json_object_get(call->in, "PolicyDetails");
	int64_t now = cloud_time(call->api);

	if (given) {
		mc_auto_json json_t *details = json_deep_copy(given);

		if (check_details(call, details))
			return 1;
		fill_in(details, now);
		json_object_set(r->doc, "PolicyDetails", details);
	}
	if (given || json_object_get(call->in, "State"))
		lifecycle_plan(r, now);
	return 0;
}

static int set_tags(struct call *call, struct resource *r, const json_t *tags)
{
	json_t *own = mc_json_obj(r->spec, "tags"), *value;
	const char *key;

	json_object_foreach((json_t *)tags, key, value) {
		if (strncmp(key, "aws:", 4) == 0)
			return invalid(call, "Tag keys that begin with aws: are reserved.");
		json_object_set(own, key, value);
	}
	if (json_object_size(own) > TAGS_MAX)
		return action_fail_rest(call, API_REST_LIMIT, NULL, "A policy has at most %d tags.", TAGS_MAX);
	return 0;
}

static void take_texts(struct call *call, struct resource *r)
{
	static const char *const members[] = { "ExecutionRoleArn", "Description" };
	char now[MC_ISO8601_LEN];

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (json_object_get(call->in, members[i]))
			json_object_set(r->doc, members[i], json_object_get(call->in, members[i]));
	if (action_text(call, "State"))
		json_object_set(r->spec, "state", json_object_get(call->in, "State"));
	mc_clock_iso8601(mc_clock_wall(), now);
	json_object_set_new(r->spec, "modified", json_string(now));
}

static int count(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_LIFECYCLE_POLICY, call->caller->account, call->caller->region);
	int n = 0;

	while (store_next(&it))
		n++;
	return n;
}

static int create_policy(struct call *call)
{
	struct resource *r;

	if (count(call) >= POLICIES_MAX)
		return action_fail_rest(call, API_REST_LIMIT, NULL, "There are %d policies already.", POLICIES_MAX);
	r = store_insert(call->tx, KIND_LIFECYCLE_POLICY, call->caller->account, call->caller->region);
	take_texts(call, r);
	json_object_set(r->spec, "created", json_object_get(r->spec, "modified"));
	json_object_set_new(r->spec, "tags", json_object());
	if (put_details(call, r) || set_tags(call, r, mc_json_obj(call->in, "Tags")))
		return 1;
	call->out = json_pack("{s:s}", "PolicyId", r->id);
	return 0;
}

static int update_policy(struct call *call)
{
	const struct resource *r = named(call);
	struct resource *edited;

	if (!r)
		return 1;
	edited = store_edit(call->tx, r->id);
	take_texts(call, edited);
	return put_details(call, edited);
}

static int delete_policy(struct call *call)
{
	const struct resource *r = named(call);

	if (!r)
		return 1;
	store_delete(call->tx, r->id);
	return 0;
}

/* --- showing ---------------------------------------------------------------------- */

static int get_policy(struct call *call)
{
	const struct resource *r = named(call);
	mc_autofree char *arn = r ? policy_arn(r) : NULL;

	if (!r)
		return 1;
	call->out = json_pack("{s:{s:s, s:O, s:O, s:s, s:O, s:O, s:O, s:O, s:O, s:s}}", "Policy", "PolicyId", r->id, "Description",
			      json_object_get(r->doc, "Description"), "State", json_object_get(r->spec, "state"), "StatusMessage",
			      lifecycle_enabled(r) ? "ENABLED" : "DISABLED", "ExecutionRoleArn", json_object_get(r->doc, "ExecutionRoleArn"),
			      "DateCreated", json_object_get(r->spec, "created"), "DateModified", json_object_get(r->spec, "modified"),
			      "PolicyDetails", json_object_get(r->doc, "PolicyDetails"), "Tags", mc_json_obj(r->spec, "tags"), "PolicyArn", arn);
	return 0;
}

/* Does one of the list's tags read "key=value" as one of those asked for? */
static bool asks_tag(const json_t *wanted, const json_t *list)
{
	json_t *tag;
	size_t i;

	json_array_foreach(list, i, tag) {
		mc_autofree char *text = mc_strf("%s=%s", mc_json_str(tag, "Key", ""), mc_json_str(tag, "Value", ""));

		if (mc_json_has_str(wanted, text))
			return true;
	}
	return false;
}

static bool adds_tag(const json_t *wanted, const json_t *details)
{
	json_t *s;
	size_t i;

	json_array_foreach(mc_json_arr(details, "Schedules"), i, s)
		if (asks_tag(wanted, mc_json_arr(s, "TagsToAdd")))
			return true;
	return false;
}

static bool asked(const struct call *call, const struct resource *r)
{
	const json_t *details = mc_json_obj(r->doc, "PolicyDetails"), *ids = mc_json_arr(call->in, "PolicyIds");
	const json_t *types = mc_json_arr(call->in, "ResourceTypes"), *target = mc_json_arr(call->in, "TargetTags");
	const json_t *add = mc_json_arr(call->in, "TagsToAdd");
	const char *state = action_text(call, "State");

	if ((json_array_size(ids) && !mc_json_has_str(ids, r->id)) || (state && strcmp(state, mc_json_str(r->spec, "state", "")) != 0))
		return false;
	if (json_array_size(types) && !mc_json_has_str(mc_json_arr(details, "ResourceTypes"), mc_json_at(types, 0)))
		return false;
	return (!json_array_size(target) || asks_tag(target, mc_json_arr(details, "TargetTags"))) &&
	       (!json_array_size(add) || adds_tag(add, details));
}

static int get_policies(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_LIFECYCLE_POLICY, call->caller->account, call->caller->region);
	json_t *list = json_array();
	const struct resource *r;

	call->out = json_pack("{s:o}", "Policies", list);
	while ((r = store_next(&it)))
		if (asked(call, r))
			json_array_append_new(list, json_pack("{s:s, s:O, s:O, s:O, s:s}", "PolicyId", r->id, "Description",
				json_object_get(r->doc, "Description"), "State", json_object_get(r->spec, "state"), "Tags",
				mc_json_obj(r->spec, "tags"), "PolicyType", mc_json_str(mc_json_obj(r->doc, "PolicyDetails"), "PolicyType", "")));
	return 0;
}

/* --- tags ------------------------------------------------------------------------- */

static int tag_policy(struct call *call)
{
	const struct resource *r = tagged(call);

	return r ? set_tags(call, store_edit(call->tx, r->id), mc_json_obj(call->in, "Tags")) : 1;
}

static int untag_policy(struct call *call)
{
	return action_untag(call, tagged(call));
}

static int list_tags(struct call *call)
{
	const struct resource *r = tagged(call);

	if (!r)
		return 1;
	call->out = json_pack("{s:O}", "Tags", mc_json_obj(r->spec, "tags"));
	return 0;
}

const struct action actions_dlm[] = {
	{ .service = "dlm", .name = "CreateLifecyclePolicy", .fn = create_policy, .flags = ACTION_WRITE },
	{ .service = "dlm", .name = "GetLifecyclePolicies", .fn = get_policies },
	{ .service = "dlm", .name = "GetLifecyclePolicy", .fn = get_policy },
	{ .service = "dlm", .name = "UpdateLifecyclePolicy", .fn = update_policy, .flags = ACTION_WRITE },
	{ .service = "dlm", .name = "DeleteLifecyclePolicy", .fn = delete_policy, .flags = ACTION_WRITE },
	{ .service = "dlm", .name = "TagResource", .fn = tag_policy, .flags = ACTION_WRITE },
	{ .service = "dlm", .name = "UntagResource", .fn = untag_policy, .flags = ACTION_WRITE },
	{ .service = "dlm", .name = "ListTagsForResource", .fn = list_tags },
	{ 0 },
};
