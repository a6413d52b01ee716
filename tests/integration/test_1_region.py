"""A seeded region, described by the real clients; no virtual machine is needed."""

import ipaddress

from cloud import OTHER_REGION, REGION, error_of


def test_regions(cloud, aws_program):
    regions = {r["RegionName"]: r for r in cloud.aws("ec2", "describe-regions", program=aws_program)["Regions"]}
    assert {REGION, OTHER_REGION} <= set(regions)
    assert regions[REGION]["OptInStatus"] == "opt-in-not-required"


def test_availability_zones(cloud, aws_program):
    zones = cloud.aws("ec2", "describe-availability-zones", program=aws_program)["AvailabilityZones"]
    assert [z["ZoneName"] for z in zones] == [REGION + letter for letter in "abc"]
    assert {z["State"] for z in zones} == {"available"}
    assert [z["ZoneId"] for z in zones] == ["use1-az1", "use1-az2", "use1-az3"]


def test_default_vpc(cloud, aws_program):
    vpcs = cloud.aws("ec2", "describe-vpcs", program=aws_program)["Vpcs"]
    assert [(v["IsDefault"], v["CidrBlock"], v["State"]) for v in vpcs] == [(True, "172.31.0.0/16", "available")]
    subnets = cloud.aws("ec2", "describe-subnets", "--filters", f"Name=vpc-id,Values={vpcs[0]['VpcId']}",
                        program=aws_program)["Subnets"]
    assert sorted(s["AvailabilityZone"] for s in subnets) == [REGION + letter for letter in "abc"]
    nets = [ipaddress.ip_network(s["CidrBlock"]) for s in subnets]
    assert {n.prefixlen for n in nets} == {20}
    assert not any(a.overlaps(b) for a in nets for b in nets if a is not b)
    assert all(s["DefaultForAz"] and s["MapPublicIpOnLaunch"] for s in subnets)
    assert {s["AvailableIpAddressCount"] for s in subnets} == {4091}


def test_default_security_group(cloud, aws_program):
    groups = cloud.aws("ec2", "describe-security-groups", "--group-names", "default",
                       program=aws_program)["SecurityGroups"]
    assert len(groups) == 1
    group = groups[0]
    assert [p["UserIdGroupPairs"][0]["GroupId"] for p in group["IpPermissions"]] == [group["GroupId"]]
    assert [p["IpRanges"] for p in group["IpPermissionsEgress"]] == [[{"CidrIp": "0.0.0.0/0"}]]


def test_tiny_image(cloud, ec2):
    image = ec2.describe_images(ImageIds=[cloud.tiny_image()])["Images"][0]
    assert "tiny" in image["Name"]
    assert image["State"] == "available"
    assert image["Architecture"] == "x86_64"
    assert image["RootDeviceType"] == "ebs"
    assert image["BlockDeviceMappings"][0]["DeviceName"] == image["RootDeviceName"]


def test_instance_types(ec2):
    types = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
    assert types[0]["VCpuInfo"]["DefaultVCpus"] == 2
    assert types[0]["MemoryInfo"]["SizeInMiB"] == 1024
    pages = list(ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 5}))
    names = [t["InstanceType"] for page in pages for t in page["InstanceTypes"]]
    assert len(names) == len(set(names)) and "t3.nano" in names


def test_account(cloud, ec2, aws_program):
    identity = cloud.aws("sts", "get-caller-identity", program=aws_program)
    assert identity["Arn"] == f"arn:aws:iam::{identity['Account']}:root"
    attributes = {a["AttributeName"]: [v["AttributeValue"] for v in a["AttributeValues"]]
                  for a in ec2.describe_account_attributes()["AccountAttributes"]}
    assert attributes["supported-platforms"] == ["VPC"]
    assert attributes["default-vpc"] == [ec2.describe_vpcs()["Vpcs"][0]["VpcId"]]
    assert attributes["vpc-max-elastic-ips"] == ["5"]
    one = ec2.describe_account_attributes(AttributeNames=["vpc-max-elastic-ips"])["AccountAttributes"]
    assert [a["AttributeName"] for a in one] == ["vpc-max-elastic-ips"]
    assert error_of(ec2.describe_account_attributes, AttributeNames=["colour"])[0] == "InvalidParameterValue"
    owners = {v["OwnerId"] for v in ec2.describe_vpcs()["Vpcs"]}
    assert owners == {identity["Account"]}


def test_environment(cloud):
    assert cloud.exports() == {
        "AWS_ENDPOINT_URL": cloud.endpoint, "AWS_ACCESS_KEY_ID": cloud.key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.secret, "AWS_DEFAULT_REGION": REGION}


def test_our_own_client(cloud):
    assert "172.31.0.0/16" in cloud.minicloud("describe-vpcs", "--output", "json").stdout
    failed = cloud.minicloud("describe-instances", "--instance-ids", "i-1", check=False)
    assert failed.returncode != 0
    assert "InvalidInstanceID.Malformed" in failed.stderr


def test_regions_are_kept_apart(cloud, ec2):
    other = cloud.client(region=OTHER_REGION)
    here, there = ec2.describe_vpcs()["Vpcs"], other.describe_vpcs()["Vpcs"]
    assert len(here) == len(there) == 1 and here[0]["VpcId"] != there[0]["VpcId"]
    group = ec2.create_security_group(GroupName="only-here", Description="x")["GroupId"]
    ec2.create_key_pair(KeyName="only-here")
    names = [g["GroupName"] for g in other.describe_security_groups()["SecurityGroups"]]
    assert "only-here" not in names
    assert "only-here" not in [k["KeyName"] for k in other.describe_key_pairs()["KeyPairs"]]
    # The same names may be used there; the id is unknown there.
    other.create_key_pair(KeyName="only-here")
    other.delete_key_pair(KeyName="only-here")
    done = cloud.aws("ec2", "delete-security-group", "--group-id", group, region=OTHER_REGION, check=False)
    assert "InvalidGroup.NotFound" in done.stderr
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName="only-here")
    zones = other.describe_availability_zones()["AvailabilityZones"]
    assert [z["ZoneName"] for z in zones] == [OTHER_REGION + letter for letter in "abc"]
