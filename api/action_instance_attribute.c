/* Single attributes of an instance (EC2 API reference, DescribeInstanceAttribute
 * and ModifyInstanceAttribute). An attribute is a row: how it is shown, how it is set. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/attachment.h"
#include "api/instance.h"
#include "api/interface.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

struct attribute {
	const char *name;   /* in requests: "disableApiTermination" */
	const char *member; /* of request and answer: "DisableApiTermination" */
	json_t *(*show)(struct call *call, const struct resource *r);
	int (*set)(struct call *call, struct resource *r, const json_t *value); /* NULL: cannot be set here */
	bool stopped_only;
};

static json_t *value_of_text(const char *text)
{
	return text ? json_pack("{s:s}", "Value", text) : json_object();
}

static json_t *value_of_bool(bool on)
{
	return json_pack("{s:b}", "Value", on);
}

static json_t *show_type(struct call *call, const struct resource *r)
{
	(void)call;
	return value_of_text(mc_json_str(r->doc, "InstanceType", ""));
}

static int set_type(struct call *call, struct resource *r, const json_t *value)
{
	const char *type = mc_json_str(value, "Value", "");
	mc_autofree char *text = NULL;

	if (json_object_get(call->api->types, type)) {
		json_object_set_new(r->doc, "InstanceType", json_string(type));
		return 0;
	}
	text = mc_strf("Invalid value '%s' for InstanceType.", type);
	return action_fail(call, API_INVALID_PARAMETER, text);
}

static json_t *show_user_data(struct call *call, const struct resource *r)
{
	(void)call;
	return value_of_text(mc_json_str(r->spec, "user_data", NULL));
}

static int set_user_data(struct call *call, struct resource *r, const json_t *value)
{
	(void)call;
	json_object_set_new(r->spec, "user_data", json_string(mc_json_str(value, "Value", "")));
	return 0;
}

static json_t *show_protection(struct call *call, const struct resource *r)
{
	(void)call;
	return value_of_bool(mc_json_bool(r->spec, "disable_api_termination", false));
}

static int set_protection(struct call *call, struct resource *r, const json_t *value)
{
	(void)call;
	json_object_set_new(r->spec, "disable_api_termination", json_boolean(mc_json_bool(value, "Value", false)));
	return 0;
}

static json_t *show_behavior(struct call *call, const struct resource *r)
{
	(void)call;
	return value_of_text(mc_json_str(r->spec, "shutdown_behavior", "stop"));
}

static int set_behavior(struct call *call, struct resource *r, const json_t *value)
{
	const char *text = mc_json_str(value, "Value", "");

	if (strcmp(text, "stop") != 0 && strcmp(text, "terminate") != 0)
		return action_fail(call, API_INVALID_PARAMETER, "Value for parameter instanceInitiatedShutdownBehavior is invalid.");
	json_object_set_new(r->spec, "shutdown_behavior", json_string(text));
	return 0;
}

static json_t *show_false(struct call *call, const struct resource *r)
{
	(void)call, (void)r;
	return value_of_bool(false);
}

/* Shows one member of the whole view. */
static json_t *of_view(struct call *call, const struct resource *r, const char *member)
{
	mc_auto_json json_t *view = instance_view(call, r);

	return json_incref(json_object_get(view, member));
}

static json_t *show_root_device(struct call *call, const struct resource *r)
{
	(void)call;
	return value_of_text(mc_json_str(r->doc, "RootDeviceName", ""));
}

static json_t *show_mappings(struct call *call, const struct resource *r)
{
	return of_view(call, r, "BlockDeviceMappings");
}

/* [{DeviceName, Ebs: {DeleteOnTermination, VolumeId}}]: what else a mapping holds cannot be changed here. */
static int set_mappings(struct call *call, struct resource *r, const json_t *value)
{
	size_t i;
	json_t *m;

	json_array_foreach(value, i, m) {
		const char *device = mc_json_str(m, "DeviceName", "");
		const json_t *ebs = mc_json_obj(m, "Ebs");
		json_t *entry = attachment_by_device(r, device);

		if (json_object_get(m, "NoDevice") || *mc_json_str(m, "VirtualName", ""))
			return action_fail(call, API_PARAMETER_COMBINATION, "Only DeleteOnTermination of a block device mapping can be modified.");
		if (!entry || json_object_get(entry, "ephemeral"))
			return action_refuse(call, "InvalidInstanceAttributeValue", "No device is currently mapped at %s", device);
		if (strcmp(mc_json_str(ebs, "VolumeId", mc_json_str(entry, "id", "")), mc_json_str(entry, "id", "")) != 0)
			return action_refuse(call, "InvalidInstanceAttributeValue", "The volume at %s is another one", device);
		if (json_object_get(ebs, "DeleteOnTermination"))
			json_object_set(entry, "delete_on_termination", json_object_get(ebs, "DeleteOnTermination"));
	}
	return 0;
}

static json_t *show_groups(struct call *call, const struct resource *r)
{
	return of_view(call, r, "SecurityGroups");
}

static json_t *show_check(struct call *call, const struct resource *r)
{
	mc_auto_json json_t *view = instance_view(call, r);

	return value_of_bool(mc_json_bool(view, "SourceDestCheck", true));
}

/* The only interface of the instance, to be changed; NULL after action_fail. */
static struct resource *only_interface(struct call *call, const struct resource *r)
{
	const json_t *enis = mc_json_arr(r->spec, "enis");
	mc_autofree char *text = NULL;

	if (json_array_size(enis) == 1)
		return store_edit(call->tx, mc_json_at(enis, 0));
	text = mc_strf("There are multiple interfaces attached to instance '%s'. "
		       "Please specify an interface ID for the operation instead.", r->id);
	action_fail(call, API_INVALID_INSTANCE, text);
	return NULL;
}

static int set_groups(struct call *call, struct resource *r, const json_t *value)
{
	struct resource *eni = only_interface(call, r);

	return eni ? interface_set_groups(call, eni, value) : 1;
}

static int set_check(struct call *call, struct resource *r, const json_t *value)
{
	struct resource *eni = only_interface(call, r);

	if (!eni)
		return 1;
	interface_set_check(call, eni, mc_json_bool(value, "Value", true));
	return 0;
}

static json_t *show_nothing(struct call *call, const struct resource *r)
{
	(void)call, (void)r;
	return json_object();
}

static const struct attribute attributes[] = {
	{ "instanceType", "InstanceType", show_type, set_type, true },
	{ "userData", "UserData", show_user_data, set_user_data, true },
	{ "disableApiTermination", "DisableApiTermination", show_protection, set_protection, false },
	{ "instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior", show_behavior, set_behavior, false },
	{ "disableApiStop", "DisableApiStop", show_false, NULL, false },
	{ "ebsOptimized", "EbsOptimized", show_false, NULL, false },
	{ "enaSupport", "EnaSupport", show_false, NULL, false },
	{ "rootDeviceName", "RootDeviceName", show_root_device, NULL, false },
	{ "blockDeviceMapping", "BlockDeviceMappings", show_mappings, set_mappings, false },
	{ "groupSet", "Groups", show_groups, set_groups, false },
	{ "sourceDestCheck", "SourceDestCheck", show_check, set_check, false },
	{ "kernel", "KernelId", show_nothing, NULL, false },
	{ "ramdisk", "RamdiskId", show_nothing, NULL, false },
	{ "sriovNetSupport", "SriovNetSupport", show_nothing, NULL, false },
};

static const struct attribute *find_attribute(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++)
		if (strcmp(attributes[i].name, name) == 0)
			return &attributes[i];
	return NULL;
}

static int describe_attribute(struct call *call)
{
	const struct attribute *a = find_attribute(mc_json_str(call->in, "Attribute", ""));
	const struct resource *r = action_resource(call, KIND_INSTANCE, mc_json_str(call->in, "InstanceId", NULL));

	if (!r)
		return 1;
	if (!a)
		return action_fail(call, API_UNSUPPORTED, "This attribute is not supported by this cloud yet.");
	call->out = json_pack("{s:s, s:o}", "InstanceId", r->id, a->member, a->show(call, r));
	return 0;
}

static int set_one(struct call *call, const struct attribute *a, struct resource *r, const json_t *value)
{
	if (!a->set)
		return action_fail(call, API_UNSUPPORTED, "This attribute cannot be modified in this cloud yet.");
	if (a->stopped_only && r->state != INSTANCE_STOPPED)
		return action_fail(call, API_INCORRECT_INSTANCE_STATE, r->id, "modified; it must be stopped");
	return a->set(call, r, value);
}

/* Either a member of its own ({"DisableApiTermination": {"Value": true}}) or Attribute and Value. */
static const json_t *value_for(const struct call *call, const struct attribute *a, json_t **ret_made)
{
	const char *name = mc_json_str(call->in, "Attribute", NULL), *text = mc_json_str(call->in, "Value", "");
	const json_t *own = json_object_get(call->in, a->member);

	if (own || !name || strcmp(name, a->name) != 0)
		return own;
	if (a->set == set_protection)
		*ret_made = value_of_bool(strcmp(text, "true") == 0);
	else
		*ret_made = value_of_text(text);
	return *ret_made;
}

static int modify_attribute(struct call *call)
{
	static const char *const paravirtual[] = { "Kernel", "Ramdisk", NULL };
	const char *id = mc_json_str(call->in, "InstanceId", NULL);
	struct resource *r;
	size_t n = 0;

	if (!action_resource(call, KIND_INSTANCE, id) || action_refuse_members(call, paravirtual, "instances start by their own disk."))
		return 1;
	r = store_edit(call->tx, id);
	for (size_t i = 0; i < MC_ARRAY_SIZE(attributes); i++) {
		mc_auto_json json_t *made = NULL;
		const json_t *value = value_for(call, &attributes[i], &made);

		if (value && set_one(call, &attributes[i], r, value))
			return 1;
		n += value != NULL;
	}
	return n ? 0 : action_fail(call, API_PARAMETER_COMBINATION, "No attributes specified.");
}

const struct action actions_instance_attribute[] = {
	{ .service = "ec2", .name = "DescribeInstanceAttribute", .fn = describe_attribute },
	{ .service = "ec2", .name = "ModifyInstanceAttribute", .fn = modify_attribute, .flags = ACTION_WRITE },
	{ 0 },
};
