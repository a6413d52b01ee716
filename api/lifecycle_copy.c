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
static json_t *wish_of(const json_t *encryption, const struct resource *source)
{
	bool encrypted = mc_json_bool(encryption, "Encrypted", false) || mc_json_bool(source->doc, "Encrypted", false);

	return json_pack("{s:b, s:s*}", "Encrypted", encrypted, "KmsKeyId", encrypted ? mc_json_str(encryption, "CmkArn", NULL) : NULL);
}

static void copy_tags(struct resource *r, const struct resource *source, const json_t *rule)
{
	const char *key;
	json_t *value;

	json_object_foreach(source->tags, key, value)
		if (mc_json_bool(rule, "CopyTags", false) || (strncmp(key, "aws:", 4) == 0 && strcmp(source->account, r->account) == 0))
			json_object_set(r->tags, key, value);
}

static struct resource *make_copy(struct call *call, const struct lifecycle_copy_order *order, const struct resource *source, int64_t now)
{
	mc_auto_json json_t *wish = wish_of(order->encryption, source);
	mc_autofree char *kms_key = NULL;
	struct resource *r;

	if (encryption_choose(call, wish, source, &kms_key))
		return NULL;
	r = snapshot_make_copy(call, source->id, mc_json_int(source->doc, "VolumeSize", 1), order->text);
	encryption_show(r->doc, kms_key);
	copy_tags(r, source, order->rule);
	json_object_set_new(r->spec, "dlm", json_pack("{s:s, s:s, s:I, s:I, s:s}", "policy", order->policy, "schedule", order->schedule, "rule",
						      (json_int_t)order->number, "taken", (json_int_t)now, "target", source->id));
	return r;
}

struct resource *lifecycle_copy_make(struct api *api, struct store_tx *tx, const struct lifecycle_copy_order *order, const struct resource *source,
				     int64_t now)
{
	struct caller caller = { .account = "" };
	struct call call = { .api = api, .caller = &caller, .tx = tx, .fd = -1 };
	struct resource *copy;

	snprintf(caller.account, sizeof(caller.account), "%s", order->account);
	snprintf(caller.region, sizeof(caller.region), "%s", lifecycle_copy_region(order->rule));
	copy = make_copy(&call, order, source, now);
	if (!copy)
		mc_log(MC_LOG_WARNING, "lifecycle", "not copied", "snapshot", source->id, "to", caller.region, "reason",
		       call.error_message ? call.error_message : "", NULL);
	free(call.error_code);
	free(call.error_message);
	return copy;
}

int lifecycle_copy(struct api *api, struct store_tx *tx, const json_t *schedule, const struct resource *snapshot, int64_t now)
{
	const struct resource *source = snapshot;
	const json_t *dlm;
	int n = 0;
	json_t *rule;
	size_t i;

	if (!json_array_size(rules_of(schedule)) || mc_json_bool(mc_json_obj(snapshot->spec, "dlm"), "copied", false))
		return 0;
	source = store_edit(tx, snapshot->id);
	json_object_set_new(mc_json_obj(source->spec, "dlm"), "copied", json_true());
	dlm = mc_json_obj(source->spec, "dlm");
	json_array_foreach(rules_of(schedule), i, rule) {
		mc_autofree char *text = mc_strf("Copied for policy: %s schedule: %s from %s", mc_json_str(dlm, "policy", ""),
						 mc_json_str(dlm, "schedule", ""), source->region);
		struct lifecycle_copy_order order = { .account = source->account, .policy = mc_json_str(dlm, "policy", ""),
						      .schedule = mc_json_str(dlm, "schedule", ""), .text = text, .rule = rule, .encryption = rule,
						      .number = i };

		(void)lifecycle_copy_make(api, tx, &order, source, now);
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

int lifecycle_copy_retire(struct api *api, struct store_tx *tx, const struct resource *policy, const char *schedule, const json_t *rules,
			  int64_t now, int64_t *next)
{
	const struct resource *r;
	int gone = 0;
	json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule) {
		struct store_iter it = store_iter(tx, KIND_SNAPSHOT, policy->account, lifecycle_copy_region(rule));

		while ((r = store_next(&it))) {
			int64_t at = leaves(r, policy, schedule, rule, i);

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
