#include "cli/columns.h"

#include <string.h>

#include "common/cleanup.h"

/* What bill_annotate() puts into rows. */
#define COST_COLUMNS { "Cost/h", "?CostPerHour" }, { "Month", "?CostThisMonth" }
#define INSTANCE_COLUMNS \
	{ { "Name", "Tags:Name" }, { "InstanceId", "InstanceId" }, { "State", "State.Name" }, \
	  { "Type", "InstanceType" }, { "PrivateIp", "PrivateIpAddress" }, \
	  { "PublicIp", "PublicIpAddress" }, { "AZ", "Placement.AvailabilityZone" }, \
	  { "LaunchTime", "LaunchTime" } }
#define CHANGE_COLUMNS(list) \
	list, { { "InstanceId", "InstanceId" }, { "Before", "PreviousState.Name" }, \
		{ "Now", "CurrentState.Name" } }
#define RULE_COLUMNS \
	{ { "RuleId", "SecurityGroupRuleId" }, { "GroupId", "GroupId" }, { "Egress", "IsEgress" }, \
	  { "Protocol", "IpProtocol" }, { "From", "FromPort" }, { "To", "ToPort" }, \
	  { "Cidr", "CidrIpv4" }, { "Group", "ReferencedGroupInfo.GroupId" }, \
	  { "Description", "Description" } }

static const struct columns rows[] = {
	{ "DescribeInstances", "Reservations.Instances",
	  { { "Name", "Tags:Name" }, { "InstanceId", "InstanceId" }, { "State", "State.Name" },
	    { "Type", "InstanceType" }, { "PrivateIp", "PrivateIpAddress" }, { "PublicIp", "PublicIpAddress" },
	    { "AZ", "Placement.AvailabilityZone" }, { "LaunchTime", "LaunchTime" }, COST_COLUMNS } },
	{ "RunInstances", "Instances", INSTANCE_COLUMNS },
	{ "StartInstances", CHANGE_COLUMNS("StartingInstances") },
	{ "StopInstances", CHANGE_COLUMNS("StoppingInstances") },
	{ "TerminateInstances", CHANGE_COLUMNS("TerminatingInstances") },
	{ "DescribeInstanceStatus", "InstanceStatuses",
	  { { "InstanceId", "InstanceId" }, { "State", "InstanceState.Name" },
	    { "Instance", "InstanceStatus.Status" }, { "System", "SystemStatus.Status" },
	    { "AZ", "AvailabilityZone" } } },
	{ "DescribeImages", "Images",
	  { { "ImageId", "ImageId" }, { "Name", "Name" }, { "State", "State" },
	    { "Arch", "Architecture" }, { "Root", "RootDeviceName" }, { "Owner", "OwnerId" },
	    { "Created", "CreationDate" } } },
	{ "DescribeInstanceTypes", "InstanceTypes",
	  { { "Type", "InstanceType" }, { "vCPUs", "VCpuInfo.DefaultVCpus" },
	    { "MemoryMiB", "MemoryInfo.SizeInMiB" },
	    { "Arch", "ProcessorInfo.SupportedArchitectures" },
	    { "Interfaces", "NetworkInfo.MaximumNetworkInterfaces" } } },
	{ "DescribeRegions", "Regions",
	  { { "Region", "RegionName" }, { "Endpoint", "Endpoint" }, { "OptIn", "OptInStatus" } } },
	{ "DescribeAvailabilityZones", "AvailabilityZones",
	  { { "Zone", "ZoneName" }, { "ZoneId", "ZoneId" }, { "Region", "RegionName" },
	    { "State", "State" } } },
	{ "ListMetrics", "Metrics",
	  { { "Namespace", "Namespace" }, { "Metric", "MetricName" }, { "Dimension", "Dimensions.Name" }, { "Of", "Dimensions.Value" } } },
	{ "DescribeKeyPairs", "KeyPairs",
	  { { "Name", "KeyName" }, { "KeyPairId", "KeyPairId" }, { "Type", "KeyType" },
	    { "Fingerprint", "KeyFingerprint" } } },
	{ "DescribeVpcs", "Vpcs",
	  { { "Name", "Tags:Name" }, { "VpcId", "VpcId" }, { "State", "State" },
	    { "Cidr", "CidrBlock" }, { "Default", "IsDefault" } } },
	{ "DescribeSubnets", "Subnets",
	  { { "Name", "Tags:Name" }, { "SubnetId", "SubnetId" }, { "State", "State" },
	    { "VpcId", "VpcId" }, { "Cidr", "CidrBlock" }, { "AZ", "AvailabilityZone" },
	    { "Free", "AvailableIpAddressCount" }, { "Default", "DefaultForAz" } } },
	{ "DescribeSecurityGroups", "SecurityGroups",
	  { { "Name", "GroupName" }, { "GroupId", "GroupId" }, { "VpcId", "VpcId" },
	    { "Description", "Description" } } },
	{ "DescribeSecurityGroupRules", "SecurityGroupRules", RULE_COLUMNS },
	{ "AuthorizeSecurityGroupIngress", "SecurityGroupRules", RULE_COLUMNS },
	{ "AuthorizeSecurityGroupEgress", "SecurityGroupRules", RULE_COLUMNS },
	{ "DescribeVolumes", "Volumes",
	  { { "Name", "Tags:Name" }, { "VolumeId", "VolumeId" }, { "State", "State" },
	    { "GiB", "Size" }, { "Type", "VolumeType" }, { "AZ", "AvailabilityZone" },
	    { "Instance", "Attachments.InstanceId" }, { "Device", "Attachments.Device" },
	    { "Created", "CreateTime" }, COST_COLUMNS } },
	{ "DescribeTags", "Tags",
	  { { "Resource", "ResourceId" }, { "Type", "ResourceType" }, { "Key", "Key" },
	    { "Value", "Value" } } },
	{ "DescribeNetworkInterfaces", "NetworkInterfaces",
	  { { "InterfaceId", "NetworkInterfaceId" }, { "State", "Status" },
	    { "PrivateIp", "PrivateIpAddress" }, { "PublicIp", "Association.PublicIp" },
	    { "SubnetId", "SubnetId" }, { "Instance", "Attachment.InstanceId" },
	    { "Groups", "Groups.GroupId" }, COST_COLUMNS } },
	{ "DescribeAddresses", "Addresses",
	  { { "PublicIp", "PublicIp" }, { "AllocationId", "AllocationId" },
	    { "Instance", "InstanceId" }, { "PrivateIp", "PrivateIpAddress" }, COST_COLUMNS } },
	{ "DescribeSnapshots", "Snapshots",
	  { { "Name", "Tags:Name" }, { "SnapshotId", "SnapshotId" }, { "State", "State" },
	    { "Progress", "Progress" }, { "GiB", "VolumeSize" }, { "VolumeId", "VolumeId" },
	    { "Started", "StartTime" }, COST_COLUMNS } },
	{ "DescribeNatGateways", "NatGateways",
	  { { "Name", "Tags:Name" }, { "NatGatewayId", "NatGatewayId" }, { "State", "State" },
	    { "SubnetId", "SubnetId" }, { "PublicIp", "NatGatewayAddresses.PublicIp" },
	    { "Created", "CreateTime" }, COST_COLUMNS } },
	{ "DescribeRouteTables", "RouteTables",
	  { { "Name", "Tags:Name" }, { "RouteTableId", "RouteTableId" }, { "VpcId", "VpcId" },
	    { "Main", "Associations.Main" }, { "Subnets", "Associations.SubnetId" },
	    { "Destinations", "Routes.DestinationCidrBlock" } } },
	{ "DescribeInternetGateways", "InternetGateways",
	  { { "Name", "Tags:Name" }, { "GatewayId", "InternetGatewayId" },
	    { "VpcId", "Attachments.VpcId" }, { "State", "Attachments.State" } } },
	{ "DescribeNetworkAcls", "NetworkAcls",
	  { { "Name", "Tags:Name" }, { "AclId", "NetworkAclId" }, { "VpcId", "VpcId" },
	    { "Default", "IsDefault" }, { "Subnets", "Associations.SubnetId" },
	    { "Rules", "Entries.RuleNumber" } } },
	{ "DescribeVpcPeeringConnections", "VpcPeeringConnections",
	  { { "Name", "Tags:Name" }, { "PeeringId", "VpcPeeringConnectionId" },
	    { "State", "Status.Code" }, { "Requester", "RequesterVpcInfo.VpcId" },
	    { "Accepter", "AccepterVpcInfo.VpcId" } } },
	{ "DescribeVpcEndpoints", "VpcEndpoints",
	  { { "Name", "Tags:Name" }, { "EndpointId", "VpcEndpointId" }, { "State", "State" },
	    { "VpcId", "VpcId" }, { "Service", "ServiceName" }, { "Subnets", "SubnetIds" } } },
	{ "DescribeManagedPrefixLists", "PrefixLists",
	  { { "Name", "PrefixListName" }, { "PrefixListId", "PrefixListId" }, { "State", "State" },
	    { "Version", "Version" }, { "Max", "MaxEntries" } } },
	{ "GetManagedPrefixListEntries", "Entries",
	  { { "Cidr", "Cidr" }, { "Description", "Description" } } },
	{ "DescribeAccountAttributes", "AccountAttributes",
	  { { "Attribute", "AttributeName" },
	    { "Values", "AttributeValues.AttributeValue" } } },
};

const struct columns *columns_find(const char *operation)
{
	for (size_t i = 0; i < MC_ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].operation, operation) == 0)
			return &rows[i];
	return NULL;
}
