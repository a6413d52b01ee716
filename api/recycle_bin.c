#include "api/recycle_bin.h"

#include <string.h>

#include "api/state.h"
#include "common/clock.h"
#include "common/json.h"

#define DAY (86400 * MC_SECOND)

/* Has it one of these tags? Without a value any will do. */
static bool tagged(const struct resource *r, const json_t *wanted)
{
	json_t *tag;
	size_t i;

	json_array_foreach(wanted, i, tag) {
		const char *value = mc_json_str(tag, "ResourceTagValue", NULL);
		const char *have = mc_json_str(r->tags, mc_json_str(tag, "ResourceTagKey", ""), NULL);

		if (have && (!value || strcmp(value, have) == 0))
			return true;
	}
	return false;
}

static bool matches(const struct resource *rule, const struct resource *r)
{
	const json_t *wanted = mc_json_arr(rule->doc, "ResourceTags");

	if (strcmp(mc_json_str(rule->doc, "ResourceType", ""), r->kind == KIND_IMAGE ? "EC2_IMAGE" : "EBS_SNAPSHOT") != 0)
		return false;
	return json_array_size(wanted) ? tagged(r, wanted) : !tagged(r, mc_json_arr(rule->doc, "ExcludeResourceTags"));
}

/* Of several rules the longest counts. */
bool recycle_bin_keeps(struct store_tx *tx, const struct resource *r, int64_t now, int64_t *ret_exit)
{
	struct store_iter it = store_iter(tx, KIND_RETENTION_RULE, r->account, r->region);
	const struct resource *rule;
	int64_t days = 0;

	while ((rule = store_next(&it))) {
		int64_t own = mc_json_int(mc_json_obj(rule->doc, "RetentionPeriod"), "RetentionPeriodValue", 0);

		if (own > days && matches(rule, r))
			days = own;
	}
	if (days)
		*ret_exit = now + days * DAY;
	return days > 0;
}

void recycle_bin_enter(struct store_tx *tx, struct resource *r, int64_t now, int64_t exit)
{
	json_object_set_new(r->spec, "bin", json_pack("{s:I, s:I, s:s}", "entered", (json_int_t)now, "exit", (json_int_t)exit, "was",
						      state_name(r)));
	state_set(tx, r, r->kind == KIND_IMAGE ? IMAGE_RECOVERABLE : SNAPSHOT_RECOVERABLE);
}

void recycle_bin_leave(struct store_tx *tx, struct resource *r)
{
	int was = state_parse(kind_info(r->kind)->machine, mc_json_str(mc_json_obj(r->spec, "bin"), "was", ""));

	if (was < 0) /* a row of before "was" was kept, when there were but snapshots */
		was = SNAPSHOT_COMPLETED;
	json_object_del(r->spec, "bin");
	state_set(tx, r, was);
}

int64_t recycle_bin_exit(const struct resource *r)
{
	return mc_json_int(mc_json_obj(r->spec, "bin"), "exit", 0);
}
