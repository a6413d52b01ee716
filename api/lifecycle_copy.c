#include "api/lifecycle_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/encryption.h"
#include "api/schedule.h"
#include "api/snapshot.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"

const char *lifecycle_copy_region(const json_t *rule)
{
	return mc_json_str(rule, "Target", mc_json_str(rule, "TargetRegion", ""));
}

static const json_t *rules_of(const json_t *schedule)
{
	return mc_json_arr(schedule, "CrossRegionCopyRules");
}

/* --- making --------------------------------------------------------------------- */

/* A rule's key is for what will be encrypted, by the rule or because the source is. */
static json_t *wish_of(const json_t *rule, const struct resource *source)
{
	bool encrypted = mc_json_bool(rule, "Encrypted", false) || mc_json_bool(source->doc, "Encrypted", false);

	return json_pack("{s:b, s:s*}", "Encrypted", encrypted, "KmsKeyId", encrypted ? mc_json_str(rule, "CmkArn", NULL) : NULL);
}

static void copy_tags(struct resource *r, const struct resource *source, const json_t *rule)
{
	const char *key;
	json_t *value;

	json_object_foreach(source->tags, key, value)
		if (strncmp(key, "aws:", 4) == 0 || mc_json_bool(rule, "CopyTags", false))
			json_object_set(r->tags, key, value);
}

static int make_copy(struct call *call, const json_t *rule, size_t number, const struct resource *source, int64_t now)
{
	const json_t *dlm = mc_json_obj(source->spec, "dlm");
	mc_auto_json json_t *wish = wish_of(rule, source);
	mc_autofree char *text = mc_strf("Copied for policy: %s schedule: %s from %s", mc_json_str(dlm, "policy", ""),
					 mc_json_str(dlm, "schedule", ""), source->region);
	mc_autofree char *kms_key = NULL;
	struct resource *r;

	if (encryption_choose(call, wish, source, &kms_key))
		return 1;
	r = snapshot_make_copy(call, source->id, mc_json_int(source->doc, "VolumeSize", 1), text);
	encryption_show(r->doc, kms_key);
	copy_tags(r, source, rule);
	json_object_set_new(r->spec, "dlm", json_pack("{s:O, s:O, s:I, s:I, s:s}", "policy", json_object_get(dlm, "policy"), "schedule",
						      json_object_get(dlm, "schedule"), "rule", (json_int_t)number, "taken", (json_int_t)now,
						      "target", source->id));
	return 0;
}

int lifecycle_copy(struct api *api, struct store_tx *tx, const json_t *schedule, const struct resource *snapshot, int64_t now)
{
	const struct resource *source = snapshot;
	int n = 0;
	json_t *rule;
	size_t i;

	if (!json_array_size(rules_of(schedule)) || mc_json_bool(mc_json_obj(snapshot->spec, "dlm"), "copied", false))
		return 0;
	source = store_edit(tx, snapshot->id);
	json_object_set_new(mc_json_obj(source->spec, "dlm"), "copied", json_true());
	json_array_foreach(rules_of(schedule), i, rule) {
		struct caller caller = { .account = "" };
		struct call call = { .api = api, .caller = &caller, .tx = tx, .fd = -1 };

		snprintf(caller.account, sizeof(caller.account), "%s", source->account);
		snprintf(caller.region, sizeof(caller.region), "%s", lifecycle_copy_region(rule));
		if (make_copy(&call, rule, i, source, now))
			mc_log(MC_LOG_WARNING, "lifecycle", "not copied", "snapshot", source->id, "to", caller.region, "reason",
			       call.error_message ? call.error_message : "", NULL);
		free(call.error_code);
		free(call.error_message);
		n++;
	}
	return n;
}

/* --- retiring ------------------------------------------------------------------- */

/* When this copy goes; INT64_MAX: it stays, or is none of this rule's. */
static int64_t leaves(const struct resource *r, const struct resource *policy, const char *schedule, const json_t *rule, size_t number)
{
	const json_t *dlm = mc_json_obj(r->spec, "dlm"), *retain = mc_json_obj(rule, "RetainRule");
	int64_t interval = mc_json_int(retain, "Interval", 0);

	if (!dlm || r->state != SNAPSHOT_COMPLETED || !interval || mc_json_int(dlm, "rule", -1) != (int64_t)number ||
	    strcmp(mc_json_str(dlm, "policy", ""), policy->id) != 0 || strcmp(mc_json_str(dlm, "schedule", ""), schedule) != 0)
		return INT64_MAX;
	return schedule_later(mc_json_int(dlm, "taken", 0), interval, mc_json_str(retain, "IntervalUnit", "DAYS"));
}

int lifecycle_copy_retire(struct api *api, struct store_tx *tx, const struct resource *policy, const json_t *schedule, int64_t now,
			  int64_t *next)
{
	const struct resource *r;
	int gone = 0;
	json_t *rule;
	size_t i;

	json_array_foreach(rules_of(schedule), i, rule) {
		struct store_iter it = store_iter(tx, KIND_SNAPSHOT, policy->account, lifecycle_copy_region(rule));

		while ((r = store_next(&it))) {
			int64_t at = leaves(r, policy, mc_json_str(schedule, "Name", ""), rule, i);

			if (at <= now) {
				snapshot_remove(api, tx, r);
				gone++;
			} else if (at < *next) {
				*next = at;
			}
		}
	}
	return gone;
}
