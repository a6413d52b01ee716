/* KMS: EnableKeyRotation, RotateKeyOnDemand and their like. */
#include "api/kms_rotation.h"

#include <string.h>

#include "api/kms.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define CHARGED 2 /* KMS pricing: the first two rotations */
#define DAY (86400 * MC_SECOND)
#define YEAR 365 /* the period where nobody says one */
#define ON_DEMAND_MAX 25 /* of a key: AWS's quota */
#define ROTATIONS_ONLY "ROTATIONS_ONLY"
#define AUTOMATIC "AUTOMATIC"
#define ON_DEMAND "ON_DEMAND"

static json_t *rotation(const struct resource *key)
{
	return mc_json_obj(key->spec, "rotation");
}

static json_t *rotation_edited(struct resource *key)
{
	if (!rotation(key))
		json_object_set_new(key->spec, "rotation", json_pack("{s:[]}", "log"));
	return rotation(key);
}

/* --- for the step ----------------------------------------------------------------------- */

int64_t kms_rotation_due(const struct resource *key)
{
	const json_t *r = rotation(key);

	if (!r || key->state != KMS_KEY_ENABLED)
		return INT64_MAX;
	if (json_object_get(r, "asked"))
		return 0;
	return json_object_get(r, "days") ? mc_json_int(r, "next", INT64_MAX) : INT64_MAX;
}

int64_t kms_rotation_number(const struct resource *key)
{
	return (int64_t)json_array_size(mc_json_arr(rotation(key), "log")) + 1;
}

void kms_rotation_done(struct resource *key, int64_t number, int64_t now)
{
	json_t *r = rotation_edited(key);
	bool asked = json_object_get(r, "asked") != NULL;

	if (kms_rotation_number(key) != number)
		return;
	json_array_append_new(mc_json_arr(r, "log"), json_pack("{s:I, s:s}", "at", (json_int_t)now, "type", asked ? ON_DEMAND : AUTOMATIC));
	json_object_set_new(r, "charged", json_integer(number < CHARGED ? number : CHARGED));
	json_object_del(r, "asked");
	if (!asked)
		json_object_set_new(r, "next", json_integer(now + mc_json_int(r, "days", YEAR) * DAY));
}

/* --- the actions ------------------------------------------------------------------------- */

/* A customer's key that can be rotated; NULL after action_fail. */
static const struct resource *changeable(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_CHANGED);

	return key && kms_check(call, key, KMS_ENABLED) == 0 ? key : NULL;
}

/* The clock runs from when it was switched on; another period counts from then, too. */
static int enable(struct call *call)
{
	const struct resource *key = changeable(call);
	int64_t days = mc_json_int(call->in, "RotationPeriodInDays", YEAR);
	json_t *r;

	if (!key)
		return 1;
	r = rotation_edited(store_edit(call->tx, key->id));
	if (mc_json_int(r, "days", 0) != days || !json_object_get(r, "next"))
		json_object_set_new(r, "next", json_integer(mc_clock_wall() + days * DAY));
	json_object_set_new(r, "days", json_integer(days));
	return 0;
}

static int disable(struct call *call)
{
	const struct resource *key = changeable(call);

	if (!key)
		return 1;
	if (rotation(key)) {
		json_t *r = rotation_edited(store_edit(call->tx, key->id));

		json_object_del(r, "days");
		json_object_del(r, "next");
	}
	return 0;
}

static double seconds(int64_t ns)
{
	return (double)(ns / MC_MS) / 1000;
}

static int get_status(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_ANY);
	const json_t *r = key ? rotation(key) : NULL;
	bool on = json_object_get(r, "days") != NULL;
	mc_autofree char *arn = key ? kms_key_arn(key) : NULL;

	if (!key)
		return 1;
	call->out = json_pack("{s:s, s:b}", "KeyId", arn, "KeyRotationEnabled", on);
	if (on)
		json_object_update_new(call->out, json_pack("{s:O, s:f}", "RotationPeriodInDays", json_object_get(r, "days"),
							    "NextRotationDate", seconds(mc_json_int(r, "next", 0))));
	if (json_object_get(r, "asked"))
		json_object_set_new(call->out, "OnDemandRotationStartDate", json_real(seconds(mc_json_int(r, "asked", 0))));
	return 0;
}

static size_t count_on_demand(const json_t *r)
{
	size_t i, n = 0;
	json_t *one;

	json_array_foreach(mc_json_arr(r, "log"), i, one)
		n += strcmp(mc_json_str(one, "type", ""), ON_DEMAND) == 0;
	return n;
}

static int rotate_on_demand(struct call *call)
{
	const struct resource *key = changeable(call);
	mc_autofree char *arn = key ? kms_key_arn(key) : NULL;

	if (!key)
		return 1;
	if (json_object_get(rotation(key), "asked"))
		return action_refuse(call, "ConflictException", "%s is already being rotated", arn);
	if (count_on_demand(rotation(key)) >= ON_DEMAND_MAX)
		return action_refuse(call, "LimitExceededException", "A key can be rotated on demand at most %d times", ON_DEMAND_MAX);
	json_object_set_new(rotation_edited(store_edit(call->tx, key->id)), "asked", json_integer(mc_clock_wall()));
	call->out = json_pack("{s:s}", "KeyId", arn);
	return 0;
}

static int list_rotations(struct call *call)
{
	const struct resource *key = kms_key_named(call, "KeyId", false, KMS_ANY);
	mc_auto_json json_t *list = json_array();
	json_t *one;
	size_t i;

	if (!key)
		return 1;
	if (strcmp(mc_json_str(call->in, "IncludeKeyMaterial", ROTATIONS_ONLY), ROTATIONS_ONLY) != 0)
		return action_refuse(call, "UnsupportedOperationException", "IncludeKeyMaterial: only " ROTATIONS_ONLY " is supported by this "
				     "cloud");
	json_array_foreach(mc_json_arr(rotation(key), "log"), i, one)
		json_array_append_new(list, json_pack("{s:s, s:f, s:O}", "KeyId", kms_key_id(key), "RotationDate",
						      seconds(mc_json_int(one, "at", 0)), "RotationType", json_object_get(one, "type")));
	return kms_answer_page(call, "Rotations", list, 100);
}

const struct action actions_kms_rotation[] = {
	{ .service = "kms", .name = "EnableKeyRotation", .fn = enable, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "DisableKeyRotation", .fn = disable, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "GetKeyRotationStatus", .fn = get_status },
	{ .service = "kms", .name = "RotateKeyOnDemand", .fn = rotate_on_demand, .flags = ACTION_WRITE },
	{ .service = "kms", .name = "ListKeyRotations", .fn = list_rotations },
	{ 0 },
};
