/* Regions, zones, the account, instance types: what the configuration says. */
#include <stdlib.h>
#include <string.h>

#include "api/action.h"
#include "api/api.h"
#include "api/describe.h"
#include "api/describe_filter.h"
#include "api/metadata_tree.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

#define ZONES "abc"

/* Append view to list if the clauses have it. Steals view. */
static void offer(const struct clauses *c, json_t *list, json_t *view)
{
	if (clauses_match(c, view, NULL))
		json_array_append(list, view);
	json_decref(view);
}

/* Is it asked for, by this list member or by not giving any? */
static bool asked(const struct call *call, const char *member, const char *name)
{
	const json_t *list = mc_json_arr(call->in, member);

	return json_array_size(list) == 0 || mc_json_has_str(list, name);
}

/* --- regions -------------------------------------------------------------- */

static const struct filter region_filters[] = {
	{ "endpoint", "Endpoint" }, { "opt-in-status", "OptInStatus" }, { "region-name", "RegionName" }, { 0 },
};

static int check_regions(struct call *call)
{
	size_t i;
	json_t *name;

	json_array_foreach(mc_json_arr(call->in, "RegionNames"), i, name) {
		mc_autofree char *message = NULL;

		if (api_region_known(call->api, json_string_value(name)))
			continue;
		message = mc_strf("Invalid region names provided: [%s]", json_string_value(name));
		return action_fail(call, API_INVALID_PARAMETER, message);
	}
	return 0;
}

/* The endpoint of every region is this daemon: a client that follows it stays here. */
static int describe_regions(struct call *call)
{
	mc_autofree char *names = mc_strdup(call->api->config.regions);
	struct clauses clauses;
	char *save = NULL;
	json_t *list;

	if (clauses_init(call, region_filters, &clauses) || check_regions(call))
		return 1;
	list = json_array();
	for (char *r = strtok_r(names, ", ", &save); r; r = strtok_r(NULL, ", ", &save))
		if (asked(call, "RegionNames", r))
			offer(&clauses, list, json_pack("{s:s, s:s, s:s}", "Endpoint", call->api->config.listen, "RegionName", r,
							"OptInStatus", "opt-in-not-required"));
	call->out = json_pack("{s:o}", "Regions", list);
	return 0;
}

/* --- zones ---------------------------------------------------------------- */

static const struct filter zone_filters[] = {
	{ "group-long-name", "GroupLongName" },
	{ "group-name", "GroupName" },
	{ "message", "Messages.Message" },
	{ "opt-in-status", "OptInStatus" },
	{ "parent-zone-id", "ParentZoneId" },
	{ "parent-zone-name", "ParentZoneName" },
	{ "parent-zoneID", "ParentZoneId" }, /* as its page has them */
	{ "parent-zoneName", "ParentZoneName" },
	{ "region-name", "RegionName" },
	{ "state", "State" },
	{ "zone-id", "ZoneId" },
	{ "zone-name", "ZoneName" },
	{ "zone-type", "ZoneType" },
	{ 0 },
};

static json_t *zone_view(const char *region, char letter)
{
	mc_autofree char *name = mc_strf("%s%c", region, letter);
	mc_autofree char *id = metadata_zone_id(region, name);
	mc_autofree char *group = mc_strf("%s-zg-1", region);

	return json_pack("{s:s, s:s, s:[], s:s, s:s, s:s, s:s, s:s, s:s}", "State", "available", "OptInStatus", "opt-in-not-required",
			 "Messages", "RegionName", region, "ZoneName", name, "ZoneId", id, "GroupName", group,
			 "NetworkBorderGroup", region, "ZoneType", "availability-zone");
}

/* All zones of the region. New reference. */
static json_t *zones_of(const char *region)
{
	json_t *list = json_array();

	for (const char *z = ZONES; *z; z++)
		json_array_append_new(list, zone_view(region, *z));
	return list;
}

/* Every name (or id) asked for is a zone: 0 or action_fail. */
static int check_zones(struct call *call, const json_t *zones, const char *asked_member, const char *member)
{
	size_t i, j;
	json_t *name, *zone;

	json_array_foreach(mc_json_arr(call->in, asked_member), i, name) {
		bool found = false;

		json_array_foreach(zones, j, zone)
			found = found || strcmp(mc_json_str(zone, member, ""), json_string_value(name)) == 0;
		if (!found)
			return action_fail(call, API_INVALID_ZONE, json_string_value(name));
	}
	return 0;
}

static int describe_availability_zones(struct call *call)
{
	mc_auto_json json_t *zones = zones_of(call->caller->region);
	struct clauses clauses;
	json_t *list, *zone;
	size_t i;

	if (clauses_init(call, zone_filters, &clauses) || check_zones(call, zones, "ZoneNames", "ZoneName") ||
	    check_zones(call, zones, "ZoneIds", "ZoneId"))
		return 1;
	list = json_array();
	json_array_foreach(zones, i, zone)
		if (asked(call, "ZoneNames", mc_json_str(zone, "ZoneName", "")) &&
		    asked(call, "ZoneIds", mc_json_str(zone, "ZoneId", "")))
			offer(&clauses, list, json_incref(zone));
	call->out = json_pack("{s:o}", "AvailabilityZones", list);
	return 0;
}

/* --- the account ---------------------------------------------------------- */

static char *default_vpc(struct call *call)
{
	struct store_iter it = store_iter(call->tx, KIND_VPC, call->caller->account, call->caller->region);
	const struct resource *vpc;

	while ((vpc = store_next(&it)))
		if (mc_json_bool(vpc->doc, "IsDefault", false))
			return mc_strdup(vpc->id);
	return mc_strdup("none");
}

static char *max_instances(struct call *call)
{
	return mc_strf("%ld", call->api->config.quota_instances);
}

static char *max_addresses(struct call *call)
{
	return mc_strf("%ld", call->api->config.quota_addresses);
}

/* Either a constant or made. */
static const struct {
	const char *name, *value;
	char *(*make)(struct call *call);
} account_attributes[] = {
	{ "supported-platforms", "VPC", NULL },
	{ "vpc-max-security-groups-per-interface", "5", NULL },
	{ "max-elastic-ips", NULL, max_addresses },
	{ "max-instances", NULL, max_instances },
	{ "vpc-max-elastic-ips", NULL, max_addresses },
	{ "default-vpc", NULL, default_vpc },
};

static bool is_account_attribute(const char *name)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(account_attributes); i++)
		if (strcmp(account_attributes[i].name, name) == 0)
			return true;
	return false;
}

static int check_account_attributes(struct call *call)
{
	size_t i;
	json_t *name;

	json_array_foreach(mc_json_arr(call->in, "AttributeNames"), i, name)
		if (!is_account_attribute(json_string_value(name)))
			return action_invalid(call, "Value (%s) for parameter attributeName is invalid.", json_string_value(name));
	return 0;
}

static int describe_account_attributes(struct call *call)
{
	json_t *list;

	if (check_account_attributes(call))
		return 1;
	list = json_array();
	for (size_t i = 0; i < MC_ARRAY_SIZE(account_attributes); i++) {
		const char *name = account_attributes[i].name;
		mc_autofree char *made = account_attributes[i].make ? account_attributes[i].make(call) : NULL;

		if (asked(call, "AttributeNames", name))
			json_array_append_new(list, json_pack("{s:s, s:[{s:s}]}", "AttributeName", name, "AttributeValues",
							      "AttributeValue", made ? made : account_attributes[i].value));
	}
	call->out = json_pack("{s:o}", "AccountAttributes", list);
	return 0;
}

/* --- instance types ------------------------------------------------------- */

static const struct filter type_filters[] = {
	{ "auto-recovery-supported", "AutoRecoverySupported" },
	{ "bare-metal", "BareMetal" },
	{ "burstable-performance-supported", "BurstablePerformanceSupported" },
	{ "current-generation", "CurrentGeneration" },
	{ "dedicated-hosts-supported", "DedicatedHostsSupported" },
	{ "ebs-info.attachment-limit-type", "EbsInfo.AttachmentLimitType" },
	{ "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps", "EbsInfo.EbsOptimizedInfo.BaselineBandwidthInMbps" },
	{ "ebs-info.ebs-optimized-info.baseline-iops", "EbsInfo.EbsOptimizedInfo.BaselineIops" },
	{ "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps", "EbsInfo.EbsOptimizedInfo.BaselineThroughputInMBps" },
	{ "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps" },
	{ "ebs-info.ebs-optimized-info.maximum-iops", "EbsInfo.EbsOptimizedInfo.MaximumIops" },
	{ "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps", "EbsInfo.EbsOptimizedInfo.MaximumThroughputInMBps" },
	{ "ebs-info.ebs-optimized-support", "EbsInfo.EbsOptimizedSupport" },
	{ "ebs-info.encryption-support", "EbsInfo.EncryptionSupport" },
	{ "ebs-info.maximum-ebs-attachments", "EbsInfo.MaximumEbsAttachments" },
	{ "ebs-info.nvme-support", "EbsInfo.NvmeSupport" },
	{ "free-tier-eligible", "FreeTierEligible" },
	{ "hibernation-supported", "HibernationSupported" },
	{ "hypervisor", "Hypervisor" },
	{ "instance-storage-info.disk.count", "InstanceStorageInfo.Disks.Count" },
	{ "instance-storage-info.disk.size-in-gb", "InstanceStorageInfo.Disks.SizeInGB" },
	{ "instance-storage-info.disk.type", "InstanceStorageInfo.Disks.Type" },
	{ "instance-storage-info.encryption-support", "InstanceStorageInfo.EncryptionSupport" },
	{ "instance-storage-info.nvme-support", "InstanceStorageInfo.NvmeSupport" },
	{ "instance-storage-info.total-size-in-gb", "InstanceStorageInfo.TotalSizeInGB" },
	{ "instance-storage-supported", "InstanceStorageSupported" },
	{ "instance-type", "InstanceType" },
	{ "memory-info.size-in-mib", "MemoryInfo.SizeInMiB" },
	{ "network-info.bandwidth-weightings", "NetworkInfo.BandwidthWeightings" },
	{ "network-info.efa-info.maximum-efa-interfaces", "NetworkInfo.EfaInfo.MaximumEfaInterfaces" },
	{ "network-info.efa-supported", "NetworkInfo.EfaSupported" },
	{ "network-info.ena-support", "NetworkInfo.EnaSupport" },
	{ "network-info.encryption-in-transit-supported", "NetworkInfo.EncryptionInTransitSupported" },
	{ "network-info.flexible-ena-queues-support", "NetworkInfo.FlexibleEnaQueuesSupport" },
	{ "network-info.ipv4-addresses-per-interface", "NetworkInfo.Ipv4AddressesPerInterface" },
	{ "network-info.ipv6-addresses-per-interface", "NetworkInfo.Ipv6AddressesPerInterface" },
	{ "network-info.ipv6-supported", "NetworkInfo.Ipv6Supported" },
	{ "network-info.maximum-network-cards", "NetworkInfo.MaximumNetworkCards" },
	{ "network-info.maximum-network-interfaces", "NetworkInfo.MaximumNetworkInterfaces" },
	{ "network-info.network-performance", "NetworkInfo.NetworkPerformance" },
	{ "nitro-enclaves-support", "NitroEnclavesSupport" },
	{ "nitro-tpm-info.supported-versions", "NitroTpmInfo.SupportedVersions" },
	{ "nitro-tpm-support", "NitroTpmSupport" },
	{ "processor-info.supported-architecture", "ProcessorInfo.SupportedArchitectures" },
	{ "processor-info.supported-features", "ProcessorInfo.SupportedFeatures" },
	{ "processor-info.sustained-clock-speed-in-ghz", "ProcessorInfo.SustainedClockSpeedInGhz" },
	{ "reboot-migration-support", "RebootMigrationSupport" },
	{ "supported-boot-mode", "SupportedBootModes" },
	{ "supported-root-device-type", "SupportedRootDeviceTypes" },
	{ "supported-usage-class", "SupportedUsageClasses" },
	{ "supported-virtualization-type", "SupportedVirtualizationTypes" },
	{ "vcpu-info.default-cores", "VCpuInfo.DefaultCores" },
	{ "vcpu-info.default-threads-per-core", "VCpuInfo.DefaultThreadsPerCore" },
	{ "vcpu-info.default-vcpus", "VCpuInfo.DefaultVCpus" },
	{ "vcpu-info.valid-cores", "VCpuInfo.ValidCores" },
	{ "vcpu-info.valid-threads-per-core", "VCpuInfo.ValidThreadsPerCore" },
	{ 0 },
};

static int check_types(struct call *call)
{
	mc_autofree char *unknown = NULL;
	size_t i;
	json_t *name;

	json_array_foreach(mc_json_arr(call->in, "InstanceTypes"), i, name) {
		char *longer;

		if (json_object_get(call->api->types, json_string_value(name)))
			continue;
		longer = mc_strf("%s%s%s", unknown ? unknown : "", unknown ? ", " : "", json_string_value(name));
		free(unknown);
		unknown = longer;
	}
	return unknown ? action_fail(call, API_INVALID_TYPE, unknown) : 0;
}

static int describe_instance_types(struct call *call)
{
	mc_auto_json json_t *items = json_array();
	struct clauses clauses;
	const char *name;
	json_t *type;

	if (clauses_init(call, type_filters, &clauses) || check_types(call))
		return 1;
	json_object_foreach(call->api->types, name, type)
		if (asked(call, "InstanceTypes", name))
			offer(&clauses, items, json_incref(mc_json_obj(type, "doc")));
	return describe_answer_page(call, "InstanceTypes", items, 5, 100);
}

/* --- where they are offered: everywhere ------------------------------------ */

static const struct filter offering_filters[] = { { "instance-type", "InstanceType" }, { "location", "Location" }, { 0 } };

/* The locations of this type: new reference, NULL for an unknown one. */
static json_t *locations_of(const char *type, const char *region)
{
	mc_auto_json json_t *zones = zones_of(region);
	const char *member = strcmp(type, "availability-zone") == 0 ? "ZoneName" : "ZoneId";
	json_t *list, *zone;
	size_t i;

	if (strcmp(type, "region") == 0)
		return json_pack("[s]", region);
	if (strncmp(type, "availability-zone", strlen("availability-zone")) != 0)
		return NULL;
	list = json_array();
	json_array_foreach(zones, i, zone)
		json_array_append(list, json_object_get(zone, member));
	return list;
}

static int describe_instance_type_offerings(struct call *call)
{
	const char *location_type = mc_json_str(call->in, "LocationType", "region"), *name;
	mc_auto_json json_t *items = json_array(), *locations = locations_of(location_type, call->caller->region);
	struct clauses clauses;
	json_t *type, *location;
	size_t i;

	if (clauses_init(call, offering_filters, &clauses))
		return 1;
	if (!locations)
		return action_fail(call, API_INVALID_PARAMETER, "The location type is not supported by this cloud.");
	json_object_foreach(call->api->types, name, type)
		json_array_foreach(locations, i, location)
			offer(&clauses, items, json_pack("{s:s, s:s, s:O}", "InstanceType", name, "LocationType", location_type,
							 "Location", location));
	return describe_answer_page(call, "InstanceTypeOfferings", items, 5, 1000);
}

const struct action actions_place[] = {
	{ .service = "ec2", .name = "DescribeRegions", .fn = describe_regions, .flags = ACTION_GLOBAL },
	{ .service = "ec2", .name = "DescribeAvailabilityZones", .fn = describe_availability_zones, .flags = ACTION_GLOBAL },
	{ .service = "ec2", .name = "DescribeAccountAttributes", .fn = describe_account_attributes },
	{ .service = "ec2", .name = "DescribeInstanceTypes", .fn = describe_instance_types, .flags = ACTION_GLOBAL },
	{ .service = "ec2", .name = "DescribeInstanceTypeOfferings", .fn = describe_instance_type_offerings, .flags = ACTION_GLOBAL },
	{ 0 },
};
