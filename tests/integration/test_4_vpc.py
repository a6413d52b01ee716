"""A VPC of one's own from its creation to its end, with packets on its way in and out."""

import json

import pytest

from cloud import Guest, can_connect, error_of, wait_until

AT_ONCE_S = 0.9  # a lost first SYN is sent again after one second


class Place:
    """A VPC with a subnet that has the way into the internet, and a guest in it."""

    def __init__(self, cloud, ec2):
        self.cloud, self.ec2 = cloud, ec2
        aws = cloud.aws
        self.vpc = aws("ec2", "create-vpc", "--cidr-block", "10.20.0.0/16", "--tag-specifications",
                       "ResourceType=vpc,Tags=[{Key=Name,Value=place}]")["Vpc"]["VpcId"]
        self.subnet = aws("ec2", "create-subnet", "--vpc-id", self.vpc, "--cidr-block", "10.20.1.0/24",
                          "--availability-zone", "us-east-1b")["Subnet"]["SubnetId"]
        self.igw = aws("ec2", "create-internet-gateway")["InternetGateway"]["InternetGatewayId"]
        aws("ec2", "attach-internet-gateway", "--internet-gateway-id", self.igw, "--vpc-id", self.vpc)
        self.table = aws("ec2", "create-route-table", "--vpc-id", self.vpc)["RouteTable"]["RouteTableId"]
        self.association = ec2.associate_route_table(RouteTableId=self.table, SubnetId=self.subnet)["AssociationId"]
        self.route(True)
        ec2.modify_subnet_attribute(SubnetId=self.subnet, MapPublicIpOnLaunch={"Value": True})
        self.group = ec2.create_security_group(GroupName="place", Description="x", VpcId=self.vpc)["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=self.group, IpProtocol="tcp", FromPort=22, ToPort=22,
                                             CidrIp="0.0.0.0/0")

    def route(self, there):
        if there:
            self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=self.igw)
        else:
            self.ec2.delete_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0")

    def main_table(self):
        return self.ec2.describe_route_tables(Filters=[
            {"Name": "vpc-id", "Values": [self.vpc]}, {"Name": "association.main", "Values": ["true"]}])["RouteTables"][0]


@pytest.fixture(scope="module")
def place(cloud):
    return Place(cloud, cloud.client())


@pytest.fixture(scope="module")
def guest(cloud, place, key_file):
    """A guest of the place that can be logged into."""
    answer = place.ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1,
                                     KeyName="tests", SubnetId=place.subnet, SecurityGroupIds=[place.group])
    it = Guest(cloud, answer["Instances"][0]["InstanceId"], key_file)
    cloud.wait_state(it.id, "running")
    it.wait_ssh()
    return it


def reaches(guest):
    took = can_connect(guest.public_ip, 22, timeout=1)
    assert took is None or took < AT_ONCE_S
    return took is not None


def test_subnet_counts_addresses(ec2, place, guest):
    """Five of 256 are reserved, one is the guest's."""
    shown = ec2.describe_subnets(SubnetIds=[place.subnet])["Subnets"][0]
    assert shown["AvailableIpAddressCount"] == 250 and shown["AvailabilityZone"] == "us-east-1b"
    assert guest.private_ip.startswith("10.20.1.")
    for number in (0, 1, 2, 3, 255):
        assert error_of(ec2.run_instances, ImageId=place.cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1,
                        SubnetId=place.subnet, PrivateIpAddress=f"10.20.1.{number}")[0] == "InvalidParameterValue"


def test_route_counts_at_once(place, guest):
    """No route, no internet: from the moment the answer is there, in both directions of the change."""
    assert reaches(guest)
    place.route(False)
    try:
        assert not reaches(guest)
    finally:
        place.route(True)
    assert reaches(guest)


def test_table_counts_at_once(ec2, place, guest):
    """So does the route table that the subnet has: another one, none of its own, another main one."""
    other = ec2.create_route_table(VpcId=place.vpc)["RouteTable"]["RouteTableId"]
    moved = ec2.replace_route_table_association(AssociationId=place.association, RouteTableId=other)["NewAssociationId"]
    assert not reaches(guest)
    ec2.disassociate_route_table(AssociationId=moved)
    assert not reaches(guest)
    main = place.main_table()
    association = ec2.replace_route_table_association(
        AssociationId=main["Associations"][0]["RouteTableAssociationId"], RouteTableId=place.table)["NewAssociationId"]
    assert reaches(guest)
    ec2.replace_route_table_association(AssociationId=association, RouteTableId=main["RouteTableId"])
    assert not reaches(guest)
    place.association = ec2.associate_route_table(RouteTableId=place.table, SubnetId=place.subnet)["AssociationId"]
    assert reaches(guest)
    ec2.delete_route_table(RouteTableId=other)


def test_gateway_in_use_stays(ec2, place, guest):
    assert reaches(guest)
    code, _, message = error_of(ec2.detach_internet_gateway, InternetGatewayId=place.igw, VpcId=place.vpc)
    assert code == "DependencyViolation" and "mapped public address" in message


def test_further_block(cloud, ec2, place, guest):
    """A second block is a local route everywhere, and has subnets of its own."""
    answer = cloud.aws("ec2", "associate-vpc-cidr-block", "--vpc-id", place.vpc, "--cidr-block", "100.64.9.0/24")
    association = answer["CidrBlockAssociation"]["AssociationId"]
    assert {r["DestinationCidrBlock"] for r in place.main_table()["Routes"]} == {"10.20.0.0/16", "100.64.9.0/24"}
    subnet = ec2.create_subnet(VpcId=place.vpc, CidrBlock="100.64.9.0/28")["Subnet"]["SubnetId"]
    assert reaches(guest)
    assert error_of(ec2.disassociate_vpc_cidr_block, AssociationId=association)[0] == "InvalidCidrBlock.InUse"
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(AssociationId=association)
    assert len(place.main_table()["Routes"]) == 1


def test_same_block_twice(ec2, place):
    """Another VPC may have the same addresses."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    assert error_of(ec2.delete_vpc, VpcId=vpc)[0] == "DependencyViolation"
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    assert error_of(ec2.describe_vpcs, VpcIds=[vpc])[0] == "InvalidVpcID.NotFound"


def test_end(cloud, ec2, place, guest):
    """Everything goes in the order that AWS wants, and nothing of it stays with the network daemon."""
    assert error_of(ec2.delete_subnet, SubnetId=place.subnet)[0] == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "terminated")
    ec2.detach_internet_gateway(InternetGatewayId=place.igw, VpcId=place.vpc)
    assert {r["State"] for r in ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]["Routes"]
            if r["GatewayId"] == place.igw} == {"blackhole"}
    ec2.delete_subnet(SubnetId=place.subnet)
    ec2.delete_internet_gateway(InternetGatewayId=place.igw)
    ec2.delete_route_table(RouteTableId=place.table)
    assert error_of(ec2.delete_vpc, VpcId=place.vpc)[0] == "DependencyViolation"
    ec2.delete_security_group(GroupId=place.group)
    ec2.delete_vpc(VpcId=place.vpc)
    wait_until("netd has forgotten the VPC", lambda: place.vpc not in json.dumps(
        cloud.socket_call("netd", "GET", "/v1/vpcs")[1]), 10)
