"""A VPC of one's own from its creation to its end, with packets on its way in and out."""

import contextlib
import json
import re
import shlex
import socket

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from cloud import IN_VAIN_S, NEIGHBOUR, SHORT_S, Guest, can_connect, error_of, first_packet_passes, wait_until

GUEST_IN_VAIN_S = 3  # of a guest that asks for what is not to come


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
    """With the first packet."""
    return first_packet_passes(guest.public_ip, 22)


def reaches_not(guest):
    return not can_connect(guest.public_ip, 22, IN_VAIN_S)


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
        assert reaches_not(guest)
    finally:
        place.route(True)
    assert reaches(guest)


def test_table_counts_at_once(ec2, place, guest):
    """So does the route table that the subnet has: another one, none of its own, another main one."""
    other = ec2.create_route_table(VpcId=place.vpc)["RouteTable"]["RouteTableId"]
    moved = ec2.replace_route_table_association(AssociationId=place.association, RouteTableId=other)["NewAssociationId"]
    assert reaches_not(guest)
    ec2.disassociate_route_table(AssociationId=moved)
    assert reaches_not(guest)
    main = place.main_table()
    association = ec2.replace_route_table_association(
        AssociationId=main["Associations"][0]["RouteTableAssociationId"], RouteTableId=place.table)["NewAssociationId"]
    assert reaches(guest)
    ec2.replace_route_table_association(AssociationId=association, RouteTableId=main["RouteTableId"])
    assert reaches_not(guest)
    place.association = ec2.associate_route_table(RouteTableId=place.table, SubnetId=place.subnet)["AssociationId"]
    assert reaches(guest)
    ec2.delete_route_table(RouteTableId=other)


def test_gateway_in_use_stays(ec2, place, guest):
    assert reaches(guest)
    code, _, message = error_of(ec2.detach_internet_gateway, InternetGatewayId=place.igw, VpcId=place.vpc)
    assert code == "DependencyViolation" and "mapped public address" in message


# --- why not?

def why(place, *words):
    """Whether `minicloud why` says yes, and all that it says."""
    done = place.cloud.minicloud("why", *words, check=False)
    assert done.stdout.startswith({0: "Yes: ", 1: "No: "}[done.returncode]), done.stdout + done.stderr
    return done.returncode == 0, done.stdout


def permission(port):
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


@contextlib.contextmanager
def no_rule(place):
    place.ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=permission(22))
    yield place.group + r".* no inbound rule .*TCP port 22 from .*\n(.*\n)+ *Remedy: minicloud authorize-security-group-ingress"
    place.ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=permission(22))


@contextlib.contextmanager
def acl_entry(place, egress, low, high):
    (acl,) = place.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [place.subnet]}])["NetworkAcls"]
    which = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 50, "Egress": egress}
    place.ec2.create_network_acl_entry(**which, Protocol="6", RuleAction="deny", CidrBlock="0.0.0.0/0", PortRange={"From": low, "To": high})
    yield rf"{'The answers do not come back. ' if egress else ''}The network ACL {acl['NetworkAclId']} .* rule 50 denies it"
    place.ec2.delete_network_acl_entry(**which)


@contextlib.contextmanager
def no_route(place):
    place.route(False)
    yield rf"The answers do not come back. The route table {place.table} .* has no route to "
    place.route(True)


@contextlib.contextmanager
def bad_route(place):
    eni = place.ec2.create_network_interface(SubnetId=place.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    place.ec2.replace_route(RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=eni)
    yield rf"The route to 0.0.0.0/0 in the route table {place.table} is a black hole: {eni} "
    place.ec2.replace_route(RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=place.igw)
    place.ec2.delete_network_interface(NetworkInterfaceId=eni)


FAULTS = {"group": no_rule, "acl": lambda place: acl_entry(place, False, 22, 22), "answers": lambda place: acl_entry(place, True, 1024, 65535),
          "route": no_route, "black-hole": bad_route}


@pytest.mark.parametrize("fault", FAULTS)
def test_why_not(place, guest, fault):
    """What is in the way is named in plain words, and nothing passes; without it something does."""
    with FAULTS[fault](place) as words:
        yes, said = why(place, "internet", f"{guest.id}:22")
        assert not yes and re.search(words, said), said
        assert reaches_not(guest)
    assert why(place, "internet", f"{guest.public_ip}:22")[0] and reaches(guest)


def test_why_does_nobody_answer(place, guest):
    """The cloud lets it pass and the guest refuses it: that is said as well."""
    place.ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=permission(81))
    try:
        yes, said = why(place, "internet", f"{guest.id}:81")
        assert yes and "nobody listening there" in said
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((guest.public_ip, 81), timeout=SHORT_S)
    finally:
        place.ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=permission(81))


def follow(place, said):
    """Do what is advised, word by word."""
    advice = [shlex.split(line) for line in re.findall(r"^ *Remedy: minicloud (.*)$", said, flags=re.M)]
    assert advice, said
    for words in advice:
        place.cloud.minicloud(*words)


def test_what_why_advises_for_a_group(place, guest):
    """It lets in whoever is out there, not somebody whom nobody has named. Of some who may come in, it says so."""
    place.ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=permission(22))
    said = why(place, "internet", f"{guest.id}:22")[1]
    assert "from the internet" in said, said
    few = [{**permission(22)[0], "IpRanges": [{"CidrIp": "192.0.2.7/32"}]}]
    place.ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=few)
    yes, some = why(place, "internet", f"{guest.id}:22")
    assert yes and "not from everywhere there: the rules let in 192.0.2.7" in some, some
    place.ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=few)
    follow(place, said)
    assert reaches(guest)
    assert "not from everywhere" not in why(place, "internet", f"{guest.id}:22")[1]


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


def test_same_block_twice(ec2, place, guest):
    """Another VPC may have the same addresses."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    assert error_of(ec2.delete_vpc, VpcId=vpc)[0] == "DependencyViolation"
    eni = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=guest.private_ip)["NetworkInterface"]["NetworkInterfaceId"]
    yes, said = why(place, guest.id, f"{eni}:22")
    assert not yes and f"{eni} is in another VPC, {vpc}" in said, said
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    assert error_of(ec2.describe_vpcs, VpcIds=[vpc])[0] == "InvalidVpcID.NotFound"


# --- network ACLs

@pytest.fixture
def acl(ec2, place, guest):  # pylint: disable=unused-argument
    """An ACL of the guest's subnet that lets nothing pass; put back afterwards."""
    def association():
        shown = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [place.subnet]}])
        return shown["NetworkAcls"][0]["NetworkAclId"], next(
            a["NetworkAclAssociationId"] for a in shown["NetworkAcls"][0]["Associations"] if a["SubnetId"] == place.subnet)
    before, id_before = association()
    acl_id = ec2.create_network_acl(VpcId=place.vpc)["NetworkAcl"]["NetworkAclId"]
    ec2.replace_network_acl_association(AssociationId=id_before, NetworkAclId=acl_id)
    yield acl_id
    ec2.replace_network_acl_association(AssociationId=association()[1], NetworkAclId=before)
    ec2.delete_network_acl(NetworkAclId=acl_id)


def entry(acl_id, number, egress, action, ports):
    return {"NetworkAclId": acl_id, "RuleNumber": number, "Egress": egress, "Protocol": "tcp", "RuleAction": action,
            "CidrBlock": "0.0.0.0/0", "PortRange": {"From": ports[0], "To": ports[1]}}


def test_acl_has_no_memory(ec2, guest, acl):
    """Both directions must be let pass, an answer's own port too; the lowest number that fits decides, at once."""
    assert reaches_not(guest)
    ec2.create_network_acl_entry(**entry(acl, 100, False, "allow", (22, 22)))
    assert reaches_not(guest)
    ec2.create_network_acl_entry(**entry(acl, 100, True, "allow", (1024, 65535)))
    assert reaches(guest)
    ec2.create_network_acl_entry(**entry(acl, 50, False, "deny", (20, 30)))
    assert reaches_not(guest)
    ec2.replace_network_acl_entry(**entry(acl, 50, False, "deny", (23, 30)))
    assert reaches(guest)
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=True)
    assert reaches_not(guest)


def test_what_why_advises_for_an_acl(ec2, place, guest, acl):
    """Rules whose numbers are free and before what is in the way; where no number is left, one goes."""
    ec2.create_network_acl_entry(**entry(acl, 100, False, "allow", (80, 80)))
    ec2.create_network_acl_entry(**entry(acl, 50, True, "deny", (40000, 40000)))
    ec2.create_network_acl_entry(**entry(acl, 49, True, "allow", (80, 80)))
    ec2.create_network_acl_entry(**entry(acl, 1, True, "deny", (50000, 65535)))
    for _ in range(6):  # each way, and what had not been told yet
        yes, said = why(place, "internet", f"{guest.id}:22")
        if yes:
            break
        follow(place, said)
    assert yes and reaches(guest), said


# --- prefix lists

def test_route_by_prefix_list(ec2, place, guest):
    """A route to a list leads where its present version says."""
    made = ec2.create_managed_prefix_list(PrefixListName="way", AddressFamily="IPv4", MaxEntries=3,
                                          Entries=[{"Cidr": "198.51.100.0/24"}])["PrefixList"]["PrefixListId"]
    ec2.create_route(RouteTableId=place.table, DestinationPrefixListId=made, GatewayId=place.igw)
    place.route(False)
    try:
        assert reaches_not(guest)
        ec2.modify_managed_prefix_list(PrefixListId=made, CurrentVersion=1,
                                       AddEntries=[{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}])
        assert reaches(guest)
        ec2.restore_managed_prefix_list_version(PrefixListId=made, CurrentVersion=2, PreviousVersion=1)
        assert reaches_not(guest)
    finally:
        place.route(True)
    assert error_of(ec2.delete_managed_prefix_list, PrefixListId=made)[0] == "DependencyViolation"
    ec2.delete_route(RouteTableId=place.table, DestinationPrefixListId=made)
    ec2.delete_managed_prefix_list(PrefixListId=made)


# --- peering

def banner(guest, address, patience=SHORT_S):
    """Does the other one's SSH server answer at this address?"""
    return "SSH" in guest.ssh(f"timeout {patience} nc {address} 22 </dev/null | head -n 1")


def no_banner(guest, address):
    return not banner(guest, address, GUEST_IN_VAIN_S)


@pytest.fixture
def peering(ec2, place, pair):
    """The default VPC asks for a connection with the place; deleted at the end."""
    default = pair[0].described["VpcId"]
    made = ec2.create_vpc_peering_connection(VpcId=default, PeerVpcId=place.vpc)["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def status():
        return ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[made])["VpcPeeringConnections"][0]["Status"]["Code"]
    wait_until("the request waits for its answer", lambda: status() == "pending-acceptance", SHORT_S)
    yield made, default
    if status() == "active":
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made)
    assert status() == "deleted"


def test_peering(ec2, place, pair, guest, peering):
    """Packets pass between peers once it is accepted and both sides have routes, and no longer."""
    made, default = peering
    one = pair[0]
    there = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [default]}, {"Name": "association.main", "Values": ["true"]}])
    tables = {there["RouteTables"][0]["RouteTableId"]: "10.20.0.0/16", place.table: "172.31.0.0/16"}
    for table, block in tables.items():
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=block, VpcPeeringConnectionId=made)
    try:
        assert no_banner(one, guest.private_ip)
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made)
        assert banner(one, guest.private_ip)
        assert banner(guest, one.private_ip)
        assert no_banner(one, "10.20.1.2")
        # The other's group as a source: its members come in by their private addresses.
        group = one.described["SecurityGroups"][0]["GroupId"]
        ec2.revoke_security_group_ingress(GroupId=place.group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
        assert no_banner(one, guest.private_ip)
        rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": group}]}]
        ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=rule)
        assert banner(one, guest.private_ip) and reaches_not(guest)
        ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=rule)
        ec2.authorize_security_group_ingress(GroupId=place.group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made)
        assert no_banner(one, guest.private_ip)
    finally:
        for table, block in tables.items():
            ec2.delete_route(RouteTableId=table, DestinationCidrBlock=block)


def test_peering_with_another_account(ec2, place, guest, neighbour):
    """The other account says yes, and lets in whom it means by this account's group."""
    own_account = ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["OwnerId"]
    assert error_of(neighbour.describe_vpcs, VpcIds=[place.vpc])[0] == "InvalidVpcID.NotFound"
    vpc = neighbour.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    subnet = neighbour.create_subnet(VpcId=vpc, CidrBlock="10.30.1.0/24")["Subnet"]["SubnetId"]
    group = neighbour.create_security_group(GroupName="neighbour", Description="x", VpcId=vpc)["GroupId"]
    endpoint = neighbour.create_vpc_endpoint(
        VpcId=vpc, VpcEndpointType="Interface", ServiceName="com.amazonaws.us-east-1.ec2", SubnetIds=[subnet],
        SecurityGroupIds=[group], PrivateDnsEnabled=False)["VpcEndpoint"]
    (there,) = neighbour.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])["NetworkInterfaces"]

    def answers(patience=SHORT_S):
        """Something there that speaks HTTP; it refuses what is not signed."""
        ask = f"timeout {patience} nc {there['PrivateIpAddress']} 80"
        return "HTTP/1.1" in guest.ssh(f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | {ask} || true")
    made = ec2.create_vpc_peering_connection(VpcId=place.vpc, PeerVpcId=vpc, PeerOwnerId=NEIGHBOUR["account"])
    peering = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    wait_until("the request waits for its answer", lambda: neighbour.describe_vpc_peering_connections(
        VpcPeeringConnectionIds=[peering])["VpcPeeringConnections"][0]["Status"]["Code"] == "pending-acceptance", SHORT_S)
    assert error_of(ec2.accept_vpc_peering_connection, VpcPeeringConnectionId=peering)[0] == "OperationNotPermitted"
    accepted = neighbour.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)["VpcPeeringConnection"]
    assert (accepted["RequesterVpcInfo"]["OwnerId"], accepted["AccepterVpcInfo"]["OwnerId"]) == (own_account, NEIGHBOUR["account"])
    (main,) = neighbour.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    neighbour.create_route(RouteTableId=main["RouteTableId"], DestinationCidrBlock="10.20.0.0/16", VpcPeeringConnectionId=peering)
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="10.30.0.0/16", VpcPeeringConnectionId=peering)
    try:
        assert not answers(GUEST_IN_VAIN_S)
        rule = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
                 "UserIdGroupPairs": [{"UserId": own_account, "GroupId": place.group}]}]
        neighbour.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
        assert answers()
        (shown,) = neighbour.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
        assert shown["UserIdGroupPairs"][0]["UserId"] == own_account
        assert ec2.describe_security_group_references(GroupId=[place.group])["SecurityGroupReferenceSet"][0]["ReferencingVpcId"] == vpc
        neighbour.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)
        assert not answers(GUEST_IN_VAIN_S)
        neighbour.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
        assert answers()
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
        assert not answers(GUEST_IN_VAIN_S)
        (stale,) = neighbour.describe_stale_security_groups(VpcId=vpc)["StaleSecurityGroupSet"]
        assert stale["GroupId"] == group
    finally:
        ec2.delete_route(RouteTableId=place.table, DestinationCidrBlock="10.30.0.0/16")
    assert not neighbour.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])["Unsuccessful"]
    neighbour.delete_subnet(SubnetId=subnet)
    neighbour.delete_security_group(GroupId=group)
    neighbour.delete_vpc(VpcId=vpc)


# --- names

def asked(guest, name, server="169.254.169.253"):
    """The addresses that the guest gets for a name."""
    text = wait_until("the resolver says something", lambda: (t := guest.ssh(f"nslookup -type=a {name} {server} 2>&1 || true")) and
                      "timed out" not in t and t, SHORT_S)
    return re.findall(r"^Address(?: \d+)?: (\d+\.\d+\.\d+\.\d+)$", text, flags=re.M)


def test_dns_attributes(ec2, place, guest):
    """Names of hosts are a matter of the VPC's attributes; so is what DescribeInstances shows."""
    name = f"ip-{guest.private_ip.replace('.', '-')}.ec2.internal"
    public = f"ec2-{guest.public_ip.replace('.', '-')}.compute-1.amazonaws.com"
    assert guest.described["PublicDnsName"] == "" and asked(guest, public) != [guest.private_ip]

    def wait_names(*wanted):
        """The resolver reads what has changed in its own time."""
        wait_until(f"{name} is {wanted}", lambda: asked(guest, name) == list(wanted), SHORT_S)
    ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": True})
    assert guest.described["PublicDnsName"] == public
    wait_names(guest.private_ip)
    assert asked(guest, public) == [guest.private_ip] and asked(guest, name, "10.20.0.2") == [guest.private_ip]
    ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": False})
    wait_names()
    ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": True})
    wait_names(guest.private_ip)


def test_dhcp_options(ec2, place, guest):
    """A set of one's own reaches a running guest with its next lease."""
    made = ec2.create_dhcp_options(DhcpConfigurations=[
        {"Key": "domain-name", "Values": ["example.org example.net"]},
        {"Key": "domain-name-servers", "Values": ["10.20.1.77", "AmazonProvidedDNS"]}])["DhcpOptions"]["DhcpOptionsId"]
    before = ec2.describe_vpcs(VpcIds=[place.vpc])["Vpcs"][0]["DhcpOptionsId"]
    assert "search ec2.internal" in guest.ssh("cat /etc/resolv.conf")
    ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=place.vpc)
    # Asked for again, in case the server had not read them yet.
    renew = "sudo kill -USR1 $(pidof udhcpc); sleep 1; cat /etc/resolv.conf"
    wait_until("the guest has the new options", lambda: guest.ssh(renew).split() == [
        "search", "example.org", "example.net", "nameserver", "10.20.1.77", "nameserver", "10.20.0.2"], SHORT_S)
    assert error_of(ec2.delete_dhcp_options, DhcpOptionsId=made)[0] == "DependencyViolation"
    ec2.associate_dhcp_options(DhcpOptionsId=before, VpcId=place.vpc)
    ec2.delete_dhcp_options(DhcpOptionsId=made)
    wait_until("the guest has the old options", lambda: "ec2.internal" in guest.ssh(renew), SHORT_S)


# --- endpoints

def presigned(cloud, host, action, service="ec2", version="2016-11-15"):
    """An address that asks the API at this host by its mere being fetched."""
    request = botocore.awsrequest.AWSRequest("GET", f"http://{host}/", params={"Action": action, "Version": version})
    credentials = botocore.credentials.Credentials(cloud.key_id, cloud.secret)
    botocore.auth.SigV4QueryAuth(credentials, service, "us-east-1").add_auth(request)
    return request.prepare().url


def test_interface_endpoint(cloud, ec2, place, guest):
    """The API at an address of the VPC, without any way out: for whom the endpoint's groups let in, and for its service."""
    group = ec2.create_security_group(GroupName="endpoint", Description="x", VpcId=place.vpc)["GroupId"]
    private = ec2.create_subnet(VpcId=place.vpc, CidrBlock="10.20.2.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    made = cloud.aws("ec2", "create-vpc-endpoint", "--vpc-id", place.vpc, "--vpc-endpoint-type", "Interface", "--service-name",
                     "com.amazonaws.us-east-1.ec2", "--subnet-ids", private, "--security-group-ids", group)["VpcEndpoint"]
    assert made["State"] == "available" and made["PrivateDnsEnabled"]
    shown = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"][0]
    assert shown["InterfaceType"] == "vpc_endpoint" and shown["RequesterManaged"]
    host = "ec2.us-east-1.amazonaws.com"

    def fetch(url, patience=SHORT_S):
        return guest.ssh(f"timeout {patience} wget -q -O - '{url}' 2>&1 || true")
    wait_until("its name is known", lambda: asked(guest, host) == [shown["PrivateIpAddress"]], SHORT_S)
    assert place.vpc not in fetch(presigned(cloud, host, "DescribeVpcs"), GUEST_IN_VAIN_S)
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="10.20.0.0/16")
    for name in (host, made["DnsEntries"][0]["DnsName"], shown["PrivateIpAddress"]):
        assert place.vpc in fetch(presigned(cloud, name, "DescribeVpcs"))
    assert "403" in fetch(presigned(cloud, host, "GetCallerIdentity", "sts", "2011-06-15"))
    assert error_of(ec2.delete_network_interface, NetworkInterfaceId=shown["NetworkInterfaceId"])[0] == "OperationNotPermitted"
    assert not ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["Unsuccessful"]
    wait_until("its name is known no more", lambda: not asked(guest, host), SHORT_S)
    ec2.delete_subnet(SubnetId=private)
    ec2.delete_security_group(GroupId=group)


def test_gateway_endpoint(ec2, place, guest):
    """The API by a route: from the subnets whose tables are the endpoint's, as long as they are."""
    host, service = "ec2.us-east-1.amazonaws.com", "com.amazonaws.us-east-1.ec2"
    (shown,) = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [service]}])["PrefixLists"]
    made = ec2.create_vpc_endpoint(VpcId=place.vpc, ServiceName=service, RouteTableIds=[place.table])["VpcEndpoint"]
    endpoint = made["VpcEndpointId"]
    assert made["VpcEndpointType"] == "Gateway" and made["RouteTableIds"] == [place.table]
    (route,) = [r for r in ec2.describe_route_tables(RouteTableIds=[place.table])["RouteTables"][0]["Routes"]
                if r.get("DestinationPrefixListId") == shown["PrefixListId"]]
    assert (route["GatewayId"], route["State"]) == (endpoint, "active")
    wait_until("its name is known", lambda: asked(guest, host) == [shown["Cidrs"][0].split("/")[0]], SHORT_S)

    def answers(patience=SHORT_S):
        url = presigned(place.cloud, host, "DescribeVpcs")
        return place.vpc in guest.ssh(f"timeout {patience} wget -q -O - '{url}' 2>&1 || true")
    assert answers()
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[place.table])
    assert not answers(GUEST_IN_VAIN_S)
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[place.table])
    assert answers()
    assert not ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"]
    assert not answers(GUEST_IN_VAIN_S)
    wait_until("its name is known no more", lambda: asked(guest, host) != [shown["Cidrs"][0].split("/")[0]], SHORT_S)


def test_interfaces_and_addresses_over_a_stop(cloud, ec2, place, guest):
    """Elastic addresses, of secondary addresses too, stay; an interface attached while it is off is there when it starts."""
    own = guest.described["NetworkInterfaces"][0]["NetworkInterfaceId"]
    second = ec2.assign_private_ip_addresses(NetworkInterfaceId=own, SecondaryPrivateIpAddressCount=1)[
        "AssignedPrivateIpAddresses"][0]["PrivateIpAddress"]
    elastic = {}
    for address in (guest.private_ip, second):
        made = ec2.allocate_address(Domain="vpc")
        ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=own, PrivateIpAddress=address)
        elastic[address] = made
    guest.ssh(f"sudo ip addr add {second}/24 dev eth0")
    for made in elastic.values():
        assert first_packet_passes(made["PublicIp"], 22)
    ec2.stop_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "stopped")
    assert {a["PrivateIpAddress"]: a["PublicIp"] for a in ec2.describe_addresses(
        AllocationIds=[m["AllocationId"] for m in elastic.values()])["Addresses"]} == {
            address: made["PublicIp"] for address, made in elastic.items()}
    yes, said = why(place, "internet", f"{guest.id}:22")
    assert not yes and f"{guest.id} is stopped" in said and f"Remedy: minicloud start-instances --instance-ids {guest.id}" in said
    assert not can_connect(elastic[guest.private_ip]["PublicIp"], 22, IN_VAIN_S)
    eni = ec2.create_network_interface(SubnetId=place.subnet, Groups=[place.group])["NetworkInterface"]
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"], InstanceId=guest.id, DeviceIndex=1)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni["NetworkInterfaceId"], Attachment={
        "AttachmentId": attachment["AttachmentId"], "DeleteOnTermination": True})
    assert error_of(ec2.modify_network_interface_attribute, NetworkInterfaceId=own, Attachment={
        "AttachmentId": attachment["AttachmentId"], "DeleteOnTermination": True})[0].startswith("Invalid")
    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    assert guest.public_ip == elastic[guest.private_ip]["PublicIp"]
    guest.wait_ssh()
    macs = guest.ssh("cat /sys/class/net/*/address").split()
    assert {n["MacAddress"] for n in guest.described["NetworkInterfaces"]} < set(macs) and eni["MacAddress"] in macs
    guest.ssh(f"sudo ip addr add {second}/24 dev eth0")
    assert first_packet_passes(elastic[second]["PublicIp"], 22)
    for made in elastic.values():
        (shown,) = ec2.describe_addresses(AllocationIds=[made["AllocationId"]])["Addresses"]
        ec2.disassociate_address(AssociationId=shown["AssociationId"])
        assert not can_connect(made["PublicIp"], 22, IN_VAIN_S)
        ec2.release_address(AllocationId=made["AllocationId"])
    assert "PublicIpAddress" not in guest.described, "with two interfaces none is lent again"


def test_why_without_a_way_out(ec2, place, guest):
    """No public address, and then no internet gateway either; with both it is reached."""
    own = guest.described["NetworkInterfaces"][0]["NetworkInterfaceId"]
    address = ec2.allocate_address(Domain="vpc")

    def led():
        return ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=own)["AssociationId"]

    def passes():
        yes, said = why(place, "internet", f"{guest.id}:22")
        assert yes == can_connect(address["PublicIp"], 22, SHORT_S if yes else IN_VAIN_S)
        return said
    association = led()
    assert passes().startswith("Yes")
    ec2.disassociate_address(AssociationId=association)
    said = passes()
    assert f"{own} has no public address" in said and "Remedy: minicloud allocate-address" in said
    ec2.detach_internet_gateway(InternetGatewayId=place.igw, VpcId=place.vpc)
    said = passes()
    assert f"{place.vpc} has no internet gateway" in said and "Remedy: minicloud create-internet-gateway" in said
    ec2.attach_internet_gateway(InternetGatewayId=place.igw, VpcId=place.vpc)
    association = led()
    assert passes().startswith("Yes")
    ec2.disassociate_address(AssociationId=association)
    ec2.release_address(AllocationId=address["AllocationId"])


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
        cloud.socket_call("netd", "GET", "/v1/vpcs")[1]), SHORT_S)
