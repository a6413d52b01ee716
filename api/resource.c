#include "api/resource.h"

#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "common/cleanup.h"
#include "common/fs.h"

static const struct kind_info kinds[KIND_MAX] = {
	[KIND_INSTANCE] = { "instance", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "instance ID", &state_instance },
	[KIND_IMAGE] = { "image", "ami", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "image id", &state_image },
	[KIND_VOLUME] = { "volume", "vol", "InvalidParameterValue", "InvalidVolume.NotFound", "volume", &state_volume },
	[KIND_SNAPSHOT] = { "snapshot", "snap", "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound", "snapshot", &state_snapshot },
	[KIND_VPC] = { "vpc", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "vpc ID", NULL },
	[KIND_SUBNET] = { "subnet", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", "subnet ID", NULL },
	[KIND_SUBNET_RESERVATION] = { "subnet-cidr-reservation", "scr", "InvalidSubnetCidrReservationID.Malformed", "InvalidSubnetCidrReservationID.NotFound", "subnet CIDR reservation ID", NULL },
	[KIND_SECURITY_GROUP] = { "security-group", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "security group", NULL },
	[KIND_SECURITY_GROUP_RULE] = { "security-group-rule", "sgr", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound", "security group rule ID", NULL },
	[KIND_NETWORK_INTERFACE] = { "network-interface", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound", "networkInterface ID", NULL },
	[KIND_ELASTIC_IP] = { "elastic-ip", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound", "allocation ID", NULL },
	[KIND_NAT_GATEWAY] = { "natgateway", "nat", "NatGatewayMalformed", "NatGatewayNotFound", "Nat gateway", &state_nat_gateway },
	[KIND_FLOW_LOG] = { "vpc-flow-log", "fl", "InvalidFlowLogId.NotFound", "InvalidFlowLogId.NotFound", "flowLog ID", NULL },
	[KIND_INSIGHTS_PATH] = { "network-insights-path", "nip", "InvalidNetworkInsightsPathId.Malformed", "InvalidNetworkInsightsPathId.NotFound", "network insights path ID", NULL },
	[KIND_INSIGHTS_ANALYSIS] = { "network-insights-analysis", "nia", "InvalidNetworkInsightsAnalysisId.Malformed", "InvalidNetworkInsightsAnalysisId.NotFound", "network insights analysis ID", NULL },
	[KIND_INTERNET_GATEWAY] = { "internet-gateway", "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound", "internetGateway ID", NULL },
	[KIND_ROUTE_TABLE] = { "route-table", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound", "routeTable ID", NULL },
	[KIND_NETWORK_ACL] = { "network-acl", "acl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound", "networkAcl ID", NULL },
	[KIND_DHCP_OPTIONS] = { "dhcp-options", "dopt", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound", "dhcpOption ID", NULL },
	[KIND_PREFIX_LIST] = { "prefix-list", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound", "prefix list ID", NULL },
	[KIND_VPC_PEERING] = { "vpc-peering-connection", "pcx", "InvalidVpcPeeringConnectionId.Malformed", "InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection ID", &state_peering },
	[KIND_VPC_ENDPOINT] = { "vpc-endpoint", "vpce", "InvalidVpcEndpointId.Malformed", "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", NULL },
	[KIND_KEY_PAIR] = { "key-pair", "key", "InvalidKeyPair.Malformed", "InvalidKeyPair.NotFound", "key pair", NULL },
	[KIND_IMPORT_IMAGE] = { "import-image-task", "import-ami", "InvalidConversionTaskId.Malformed", "InvalidConversionTaskId", "import task", &state_transfer },
	[KIND_IMPORT_SNAPSHOT] = { "import-snapshot-task", "import-snap", "InvalidConversionTaskId.Malformed", "InvalidConversionTaskId", "import task", &state_transfer },
	[KIND_EXPORT_IMAGE] = { "export-image-task", "export-ami", "InvalidExportTaskID.Malformed", "InvalidExportTaskID.NotFound", "export task", &state_transfer },
	[KIND_BUDGET] = { "budget", "budget", "InvalidParameterException", "NotFoundException", "budget", NULL },
	[KIND_KMS_KEY] = { "kms-key", "kms", "NotFoundException", "NotFoundException", "key", &state_kms_key },
	[KIND_RETENTION_RULE] = { "retention-rule", "rule", "ValidationException", "ResourceNotFoundException", "rule", NULL },
	[KIND_LIFECYCLE_POLICY] = { "lifecycle-policy", "policy", "InvalidRequestException", "ResourceNotFoundException", "policy", NULL },
};

const struct kind_info *kind_info(enum kind kind)
{
	return &kinds[kind];
}

enum kind kind_by_name(const char *name)
{
	int k = 0;

	while (k < KIND_MAX && strcmp(kinds[k].name, name) != 0)
		k++;
	return (enum kind)k;
}

enum kind kind_by_id(const char *id)
{
	int k = 0;

	while (k < KIND_MAX && !mc_id_valid(kinds[k].prefix, id))
		k++;
	return (enum kind)k;
}

char *kind_missing_text(enum kind kind, const char *ids, bool many)
{
	bool image = kind == KIND_IMAGE, disk = kind == KIND_VOLUME || kind == KIND_SNAPSHOT;

	return mc_strf("The %s%s '%s%s%s' do%s not exist%s", kinds[kind].noun, many ? "s" : "", image ? "[" : "", ids, image ? "]" : "",
		       many ? "" : "es", disk ? "." : "");
}

struct resource *resource_clone(const struct resource *r)
{
	struct resource *copy = mc_alloc(sizeof(*copy));

	*copy = *r;
	copy->account = mc_strdup(r->account);
	copy->region = mc_strdup(r->region);
	copy->az = mc_strdup(r->az);
	copy->host = mc_strdup(r->host);
	copy->parent = mc_strdup(r->parent);
	copy->doc = json_deep_copy(r->doc);
	copy->spec = json_deep_copy(r->spec);
	copy->tags = json_deep_copy(r->tags);
	copy->version = 0;
	return copy;
}

void resource_free(struct resource *r)
{
	if (!r)
		return;
	free(r->account);
	free(r->region);
	free(r->az);
	free(r->host);
	free(r->parent);
	json_decref(r->doc);
	json_decref(r->spec);
	json_decref(r->tags);
	free(r);
}

json_t *resource_tag_list(const struct resource *r)
{
	json_t *list, *value;
	const char *key;

	if (json_object_size(r->tags) == 0)
		return NULL;
	list = json_array();
	json_object_foreach(r->tags, key, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "Key", key, "Value", value));
	return list;
}

char *resource_arn(const struct resource *r)
{
	return mc_strf("arn:aws:ec2:%s:%s:%s/%s", r->region, r->account, kinds[r->kind].name, r->id);
}
