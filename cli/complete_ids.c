#include <stdio.h>
#include <string.h>

#include "cli/complete.h"
#include "cli/path.h"
#include "cli/transport.h"
#include "common/cleanup.h"
#include "common/fs.h"
#include "common/json.h"

/* Where values of a member come from, for those whose Describe operation does not follow from
 * their names. More rows for one member: from all of them. */
static const struct source {
	const char *member, *operation, *input, *rows, *value, *state;
} sources[] = {
#define ALIVE "{\"Filters\": [{\"Name\": \"instance-state-name\", \"Values\": [\"pending\", \"running\", \"stopping\", \"stopped\"]}]}"
	{ "InstanceId", "DescribeInstances", ALIVE, "Reservations.Instances", "InstanceId", "State.Name" },
	{ "GroupId", "DescribeSecurityGroups", "{}", "SecurityGroups", "GroupId", "GroupName" },
	{ "SecurityGroupId", "DescribeSecurityGroups", "{}", "SecurityGroups", "GroupId", "GroupName" },
	{ "Group", "DescribeSecurityGroups", "{}", "SecurityGroups", "GroupId", "GroupName" },
	{ "GroupName", "DescribeSecurityGroups", "{}", "SecurityGroups", "GroupName", "GroupId" },
	{ "KeyName", "DescribeKeyPairs", "{}", "KeyPairs", "KeyName", "KeyPairId" },
	{ "AllocationId", "DescribeAddresses", "{}", "Addresses", "AllocationId", "PublicIp" },
	{ "PublicIp", "DescribeAddresses", "{}", "Addresses", "PublicIp", "AllocationId" },
	{ "AvailabilityZone", "DescribeAvailabilityZones", "{}", "AvailabilityZones", "ZoneName", "State" },
	{ "ZoneName", "DescribeAvailabilityZones", "{}", "AvailabilityZones", "ZoneName", "State" },
	{ "RegionName", "DescribeRegions", "{}", "Regions", "RegionName", "" },
	{ "InstanceType", "DescribeInstanceTypes", "{}", "InstanceTypes", "InstanceType", "VCpuInfo.DefaultVCpus" },
	{ "ImageId", "DescribeImages", "{}", "Images", "ImageId", "Name" },
	{ "Resource", "DescribeInstances", ALIVE, "Reservations.Instances", "InstanceId", "State.Name" },
	{ "Resource", "DescribeVolumes", "{}", "Volumes", "VolumeId", "State" },
	{ "Resource", "DescribeVpcs", "{}", "Vpcs", "VpcId", "CidrBlock" },
	{ "Resource", "DescribeSubnets", "{}", "Subnets", "SubnetId", "CidrBlock" },
	{ "Resource", "DescribeSecurityGroups", "{}", "SecurityGroups", "GroupId", "GroupName" },
};

static void offer_rows(const struct completion *c, const struct source *s, const json_t *answer)
{
	mc_auto_json json_t *rows = path_all(answer, s->rows);

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		mc_autofree char *value = path_text(row, s->value), *name = path_text(row, "Tags:Name");
		mc_autofree char *state = *s->state ? path_text(row, s->state) : mc_strdup("");
		mc_autofree char *text = mc_strf("%s%s%s", name, *name && *state ? ", " : "", state);

		if (*value)
			complete_offer(c, value, text);
	}
}

static void ask(const struct completion *c, const struct source *s)
{
	const struct model_operation *op = model_operation(model_service("ec2"), s->operation);
	mc_auto_json json_t *answer = NULL, *doc = NULL;
	json_error_t e;

	doc = json_loads(s->input, 0, &e);
	if (op && transport_call(c->cli, op, doc, &answer, NULL) == 0)
		offer_rows(c, s, answer);
}

static bool ask_sources(const struct completion *c, const char *member)
{
	bool found = false;

	for (size_t i = 0; i < MC_ARRAY_SIZE(sources); i++)
		if (strcmp(sources[i].member, member) == 0) {
			ask(c, &sources[i]);
			found = true;
		}
	return found;
}

/* VpcId: DescribeVpcs answers Vpcs, whose elements have a VpcId. False: it is not so. */
static bool ask_describe(const struct completion *c, const char *member)
{
	size_t len = strlen(member) - strlen("Id");
	mc_autofree char *operation = mc_strf("Describe%.*ss", (int)len, member);
	const struct model_operation *op = model_operation(model_service("ec2"), operation);
	const struct model_shape *output = op ? model_operation_output(op) : NULL;

	for (size_t i = 0; output && i < model_shape_members(output); i++) {
		const struct model_member *m = model_shape_member(output, i);
		const struct model_shape *element = model_shape_element(model_member_shape(m));
		struct source s = { member, operation, "{}", model_member_name(m), member, "" };

		if (!element || !model_shape_find(element, member))
			continue;
		if (model_shape_find(element, "State") && model_shape_type(model_member_shape(model_shape_find(element, "State"))) == MODEL_STRING)
			s.state = "State";
		ask(c, &s);
		return true;
	}
	return false;
}

void complete_ids(const struct completion *c, const char *member)
{
	size_t len = strlen(member);
	mc_autofree char *one = mc_strf("%.*s", (int)(len && member[len - 1] == 's' ? len - 1 : len), member);
	size_t n = strlen(one);

	if (ask_sources(c, one))
		return;
	if (n > 2 && strcmp(one + n - 2, "Id") == 0)
		ask_describe(c, one);
}
