/* Recycle Bin: its rules (service "rbin"), and the snapshots and images in it (service "ec2"). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/block_token.h"
#include "api/cloud_time.h"
#include "api/describe.h"
#include "api/image.h"
#include "api/recycle_bin.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "api/view.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define DAY (86400 * MC_SECOND)
#define HOUR (3600 * MC_SECOND)
#define RULES_MAX 250 /* of an account in a region: AWS's quota */
#define TAGS_MAX 50
#define PAGE_MAX 1000
#define IDENTIFIER_LEN 11

static int invalid(struct call *call, const char *text)
{
	return action_fail_rest(call, API_REST_VALIDATION, "INVALID_PARAMETER_VALUE", "%s", text);
}

/* --- rules -------------------------------------------------------------------- */

static const char *identifier(const struct resource *rule)
{
	return mc_json_str(rule->spec, "identifier", "");
}

static char *rule_arn(const struct resource *rule)
{
	return mc_strf("arn:aws:rbin:%s:%s:rule/%s", rule->region, rule->account, identifier(rule));
}

/* NULL after action_fail. */
static const struct resource *find_rule(struct call *call, const char *id)
{
	struct store_iter it = store_iter(call->tx, KIND_RETENTION_RULE, call->caller->account, call->caller->region);
	const struct resource *r;

	while ((r = store_next(&it)))
		if (strcmp(identifier(r), id) == 0)
			return r;
	action_fail_rest(call, API_REST_NOT_FOUND, "RULE_NOT_FOUND", "Rule not found.");
	return NULL;
}

static const struct resource *named_rule(struct call *call)
{
	return find_rule(call, mc_json_str(call->in, "Identifier", ""));
}

static const struct resource *tagged_rule(struct call *call)
{
	const char *arn = mc_json_str(call->in, "ResourceArn", ""), *slash = strrchr(arn, '/');
	const struct resource *r = find_rule(call, slash ? slash + 1 : "");
	mc_autofree char *own = r ? rule_arn(r) : NULL;

	if (!r || strcmp(own, arn) == 0)
		return r;
	action_fail_rest(call, API_REST_NOT_FOUND, "RULE_NOT_FOUND", "Rule not found.");
	return NULL;
}

static const char *lock_state(struct call *call, const struct resource *rule)
{
	const char *lock = mc_json_str(rule->spec, "lock", "unlocked");

	if (strcmp(lock, "pending_unlock") == 0 && cloud_time(call->api) >= mc_json_int(rule->spec, "lock_end", 0))
		return "unlocked";
	return lock;
}

static json_t *tag_list(const struct resource *rule)
{
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach(mc_json_obj(rule->spec, "tags"), key, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "Key", key, "Value", value));
	return list;
}

/* All there is to say of a rule, as far as the shape has members for it. */
static json_t *rule_view(struct call *call, const struct resource *rule, const struct model_shape *shape)
{
	mc_autofree char *arn = rule_arn(rule);
	const char *lock = lock_state(call, rule);
	mc_auto_json json_t *all = json_copy(rule->doc);
	json_t *view = json_object();
	char end[MC_ISO8601_LEN];

	json_object_update_new(all, json_pack("{s:s, s:s, s:s, s:o, s:s}", "Identifier", identifier(rule), "Status", "available", "RuleArn",
					      arn, "Tags", tag_list(rule), "LockState", lock));
	if (strcmp(lock, "pending_unlock") == 0) {
		mc_clock_iso8601(mc_json_int(rule->spec, "lock_end", 0), end);
		json_object_set_new(all, "LockEndTime", json_string(end));
	}
	for (size_t i = 0; i < model_shape_members(shape); i++) {
		const char *name = model_member_name(model_shape_member(shape, i));

		if (json_object_get(all, name))
			json_object_set(view, name, json_object_get(all, name));
	}
	return view;
}

static int answer_rule(struct call *call, const struct resource *rule)
{
	call->out = rule_view(call, rule, model_operation_output(call->op));
	return 0;
}

/* A locked rule stays as it is. */
static struct resource *edit_rule(struct call *call)
{
	const struct resource *r = named_rule(call);

	if (!r)
		return NULL;
	if (strcmp(lock_state(call, r), "unlocked") == 0)
		return store_edit(call->tx, r->id);
	action_fail_rest(call, API_REST_CONFLICT, "INVALID_RULE_STATE", "The rule is locked.");
	return NULL;
}

static int set_tags(struct call *call, struct resource *rule)
{
	json_t *tags = mc_json_obj(rule->spec, "tags"), *tag;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, "Tags"), i, tag) {
		if (strncmp(mc_json_str(tag, "Key", ""), "aws:", 4) == 0)
			return invalid(call, "Tag keys that begin with aws: are reserved.");
		json_object_set(tags, mc_json_str(tag, "Key", ""), json_object_get(tag, "Value"));
	}
	if (json_object_size(tags) > TAGS_MAX)
		return action_fail_rest(call, API_REST_QUOTA, "SERVICE_QUOTA_EXCEEDED", "A rule has at most %d tags.", TAGS_MAX);
	return 0;
}

static int check_rule(struct call *call, const struct resource *rule)
{
	bool tags = json_array_size(mc_json_arr(rule->doc, "ResourceTags")) > 0;

	if (tags && json_array_size(mc_json_arr(rule->doc, "ExcludeResourceTags")) > 0)
		return invalid(call, "A rule has either resource tags or exclusion tags.");
	if (tags && json_object_get(rule->doc, "LockConfiguration"))
		return invalid(call, "Only region-level rules can be locked.");
	return 0;
}

/* The identifier: 11 letters and digits, of the random part of the id. */
static void set_identifier(struct resource *rule)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned long long n = strtoull(rule->id + strlen(rule->id) - 16, NULL, 16);
	char text[IDENTIFIER_LEN + 1];

	for (int i = 0; i < IDENTIFIER_LEN; i++, n /= 62)
		text[i] = digits[n % 62];
	text[IDENTIFIER_LEN] = '\0';
	json_object_set_new(rule->spec, "identifier", json_string(text));
}

static int count_rules(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_RETENTION_RULE, call->caller->account, call->caller->region);
	int n = 0;

	while (store_next(&it))
		n++;
	return n;
}

static void take_members(const struct call *call, struct resource *rule)
{
	static const char *const members[] = { "RetentionPeriod", "Description", "ResourceType", "ResourceTags", "ExcludeResourceTags",
					       "LockConfiguration" };

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (json_object_get(call->in, members[i]))
			json_object_set(rule->doc, members[i], json_object_get(call->in, members[i]));
}

static int create_rule(struct call *call)
{
	struct resource *r;

	if (count_rules(call) >= RULES_MAX)
		return action_fail_rest(call, API_REST_QUOTA, "SERVICE_QUOTA_EXCEEDED", "There are %d rules already.", RULES_MAX);
	r = store_insert(call->tx, KIND_RETENTION_RULE, call->caller->account, call->caller->region);
	set_identifier(r);
	json_object_set_new(r->spec, "tags", json_object());
	take_members(call, r);
	if (json_object_get(r->doc, "LockConfiguration"))
		json_object_set_new(r->spec, "lock", json_string("locked"));
	if (check_rule(call, r) || set_tags(call, r))
		return 1;
	return answer_rule(call, r);
}

static int get_rule(struct call *call)
{
	const struct resource *r = named_rule(call);

	return r ? answer_rule(call, r) : 1;
}

static int update_rule(struct call *call)
{
	struct resource *r = edit_rule(call);
	bool tags = r && json_array_size(mc_json_arr(r->doc, "ResourceTags")) > 0;
	const char *type = action_text(call, "ResourceType");

	if (!r)
		return 1;
	if (type && strcmp(type, mc_json_str(r->doc, "ResourceType", "")) != 0)
		return invalid(call, "The resource type of a rule cannot be changed.");
	take_members(call, r);
	if (tags != (json_array_size(mc_json_arr(r->doc, "ResourceTags")) > 0))
		return invalid(call, "A rule stays at tag level, or at region level.");
	return check_rule(call, r) ? 1 : answer_rule(call, r);
}

static int delete_rule(struct call *call)
{
	struct resource *r = edit_rule(call);

	if (!r)
		return 1;
	store_delete(call->tx, r->id);
	return 0;
}

/* --- ListRules ---------------------------------------------------------------- */

static bool has_tag(const json_t *list, const json_t *wanted)
{
	json_t *tag;
	size_t i;

	json_array_foreach(list, i, tag)
		if (strcmp(mc_json_str(tag, "ResourceTagKey", ""), mc_json_str(wanted, "ResourceTagKey", "")) == 0 &&
		    strcmp(mc_json_str(tag, "ResourceTagValue", ""), mc_json_str(wanted, "ResourceTagValue", "")) == 0)
			return true;
	return false;
}

static bool has_tags(const struct call *call, const struct resource *rule, const char *member)
{
	json_t *tag;
	size_t i;

	json_array_foreach(mc_json_arr(call->in, member), i, tag)
		if (!has_tag(mc_json_arr(rule->doc, member), tag))
			return false;
	return true;
}

static bool rule_asked(struct call *call, const struct resource *rule)
{
	const char *lock = action_text(call, "LockState");

	return strcmp(mc_json_str(rule->doc, "ResourceType", ""), mc_json_str(call->in, "ResourceType", "")) == 0 &&
	       (!lock || strcmp(lock, lock_state(call, rule)) == 0) && has_tags(call, rule, "ResourceTags") &&
	       has_tags(call, rule, "ExcludeResourceTags");
}

static int list_rules(struct call *call)
{
	const struct model_shape *rules = model_member_shape(model_shape_find(model_operation_output(call->op), "Rules"));
	struct store_iter it = store_iter(call->tx, KIND_RETENTION_RULE, call->caller->account, call->caller->region);
	const char *token = action_text(call, "NextToken");
	size_t max = (size_t)mc_json_int(call->in, "MaxResults", PAGE_MAX);
	int64_t after = 0, last = 0;
	json_t *list;
	const struct resource *r;

	if (token && block_token_read(call, "rules", token, &after) != 0)
		return action_fail_rest(call, API_REST_VALIDATION, "INVALID_PAGE_TOKEN", "The page token is not valid, or has expired.");
	list = json_array();
	call->out = json_pack("{s:o}", "Rules", list);
	while ((r = store_next(&it))) {
		char next[BLOCK_TOKEN_LEN];

		if (r->seq <= after || !rule_asked(call, r))
			continue;
		if (json_array_size(list) == max) {
			block_token_make(call, "rules", last, mc_clock_wall() + HOUR, next);
			json_object_set_new(call->out, "NextToken", json_string(next));
			break;
		}
		json_array_append_new(list, rule_view(call, r, model_shape_element(rules)));
		last = r->seq;
	}
	return 0;
}

/* --- locks and tags ------------------------------------------------------------- */

static int lock_rule(struct call *call)
{
	struct resource *r = edit_rule(call);

	if (!r)
		return 1;
	take_members(call, r);
	if (check_rule(call, r))
		return 1;
	json_object_set_new(r->spec, "lock", json_string("locked"));
	return answer_rule(call, r);
}

/* It can be changed when the delay that its lock has is over. */
static int unlock_rule(struct call *call)
{
	const struct resource *was = named_rule(call);
	struct resource *r;
	int64_t days;

	if (!was)
		return 1;
	if (strcmp(lock_state(call, was), "locked") != 0)
		return action_fail_rest(call, API_REST_CONFLICT, "INVALID_RULE_STATE", "The rule is not locked.");
	r = store_edit(call->tx, was->id);
	days = mc_json_int(mc_json_obj(mc_json_obj(r->doc, "LockConfiguration"), "UnlockDelay"), "UnlockDelayValue", 0);
	json_object_set_new(r->spec, "lock", json_string("pending_unlock"));
	json_object_set_new(r->spec, "lock_end", json_integer(cloud_time(call->api) + days * DAY));
	return answer_rule(call, r);
}

static int tag_rule(struct call *call)
{
	const struct resource *r = tagged_rule(call);

	return r ? set_tags(call, store_edit(call->tx, r->id)) : 1;
}

static int untag_rule(struct call *call)
{
	return action_untag(call, tagged_rule(call));
}

static int list_tags(struct call *call)
{
	const struct resource *r = tagged_rule(call);

	if (!r)
		return 1;
	call->out = json_pack("{s:o}", "Tags", tag_list(r));
	return 0;
}

/* --- what is in it -------------------------------------------------------------- */

static json_t *bin_view(struct call *call, const struct resource *r)
{
	static const char *const members[] = { "Description", "VolumeId", "Name" };
	const json_t *bin = mc_json_obj(r->spec, "bin");
	bool image = r->kind == KIND_IMAGE;
	char entered[MC_ISO8601_LEN], exit[MC_ISO8601_LEN];
	json_t *v;

	(void)call;
	if (r->state != (image ? (int)IMAGE_RECOVERABLE : (int)SNAPSHOT_RECOVERABLE))
		return NULL;
	mc_clock_iso8601(mc_json_int(bin, "entered", 0), entered);
	mc_clock_iso8601(mc_json_int(bin, "exit", 0), exit);
	v = json_pack("{s:s, s:s, s:s}", image ? "ImageId" : "SnapshotId", r->id, "RecycleBinEnterTime", entered, "RecycleBinExitTime", exit);
	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (json_object_get(r->doc, members[i]))
			json_object_set(v, members[i], json_object_get(r->doc, members[i]));
	return v;
}

static const struct filter no_filters[] = { { 0 } };

static int list_snapshots(struct call *call)
{
	static const struct describe d = { .kind = KIND_SNAPSHOT, .list = "Snapshots", .ids = "SnapshotIds", .filters = no_filters,
					   .view = bin_view, .page_min = 5, .page_max = PAGE_MAX };

	return describe_run(call, &d);
}

static int list_images(struct call *call)
{
	static const struct describe d = { .kind = KIND_IMAGE, .list = "Images", .ids = "ImageIds", .filters = no_filters, .view = bin_view,
					   .page_min = 1, .page_max = PAGE_MAX };

	return describe_run(call, &d);
}

static int restore_snapshot(struct call *call)
{
	/* The answer has less than a Snapshot. */
	static const char *const beyond[] = { "StorageTier", "KmsKeyId", "Tags", "TransferType", "CompletionDurationMinutes", "CompletionTime" };
	const struct resource *r = action_resource(call, KIND_SNAPSHOT, action_text(call, "SnapshotId"));
	struct resource *edited;

	if (!r)
		return 1;
	if (r->state != SNAPSHOT_RECOVERABLE)
		return action_refuse(call, "InvalidSnapshot.NotFound", "The snapshot '%s' is not in the recycle bin.", r->id);
	edited = store_edit(call->tx, r->id);
	recycle_bin_leave(call->tx, edited);
	call->out = snapshot_view(call, edited);
	for (size_t i = 0; i < MC_ARRAY_SIZE(beyond); i++)
		json_object_del(call->out, beyond[i]);
	return 0;
}

struct check {
	struct call *call;
	int refused;
};

static void check_snapshot(void *ctx, const char *id)
{
	struct check *c = ctx;
	const struct resource *r = c->refused ? NULL : store_find(c->call->tx, KIND_SNAPSHOT, NULL, NULL, id);

	if (!c->refused && (!r || !snapshot_shown(c->call, r)))
		c->refused = action_refuse(c->call, "InvalidSnapshot.NotFound", "The snapshot '%s' of the image does not exist; where it is in "
					   "the recycle bin, restore it first.", id);
}

/* It comes back as it was; what it stands on, and its name, must be there for it. */
static int restore_image(struct call *call)
{
	const char *id = action_text(call, "ImageId");
	const struct resource *r = store_find(call->tx, KIND_IMAGE, call->caller->account, call->caller->region, id ? id : "");
	struct check check = { .call = call };

	if (!r || r->state != IMAGE_RECOVERABLE)
		return action_refuse(call, "InvalidAMIID.NotFound", "The image id '%s' is not in the recycle bin", id ? id : "");
	image_snapshots(r, check_snapshot, &check);
	if (check.refused || image_check_name(call, mc_json_str(r->doc, "Name", NULL)))
		return 1;
	recycle_bin_leave(call->tx, store_edit(call->tx, r->id));
	call->out = json_pack("{s:b}", "Return", 1);
	return 0;
}

const struct action actions_rbin[] = {
	{ .service = "rbin", .name = "CreateRule", .fn = create_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "GetRule", .fn = get_rule },
	{ .service = "rbin", .name = "ListRules", .fn = list_rules },
	{ .service = "rbin", .name = "UpdateRule", .fn = update_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "DeleteRule", .fn = delete_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "LockRule", .fn = lock_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "UnlockRule", .fn = unlock_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "TagResource", .fn = tag_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "UntagResource", .fn = untag_rule, .flags = ACTION_WRITE },
	{ .service = "rbin", .name = "ListTagsForResource", .fn = list_tags },
	{ .service = "ec2", .name = "ListSnapshotsInRecycleBin", .fn = list_snapshots },
	{ .service = "ec2", .name = "ListImagesInRecycleBin", .fn = list_images },
	{ .service = "ec2", .name = "RestoreImageFromRecycleBin", .fn = restore_image, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "RestoreSnapshotFromRecycleBin", .fn = restore_snapshot, .flags = ACTION_WRITE },
	{ 0 },
};
