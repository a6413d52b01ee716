#include "api/instance_type.h"

#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

static bool check_type(const char *text)
{
	const char *dot = strchr(text, '.');

	return dot && dot > text && dot[1] &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(text);
}

static const struct mc_field family_fields[] = {
	{ .name = "family", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 32 },
	{ .name = "current_generation", .type = MC_FIELD_BOOLEAN, .required = true },
	{ .name = "burstable", .type = MC_FIELD_BOOLEAN, .required = true },
	{ .name = "hypervisor", .type = MC_FIELD_STRING, .required = true },
	{ .name = "clock_mhz", .type = MC_FIELD_INTEGER, .min = 100, .max = 100000 },
	{ 0 },
};

static const struct mc_field type_fields[] = {
	{ .name = "type", .type = MC_FIELD_STRING, .required = true, .min = 3, .max = 64, .check = check_type },
	{ .name = "vcpus", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = 512 },
	{ .name = "memory_mib", .type = MC_FIELD_INTEGER, .required = true, .min = 64, .max = 1 << 26 },
	{ .name = "network", .type = MC_FIELD_STRING, .required = true, .min = 1, .max = 64 },
	{ .name = "interfaces", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = 64 },
	{ .name = "addresses", .type = MC_FIELD_INTEGER, .required = true, .min = 1, .max = 256 },
	{ .name = "store_disks", .type = MC_FIELD_INTEGER, .min = 1, .max = 24 },
	{ .name = "store_gib", .type = MC_FIELD_INTEGER, .min = 1, .max = 16384 },
	{ .name = "store_type", .type = MC_FIELD_STRING, .min = 3, .max = 3 },
	{ 0 },
};

static const struct mc_field file_fields[] = {
	{ .name = "comment", .type = MC_FIELD_STRING },
	{ .name = "families", .type = MC_FIELD_OBJECTS, .required = true, .min = 1, .max = 200, .sub = family_fields },
	{ .name = "types", .type = MC_FIELD_OBJECTS, .required = true, .min = 1, .max = 1000, .sub = type_fields },
	{ 0 },
};

/* --- InstanceTypeInfo ------------------------------------------------------- */

static const json_t *family_of(const json_t *file, const char *type)
{
	size_t n = strcspn(type, "."), i;
	json_t *f;

	json_array_foreach(mc_json_arr(file, "families"), i, f) {
		const char *name = mc_json_str(f, "family", "");

		if (strlen(name) == n && strncmp(name, type, n) == 0)
			return f;
	}
	return NULL;
}

/* A guest's virtual processors are cores of one thread each. */
static json_t *cpu_info(int64_t vcpus)
{
	json_t *cores = json_array();

	for (int64_t i = 1; i <= vcpus; i++)
		json_array_append_new(cores, json_integer(i));
	return json_pack("{s:I, s:I, s:i, s:o, s:[i]}", "DefaultVCpus", (json_int_t)vcpus, "DefaultCores", (json_int_t)vcpus,
			 "DefaultThreadsPerCore", 1, "ValidCores", cores, "ValidThreadsPerCore", 1);
}

static json_t *network_info(const json_t *row)
{
	const char *performance = mc_json_str(row, "network", "");
	json_int_t interfaces = mc_json_int(row, "interfaces", 1);

	return json_pack("{s:s, s:I, s:i, s:i, s:[{s:i, s:s, s:I}], s:I, s:i, s:b, s:s, s:b, s:b}", "NetworkPerformance", performance,
		"MaximumNetworkInterfaces", interfaces, "MaximumNetworkCards", 1, "DefaultNetworkCardIndex", 0, "NetworkCards",
		"NetworkCardIndex", 0, "NetworkPerformance", performance, "MaximumNetworkInterfaces", interfaces,
		"Ipv4AddressesPerInterface", (json_int_t)mc_json_int(row, "addresses", 1), "Ipv6AddressesPerInterface", 0,
		"Ipv6Supported", 0, "EnaSupport", "unsupported", "EfaSupported", 0, "EncryptionInTransitSupported", 0);
}

static json_t *processor_info(const json_t *family)
{
	int64_t mhz = mc_json_int(family, "clock_mhz", 0);
	json_t *info = json_pack("{s:[s]}", "SupportedArchitectures", "x86_64");

	if (mhz)
		json_object_set_new(info, "SustainedClockSpeedInGhz", json_real((double)mhz / 1000));
	return info;
}

/* What this cloud gives every type, whatever AWS's does. */
static json_t *common_info(void)
{
	return json_pack("{s:[s], s:[s], s:[s], s:[s], s:b, s:b, s:{s:s, s:s, s:s}, s:{s:[]}, s:b, s:b, s:b}",
		"SupportedUsageClasses", "on-demand", "SupportedRootDeviceTypes", "ebs", "SupportedVirtualizationTypes", "hvm",
		"SupportedBootModes", "legacy-bios", "BareMetal", 0, "InstanceStorageSupported", 0, "EbsInfo",
		"EbsOptimizedSupport", "unsupported", "EncryptionSupport", "unsupported", "NvmeSupport", "unsupported",
		"PlacementGroupInfo", "SupportedStrategies", "HibernationSupported", 0, "DedicatedHostsSupported", 0,
		"AutoRecoverySupported", 0);
}

/* Disks that come with the type and go at stop (InstanceStorageInfo); nothing where it has none. */
static void add_storage(json_t *info, const json_t *row)
{
	json_int_t count = mc_json_int(row, "store_disks", 0), gib = mc_json_int(row, "store_gib", 0);

	if (!count || !gib)
		return;
	json_object_set_new(info, "InstanceStorageSupported", json_true());
	json_object_set_new(info, "InstanceStorageInfo", json_pack("{s:I, s:[{s:I, s:I, s:s}], s:s, s:s}", "TotalSizeInGB",
		count * gib, "Disks", "SizeInGB", gib, "Count", count, "Type", mc_json_str(row, "store_type", "ssd"), "NvmeSupport",
		"unsupported", "EncryptionSupport", "unsupported"));
}

static bool free_tier(const char *type)
{
	return strcmp(type, "t2.micro") == 0 || strcmp(type, "t3.micro") == 0;
}

static json_t *type_info(const json_t *row, const json_t *family)
{
	const char *type = mc_json_str(row, "type", "");
	json_t *info = common_info();

	json_object_update_new(info, json_pack("{s:s, s:b, s:b, s:s, s:b, s:o, s:o, s:{s:I}, s:o}", "InstanceType", type,
		"CurrentGeneration", mc_json_bool(family, "current_generation", false), "FreeTierEligible", free_tier(type),
		"Hypervisor", mc_json_str(family, "hypervisor", "nitro"), "BurstablePerformanceSupported",
		mc_json_bool(family, "burstable", false), "ProcessorInfo", processor_info(family), "VCpuInfo",
		cpu_info(mc_json_int(row, "vcpus", 1)), "MemoryInfo", "SizeInMiB", (json_int_t)mc_json_int(row, "memory_mib", 0),
		"NetworkInfo", network_info(row)));
	add_storage(info, row);
	return info;
}

/* --- reading ---------------------------------------------------------------- */

json_t *instance_types_read(const json_t *file, mc_err **err)
{
	mc_auto_json json_t *types = json_object();
	size_t i;
	json_t *row;

	if (mc_fields_check(file_fields, file, err) < 0)
		return NULL;
	json_array_foreach(mc_json_arr(file, "types"), i, row) {
		const char *type = mc_json_str(row, "type", "");
		const json_t *family = family_of(file, type);

		if (!family || json_object_get(types, type)) {
			mc_err_set(err, 0, "types[%zu]: %s %s", i, type, family ? "is there twice" : "is of no known family");
			return NULL;
		}
		json_object_set_new(types, type, json_pack("{s:O, s:O, s:o}", "vcpus", json_object_get(row, "vcpus"), "memory_mib",
							   json_object_get(row, "memory_mib"), "doc", type_info(row, family)));
	}
	return MC_STEAL(types);
}

json_t *instance_types_load(const char *path, mc_err **err)
{
	mc_auto_json json_t *file = mc_json_load(path, err);
	json_t *types = file ? instance_types_read(file, err) : NULL;

	if (file && !types)
		mc_err_wrap(err, "instance types %s", path);
	return types;
}
