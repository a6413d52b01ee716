#include "api/run_instances.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/ami_alias.h"
#include "api/block_device.h"
#include "api/describe.h"
#include "api/api.h"
#include "api/image.h"
#include "api/instance.h"
#include "api/launch_interface.h"
#include "api/state.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define RESOLVE "resolve:ssm:" /* EC2 User Guide, "Use a Systems Manager parameter" */
#define MAX_USER_DATA 16384
#define DEFAULT_TYPE "m1.small" /* EC2 API reference, RunInstances */

/* The request, checked and with its references followed. */
struct plan {
	const struct resource *image;
	const char *type, *key_name, *public_key, *user_data, *behavior;
	struct launch_interfaces nics;
	json_t *devices; /* block_devices_plan(), owned */
	int64_t count;
};

/* --- checking the request ------------------------------------------------- */

/* Terraform sends "" for what is not set. */
static const char *given(const json_t *in, const char *key)
{
	const char *text = mc_json_str(in, key, NULL);

	return text && *text ? text : NULL;
}

static int check_image(struct call *call, struct plan *p)
{
	const char *id = mc_json_str(call->in, "ImageId", NULL);

	if (!id)
		return action_fail(call, API_MISSING_PARAMETER, "ImageId");
	if (strncmp(id, RESOLVE, strlen(RESOLVE)) == 0) {
		p->image = ami_alias_image(call->api, call->tx, call->caller->region, id + strlen(RESOLVE));
		return p->image ? 0 : action_fail(call, API_PARAMETER_NOT_FOUND);
	}
	p->image = image_available(call, id);
	return p->image ? 0 : 1;
}

static int check_type(struct call *call, struct plan *p)
{
	mc_autofree char *text = NULL;

	p->type = mc_json_str(call->in, "InstanceType", DEFAULT_TYPE);
	if (json_object_get(call->api->types, p->type))
		return image_check_type(call, p->image, p->type);
	text = mc_strf("Invalid value '%s' for InstanceType.", p->type);
	return action_fail(call, API_INVALID_PARAMETER, text);
}

static int64_t live_instances(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region);
	const struct resource *r;
	int64_t n = 0;

	while ((r = store_next_bare(&it)))
		n += r->state != INSTANCE_TERMINATED;
	return n;
}

static int check_count(struct call *call, struct plan *p)
{
	int64_t min = mc_json_int(call->in, "MinCount", 1), max = mc_json_int(call->in, "MaxCount", 1);
	int64_t quota = call->api->config.quota_instances, room = quota - live_instances(call);

	if (min < 1 || max < 1)
		return action_fail(call, API_INVALID_PARAMETER,
				   "Value for parameter minCount or maxCount is invalid: it must be at least 1.");
	if (min > max)
		return action_fail(call, API_PARAMETER_COMBINATION, "MinCount must not be greater than MaxCount.");
	if (min > room)
		return action_fail(call, API_INSTANCE_LIMIT, (long long)min, (int)quota);
	p->count = max < room ? max : room;
	return 0;
}

static int check_key(struct call *call, struct plan *p)
{
	struct store_iter it = store_iter(call->tx, KIND_KEY_PAIR, call->caller->account, call->caller->region);
	const struct resource *r;
	mc_autofree char *text = NULL;

	p->key_name = given(call->in, "KeyName");
	if (!p->key_name)
		return 0;
	while ((r = store_next(&it)))
		if (strcmp(mc_json_str(r->doc, "KeyName", ""), p->key_name) == 0) {
			p->public_key = mc_json_str(r->spec, "public_key", NULL);
			return 0;
		}
	text = mc_strf("The key pair '%s' does not exist", p->key_name);
	return action_fail(call, API_NOT_FOUND, "InvalidKeyPair.NotFound", text);
}

static int check_interfaces(struct call *call, struct plan *p)
{
	int64_t room;

	if (launch_interfaces_read(call, p->type, p->count, &p->nics))
		return 1;
	room = launch_interfaces_room(call, &p->nics);
	if (room < mc_json_int(call->in, "MinCount", 1))
		return action_fail(call, API_INSUFFICIENT_ADDRESSES, p->nics.subnet->id);
	p->count = p->count < room ? p->count : room;
	return 0;
}

static int check_user_data(struct call *call, struct plan *p)
{
	const char *text = mc_json_str(call->in, "UserData", NULL);
	size_t n = text ? strlen(text) : 0;
	mc_autofree unsigned char *out = NULL;

	if (n == 0)
		return 0;
	out = mc_alloc(n + 4);
	if (n % 4 || EVP_DecodeBlock(out, (const unsigned char *)text, (int)n) < 0)
		return action_fail(call, API_USER_DATA);
	if (n / 4 * 3 > MAX_USER_DATA + 2)
		return action_fail(call, API_INVALID_PARAMETER, "User data is limited to 16384 bytes");
	p->user_data = text;
	return 0;
}

static int check_behavior(struct call *call, struct plan *p)
{
	p->behavior = mc_json_str(call->in, "InstanceInitiatedShutdownBehavior", "stop");
	if (strcmp(p->behavior, "stop") != 0 && strcmp(p->behavior, "terminate") != 0)
		return action_fail(call, API_INVALID_PARAMETER, "Value for parameter instanceInitiatedShutdownBehavior is invalid.");
	return 0;
}

static int check_metadata(struct call *call)
{
	const char *ipv6 = mc_json_str(mc_json_obj(call->in, "MetadataOptions"), "HttpProtocolIpv6", "disabled");

	return strcmp(ipv6, "enabled") != 0
		       ? 0
		       : action_fail(call, API_UNSUPPORTED, "HttpProtocolIpv6 is not supported by this cloud: it has IPv4 only");
}

/* Hosts of one's own and groups of instances. */
static int check_placement(struct call *call)
{
	static const char *const members[] = { "Affinity", "GroupName", "GroupId", "HostId", "HostResourceGroupArn", "SpreadDomain" };
	const json_t *placement = mc_json_obj(call->in, "Placement");
	const char *tenancy = mc_json_str(placement, "Tenancy", "");

	for (size_t i = 0; i < MC_ARRAY_SIZE(members); i++)
		if (*mc_json_str(placement, members[i], ""))
			return action_fail(call, API_UNSUPPORTED, "Instances are placed on one host: Placement can name a zone and no more.");
	if ((*tenancy && strcmp(tenancy, "default") != 0) || mc_json_int(placement, "PartitionNumber", 0) != 0)
		return action_fail(call, API_UNSUPPORTED, "Instances are placed on one host, which they share.");
	return 0;
}

/* 0, or action_fail. */
static int check_names(struct call *call)
{
	static const char *const unknown[] = { "EnableResourceNameDnsARecord", "EnableResourceNameDnsAAAARecord" };
	const json_t *options = mc_json_obj(call->in, "PrivateDnsNameOptions");
	mc_autofree char *text = NULL;

	if (strcmp(mc_json_str(options, "HostnameType", "ip-name"), "ip-name") != 0)
		text = mc_strdup("Only the private DNS hostname type 'ip-name' is supported by this cloud yet");
	for (size_t i = 0; i < MC_ARRAY_SIZE(unknown) && !text; i++)
		if (mc_json_bool(options, unknown[i], false))
			text = mc_strf("%s is not supported by this cloud: it has IPv4 and names by address only", unknown[i]);
	return text ? action_fail(call, API_UNSUPPORTED, text) : 0;
}

/* What a launch could mean elsewhere, and would be passed over here. */
static int check_elsewhere(struct call *call)
{
	static const char *const unknown[] = { "KernelId", "RamdiskId", "AdditionalInfo", "ElasticGpuSpecification",
					       "ElasticInferenceAccelerators", "InstanceMarketOptions", "HibernationOptions",
					       "EnclaveOptions", "LicenseSpecifications", "CpuOptions", "DisableApiStop",
					       "EnablePrimaryIpv6", "NetworkPerformanceOptions", "Operator", "SecondaryInterfaces", NULL };
	const json_t *profile = mc_json_obj(call->in, "IamInstanceProfile"), *template = mc_json_obj(call->in, "LaunchTemplate");
	const char *name = mc_json_str(profile, "Name", mc_json_str(profile, "Arn", ""));
	const char *template_id = mc_json_str(template, "LaunchTemplateId", NULL);

	if (*name)
		return action_invalid(call, "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
				      name);
	if (template)
		return action_refuse(call, template_id ? "InvalidLaunchTemplateId.NotFound" : "InvalidLaunchTemplateName.NotFoundException",
				     "The specified launch template, with template %s %s, does not exist.", template_id ? "ID" : "name",
				     template_id ? template_id : mc_json_str(template, "LaunchTemplateName", ""));
	return action_refuse_members(call, unknown, "it runs instances on demand on one host.") || check_placement(call) || check_names(call);
}

static int make_plan(struct call *call, struct plan *p)
{
	static const char *const taggable[] = { "instance", "volume", "network-interface", NULL };

	if (check_image(call, p) || check_type(call, p) || check_count(call, p) || check_key(call, p) ||
	    check_interfaces(call, p) || check_user_data(call, p) || check_behavior(call, p) || check_metadata(call) ||
	    check_elsewhere(call) || block_devices_plan(call, p->image, p->type, &p->devices))
		return 1;
	return action_check_tag_types(call, taggable);
}

/* --- making the rows ------------------------------------------------------ */

/* An image may ask for more than this cloud does. */
static bool imds_v1_allowed(const struct call *call, const struct plan *p)
{
	return call->api->config.imds_v1 && strcmp(mc_json_str(p->image->doc, "ImdsSupport", ""), "v2.0") != 0;
}

static void fill_instance(struct call *call, const struct plan *p, struct resource *r, const char *reservation, int index)
{
	const json_t *options = mc_json_obj(call->in, "MetadataOptions");
	char now[MC_ISO8601_LEN];

	mc_clock_iso8601(r->created, now);
	r->az = mc_strdup(p->nics.subnet->az);
	r->host = mc_strdup("local");
	r->parent = mc_strdup(p->nics.subnet->parent);
	json_object_update_new(r->doc, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s*, s:s}", "InstanceId", r->id, "ImageId",
		p->image->id, "InstanceType", p->type, "AmiLaunchIndex", index, "LaunchTime", now, "Architecture",
		mc_json_str(p->image->doc, "Architecture", "x86_64"), "RootDeviceName",
		mc_json_str(p->image->doc, "RootDeviceName", "/dev/xvda"), "ClientToken", mc_json_str(call->in, "ClientToken", ""),
		"KeyName", p->key_name, "UsageOperationUpdateTime", now));
	json_object_update_new(r->spec, json_pack("{s:s, s:[], s:[], s:s*, s:s, s:s*, s:i, s:b, s:s}", "reservation", reservation, "enis",
		"volumes", "user_data", p->user_data, "shutdown_behavior", p->behavior, "public_key", p->public_key, "launch_index",
		index, "disable_api_termination", mc_json_bool(call->in, "DisableApiTermination", false), "transition_reason", ""));
	json_object_set_new(r->spec, "metadata_options", json_pack("{s:s, s:s, s:I, s:s}", "HttpTokens",
		mc_json_str(options, "HttpTokens", imds_v1_allowed(call, p) ? "optional" : "required"), "HttpEndpoint",
		mc_json_str(options, "HttpEndpoint", "enabled"), "HttpPutResponseHopLimit",
		(json_int_t)mc_json_int(options, "HttpPutResponseHopLimit", 2), "InstanceMetadataTags",
		mc_json_str(options, "InstanceMetadataTags", "disabled")));
	state_init(r, INSTANCE_PENDING);
}

static int make_instance(struct call *call, const struct plan *p, const char *reservation, int index, json_t *list)
{
	struct resource *r = store_insert(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region);
	const char *accelerator = mc_json_str(call->api->accelerator, "accelerator", NULL);

	fill_instance(call, p, r, reservation, index);
	if (instance_credit_apply(call, r) || action_apply_tags(call, "instance", r) || launch_interfaces_make(call, &p->nics, r) || block_devices_make(call, p->devices, r))
		return 1;
	/* A system tag by its prefix: Terraform would want to take away one without it. */
	if (accelerator)
		json_object_set_new(r->tags, "aws:minicloud:accelerator", json_string(accelerator));
	json_array_append_new(list, instance_view(call, r));
	return 0;
}

static json_t *reservation_doc(struct call *call, const char *id, json_t *instances)
{
	return json_pack("{s:s, s:s, s:[], s:o}", "ReservationId", id, "OwnerId", call->caller->account, "Groups", "Instances",
			 instances);
}

int run_instances(struct call *call)
{
	struct plan p = { 0 };
	mc_auto_json json_t *list = json_array();
	char reservation[MC_ID_LEN];
	int failed = make_plan(call, &p);

	mc_id_new("r", reservation);
	for (int i = 0; !failed && i < p.count; i++)
		failed = make_instance(call, &p, reservation, i, list);
	launch_interfaces_deinit(&p.nics);
	json_decref(p.devices);
	if (failed)
		return failed;
	image_note_launch(call, p.image);
	call->out = reservation_doc(call, reservation, json_incref(list));
	return 0;
}

/* The same token again: the same reservation, as it is now. */
int run_instances_replay(struct call *call)
{
	const char *id = mc_json_str(call->job, "ReservationId", "");
	struct store_iter it = store_pass(call->tx, KIND_INSTANCE, call->caller->account, call->caller->region, id);
	const struct resource *r;
	json_t *list = json_array();

	while ((r = store_next(&it)))
		if (strcmp(mc_json_str(r->spec, "reservation", ""), id) == 0)
			json_array_append_new(list, instance_view(call, r));
	call->out = reservation_doc(call, id, list);
	return 0;
}
