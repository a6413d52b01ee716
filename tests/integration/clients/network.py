"""The network's actions: scenes, Terraform's resources, and what AWS's answers always have."""

from steps import service

SERVICE = "ec2"
ROOMS = ("vpc", "subnet", "subnet_reservation", "internet_gateway", "route_table", "route", "network_acl", "dhcp_options", "prefix_list", "peering",
         "vpc_endpoint", "vpc_endpoint_service", "interface", "interface_attach", "nat_gateway", "nat_gateway_address", "flow_log",
         "insights", "address", "security_group", "security_group_reference", "tag", "place")

call, wait = service(SERVICE)


def filters(**values):
    """tag__KEY is tag:KEY, and so on."""
    return [{"Name": "tag:" + name[5:] if name.startswith("tag__") else name.replace("__", ".").replace("_", "-"), "Values": [value]}
            for name, value in values.items()]


def tags(kind, name):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}, {"Key": "walk", "Value": "yes"}]}]


def vpc(block, **more):
    """A VPC and its end."""
    return [call("CreateVpc", {"CidrBlock": block}, vpc="Vpc.VpcId", **more), wait("vpc_available", {"VpcIds": ["$vpc"]})]


def subnet(block, name="subnet"):
    return [call("CreateSubnet", {"VpcId": "$vpc", "CidrBlock": block, "AvailabilityZone": "$zone"}, **{name: "Subnet.SubnetId"}),
            wait("subnet_available", {"SubnetIds": [f"${name}"]})]


ZONE = [call("DescribeAvailabilityZones", query="AvailabilityZones[].ZoneName", zone="AvailabilityZones[0].ZoneName")]
END = [call("DeleteVpc", {"VpcId": "$vpc"}), call("DescribeVpcs", {"VpcIds": ["$vpc"]}, fails="InvalidVpcID.NotFound")]

PLACE = [
    call("DescribeRegions", query="Regions[].RegionName"),
    *ZONE,
    call("DescribeAccountAttributes", {"AttributeNames": ["default-vpc", "supported-platforms"]}),
    call("DescribeInstanceTypes", {"InstanceTypes": ["t3.nano", "t3.micro"]}, query="InstanceTypes[].VCpuInfo"),
    call("DescribeInstanceTypes", page=5),
    call("DescribeInstanceTypeOfferings", {"LocationType": "availability-zone"}, page=5),
]

VPC = [
    *ZONE,
    call("CreateVpc", {"CidrBlock": "10.60.0.0/16", "TagSpecifications": tags("vpc", "walk")}, vpc="Vpc.VpcId"),
    wait("vpc_exists", {"VpcIds": ["$vpc"]}),
    wait("vpc_available", {"VpcIds": ["$vpc"]}),
    call("DescribeVpcs", {"VpcIds": ["$vpc"]}, query="Vpcs[].[VpcId,CidrBlock]", see={"Vpcs[0].Tags[0].Value": "walk"}),
    call("DescribeVpcs", {"Filters": filters(tag__Name="walk", cidr="10.60.0.0/16")}, see={"Vpcs[].VpcId": ["$vpc"]}, page=5),
    call("ModifyVpcAttribute", {"VpcId": "$vpc", "EnableDnsHostnames": {"Value": True}}),
    call("ModifyVpcAttribute", {"VpcId": "$vpc", "EnableDnsSupport": {"Value": True}}),
    call("ModifyVpcAttribute", {"VpcId": "$vpc", "EnableNetworkAddressUsageMetrics": {"Value": True}}),
    call("DescribeVpcAttribute", {"VpcId": "$vpc", "Attribute": "enableDnsHostnames"}, see={"EnableDnsHostnames.Value": True}),
    call("DescribeVpcAttribute", {"VpcId": "$vpc", "Attribute": "enableDnsSupport"}, see={"EnableDnsSupport.Value": True}),
    call("DescribeVpcAttribute", {"VpcId": "$vpc", "Attribute": "enableNetworkAddressUsageMetrics"},
         see={"EnableNetworkAddressUsageMetrics.Value": True}),
    call("CreateVpc", {"CidrBlock": "10.61.0.0/16", "InstanceTenancy": "dedicated"}, fails="UnsupportedOperation"),
    call("ModifyVpcTenancy", {"VpcId": "$vpc", "InstanceTenancy": "default"}, see={"ReturnValue": True}),
    call("AssociateVpcCidrBlock", {"VpcId": "$vpc", "CidrBlock": "100.64.0.0/24"}, more="CidrBlockAssociation.AssociationId"),
    call("DescribeVpcs", {"VpcIds": ["$vpc"]}, until={"Vpcs[0].CidrBlockAssociationSet[1].CidrBlockState.State": "associated"}),
    call("DisassociateVpcCidrBlock", {"AssociationId": "$more"}),
    *subnet("10.60.1.0/24"),
    call("DescribeSubnets", {"Filters": filters(vpc_id="$vpc")}, see={"Subnets[].AvailableIpAddressCount": [251]}, page=5,
         query="Subnets[].SubnetId"),
    call("ModifySubnetAttribute", {"SubnetId": "$subnet", "MapPublicIpOnLaunch": {"Value": True}}),
    call("ModifySubnetAttribute", {"SubnetId": "$subnet", "PrivateDnsHostnameTypeOnLaunch": "ip-name"}),
    call("DescribeSubnets", {"SubnetIds": ["$subnet"]}, see={"Subnets[0].MapPublicIpOnLaunch": True}),
    call("CreateSubnetCidrReservation", {"SubnetId": "$subnet", "Cidr": "10.60.1.0/28", "ReservationType": "explicit", "Description": "ours",
                                         "TagSpecifications": tags("subnet-cidr-reservation", "walk")},
         kept="SubnetCidrReservation.SubnetCidrReservationId"),
    call("CreateSubnetCidrReservation", {"SubnetId": "$subnet", "Cidr": "10.60.1.8/29", "ReservationType": "prefix"},
         fails="InvalidParameterValue"),
    call("GetSubnetCidrReservations", {"SubnetId": "$subnet"}, see={"SubnetIpv4CidrReservations[].Cidr": ["10.60.1.0/28"]},
         query="SubnetIpv4CidrReservations[].ReservationType"),
    call("CreateNetworkInterface", {"SubnetId": "$subnet"}, eni="NetworkInterface.NetworkInterfaceId",
         see={"NetworkInterface.PrivateIpAddress": "10.60.1.16"}),
    call("DeleteNetworkInterface", {"NetworkInterfaceId": "$eni"}),
    call("DeleteSubnetCidrReservation", {"SubnetCidrReservationId": "$kept"}, see={"DeletedSubnetCidrReservation.SubnetId": "$subnet"}),
    call("CreateTags", {"Resources": ["$vpc", "$subnet"], "Tags": [{"Key": "Team", "Value": "blue"}]}),
    call("DescribeTags", {"Filters": filters(resource_id="$subnet")}, see={"Tags[].Value": ["blue"]}, page=5),
    call("DeleteTags", {"Resources": ["$vpc", "$subnet"], "Tags": [{"Key": "Team"}]}),
    call("DeleteVpc", {"VpcId": "$vpc"}, fails="DependencyViolation"),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]

DEFAULT = [
    call("DescribeVpcs", {"Filters": filters(is_default="true")}, old="Vpcs[0].VpcId"),
    call("DescribeSubnets", {"Filters": filters(vpc_id="$old")}, a="Subnets[0].SubnetId", b="Subnets[1].SubnetId",
         c="Subnets[2].SubnetId", zone="Subnets[2].AvailabilityZone"),
    call("DescribeInternetGateways", {"Filters": filters(attachment__vpc_id="$old")}, igw="InternetGateways[0].InternetGatewayId"),
    call("CreateDefaultVpc", fails="DefaultVpcAlreadyExists"),
    call("CreateDefaultSubnet", {"AvailabilityZone": "$zone"}, fails="DefaultSubnetAlreadyExistsInAvailabilityZone"),
    *(call("DeleteSubnet", {"SubnetId": name}) for name in ("$a", "$b", "$c")),
    call("DetachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$old"}),
    call("DeleteInternetGateway", {"InternetGatewayId": "$igw"}),
    call("DeleteVpc", {"VpcId": "$old"}),
    call("CreateDefaultVpc", vpc="Vpc.VpcId", see={"Vpc.IsDefault": True}),
    call("DescribeSubnets", {"Filters": filters(vpc_id="$vpc", availability_zone="$zone")}, c="Subnets[0].SubnetId"),
    call("DeleteSubnet", {"SubnetId": "$c"}),
    call("CreateDefaultSubnet", {"AvailabilityZone": "$zone"}, see={"Subnet.DefaultForAz": True, "Subnet.VpcId": "$vpc"}),
]

ROUTES = [
    *ZONE, *vpc("10.62.0.0/16"), *subnet("10.62.1.0/24"),
    call("CreateInternetGateway", {"TagSpecifications": tags("internet-gateway", "walk")}, igw="InternetGateway.InternetGatewayId"),
    wait("internet_gateway_exists", {"InternetGatewayIds": ["$igw"]}),
    call("AttachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("DescribeInternetGateways", {"Filters": filters(attachment__vpc_id="$vpc", attachment__state="available")},
         see={"InternetGateways[].InternetGatewayId": ["$igw"]}, page=5, query="InternetGateways[].Attachments[]"),
    call("CreateRouteTable", {"VpcId": "$vpc", "TagSpecifications": tags("route-table", "walk")}, table="RouteTable.RouteTableId"),
    call("CreateRouteTable", {"VpcId": "$vpc"}, other="RouteTable.RouteTableId"),
    call("AssociateRouteTable", {"RouteTableId": "$table", "SubnetId": "$subnet"}, association="AssociationId"),
    call("CreateRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "$igw"}, see={"Return": True}),
    call("CreateRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "$igw"}, fails="RouteAlreadyExists"),
    call("CreateNetworkInterface", {"SubnetId": "$subnet"}, eni="NetworkInterface.NetworkInterfaceId"),
    call("ReplaceRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0", "NetworkInterfaceId": "$eni"}),
    call("DescribeRouteTables", {"RouteTableIds": ["$table"]}, see={"RouteTables[0].Routes[1].NetworkInterfaceId": "$eni"}),
    call("DescribeRouteTables", {"Filters": filters(vpc_id="$vpc")}, page=5, query="RouteTables[].Routes[]"),
    call("ReplaceRouteTableAssociation", {"AssociationId": "$association", "RouteTableId": "$other"}, association="NewAssociationId"),
    call("DeleteRoute", {"RouteTableId": "$table", "DestinationCidrBlock": "0.0.0.0/0"}),
    call("DeleteRouteTable", {"RouteTableId": "$other"}, fails="DependencyViolation"),
    call("DisassociateRouteTable", {"AssociationId": "$association"}),
    call("DeleteRouteTable", {"RouteTableId": "$table"}),
    call("DeleteRouteTable", {"RouteTableId": "$other"}),
    call("DeleteNetworkInterface", {"NetworkInterfaceId": "$eni"}),
    call("DetachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("DeleteInternetGateway", {"InternetGatewayId": "$igw"}),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]

NAT = [
    *ZONE, *vpc("10.63.0.0/16"), *subnet("10.63.1.0/24"),
    call("CreateInternetGateway", igw="InternetGateway.InternetGatewayId"),
    call("AttachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("AllocateAddress", {"Domain": "vpc", "TagSpecifications": tags("elastic-ip", "walk")}, first="AllocationId"),
    call("AllocateAddress", second="AllocationId"),
    call("CreateNatGateway", {"SubnetId": "$subnet", "AllocationId": "$first", "TagSpecifications": tags("natgateway", "walk")},
         nat="NatGateway.NatGatewayId", see={"NatGateway.State": "pending"}),
    wait("nat_gateway_available", {"NatGatewayIds": ["$nat"]}),
    call("AssociateNatGatewayAddress", {"NatGatewayId": "$nat", "AllocationIds": ["$second"]}, more="NatGatewayAddresses[0].AllocationId"),
    call("DescribeNatGateways", {"NatGatewayIds": ["$nat"]},
         until={"NatGateways[0].NatGatewayAddresses[?AllocationId=='$more'].Status": ["succeeded"]},
         association="NatGateways[0].NatGatewayAddresses[?AllocationId=='$more'] | [0].AssociationId"),
    call("DisassociateNatGatewayAddress", {"NatGatewayId": "$nat", "AssociationIds": ["$association"]}),
    call("CreateNatGateway", {"SubnetId": "$subnet", "ConnectivityType": "private"}, private="NatGateway.NatGatewayId"),
    wait("nat_gateway_available", {"NatGatewayIds": ["$private"]}),
    call("AssignPrivateNatGatewayAddress", {"NatGatewayId": "$private", "PrivateIpAddresses": ["10.63.1.77"]},
         address="NatGatewayAddresses[?PrivateIp=='10.63.1.77'] | [0].PrivateIp"),
    call("DescribeNatGateways", {"NatGatewayIds": ["$private"]},
         until={"NatGateways[0].NatGatewayAddresses[?PrivateIp=='$address'].Status": ["succeeded"]}),
    call("UnassignPrivateNatGatewayAddress", {"NatGatewayId": "$private", "PrivateIpAddresses": ["$address"]}),
    *(call("DescribeNatGateways", {"NatGatewayIds": [name]}, until={"length(NatGateways[0].NatGatewayAddresses)": 1}) for name in ("$nat", "$private")),
    call("DescribeNatGateways", {"Filter": filters(vpc_id="$vpc", state="available")}, page=5, query="NatGateways[].State"),
    call("DeleteNatGateway", {"NatGatewayId": "$nat"}, see={"NatGatewayId": "$nat"}),
    call("DeleteNatGateway", {"NatGatewayId": "$private"}),
    wait("nat_gateway_deleted", {"NatGatewayIds": ["$nat", "$private"]}),
    call("ReleaseAddress", {"AllocationId": "$first"}),
    call("ReleaseAddress", {"AllocationId": "$second"}),
    call("DetachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("DeleteInternetGateway", {"InternetGatewayId": "$igw"}),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]

ADDRESSES = [
    *ZONE, *vpc("10.64.0.0/16"), *subnet("10.64.1.0/24"),
    call("CreateInternetGateway", igw="InternetGateway.InternetGatewayId"),
    call("AttachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("AllocateAddress", {"Domain": "vpc", "TagSpecifications": tags("elastic-ip", "walk")}, eip="AllocationId", address="PublicIp"),
    call("CreateNetworkInterface", {"SubnetId": "$subnet", "Description": "walk", "PrivateIpAddress": "10.64.1.10",
                                    "SecondaryPrivateIpAddressCount": 1,
                                    "TagSpecifications": tags("network-interface", "walk")}, eni="NetworkInterface.NetworkInterfaceId"),
    wait("network_interface_available", {"NetworkInterfaceIds": ["$eni"]}),
    call("AssociateAddress", {"AllocationId": "$eip", "NetworkInterfaceId": "$eni", "PrivateIpAddress": "10.64.1.10"},
         association="AssociationId"),
    call("DescribeAddresses", {"AllocationIds": ["$eip"]}, see={"Addresses[0].NetworkInterfaceId": "$eni"}, query="Addresses[].PublicIp"),
    call("DescribeAddresses", {"Filters": filters(network_interface_id="$eni")}, see={"Addresses[].AllocationId": ["$eip"]}),
    call("DescribeNetworkInterfaces", {"Filters": filters(association__allocation_id="$eip")},
         see={"NetworkInterfaces[0].Association.PublicIp": "$address"}, page=5, query="NetworkInterfaces[].PrivateIpAddresses[]"),
    call("ModifyAddressAttribute", {"AllocationId": "$eip", "DomainName": "host.example.org"}),
    call("DescribeAddressesAttribute", {"AllocationIds": ["$eip"], "Attribute": "domain-name"}, page=1,
         see={"Addresses[0].PublicIp": "$address"}),
    call("ResetAddressAttribute", {"AllocationId": "$eip", "Attribute": "domain-name"}),
    call("DescribeAddressesAttribute", {"AllocationIds": ["$eip"], "Attribute": "domain-name"}, see={"Addresses": []}),
    call("ReleaseAddress", {"AllocationId": "$eip"}, fails="InvalidIPAddress.InUse"),
    call("DisassociateAddress", {"AssociationId": "$association"}),
    call("ReleaseAddress", {"AllocationId": "$eip"}),
    call("AssignPrivateIpAddresses", {"NetworkInterfaceId": "$eni", "SecondaryPrivateIpAddressCount": 1},
         more="AssignedPrivateIpAddresses[0].PrivateIpAddress"),
    call("UnassignPrivateIpAddresses", {"NetworkInterfaceId": "$eni", "PrivateIpAddresses": ["$more"]}),
    call("ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "SourceDestCheck": {"Value": False}}),
    call("ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "Description": {"Value": "changed"}}),
    call("DescribeNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "Attribute": "sourceDestCheck"},
         see={"SourceDestCheck.Value": False}),
    call("DescribeNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "Attribute": "description"}, see={"Description.Value": "changed"}),
    call("DescribeNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "Attribute": "groupSet"}, see={"length(Groups)": 1}),
    call("ResetNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "SourceDestCheck": "true"}),
    call("DescribeNetworkInterfaces", {"NetworkInterfaceIds": ["$eni"]}, see={"NetworkInterfaces[0].SourceDestCheck": True}),
    call("DeleteNetworkInterface", {"NetworkInterfaceId": "$eni"}),
    call("DescribeNetworkInterfaces", {"NetworkInterfaceIds": ["$eni"]}, fails="InvalidNetworkInterfaceID.NotFound"),
    call("DetachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("DeleteInternetGateway", {"InternetGatewayId": "$igw"}),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]


def rule(port, **source):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}


GROUPS = [
    *ZONE, *vpc("10.65.0.0/16"),
    call("CreateSecurityGroup", {"GroupName": "walk", "Description": "a walk", "VpcId": "$vpc",
                                 "TagSpecifications": tags("security-group", "walk")}, group="GroupId"),
    wait("security_group_exists", {"GroupIds": ["$group"]}),
    call("CreateSecurityGroup", {"GroupName": "other", "Description": "another", "VpcId": "$vpc"}, other="GroupId"),
    call("AuthorizeSecurityGroupIngress", {"GroupId": "$group", "IpPermissions": [
        rule(22, IpRanges=[{"CidrIp": "192.0.2.0/24", "Description": "office"}]),
        rule(80, UserIdGroupPairs=[{"GroupId": "$other", "Description": "other"}])]},
         see={"Return": True, "length(SecurityGroupRules)": 2}, rule="SecurityGroupRules[0].SecurityGroupRuleId"),
    call("AuthorizeSecurityGroupIngress", {"GroupId": "$group", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"},
         cli=["--group-id", "$group", "--protocol", "tcp", "--port", "443", "--cidr", "0.0.0.0/0"]),
    call("AuthorizeSecurityGroupIngress", {"GroupId": "$group", "IpPermissions": [rule(22, IpRanges=[{"CidrIp": "192.0.2.0/24"}])]},
         fails="InvalidPermission.Duplicate"),
    call("AuthorizeSecurityGroupEgress", {"GroupId": "$group", "IpPermissions": [rule(53, IpRanges=[{"CidrIp": "0.0.0.0/0"}])]}),
    call("DescribeSecurityGroups", {"GroupIds": ["$group"]}, query="SecurityGroups[].IpPermissions[]",
         see={"SecurityGroups[0].GroupName": "walk", "length(SecurityGroups[0].IpPermissions)": 3}),
    call("DescribeSecurityGroups", {"Filters": filters(vpc_id="$vpc")}, page=5, see={"length(SecurityGroups)": 3}),
    call("DescribeSecurityGroupRules", {"Filters": filters(group_id="$group")}, page=5, see={"length(SecurityGroupRules)": 5}),
    call("ModifySecurityGroupRules", {"GroupId": "$group", "SecurityGroupRules": [
        {"SecurityGroupRuleId": "$rule", "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 2222, "ToPort": 2222,
                                                               "CidrIpv4": "192.0.2.0/24"}}]}, see={"Return": True}),
    call("DescribeSecurityGroupRules", {"SecurityGroupRuleIds": ["$rule"]}, see={"SecurityGroupRules[0].FromPort": 2222}),
    call("UpdateSecurityGroupRuleDescriptionsIngress", {"GroupId": "$group", "SecurityGroupRuleDescriptions": [
        {"SecurityGroupRuleId": "$rule", "Description": "changed"}]}, see={"Return": True}),
    call("UpdateSecurityGroupRuleDescriptionsEgress", {"GroupId": "$group", "IpPermissions": [
        rule(53, IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "names"}])]}, see={"Return": True}),
    call("DescribeSecurityGroupReferences", {"GroupId": ["$group"]}),
    call("DescribeStaleSecurityGroups", {"VpcId": "$vpc"}),
    call("GetSecurityGroupsForVpc", {"VpcId": "$vpc"}, page=5, see={"length(SecurityGroupForVpcs)": 3}),
    call("DeleteSecurityGroup", {"GroupId": "$other"}, fails="DependencyViolation"),
    call("RevokeSecurityGroupIngress", {"GroupId": "$group", "IpPermissions": [rule(80, UserIdGroupPairs=[{"GroupId": "$other"}])]},
         see={"Return": True}),
    call("RevokeSecurityGroupIngress", {"GroupId": "$group", "SecurityGroupRuleIds": ["$rule"]}, see={"Return": True}),
    call("RevokeSecurityGroupEgress", {"GroupId": "$group", "IpPermissions": [rule(53, IpRanges=[{"CidrIp": "0.0.0.0/0"}])]},
         see={"Return": True}),
    call("DeleteSecurityGroup", {"GroupId": "$other"}),
    call("DeleteSecurityGroup", {"GroupId": "$group"}),
    call("DescribeSecurityGroups", {"GroupIds": ["$group"]}, fails="InvalidGroup.NotFound"),
    *END,
]


def entry(number, action, **more):
    return {"NetworkAclId": "$acl", "RuleNumber": number, "Protocol": "6", "RuleAction": action, "CidrBlock": "10.0.0.0/8",
            "PortRange": {"From": 22, "To": 22}, **more}


ACLS = [
    *ZONE, *vpc("10.66.0.0/16"), *subnet("10.66.1.0/24"),
    call("CreateNetworkAcl", {"VpcId": "$vpc", "TagSpecifications": tags("network-acl", "walk")}, acl="NetworkAcl.NetworkAclId"),
    call("CreateNetworkAclEntry", entry(100, "allow", Egress=False)),
    call("CreateNetworkAclEntry", {"NetworkAclId": "$acl", "RuleNumber": 110, "Protocol": "1", "RuleAction": "deny", "Egress": True,
                                   "CidrBlock": "0.0.0.0/0", "IcmpTypeCode": {"Type": 8, "Code": 0}}),
    call("CreateNetworkAclEntry", entry(100, "allow", Egress=False), fails="NetworkAclEntryAlreadyExists"),
    call("ReplaceNetworkAclEntry", entry(100, "deny", Egress=False)),
    call("DescribeNetworkAcls", {"Filters": filters(association__subnet_id="$subnet")},
         association="NetworkAcls[0].Associations[?SubnetId=='$subnet'] | [0].NetworkAclAssociationId"),
    call("ReplaceNetworkAclAssociation", {"AssociationId": "$association", "NetworkAclId": "$acl"}, association="NewAssociationId"),
    call("DescribeNetworkAcls", {"NetworkAclIds": ["$acl"]}, query="NetworkAcls[].Entries[]",
         see={"NetworkAcls[0].Associations[].SubnetId": ["$subnet"]}),
    call("DescribeNetworkAcls", {"Filters": filters(vpc_id="$vpc")}, page=5, main="NetworkAcls[?IsDefault].NetworkAclId | [0]"),
    call("DeleteNetworkAcl", {"NetworkAclId": "$acl"}, fails="DependencyViolation"),
    call("ReplaceNetworkAclAssociation", {"AssociationId": "$association", "NetworkAclId": "$main"}),
    call("DeleteNetworkAclEntry", {"NetworkAclId": "$acl", "RuleNumber": 110, "Egress": True}),
    call("DeleteNetworkAcl", {"NetworkAclId": "$acl"}),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]

PEERING = [
    *vpc("10.67.0.0/16"),
    call("CreateVpc", {"CidrBlock": "10.68.0.0/16"}, other="Vpc.VpcId"),
    call("CreateVpcPeeringConnection", {"VpcId": "$vpc", "PeerVpcId": "$other",
                                        "TagSpecifications": tags("vpc-peering-connection", "walk")},
         peering="VpcPeeringConnection.VpcPeeringConnectionId"),
    wait("vpc_peering_connection_exists", {"VpcPeeringConnectionIds": ["$peering"]}),
    call("DescribeVpcPeeringConnections", {"VpcPeeringConnectionIds": ["$peering"]},
         until={"VpcPeeringConnections[0].Status.Code": "pending-acceptance"}, query="VpcPeeringConnections[].Status"),
    call("AcceptVpcPeeringConnection", {"VpcPeeringConnectionId": "$peering"}, see={"VpcPeeringConnection.Status.Code": "active"}),
    call("ModifyVpcPeeringConnectionOptions", {
        "VpcPeeringConnectionId": "$peering", "RequesterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True}},
         fails="InvalidVpcPeeringConnectionState.DnsHostnamesDisabled"),
    *(call("ModifyVpcAttribute", {"VpcId": name, "EnableDnsHostnames": {"Value": True}}) for name in ("$vpc", "$other")),
    call("ModifyVpcPeeringConnectionOptions", {
        "VpcPeeringConnectionId": "$peering", "RequesterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True}},
         see={"RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc": True}),
    call("DescribeVpcPeeringConnections", {"Filters": filters(requester_vpc_info__vpc_id="$vpc", status_code="active")}, page=5,
         see={"VpcPeeringConnections[].VpcPeeringConnectionId": ["$peering"]}),
    call("DeleteVpcPeeringConnection", {"VpcPeeringConnectionId": "$peering"}, see={"Return": True}),
    wait("vpc_peering_connection_deleted", {"VpcPeeringConnectionIds": ["$peering"]}),
    call("CreateVpcPeeringConnection", {"VpcId": "$vpc", "PeerVpcId": "$other"}, peering="VpcPeeringConnection.VpcPeeringConnectionId"),
    call("DescribeVpcPeeringConnections", {"VpcPeeringConnectionIds": ["$peering"]},
         until={"VpcPeeringConnections[0].Status.Code": "pending-acceptance"}),
    call("RejectVpcPeeringConnection", {"VpcPeeringConnectionId": "$peering"}, see={"Return": True}),
    call("DeleteVpc", {"VpcId": "$other"}),
    *END,
]

ENDPOINTS = [
    *ZONE, *vpc("10.69.0.0/16"), *subnet("10.69.1.0/24"),
    call("DescribeVpcEndpointServices", page=5, query="ServiceNames"),
    call("DescribeVpcEndpointServices", {"Filters": filters(service_type="Interface")}, own="ServiceNames[?ends_with(@, '.ec2')] | [0]"),
    call("CreateVpcEndpoint", {"VpcId": "$vpc", "VpcEndpointType": "Interface", "ServiceName": "$own", "SubnetIds": ["$subnet"],
                               "PrivateDnsEnabled": False, "TagSpecifications": tags("vpc-endpoint", "walk")},
         endpoint="VpcEndpoint.VpcEndpointId"),
    call("DescribeVpcEndpoints", {"VpcEndpointIds": ["$endpoint"]}, until={"VpcEndpoints[0].State": "available"}),
    call("ModifyVpcEndpoint", {"VpcEndpointId": "$endpoint", "PolicyDocument":
                               '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'},
         see={"Return": True}),
    call("DescribeVpcEndpoints", {"Filters": filters(vpc_id="$vpc", vpc_endpoint_type="Interface")}, page=5,
         see={"VpcEndpoints[].VpcEndpointId": ["$endpoint"]}, query="VpcEndpoints[].DnsEntries[]"),
    call("DescribePrefixLists", page=5, query="PrefixLists[].PrefixListName"),
    call("DeleteVpcEndpoints", {"VpcEndpointIds": ["$endpoint"]}, see={"Unsuccessful": []}),
    call("DescribeVpcEndpoints", {"Filters": filters(vpc_id="$vpc")}, until={"VpcEndpoints": []}),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]

OPTIONS = [
    *vpc("10.70.0.0/16", default="Vpc.DhcpOptionsId"),
    call("CreateDhcpOptions", {"DhcpConfigurations": [{"Key": "domain-name", "Values": ["example.org"]},
                                                      {"Key": "domain-name-servers", "Values": ["10.70.0.9", "10.70.0.10"]}],
                               "TagSpecifications": tags("dhcp-options", "walk")}, options="DhcpOptions.DhcpOptionsId"),
    call("AssociateDhcpOptions", {"DhcpOptionsId": "$options", "VpcId": "$vpc"}),
    call("DescribeDhcpOptions", {"DhcpOptionsIds": ["$options"]}, query="DhcpOptions[].DhcpConfigurations[]",
         see={"length(DhcpOptions[0].DhcpConfigurations)": 2}),
    call("DescribeDhcpOptions", {"Filters": filters(key="domain-name", value="example.org")}, page=5),
    call("DeleteDhcpOptions", {"DhcpOptionsId": "$options"}, fails="DependencyViolation"),
    call("AssociateDhcpOptions", {"DhcpOptionsId": "default", "VpcId": "$vpc"}),
    call("DeleteDhcpOptions", {"DhcpOptionsId": "$options"}),
    *END,
]

FLOW_LOGS = [
    *ZONE, *vpc("10.71.0.0/16"),
    call("CreateFlowLogs", {"ResourceIds": ["$vpc"], "ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": "walk",
                            "DeliverLogsPermissionArn": "arn:aws:iam::123456789012:role/flow", "MaxAggregationInterval": 60,
                            "TagSpecifications": tags("vpc-flow-log", "walk")}, log="FlowLogIds[0]", see={"Unsuccessful": []}),
    call("DescribeFlowLogs", {"FlowLogIds": ["$log"]}, see={"FlowLogs[0].FlowLogStatus": "ACTIVE"}, query="FlowLogs[].LogFormat"),
    call("DescribeFlowLogs", {"Filter": filters(resource_id="$vpc", traffic_type="ALL")}, page=5),
    call("DeleteFlowLogs", {"FlowLogIds": ["$log"]}, see={"Unsuccessful": []}),
    call("DescribeFlowLogs", {"FlowLogIds": ["$log"]}, fails="InvalidFlowLogId.NotFound"),
    *END,
]

INSIGHTS = [
    *ZONE, *vpc("10.72.0.0/16"), *subnet("10.72.1.0/24"),
    call("CreateInternetGateway", igw="InternetGateway.InternetGatewayId"),
    call("AttachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("CreateNetworkInterface", {"SubnetId": "$subnet"}, eni="NetworkInterface.NetworkInterfaceId"),
    call("CreateNetworkInterface", {"SubnetId": "$subnet"}, other="NetworkInterface.NetworkInterfaceId"),
    call("CreateNetworkInsightsPath", {"Source": "$igw", "Destination": "$eni", "Protocol": "tcp", "DestinationPort": 22,
                                       "TagSpecifications": tags("network-insights-path", "walk")},
         path="NetworkInsightsPath.NetworkInsightsPathId"),
    call("CreateNetworkInsightsPath", {"Source": "$eni", "Destination": "$other", "Protocol": "tcp", "DestinationPort": 22},
         second="NetworkInsightsPath.NetworkInsightsPathId"),
    call("StartNetworkInsightsAnalysis", {"NetworkInsightsPathId": "$path",
                                          "TagSpecifications": tags("network-insights-analysis", "walk")},
         analysis="NetworkInsightsAnalysis.NetworkInsightsAnalysisId"),
    call("StartNetworkInsightsAnalysis", {"NetworkInsightsPathId": "$second"}, found="NetworkInsightsAnalysis.NetworkInsightsAnalysisId"),
    call("DescribeNetworkInsightsAnalyses", {"NetworkInsightsAnalysisIds": ["$analysis"]},
         until={"NetworkInsightsAnalyses[0].Status": "succeeded"}, see={"NetworkInsightsAnalyses[0].NetworkPathFound": False}),
    call("DescribeNetworkInsightsAnalyses", {"NetworkInsightsPathId": "$second"}, page=5, until={"NetworkInsightsAnalyses[0].Status": "succeeded"}),
    call("DescribeNetworkInsightsPaths", {"NetworkInsightsPathIds": ["$path"]}, query="NetworkInsightsPaths[].Source"),
    call("DescribeNetworkInsightsPaths", {"Filters": filters(protocol="tcp")}, page=5),
    call("DeleteNetworkInsightsAnalysis", {"NetworkInsightsAnalysisId": "$analysis"}),
    call("DeleteNetworkInsightsAnalysis", {"NetworkInsightsAnalysisId": "$found"}),
    call("DeleteNetworkInsightsPath", {"NetworkInsightsPathId": "$path"}),
    call("DeleteNetworkInsightsPath", {"NetworkInsightsPathId": "$second"}),
    call("DeleteNetworkInterface", {"NetworkInterfaceId": "$eni"}),
    call("DeleteNetworkInterface", {"NetworkInterfaceId": "$other"}),
    call("DetachInternetGateway", {"InternetGatewayId": "$igw", "VpcId": "$vpc"}),
    call("DeleteInternetGateway", {"InternetGatewayId": "$igw"}),
    call("DeleteSubnet", {"SubnetId": "$subnet"}),
    *END,
]

PREFIX_LISTS = [
    *vpc("10.73.0.0/16"),
    call("CreateManagedPrefixList", {"PrefixListName": "walk", "AddressFamily": "IPv4", "MaxEntries": 3,
                                     "Entries": [{"Cidr": "192.0.2.0/24", "Description": "office"}],
                                     "TagSpecifications": tags("prefix-list", "walk")}, list="PrefixList.PrefixListId"),
    call("DescribeManagedPrefixLists", {"PrefixListIds": ["$list"]}, until={"PrefixLists[0].State": "create-complete"}),
    call("ModifyManagedPrefixList", {"PrefixListId": "$list", "CurrentVersion": 1, "AddEntries": [{"Cidr": "198.51.100.0/24"}]}),
    call("DescribeManagedPrefixLists", {"PrefixListIds": ["$list"]}, until={"PrefixLists[0].Version": 2}, query="PrefixLists[].Version"),
    call("RestoreManagedPrefixListVersion", {"PrefixListId": "$list", "PreviousVersion": 1, "CurrentVersion": 2}),
    call("GetManagedPrefixListEntries", {"PrefixListId": "$list"}, page=5, see={"Entries[].Cidr": ["192.0.2.0/24"]}),
    call("CreateSecurityGroup", {"GroupName": "walk", "Description": "a walk", "VpcId": "$vpc"}, group="GroupId"),
    call("AuthorizeSecurityGroupIngress", {"GroupId": "$group", "IpPermissions": [rule(22, PrefixListIds=[{"PrefixListId": "$list"}])]}),
    call("GetManagedPrefixListAssociations", {"PrefixListId": "$list"}, page=5,
         see={"PrefixListAssociations[].ResourceId": ["$group"]}),
    call("DescribeManagedPrefixLists", {"Filters": filters(prefix_list_name="walk")}, page=5),
    call("DeleteSecurityGroup", {"GroupId": "$group"}),
    call("DeleteManagedPrefixList", {"PrefixListId": "$list"}),
    *END,
]

# An interface of a stopped instance; the guest does not take part.
ATTACH = [
    call("DescribeImages", {"Filters": filters(name="*tiny*", state="available")}, image="Images[0].ImageId"),
    call("RunInstances", {"ImageId": "$image", "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1},
         instance="Instances[0].InstanceId", subnet="Instances[0].SubnetId",
         cli=["--image-id", "$image", "--instance-type", "t3.nano", "--count", "1"]),
    wait("instance_running", {"InstanceIds": ["$instance"]}),
    call("StopInstances", {"InstanceIds": ["$instance"], "Force": True}),
    wait("instance_stopped", {"InstanceIds": ["$instance"]}),
    call("CreateNetworkInterface", {"SubnetId": "$subnet"}, eni="NetworkInterface.NetworkInterfaceId"),
    call("AttachNetworkInterface", {"NetworkInterfaceId": "$eni", "InstanceId": "$instance", "DeviceIndex": 1}, attachment="AttachmentId"),
    call("DescribeNetworkInterfaces", {"NetworkInterfaceIds": ["$eni"]}, until={"NetworkInterfaces[0].Attachment.Status": "attached"}),
    call("DescribeNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "Attribute": "attachment"},
         see={"Attachment.InstanceId": "$instance"}),
    call("ModifyNetworkInterfaceAttribute", {"NetworkInterfaceId": "$eni", "Attachment": {
        "AttachmentId": "$attachment", "DeleteOnTermination": True}}),
    call("DescribeNetworkInterfaces", {"Filters": filters(attachment__instance_id="$instance")}, page=5),
    call("DetachNetworkInterface", {"AttachmentId": "$attachment"}),
    wait("network_interface_available", {"NetworkInterfaceIds": ["$eni"]}),
    call("DeleteNetworkInterface", {"NetworkInterfaceId": "$eni"}),
    call("TerminateInstances", {"InstanceIds": ["$instance"]}),
    wait("instance_terminated", {"InstanceIds": ["$instance"]}),
]

SCENES = {"attach": ATTACH, "nat": NAT, "groups": GROUPS, "addresses": ADDRESSES, "vpc": VPC, "routes": ROUTES, "insights": INSIGHTS,
          "peering": PEERING, "acls": ACLS, "endpoints": ENDPOINTS, "prefix-lists": PREFIX_LISTS, "options": OPTIONS,
          "flow-logs": FLOW_LOGS, "place": PLACE, "default": DEFAULT}
GUESTS = {"attach"}  # scenes with a virtual machine
# What Debian's boto3 does not know yet, and what follows from it.
NEWER = {"AssociateNatGatewayAddress", "DisassociateNatGatewayAddress", "AssignPrivateNatGatewayAddress",
         "UnassignPrivateNatGatewayAddress", "DescribeNatGateways", "GetSecurityGroupsForVpc"}

# What AWS's answers have whatever is asked: the members in all of the examples that the AWS CLI comes with.
PRESENT = {
    "AccountAttribute": ["AttributeName", "AttributeValues"],
    "Address": ["PublicIp", "Domain", "AllocationId", "PublicIpv4Pool", "NetworkBorderGroup"],
    "AddressAttribute": ["PublicIp", "AllocationId"],
    "AllocateAddressResult": ["PublicIp", "AllocationId", "PublicIpv4Pool", "NetworkBorderGroup", "Domain"],
    "AssignPrivateIpAddressesResult": ["NetworkInterfaceId", "AssignedPrivateIpAddresses"],
    "AssignPrivateNatGatewayAddressResult": ["NatGatewayId", "NatGatewayAddresses"],
    "AssociateAddressResult": ["AssociationId"],
    "AssociateRouteTableResult": ["AssociationId", "AssociationState"],
    "AttachNetworkInterfaceResult": ["AttachmentId"],
    "AuthorizeSecurityGroupEgressResult": ["Return", "SecurityGroupRules"],
    "AuthorizeSecurityGroupIngressResult": ["Return", "SecurityGroupRules"],
    "AvailabilityZone": ["State", "OptInStatus", "Messages", "RegionName", "ZoneName", "ZoneId", "GroupName", "NetworkBorderGroup",
                         "ZoneType"],
    "CreateFlowLogsResult": ["FlowLogIds", "Unsuccessful"],
    "CreateRouteResult": ["Return"],
    "CreateSecurityGroupResult": ["GroupId", "SecurityGroupArn"],
    "DeleteFlowLogsResult": ["Unsuccessful"],
    "DescribeVpcAttributeResult": ["VpcId"],
    "DhcpConfiguration": ["Key", "Values"],
    "DhcpOptions": ["DhcpConfigurations", "DhcpOptionsId", "OwnerId"],
    "DnsEntry": ["DnsName"],
    "Explanation": ["ExplanationCode"],
    "FlowLog": ["CreationTime", "DeliverLogsStatus", "FlowLogId", "FlowLogStatus", "ResourceId", "TrafficType", "LogDestinationType",
                "LogFormat", "MaxAggregationInterval"],
    "GroupIdentifier": ["GroupId", "GroupName"],
    "InstanceTypeInfo": ["InstanceType", "CurrentGeneration", "FreeTierEligible", "SupportedUsageClasses", "SupportedRootDeviceTypes",
                         "SupportedVirtualizationTypes", "BareMetal", "Hypervisor", "ProcessorInfo", "VCpuInfo", "MemoryInfo",
                         "InstanceStorageSupported", "EbsInfo", "NetworkInfo", "PlacementGroupInfo", "HibernationSupported",
                         "BurstablePerformanceSupported", "DedicatedHostsSupported", "AutoRecoverySupported", "SupportedBootModes"],
    "InstanceTypeOffering": ["InstanceType", "LocationType", "Location"],
    "InternetGateway": ["Attachments", "InternetGatewayId", "OwnerId", "Tags"],
    "InternetGatewayAttachment": ["State", "VpcId"],
    "IpPermission": ["IpProtocol", "UserIdGroupPairs", "IpRanges", "Ipv6Ranges", "PrefixListIds"],
    "IpRange": ["CidrIp"],
    "ManagedPrefixList": ["PrefixListId", "AddressFamily", "State", "PrefixListArn", "PrefixListName", "OwnerId"],
    "NatGateway": ["CreateTime", "NatGatewayAddresses", "NatGatewayId", "State", "SubnetId", "VpcId", "ConnectivityType"],
    "NetworkAcl": ["Associations", "Entries", "IsDefault", "NetworkAclId", "Tags", "VpcId", "OwnerId"],
    "NetworkAclAssociation": ["NetworkAclAssociationId", "NetworkAclId", "SubnetId"],
    "NetworkAclEntry": ["CidrBlock", "Egress", "Protocol", "RuleAction", "RuleNumber"],
    "NetworkInsightsAnalysis": ["NetworkInsightsAnalysisId", "NetworkInsightsAnalysisArn", "NetworkInsightsPathId", "StartDate", "Status",
                                "Tags"],
    "NetworkInsightsPath": ["NetworkInsightsPathId", "NetworkInsightsPathArn", "CreatedDate", "Source", "Destination", "Protocol", "Tags"],
    "NetworkInterface": ["AvailabilityZone", "Description", "Groups", "InterfaceType", "Ipv6Addresses", "MacAddress", "NetworkInterfaceId",
                         "OwnerId", "PrivateDnsName", "PrivateIpAddress", "PrivateIpAddresses", "RequesterManaged", "SourceDestCheck",
                         "Status", "SubnetId", "TagSet", "VpcId"],
    "NetworkInterfaceAssociation": ["IpOwnerId", "PublicDnsName", "PublicIp"],
    "NetworkInterfaceAttachment": ["AttachTime", "AttachmentId", "DeleteOnTermination", "DeviceIndex", "InstanceOwnerId", "Status"],
    "NetworkInterfacePrivateIpAddress": ["Primary", "PrivateIpAddress"],
    "PrefixList": ["Cidrs", "PrefixListId", "PrefixListName"],
    "PrefixListAssociation": ["ResourceId", "ResourceOwner"],
    "PrefixListEntry": ["Cidr"],
    "Region": ["Endpoint", "RegionName", "OptInStatus"],
    "Route": ["Origin", "State"],
    "RouteTable": ["Associations", "PropagatingVgws", "RouteTableId", "Routes", "Tags", "VpcId", "OwnerId"],
    "RouteTableAssociation": ["Main", "RouteTableAssociationId", "RouteTableId", "AssociationState"],
    "SecurityGroup": ["Description", "GroupName", "IpPermissions", "OwnerId", "GroupId", "IpPermissionsEgress", "VpcId", "SecurityGroupArn"],
    "SecurityGroupForVpc": ["Description", "GroupName", "OwnerId", "GroupId", "PrimaryVpcId"],
    "SecurityGroupRule": ["SecurityGroupRuleId", "GroupId", "GroupOwnerId", "IsEgress", "IpProtocol", "FromPort", "ToPort"],
    "ServiceDetail": ["ServiceName", "ServiceId", "ServiceType", "AvailabilityZones", "Owner", "BaseEndpointDnsNames",
                      "VpcEndpointPolicySupported", "AcceptanceRequired", "ManagesVpcEndpoints"],
    "Subnet": ["AvailabilityZone", "AvailabilityZoneId", "AvailableIpAddressCount", "CidrBlock", "DefaultForAz", "MapPublicIpOnLaunch",
               "State", "SubnetId", "VpcId", "OwnerId", "AssignIpv6AddressOnCreation", "Ipv6CidrBlockAssociationSet", "SubnetArn",
               "MapCustomerOwnedIpOnLaunch", "PrivateDnsNameOptionsOnLaunch", "EnableDns64", "Ipv6Native"],
    "GetSubnetCidrReservationsResult": ["SubnetIpv4CidrReservations", "SubnetIpv6CidrReservations"],
    "SubnetCidrReservation": ["SubnetCidrReservationId", "SubnetId", "Cidr", "ReservationType", "OwnerId"],
    "Tag": ["Key", "Value"],
    "TagDescription": ["Key", "ResourceId", "ResourceType", "Value"],
    "UserIdGroupPair": ["GroupId", "UserId"],
    "Vpc": ["CidrBlock", "DhcpOptionsId", "State", "VpcId", "OwnerId", "InstanceTenancy", "CidrBlockAssociationSet", "IsDefault"],
    "VpcCidrBlockAssociation": ["AssociationId", "CidrBlock", "CidrBlockState"],
    "VpcEndpoint": ["VpcEndpointId", "VpcEndpointType", "VpcId", "ServiceName", "State", "PolicyDocument", "RouteTableIds", "SubnetIds",
                    "Groups", "PrivateDnsEnabled", "RequesterManaged", "NetworkInterfaceIds", "DnsEntries", "CreationTimestamp",
                    "Tags", "OwnerId"],
    "VpcPeeringConnection": ["AccepterVpcInfo", "RequesterVpcInfo", "Status", "Tags", "VpcPeeringConnectionId"],
    "VpcPeeringConnectionVpcInfo": ["OwnerId", "VpcId", "Region"],
}

# Which of the provider's resources, data sources (data.) or the provider itself calls it; "-": none does, and why.
TERRAFORM = {
    "AcceptVpcPeeringConnection": "aws_vpc_peering_connection_accepter",
    "AllocateAddress": "aws_eip",
    "AssignPrivateIpAddresses": "aws_network_interface, with other private_ips",
    "AssignPrivateNatGatewayAddress": "aws_nat_gateway, private, with more secondary_private_ip_addresses",
    "AssociateAddress": "aws_eip_association",
    "AssociateDhcpOptions": "aws_vpc_dhcp_options_association",
    "AssociateNatGatewayAddress": "aws_nat_gateway, with more secondary_allocation_ids",
    "AssociateRouteTable": "aws_route_table_association",
    "AssociateVpcCidrBlock": "aws_vpc_ipv4_cidr_block_association",
    "AttachInternetGateway": "aws_internet_gateway",
    "AttachNetworkInterface": "aws_network_interface_attachment",
    "AuthorizeSecurityGroupEgress": "aws_vpc_security_group_egress_rule",
    "AuthorizeSecurityGroupIngress": "aws_vpc_security_group_ingress_rule",
    "CreateDefaultSubnet": "aws_default_subnet",
    "CreateDefaultVpc": "aws_default_vpc",
    "CreateDhcpOptions": "aws_vpc_dhcp_options",
    "CreateFlowLogs": "aws_flow_log",
    "CreateInternetGateway": "aws_internet_gateway",
    "CreateManagedPrefixList": "aws_ec2_managed_prefix_list",
    "CreateNatGateway": "aws_nat_gateway",
    "CreateNetworkAcl": "aws_network_acl",
    "CreateNetworkAclEntry": "aws_network_acl_rule",
    "CreateNetworkInsightsPath": "aws_ec2_network_insights_path",
    "CreateNetworkInterface": "aws_network_interface",
    "CreateRoute": "aws_route",
    "CreateRouteTable": "aws_route_table",
    "CreateSecurityGroup": "aws_security_group",
    "CreateSubnet": "aws_subnet",
    "CreateSubnetCidrReservation": "aws_ec2_subnet_cidr_reservation",
    "CreateTags": "aws_ec2_tag",
    "CreateVpc": "aws_vpc",
    "CreateVpcEndpoint": "aws_vpc_endpoint",
    "CreateVpcPeeringConnection": "aws_vpc_peering_connection",
    "DeleteDhcpOptions": "aws_vpc_dhcp_options",
    "DeleteFlowLogs": "aws_flow_log",
    "DeleteInternetGateway": "aws_internet_gateway",
    "DeleteManagedPrefixList": "aws_ec2_managed_prefix_list",
    "DeleteNatGateway": "aws_nat_gateway",
    "DeleteNetworkAcl": "aws_network_acl",
    "DeleteNetworkAclEntry": "aws_network_acl_rule",
    "DeleteNetworkInsightsAnalysis": "aws_ec2_network_insights_analysis",
    "DeleteNetworkInsightsPath": "aws_ec2_network_insights_path",
    "DeleteNetworkInterface": "aws_network_interface",
    "DeleteRoute": "aws_route",
    "DeleteRouteTable": "aws_route_table",
    "DeleteSecurityGroup": "aws_security_group",
    "DeleteSubnet": "aws_subnet",
    "DeleteSubnetCidrReservation": "aws_ec2_subnet_cidr_reservation",
    "DeleteTags": "aws_ec2_tag",
    "DeleteVpc": "aws_vpc",
    "DeleteVpcEndpoints": "aws_vpc_endpoint",
    "DeleteVpcPeeringConnection": "aws_vpc_peering_connection",
    "DescribeAccountAttributes": "-: the provider asked once for EC2-Classic, which is gone",
    "DescribeAddresses": "aws_eip, data.aws_eips",
    "DescribeAddressesAttribute": "aws_eip",
    "DescribeAvailabilityZones": "data.aws_availability_zones",
    "DescribeDhcpOptions": "aws_vpc_dhcp_options, data.aws_vpc_dhcp_options",
    "DescribeFlowLogs": "aws_flow_log",
    "DescribeInstanceTypeOfferings": "data.aws_ec2_instance_type_offerings",
    "DescribeInstanceTypes": "data.aws_ec2_instance_type",
    "DescribeInternetGateways": "aws_internet_gateway, data.aws_internet_gateway",
    "DescribeManagedPrefixLists": "aws_ec2_managed_prefix_list, data.aws_ec2_managed_prefix_lists",
    "DescribeNatGateways": "aws_nat_gateway, data.aws_nat_gateways",
    "DescribeNetworkAcls": "aws_network_acl, data.aws_network_acls",
    "DescribeNetworkInsightsAnalyses": "aws_ec2_network_insights_analysis, data.aws_ec2_network_insights_analysis",
    "DescribeNetworkInsightsPaths": "aws_ec2_network_insights_path, data.aws_ec2_network_insights_path",
    "DescribeNetworkInterfaceAttribute": "-: the provider reads it of DescribeNetworkInterfaces",
    "DescribeNetworkInterfaces": "aws_network_interface, data.aws_network_interfaces",
    "DescribePrefixLists": "data.aws_prefix_list",
    "DescribeRegions": "data.aws_regions",
    "DescribeRouteTables": "aws_route_table, data.aws_route_tables, data.aws_route",
    "DescribeSecurityGroupReferences": "-: the provider has nothing of it",
    "DescribeSecurityGroupRules": "aws_vpc_security_group_ingress_rule, data.aws_vpc_security_group_rules",
    "DescribeSecurityGroups": "aws_security_group, data.aws_security_groups",
    "DescribeStaleSecurityGroups": "-: the provider has nothing of it",
    "DescribeSubnets": "aws_subnet, data.aws_subnets",
    "DescribeTags": "aws_ec2_tag",
    "DescribeVpcAttribute": "aws_vpc",
    "DescribeVpcEndpointServices": "data.aws_vpc_endpoint_service",
    "DescribeVpcEndpoints": "aws_vpc_endpoint, data.aws_vpc_endpoint",
    "DescribeVpcPeeringConnections": "aws_vpc_peering_connection, data.aws_vpc_peering_connections",
    "DescribeVpcs": "aws_vpc, data.aws_vpcs",
    "DetachInternetGateway": "aws_internet_gateway",
    "DetachNetworkInterface": "aws_network_interface_attachment",
    "DisassociateAddress": "aws_eip_association",
    "DisassociateNatGatewayAddress": "aws_nat_gateway, with fewer secondary_allocation_ids",
    "DisassociateRouteTable": "aws_route_table_association",
    "DisassociateVpcCidrBlock": "aws_vpc_ipv4_cidr_block_association",
    "GetManagedPrefixListAssociations": "-: the provider has nothing of it",
    "GetManagedPrefixListEntries": "aws_ec2_managed_prefix_list",
    "GetSecurityGroupsForVpc": "-: the provider has nothing of it",
    "GetSubnetCidrReservations": "aws_ec2_subnet_cidr_reservation",
    "ModifyAddressAttribute": "aws_eip_domain_name",
    "ModifyManagedPrefixList": "aws_ec2_managed_prefix_list_entry",
    "ModifyNetworkInterfaceAttribute": "aws_network_interface_sg_attachment",
    "ModifySecurityGroupRules": "aws_vpc_security_group_ingress_rule, changed",
    "ModifySubnetAttribute": "aws_subnet, changed",
    "ModifyVpcAttribute": "aws_vpc",
    "ModifyVpcEndpoint": "aws_vpc_endpoint_policy",
    "ModifyVpcPeeringConnectionOptions": "aws_vpc_peering_connection_options",
    "ModifyVpcTenancy": "-: only from dedicated to default, and this cloud has nothing dedicated",
    "RejectVpcPeeringConnection": "-: the provider accepts or deletes",
    "ReleaseAddress": "aws_eip",
    "ReplaceNetworkAclAssociation": "aws_network_acl_association",
    "ReplaceNetworkAclEntry": "-: the provider deletes and creates",
    "ReplaceRoute": "aws_route, changed",
    "ReplaceRouteTableAssociation": "aws_main_route_table_association",
    "ResetAddressAttribute": "aws_eip_domain_name",
    "ResetNetworkInterfaceAttribute": "-: the provider modifies",
    "RestoreManagedPrefixListVersion": "-: the provider modifies",
    "RevokeSecurityGroupEgress": "aws_vpc_security_group_egress_rule",
    "RevokeSecurityGroupIngress": "aws_vpc_security_group_ingress_rule",
    "StartNetworkInsightsAnalysis": "aws_ec2_network_insights_analysis",
    "UnassignPrivateIpAddresses": "aws_network_interface, with other private_ips",
    "UnassignPrivateNatGatewayAddress": "aws_nat_gateway, private, with fewer secondary_private_ip_addresses",
    "UpdateSecurityGroupRuleDescriptionsEgress": "aws_security_group_rule, with another description",
    "UpdateSecurityGroupRuleDescriptionsIngress": "aws_security_group_rule, with another description",
}

# Actions of other parts whose filters ask for networks.
FILTERED = ["DescribeInstances", "DescribeInstanceStatus"]
# What such an action must be given besides.
FILTER_PARAMS = {
    "GetSubnetCidrReservations": {"SubnetId": lambda client: client.describe_subnets()["Subnets"][0]["SubnetId"]},
    "GetSecurityGroupsForVpc": {"VpcId": lambda client: client.describe_vpcs()["Vpcs"][0]["VpcId"]},
}
# Filters of a documentation that this cloud refuses, and why.
REFUSED_FILTERS = {
    "DescribeInstances": {
        "group-id": "of EC2-Classic", "group-name": "of EC2-Classic", "network-interface.tag-key": "not in the instance's view",
        "network-interface.tag-value": "not in the instance's view",
        "network-interface.addresses.association.allocation-id": "not in the instance's view",
        "network-interface.addresses.association.association-id": "not in the instance's view",
        "network-interface.association.allocation-id": "not in the instance's view",
        "network-interface.association.association-id": "not in the instance's view"},
}


def without_default(cloud, region):
    """Delete the region's default VPC."""
    ec2 = cloud.client(region=region)
    for it in ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]:
        there = filters(vpc_id=it["VpcId"])
        for one in ec2.describe_subnets(Filters=there)["Subnets"]:
            ec2.delete_subnet(SubnetId=one["SubnetId"])
        for one in ec2.describe_internet_gateways(Filters=filters(attachment__vpc_id=it["VpcId"]))["InternetGateways"]:
            ec2.detach_internet_gateway(InternetGatewayId=one["InternetGatewayId"], VpcId=it["VpcId"])
            ec2.delete_internet_gateway(InternetGatewayId=one["InternetGatewayId"])
        ec2.delete_vpc(VpcId=it["VpcId"])


def before_terraform(cloud):
    """What network.tf finds: a region without a default VPC, and one where a zone has no default subnet."""
    without_default(cloud, "ap-northeast-2")
    ec2 = cloud.client(region="eu-west-1")
    for one in ec2.describe_subnets(Filters=filters(availability_zone="eu-west-1a", default_for_az="true"))["Subnets"]:
        ec2.delete_subnet(SubnetId=one["SubnetId"])


OUTPUTS = {"counts": {"subnets": 2, "nat_gateways": 3, "rules": 5, "reachable": False, "public": True, "security_groups": 3}}
# What is taken out of Terraform's state and imported again, by the id that the provider documents for it.
IMPORTED = {
    "aws_vpc.main": lambda it: it["id"],
    "aws_subnet.a": lambda it: it["id"],
    "aws_route.out": lambda it: f"{it['route_table_id']}_{it['destination_cidr_block']}",
    "aws_route_table_association.a": lambda it: f"{it['subnet_id']}/{it['route_table_id']}",
    "aws_internet_gateway.igw": lambda it: it["id"],
    "aws_network_acl_rule.ssh": lambda it: f"{it['network_acl_id']}:{it['rule_number']}:{it['protocol']}:{str(it['egress']).lower()}",
    "aws_vpc_security_group_ingress_rule.ssh": lambda it: it["id"],
    "aws_security_group.own": lambda it: it["id"],
    "aws_network_interface.second": lambda it: it["id"],
    "aws_ec2_subnet_cidr_reservation.kept": lambda it: f"{it['subnet_id']}:{it['id']}",
    "aws_eip.host": lambda it: it["id"],
    "aws_nat_gateway.public": lambda it: it["id"],
    "aws_vpc_peering_connection.peer": lambda it: it["id"],
    "aws_vpc_endpoint.sts": lambda it: it["id"],
    "aws_ec2_managed_prefix_list.office": lambda it: it["id"],
    "aws_flow_log.vpc": lambda it: it["id"],
    "aws_vpc_dhcp_options.own": lambda it: it["id"],
}
