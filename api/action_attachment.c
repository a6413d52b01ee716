/* AttachVolume, DetachVolume: what they refuse. The work is the instance's step's. */
#include <string.h>

#include "api/action.h"
#include "api/attachment.h"
#include "api/encryption.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"

#define ATTACHMENT_MAX 26 /* vda to vdz */
#define SHARED_MAX 16

/* --- AttachVolume ----------------------------------------------------------- */

/* One of several instances: io1 and io2 with Multi-Attach (EBS User Guide, "Multi-Attach"). */
static int check_shared(struct call *call, const struct resource *vol, const struct resource *inst)
{
	const json_t *instances = mc_json_arr(vol->spec, "instances");

	if (mc_json_has_str(instances, inst->id))
		return action_refuse(call, "VolumeInUse", "%s is already attached to %s", vol->id, inst->id);
	if (json_array_size(instances) >= SHARED_MAX)
		return action_refuse(call, "AttachmentLimitExceeded", "Volume '%s' cannot be attached to more than %d instances", vol->id,
				     SHARED_MAX);
	return 0;
}

static int check_volume(struct call *call, const struct resource *vol, const struct resource *inst)
{
	if (vol->state == VOLUME_IN_USE && mc_json_bool(vol->doc, "MultiAttachEnabled", false))
		return check_shared(call, vol, inst);
	if (vol->state == VOLUME_IN_USE)
		return action_refuse(call, "VolumeInUse", "%s is already attached to an instance", vol->id);
	if (vol->state != VOLUME_AVAILABLE)
		return action_refuse(call, "IncorrectState", "%s is not 'available'.", vol->id);
	return 0;
}

static int check_device(struct call *call, const struct resource *inst, const char *device)
{
	if (!attachment_device_valid(device))
		return action_refuse(call, "InvalidParameterValue",
				     "Value (%s) for parameter device is invalid. %s is not a valid EBS device name.", device, device);
	if (attachment_by_device(inst, device))
		return action_refuse(call, "InvalidParameterValue",
				     "Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device);
	if (json_array_size(mc_json_arr(inst->spec, "volumes")) >= ATTACHMENT_MAX)
		return action_refuse(call, "AttachmentLimitExceeded", "The maximum number of volumes that can be attached to '%s' "
				     "has been reached.", inst->id);
	return 0;
}

static int check_attach(struct call *call, const struct resource *vol, const struct resource *inst, const char *device)
{
	int r = check_volume(call, vol, inst);

	if (r)
		return r;
	if (inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_STOPPED)
		return action_refuse(call, "IncorrectState", "Instance '%s' is not 'running'.", inst->id);
	if (strcmp(vol->az, inst->az) != 0)
		return action_refuse(call, "InvalidVolume.ZoneMismatch",
				     "The volume '%s' is not in the same availability zone as instance '%s'", vol->id, inst->id);
	if (!encryption_usable(call->tx, vol))
		return action_refuse(call, "CustomerKeyHasBeenRevoked", "The encrypted volume was unable to access the KMS key.");
	return check_device(call, inst, device);
}

static int attach_volume(struct call *call)
{
	const char *device = action_text(call, "Device");
	const struct resource *vol, *inst;
	struct resource *v, *i;

	if (!device)
		return action_fail(call, API_MISSING_PARAMETER, "device");
	if (mc_json_int(call->in, "EbsCardIndex", 0) != 0)
		return action_invalid(call, "Invalid EBS card index: instances have one EBS card, 0.");
	vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));
	inst = vol ? action_resource(call, KIND_INSTANCE, action_text(call, "InstanceId")) : NULL;
	if (!inst || check_attach(call, vol, inst, device))
		return 1;
	v = store_edit(call->tx, vol->id);
	i = store_edit(call->tx, inst->id);
	state_set(call->tx, v, VOLUME_IN_USE);
	call->out = attachment_view(i, attachment_add(i, v, device, "attaching", false));
	return 0;
}

/* --- DetachVolume ----------------------------------------------------------- */

/* The instance meant: the one named, else the only one. NULL after action_fail. */
static const struct resource *attached_instance(struct call *call, const struct resource *vol)
{
	const json_t *instances = mc_json_arr(vol->spec, "instances");
	const char *id = action_text(call, "InstanceId"), *device = action_text(call, "Device");
	const struct resource *inst;
	const json_t *entry;

	if (vol->state != VOLUME_IN_USE) {
		action_refuse(call, "IncorrectState", "Volume '%s' is in the '%s' state.", vol->id, state_name(vol));
		return NULL;
	}
	if (!id && json_array_size(instances) > 1) {
		action_refuse(call, "InvalidParameterCombination", "The volume '%s' is attached to more than one instance. "
			      "Specify the instance ID.", vol->id);
		return NULL;
	}
	inst = action_resource(call, KIND_INSTANCE, id ? id : mc_json_at(instances, 0));
	entry = inst ? attachment_entry(inst, vol->id) : NULL;
	if (inst && (!entry || (device && attachment_by_device(inst, device) != entry))) {
		action_refuse(call, "InvalidAttachment.NotFound", "The volume '%s' is not attached to instance '%s'%s%s", vol->id,
			      inst->id, entry ? " as device " : "", entry ? device : "");
		return NULL;
	}
	return inst;
}

static int check_detach(struct call *call, const struct resource *vol, const struct resource *inst)
{
	if (inst->state != INSTANCE_STOPPED && attachment_root(inst) == attachment_entry(inst, vol->id))
		return action_refuse(call, "OperationNotPermitted", "Unable to detach root volume '%s' from instance '%s'", vol->id,
				     inst->id);
	if (inst->state == INSTANCE_SHUTTING_DOWN || inst->state == INSTANCE_TERMINATED)
		return action_refuse(call, "IncorrectState", "Instance '%s' is not 'running'.", inst->id);
	return 0;
}

static int detach_volume(struct call *call)
{
	const struct resource *vol = action_resource(call, KIND_VOLUME, action_text(call, "VolumeId"));
	const struct resource *inst = vol ? attached_instance(call, vol) : NULL;
	struct resource *i;
	json_t *entry;

	if (!inst || check_detach(call, vol, inst))
		return 1;
	i = store_edit(call->tx, inst->id);
	entry = attachment_entry(i, vol->id);
	if (strcmp(mc_json_str(entry, "state", ""), "detaching") != 0)
		json_object_set_new(entry, "since", json_integer(mc_clock_wall()));
	json_object_set_new(entry, "state", json_string("detaching"));
	if (mc_json_bool(call->in, "Force", false))
		json_object_set_new(entry, "force", json_true());
	call->out = attachment_view(i, entry);
	return 0;
}

const struct action actions_attachment[] = {
	{ .service = "ec2", .name = "AttachVolume", .fn = attach_volume, .flags = ACTION_WRITE },
	{ .service = "ec2", .name = "DetachVolume", .fn = detach_volume, .flags = ACTION_WRITE },
	{ 0 },
};
