"""Network interfaces and elastic addresses of real guests."""

import json

import pytest

from conftest import newer_aws
from cloud import IN_VAIN_S, SHORT_S, can_connect, error_of, first_packet_passes, wait_until


def described(ec2, eni_id):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"][0]


@pytest.fixture
def eni(ec2, pair):
    """An interface of its own in the pair's subnet and group."""
    of = pair[0].described
    made = ec2.create_network_interface(
        SubnetId=of["SubnetId"], Groups=[g["GroupId"] for g in of["SecurityGroups"]], Description="of the test",
        TagSpecifications=[{"ResourceType": "network-interface", "Tags": [{"Key": "role", "Value": "eni"}]}])
    eni_id = made["NetworkInterface"]["NetworkInterfaceId"]
    assert made["NetworkInterface"]["Status"] == "available"
    yield eni_id
    shown = described(ec2, eni_id)
    if "Attachment" in shown:
        ec2.detach_network_interface(AttachmentId=shown["Attachment"]["AttachmentId"], Force=True)
        wait_until("the interface is free", lambda: described(ec2, eni_id)["Status"] == "available", SHORT_S)
    ec2.delete_network_interface(NetworkInterfaceId=eni_id)


def links(guest):
    """The guest's interfaces by their MAC."""
    out = guest.ssh("for i in /sys/class/net/*; do echo $(cat $i/address 2>/dev/null) $(basename $i); done")
    return dict(words for line in out.splitlines() if len(words := line.split()) == 2)  # one that just goes has no address


def test_hot_attach_and_detach(ec2, pair, eni, open_group):
    """A second interface comes to a running guest, works, shows in the metadata, and goes again."""
    one, other = pair
    shown = described(ec2, eni)
    mac, address = shown["MacAddress"], shown["PrivateIpAddress"]
    assert mac not in links(one)
    for force in (False, True):  # the second time it is the same one
        ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=one.id, DeviceIndex=1)
        wait_until("it is attached", lambda: described(ec2, eni)["Attachment"]["Status"] == "attached", SHORT_S)
        name = wait_until("the guest sees it", lambda: links(one).get(mac), SHORT_S)
        wait_until("it has its address", lambda: f"inet {address}/" in one.ssh(f"ip addr show dev {name}"), SHORT_S)
        assert [i["NetworkInterfaceId"] for i in one.described["NetworkInterfaces"]][1] == eni
        assert one.ssh(f"imds meta-data/network/interfaces/macs/{mac}/interface-id") == eni
        assert one.ssh(f"imds meta-data/network/interfaces/macs/{mac}/local-ipv4s") == address
        ec2.authorize_security_group_ingress(GroupId=open_group, IpProtocol="icmp", FromPort=-1, ToPort=-1, CidrIp=f"{address}/32")
        try:
            before = other.count_pings_in()
            assert one.ssh(f"ping -c 1 -W {SHORT_S} -I {name} {other.private_ip}", check=False).returncode == 0
            assert other.count_pings_in() == before + 1
        finally:
            ec2.revoke_security_group_ingress(GroupId=open_group, IpProtocol="icmp", FromPort=-1, ToPort=-1, CidrIp=f"{address}/32")
        assert error_of(ec2.delete_network_interface, NetworkInterfaceId=eni)[0] == "InvalidParameterValue"
        ec2.detach_network_interface(AttachmentId=described(ec2, eni)["Attachment"]["AttachmentId"], Force=force)
        assert not force or eni not in one.cloud.plugged(shown["VpcId"]), "forced, its packets end at once"
        wait_until("it is free", lambda: described(ec2, eni)["Status"] == "available", SHORT_S)
        wait_until("the guest has let go", lambda: mac not in links(one), SHORT_S)
        assert eni not in one.cloud.plugged(shown["VpcId"])
    assert can_connect(one.public_ip, 22)


def test_groups_of_an_interface(ec2, pair, open_group):
    """Other groups count from the moment the API has answered, for what is new and what is old."""
    guest = pair[1]
    vpc, interface = guest.described["VpcId"], guest.described["NetworkInterfaces"][0]["NetworkInterfaceId"]
    closed = ec2.create_security_group(GroupName="closed", Description="nothing in", VpcId=vpc)["GroupId"]
    try:
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[closed])
        assert not can_connect(guest.public_ip, 22, IN_VAIN_S)
        ec2.modify_instance_attribute(InstanceId=guest.id, Groups=[closed, open_group])
        assert first_packet_passes(guest.public_ip, 22)
        assert error_of(ec2.delete_security_group, GroupId=closed)[0] == "DependencyViolation"
    finally:
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[open_group])
        ec2.delete_security_group(GroupId=closed)


def test_elastic_address(ec2, pair):
    """It leads where it is told, at once; a lent address goes when it comes and comes when it goes."""
    one, other = pair
    lent = [one.public_ip, other.public_ip]
    made = ec2.allocate_address(Domain="vpc")
    allocation, address = made["AllocationId"], made["PublicIp"]
    assert not can_connect(address, 22, IN_VAIN_S)
    ec2.associate_address(AllocationId=allocation, InstanceId=one.id)
    assert first_packet_passes(address, 22)
    assert one.ssh("imds meta-data/public-ipv4") == address == one.public_ip
    assert not can_connect(lent[0], 22, IN_VAIN_S)
    interface = other.described["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert error_of(ec2.associate_address, AllocationId=allocation, NetworkInterfaceId=interface,
                    AllowReassociation=False)[0] == "Resource.AlreadyAssociated"
    association = ec2.associate_address(AllocationId=allocation, NetworkInterfaceId=interface)["AssociationId"]
    assert first_packet_passes(address, 22)
    assert other.ssh("imds meta-data/public-ipv4") == address
    assert one.public_ip not in (address, lent[0]) and first_packet_passes(one.public_ip, 22)
    assert error_of(ec2.release_address, AllocationId=allocation)[0] == "InvalidIPAddress.InUse"
    ec2.disassociate_address(AssociationId=association)
    assert not can_connect(address, 22, IN_VAIN_S)
    assert other.public_ip not in (address, lent[1]) and first_packet_passes(other.public_ip, 22)
    ec2.release_address(AllocationId=allocation)


def test_elastic_address_of_a_secondary_one(ec2, pair):
    """It leads to that address, and goes where the address goes."""
    interfaces = [guest.described["NetworkInterfaces"][0]["NetworkInterfaceId"] for guest in pair]
    moved = ec2.assign_private_ip_addresses(NetworkInterfaceId=interfaces[0], SecondaryPrivateIpAddressCount=1)
    private = moved["AssignedPrivateIpAddresses"][0]["PrivateIpAddress"]
    made = ec2.allocate_address()
    try:
        for guest in pair:
            guest.ssh(f"sudo ip addr add {private}/32 dev eth0")
        ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=interfaces[0], PrivateIpAddress=private)
        names = [pair[0].ssh("hostname", address=made["PublicIp"])]
        ec2.assign_private_ip_addresses(NetworkInterfaceId=interfaces[1], PrivateIpAddresses=[private], AllowReassignment=True)
        names.append(pair[1].ssh("hostname", address=made["PublicIp"]))
        assert names == [guest.ssh("hostname") for guest in pair] and len(set(names)) == 2
        ec2.unassign_private_ip_addresses(NetworkInterfaceId=interfaces[1], PrivateIpAddresses=[private])
        assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[made["AllocationId"]])["Addresses"][0]
        assert not can_connect(made["PublicIp"], 22, IN_VAIN_S)
    finally:
        for guest in pair:
            guest.ssh(f"sudo ip addr del {private}/32 dev eth0", check=False)
        ec2.release_address(AllocationId=made["AllocationId"])


def asked(cloud, *words):
    """What no client of Debian knows yet: asked by a newer AWS CLI where there is one, else by our own."""
    program = newer_aws()
    if program:
        return cloud.aws("ec2", *words, program=program)
    return json.loads(cloud.minicloud(*words, "--output", "json").stdout)


def nat_addresses(cloud, nat):
    """Its state, and its addresses."""
    (shown,) = asked(cloud, "describe-nat-gateways", "--nat-gateway-ids", nat)["NatGateways"]
    return shown["State"], shown["NatGatewayAddresses"]


def settled(cloud, nat, count):
    """Its addresses, the first one first, when there are so many and nothing is under way."""
    def look():
        state, addresses = nat_addresses(cloud, nat)
        done = all(a["Status"] == "succeeded" for a in addresses)
        return state == "available" and len(addresses) == count and done and addresses
    return wait_until(f"{nat} has {count} addresses", look, SHORT_S)


def test_addresses_of_nat_gateways(cloud, ec2, pair):
    """Secondary addresses come at once and go when nothing goes on over them, or when their time is up."""
    subnet, vpc = pair[0].described["SubnetId"], pair[0].described["VpcId"]
    first, second = (ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2))
    public, private = (asked(cloud, "create-nat-gateway", "--subnet-id", subnet, *words)["NatGateway"]["NatGatewayId"] for words in (
        ["--allocation-id", first], ["--connectivity-type", "private", "--secondary-private-ip-address-count", "1"]))
    try:
        settled(cloud, public, 1), settled(cloud, private, 2)
        asked(cloud, "associate-nat-gateway-address", "--nat-gateway-id", public, "--allocation-ids", second)
        more = settled(cloud, public, 2)[1]
        assert more["AllocationId"] == second
        assert cloud.socket_call("netd", "GET", f"/v1/vpcs/{vpc}/nat-gateways/{public}")[1] == {"id": public, "draining": []}
        assert error_of(ec2.release_address, AllocationId=second)[0] == "InvalidIPAddress.InUse"
        asked(cloud, "disassociate-nat-gateway-address", "--nat-gateway-id", public, "--association-ids", more["AssociationId"])
        settled(cloud, public, 1)  # nothing went on over it: the 350 seconds are not waited for
        asked(cloud, "assign-private-nat-gateway-address", "--nat-gateway-id", private, "--private-ip-address-count", "1")
        away = [a["PrivateIp"] for a in settled(cloud, private, 3)[1:]]
        asked(cloud, "unassign-private-nat-gateway-address", "--nat-gateway-id", private, "--private-ip-addresses", *away)
        settled(cloud, private, 1)
    finally:
        for nat in (public, private):
            ec2.delete_nat_gateway(NatGatewayId=nat)
        for nat in (public, private):
            wait_until(f"{nat} is deleted", lambda n=nat: nat_addresses(cloud, n)[0] == "deleted", SHORT_S)
        for allocation in (first, second):
            ec2.release_address(AllocationId=allocation)


def test_flow_log(cloud, ec2, pair):
    """What passed and what did not is in the file."""
    guest = pair[1]
    interface = guest.described["NetworkInterfaces"][0]
    log = ec2.create_flow_logs(ResourceIds=[interface["NetworkInterfaceId"]], ResourceType="NetworkInterface", TrafficType="ALL",
                               LogGroupName="tests", MaxAggregationInterval=60)["FlowLogIds"][0]
    try:
        assert can_connect(guest.public_ip, 22)
        assert not can_connect(guest.public_ip, 2323, IN_VAIN_S)
        assert cloud.socket_call("netd", "POST", f"/v1/vpcs/{guest.described['VpcId']}/flow-logs/flush", {})[0] == 200
        rows = [line.split() for line in (cloud.home / "flow-logs" / f"{log}.log").read_text(encoding="ascii").splitlines()]
        seen = {(row[6], row[12]) for row in rows if row[2] == interface["NetworkInterfaceId"] and row[4] == guest.private_ip}
        assert ("22", "ACCEPT") in seen and ("2323", "REJECT") in seen, rows
    finally:
        assert not ec2.delete_flow_logs(FlowLogIds=[log])["Unsuccessful"]
