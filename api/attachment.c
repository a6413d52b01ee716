#include "api/attachment.h"

#include <string.h>

#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define BUSY_AFTER (20 * MC_SECOND) /* a guest that lets go does so at once */

/* --- device names ----------------------------------------------------------- */

/* "f" of /dev/sdf, xvdf, /dev/xvdf; "ba" of xvdba; "a1" of /dev/sda1; NULL where it is none. */
static const char *device_suffix(const char *device)
{
	static const char *const prefixes[] = { "xvd", "sd", "hd", "vd" };

	if (strncmp(device, "/dev/", 5) == 0)
		device += 5;
	for (size_t i = 0; i < MC_ARRAY_SIZE(prefixes); i++)
		if (strncmp(device, prefixes[i], strlen(prefixes[i])) == 0)
			return device + strlen(prefixes[i]);
	return NULL;
}

static bool letter(char c)
{
	return c >= 'a' && c <= 'z';
}

/* EC2 User Guide, "Device names for volumes on Amazon EC2 instances": a partition's
 * number is for a root device alone, two letters are for xvd. */
bool attachment_device_valid(const char *device)
{
	const char *suffix = device_suffix(device);

	if (!suffix || !letter(suffix[0]))
		return false;
	if (suffix[1] == '\0' || strcmp(suffix, "a1") == 0)
		return true;
	return strstr(device, "xvd") && suffix[0] >= 'b' && suffix[0] <= 'd' && letter(suffix[1]) && !suffix[2];
}

static bool same_device(const char *a, const char *b)
{
	const char *x = device_suffix(a), *y = device_suffix(b);

	return x && y ? strcmp(x, y) == 0 : strcmp(a, b) == 0;
}

/* --- entries ---------------------------------------------------------------- */

json_t *attachment_entry(const struct resource *inst, const char *volume_id)
{
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry)
		if (strcmp(mc_json_str(entry, "id", ""), volume_id) == 0)
			return entry;
	return NULL;
}

json_t *attachment_by_device(const struct resource *inst, const char *device)
{
	json_t *entry;
	size_t i;

	json_array_foreach(mc_json_arr(inst->spec, "volumes"), i, entry)
		if (same_device(mc_json_str(entry, "device", ""), device))
			return entry;
	return NULL;
}

json_t *attachment_root(const struct resource *inst)
{
	return attachment_by_device(inst, mc_json_str(inst->doc, "RootDeviceName", "/dev/xvda"));
}

json_t *attachment_add(struct resource *inst, struct resource *vol, const char *device, const char *state,
		       bool delete_on_termination)
{
	json_t *instances = mc_json_arr(vol->spec, "instances"), *entry;
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(mc_clock_wall(), now);
	if (!instances) {
		instances = json_array();
		json_object_set_new(vol->spec, "instances", instances);
	}
	if (!mc_json_has_str(instances, inst->id))
		json_array_append_new(instances, json_string(inst->id));
	entry = json_pack("{s:s, s:s, s:b, s:s, s:s}", "id", vol->id, "device", device, "delete_on_termination",
			  delete_on_termination, "attached", now, "state", state);
	json_array_append_new(mc_json_arr(inst->spec, "volumes"), entry);
	return entry;
}

static void take_out(json_t *list, const char *text)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *one = json_array_get(list, i);
		const char *own = json_is_string(one) ? json_string_value(one) : mc_json_str(one, "id", "");

		if (strcmp(own, text) == 0)
			json_array_remove(list, i);
	}
}

void attachment_remove(struct store_tx *tx, struct resource *inst, const char *volume_id)
{
	struct resource *vol = store_edit(tx, volume_id);

	take_out(mc_json_arr(inst->spec, "volumes"), volume_id);
	if (!vol)
		return;
	take_out(mc_json_arr(vol->spec, "instances"), inst->id);
	if (vol->state == VOLUME_IN_USE && json_array_size(mc_json_arr(vol->spec, "instances")) == 0)
		state_set(tx, vol, VOLUME_AVAILABLE);
}

/* --- showing ---------------------------------------------------------------- */

const char *attachment_state(const json_t *entry)
{
	const char *state = mc_json_str(entry, "state", "attached");
	int64_t since = mc_json_int(entry, "since", 0);

	return strcmp(state, "detaching") == 0 && since && mc_clock_wall() - since > BUSY_AFTER ? "busy" : state;
}

json_t *attachment_view(const struct resource *inst, const json_t *entry)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "AttachTime", mc_json_str(entry, "attached", ""), "Device",
			 mc_json_str(entry, "device", ""), "InstanceId", inst->id, "State", attachment_state(entry),
			 "VolumeId", mc_json_str(entry, "id", ""), "DeleteOnTermination",
			 mc_json_bool(entry, "delete_on_termination", false));
}

json_t *attachment_views(struct store_tx *tx, const struct resource *vol)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_array_foreach(mc_json_arr(vol->spec, "instances"), i, id) {
		const struct resource *inst = store_get(tx, json_string_value(id));
		const json_t *entry = inst ? attachment_entry(inst, vol->id) : NULL;

		if (entry)
			json_array_append_new(list, attachment_view(inst, entry));
	}
	return list;
}
