/* Interfaces and instances: attached and detached, hot and cold. What is hot is brought
 * about by the instance's step (api/step_interface.c). */
#include <string.h>

#include "api/action.h"
#include "api/interface.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"

#define MAX_DEVICE_INDEX 31

/* --- the link between the two ----------------------------------------------- */

static int64_t index_of(struct store_tx *tx, const char *eni)
{
	const struct resource *r = store_get(tx, eni);

	return r ? mc_json_int(r->spec, "device_index", 0) : INT64_MAX;
}

/* Into the instance's list, which is in the order of the device indexes: so the guest
 * finds them at its next boot. */
static void list_insert(struct store_tx *tx, json_t *list, const char *eni, int64_t device_index)
{
	size_t at = 0;

	while (at < json_array_size(list) && index_of(tx, mc_json_at(list, at)) < device_index)
		at++;
	json_array_insert_new(list, at, json_string(eni));
}

void interface_attach(struct store_tx *tx, struct resource *eni, struct resource *inst, int64_t device_index, bool delete_with)
{
	char id[MC_ID_LEN], now[MC_ISO8601_LEN];

	mc_id_new("eni-attach", id);
	mc_clock_iso8601(mc_clock_wall(), now);
	list_insert(tx, mc_json_arr(inst->spec, "enis"), eni->id, device_index);
	json_object_update_new(eni->spec, json_pack("{s:s, s:I, s:s, s:s, s:b}", "instance", inst->id, "device_index",
		(json_int_t)device_index, "attachment", id, "attached", now, "delete_on_termination", delete_with));
}

void interface_detach(struct store_tx *tx, const char *id)
{
	static const char *const members[] = {
		"instance", "device_index", "attachment", "attached", "attachment_state", "delete_on_termination", "auto_public", "forced",
	};
	struct resource *eni = store_edit(tx, id), *inst;
	json_t *entry;
	size_t i;

	if (!eni || !interface_attached(eni))
		return;
	interface_touch(tx, eni);
	inst = store_edit(tx, mc_json_str(eni->spec, "instance", ""));
	json_array_foreach(mc_json_arr(inst ? inst->spec : NULL, "enis"), i, entry)
		if (strcmp(json_string_value(entry), id) == 0) {
			json_array_remove(mc_json_arr(inst->spec, "enis"), i);
			break;
		}
	if (!mc_json_str(eni->spec, "allocation", NULL))
		json_object_del(eni->spec, "public_ip");
	for (i = 0; i < MC_ARRAY_SIZE(members); i++)
		json_object_del(eni->spec, members[i]);
}

void interface_settle(struct store_tx *tx, const struct resource *inst)
{
	mc_auto_json json_t *ids = json_deep_copy(mc_json_arr(inst->spec, "enis"));
	json_t *id;
	size_t i;

	json_array_foreach(ids, i, id) {
		const struct resource *eni = store_get(tx, json_string_value(id));
		const char *state = eni ? mc_json_str(eni->spec, "attachment_state", NULL) : NULL;

		if (state && strcmp(state, "detaching") == 0)
			interface_detach(tx, eni->id);
		else if (state)
			json_object_del(store_edit(tx, eni->id)->spec, "attachment_state");
	}
}

void interface_release(struct store_tx *tx, const struct resource *inst)
{
	mc_auto_json json_t *ids = json_deep_copy(mc_json_arr(inst->spec, "enis"));
	json_t *id;
	size_t i;

	json_array_foreach(ids, i, id) {
		const struct resource *eni = store_get(tx, json_string_value(id));

		if (!eni)
			continue;
		if (mc_json_bool(eni->spec, "delete_on_termination", true))
			interface_delete(tx, eni->id);
		else
			interface_detach(tx, eni->id);
	}
}

/* --- attach --------------------------------------------------------------- */

int interface_check_attach(struct call *call, const struct resource *eni, const char *type)
{
	if (interface_attached(eni))
		return action_fail(call, API_INTERFACE_IN_USE, eni->id);
	if (mc_json_str(eni->spec, "kind", NULL))
		return action_fail(call, API_NOT_PERMITTED, "You do not have permission to access the specified resource.");
	if (interface_slots(eni) > (size_t)interface_type_limit(call->api, type, "Ipv4AddressesPerInterface"))
		return action_fail(call, API_ADDRESSES_PER_INTERFACE_LIMIT);
	return 0;
}

int interface_check_type(struct call *call, const char *type, size_t n)
{
	return n > (size_t)interface_type_limit(call->api, type, "MaximumNetworkInterfaces") ?
		       action_fail(call, API_ATTACHMENT_LIMIT, (long long)n, type) : 0;
}

static int check_index(struct call *call, const struct resource *inst, int64_t device_index)
{
	json_t *id;
	size_t i;

	if (mc_json_int(call->in, "NetworkCardIndex", 0) != 0)
		return action_invalid(call, "Instances of this cloud have one network card, of index 0.");
	if (device_index < 0 || device_index > MAX_DEVICE_INDEX) {
		return action_invalid(call, "Invalid value '%lld' for deviceIndex.", (long long)device_index);
	}
	json_array_foreach(mc_json_arr(inst->spec, "enis"), i, id) {
		if (index_of(call->tx, json_string_value(id)) != device_index)
			continue;
		return action_invalid(call, "Instance '%s' already has an interface attached at device index '%lld'.", inst->id, (long long)device_index);
	}
	return 0;
}

static int check_instance(struct call *call, const struct resource *inst, const struct resource *eni)
{
	mc_autofree char *text = NULL;

	if (inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_STOPPED) {
		text = mc_strf("Instance '%s' is not 'running' or 'stopped'.", inst->id);
		return action_fail(call, API_INCORRECT_STATE, text);
	}
	if (strcmp(inst->az, eni->az) != 0)
		return action_fail(call, API_PARAMETER_COMBINATION,
				   "You may not attach a network interface to an instance if they are not in the same availability zone");
	return 0;
}

static int attach_interface(struct call *call)
{
	const struct resource *eni = action_resource(call, KIND_NETWORK_INTERFACE, mc_json_str(call->in, "NetworkInterfaceId", NULL));
	const struct resource *inst = eni ? action_resource(call, KIND_INSTANCE, mc_json_str(call->in, "InstanceId", NULL)) : NULL;
	int64_t device_index = mc_json_int(call->in, "DeviceIndex", -1);
	const char *type = inst ? mc_json_str(inst->doc, "InstanceType", "") : "";
	struct resource *edited;

	if (!inst || interface_check_attach(call, eni, type) || check_instance(call, inst, eni) ||
	    check_index(call, inst, device_index) ||
	    interface_check_type(call, type, json_array_size(mc_json_arr(inst->spec, "enis")) + 1))
		return 1;
	edited = store_edit(call->tx, eni->id);
	interface_attach(call->tx, edited, store_edit(call->tx, inst->id), device_index, false);
	if (inst->state == INSTANCE_RUNNING)
		json_object_set_new(edited->spec, "attachment_state", json_string("attaching"));
	interface_touch(call->tx, edited);
	call->out = json_pack("{s:O, s:i}", "AttachmentId", json_object_get(edited->spec, "attachment"), "NetworkCardIndex", 0);
	return 0;
}

/* --- detach --------------------------------------------------------------- */

int interface_refuse_attachment(struct call *call, const char *id)
{
	if (!mc_id_valid("eni-attach", id))
		return action_fail(call, API_MALFORMED_ID, "InvalidNetworkInterfaceAttachmentId.Malformed", id, "eni-attach");
	return action_refuse(call, "InvalidAttachmentID.NotFound", "The attachment ID '%s' does not exist", id);
}

static const struct resource *by_attachment(struct call *call, const char *id)
{
	struct store_iter it = store_pass(call->tx, KIND_NETWORK_INTERFACE, call->caller->account, call->caller->region, NULL);
	const struct resource *eni;

	while ((eni = store_next(&it))) {
		mc_autofree char *own = interface_attached(eni) ? interface_attachment_id(eni) : NULL;

		if (own && strcmp(own, id) == 0)
			return eni;
	}
	interface_refuse_attachment(call, id);
	return NULL;
}

/* A guest lets go when it likes; forced, its packets end at once. */
static void start_detaching(struct call *call, struct resource *eni)
{
	json_object_set_new(eni->spec, "attachment_state", json_string("detaching"));
	if (!mc_json_bool(call->in, "Force", false))
		return;
	json_object_set_new(eni->spec, "forced", json_true());
	interface_change(call, eni);
}

static int detach_interface(struct call *call)
{
	const char *id = mc_json_str(call->in, "AttachmentId", "");
	const struct resource *eni, *inst;
	mc_autofree char *text = NULL;

	if (strncmp(id, "ela-attach-", strlen("ela-attach-")) == 0)
		return action_fail(call, API_NOT_PERMITTED, "You are not allowed to manage 'ela-attach' attachments.");
	eni = by_attachment(call, id);
	if (!eni)
		return 1;
	if (mc_json_int(eni->spec, "device_index", 0) == 0)
		return action_fail(call, API_NOT_PERMITTED, "The network interface at device index 0 and networkCard index 0 cannot be detached.");
	inst = store_get(call->tx, mc_json_str(eni->spec, "instance", ""));
	if (!inst || inst->state == INSTANCE_STOPPED) {
		interface_detach(call->tx, eni->id);
		return 0;
	}
	if (inst->state != INSTANCE_RUNNING) {
		text = mc_strf("Instance '%s' is not 'running' or 'stopped'.", inst->id);
		return action_fail(call, API_INCORRECT_STATE, text);
	}
	start_detaching(call, store_edit(call->tx, eni->id));
	store_edit(call->tx, inst->id); /* its step is to look */
	return 0;
}

const struct action actions_interface_attach[] = {
	{ .service = "ec2", .name = "AttachNetworkInterface", .fn = attach_interface, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DetachNetworkInterface", .fn = detach_interface, .flags = ACTION_WRITE },
	{ 0 },
};
