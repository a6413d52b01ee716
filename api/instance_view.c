/* What DescribeInstances shows: the row joined with its interfaces, volumes and groups. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/attachment.h"
#include "api/instance.h"
#include "api/interface.h"
#include "api/state.h"
#include "api/vpc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

json_t *instance_state_doc(int state)
{
	return json_pack("{s:i, s:s}", "Code", state_instance.codes[state], "Name", state_instance.names[state]);
}

static void add_network(struct call *call, const struct resource *r, json_t *doc)
{
	json_t *list = json_array(), *id;
	size_t i;

	json_object_set_new(doc, "NetworkInterfaces", list);
	json_object_set_new(doc, "PrivateDnsName", json_string(""));
	json_object_set_new(doc, "PublicDnsName", json_string(""));
	json_array_foreach(mc_json_arr(r->spec, "enis"), i, id) {
		const struct resource *eni = store_get(call->tx, json_string_value(id));
		json_t *view;

		if (!eni)
			continue;
		view = interface_of_instance(call->tx, eni);
		json_array_append_new(list, view);
		if (mc_json_int(eni->spec, "device_index", 0) != 0)
			continue;
		json_object_set(doc, "PrivateIpAddress", json_object_get(view, "PrivateIpAddress"));
		json_object_set(doc, "PrivateDnsName", json_object_get(view, "PrivateDnsName"));
		json_object_set(doc, "SubnetId", json_object_get(view, "SubnetId"));
		json_object_set(doc, "VpcId", json_object_get(view, "VpcId"));
		json_object_set(doc, "SecurityGroups", json_object_get(view, "Groups"));
		json_object_set(doc, "SourceDestCheck", json_object_get(view, "SourceDestCheck"));
		if (mc_json_obj(view, "Association")) {
			json_object_set(doc, "PublicIpAddress", json_object_get(mc_json_obj(view, "Association"), "PublicIp"));
			json_object_set(doc, "PublicDnsName", json_object_get(mc_json_obj(view, "Association"), "PublicDnsName"));
		}
	}
	if (!json_object_get(doc, "SecurityGroups"))
		json_object_set_new(doc, "SecurityGroups", json_array());
}

static void add_volumes(struct call *call, const struct resource *r, json_t *doc)
{
	json_t *list = json_array(), *entry;
	size_t i;

	json_object_set_new(doc, "BlockDeviceMappings", list);
	json_array_foreach(mc_json_arr(r->spec, "volumes"), i, entry) {
		const struct resource *vol = store_get(call->tx, mc_json_str(entry, "id", NULL));

		if (vol && vol->state == VOLUME_IN_USE)
			json_array_append_new(list, json_pack("{s:s, s:{s:s, s:b, s:s, s:s}}", "DeviceName",
				mc_json_str(entry, "device", ""), "Ebs", "AttachTime", mc_json_str(entry, "attached", ""),
				"DeleteOnTermination", mc_json_bool(entry, "delete_on_termination", true), "Status",
				attachment_state(entry), "VolumeId", vol->id));
	}
}

static void add_state(const struct resource *r, json_t *doc)
{
	json_t *reason = mc_json_obj(r->spec, "state_reason");

	json_object_set_new(doc, "State", instance_state_doc(r->state));
	json_object_set_new(doc, "StateTransitionReason", json_string(mc_json_str(r->spec, "transition_reason", "")));
	if (reason && r->state != INSTANCE_RUNNING)
		json_object_set(doc, "StateReason", reason);
}

static json_t *metadata_options(const struct resource *r)
{
	const json_t *o = mc_json_obj(r->spec, "metadata_options");

	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "State", "applied", "HttpTokens", mc_json_str(o, "HttpTokens", "required"),
			 "HttpPutResponseHopLimit", (json_int_t)mc_json_int(o, "HttpPutResponseHopLimit", 2), "HttpEndpoint",
			 mc_json_str(o, "HttpEndpoint", "enabled"), "HttpProtocolIpv6", "disabled", "InstanceMetadataTags",
			 mc_json_str(o, "InstanceMetadataTags", "disabled"));
}

/* What never changes for an instance of this cloud. */
static json_t *constant_part(struct call *call, const struct resource *r)
{
	const json_t *type = json_object_get(call->api->types, mc_json_str(r->doc, "InstanceType", ""));

	return json_pack("{s:{s:s}, s:[], s:b, s:b, s:s, s:s, s:s, s:{s:I, s:i}, s:{s:b}, s:s, s:s, s:{s:s}, s:{s:b}, s:{s:s, s:b, s:b}, s:s}",
		"Monitoring", "State", "disabled", "ProductCodes", "EbsOptimized", 0, "EnaSupport", 0, "Hypervisor", "xen",
		"RootDeviceType", "ebs", "VirtualizationType", "hvm", "CpuOptions", "CoreCount",
		(json_int_t)mc_json_int(type, "vcpus", 1), "ThreadsPerCore", 1, "HibernationOptions", "Configured", 0,
		"PlatformDetails", "Linux/UNIX", "UsageOperation", "RunInstances", "CapacityReservationSpecification",
		"CapacityReservationPreference", "open", "EnclaveOptions", "Enabled", 0, "PrivateDnsNameOptions", "HostnameType",
		"ip-name", "EnableResourceNameDnsARecord", 0, "EnableResourceNameDnsAAAARecord", 0, "CurrentInstanceBootMode", "legacy-bios");
}

json_t *instance_view(struct call *call, const struct resource *r)
{
	json_t *doc = json_copy(r->doc);
	json_t *tags = resource_tag_list(r);

	json_object_update_new(doc, constant_part(call, r));
	json_object_set_new(doc, "Placement", json_pack("{s:s, s:s, s:s}", "AvailabilityZone", r->az, "GroupName", "", "Tenancy", "default"));
	json_object_set_new(doc, "MetadataOptions", metadata_options(r));
	add_state(r, doc);
	add_network(call, r, doc);
	add_volumes(call, r, doc);
	if (tags)
		json_object_set_new(doc, "Tags", tags);
	return doc;
}

uint64_t instance_aside(struct call *call, const struct resource *r)
{
	const struct resource *vpc = store_peek(call->tx, r->parent);

	/* Of the VPC only this is shown; its version changes with every neighbour. */
	return vpc && vpc_names_hosts(vpc);
}
