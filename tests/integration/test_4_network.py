"""Security groups and the guard, seen from outside and from inside the guests."""

import concurrent.futures
import os
import signal

import botocore.exceptions
import pytest

from cloud import BOOT_S, IN_VAIN_S, SHORT_S, can_connect, error_of, first_packet_passes, wait_until

PORT = 8080
GUEST_IN_VAIN_S = 3  # of a guest that asks for what is not to come


@pytest.fixture(scope="module")
def served(pair):
    """The first guest serves a page on PORT; nothing lets it in yet."""
    guest = pair[0]
    guest.ssh(f"mkdir -p www && echo page > www/index.html && (busybox httpd -p {PORT} -h www || true)")
    assert guest.ssh(f"timeout {SHORT_S} wget -q -O - http://127.0.0.1:{PORT}/").strip() == "page"
    return guest


@pytest.fixture
def group(ec2, pair):
    """The shared instances' group; what a test adds to its rules is taken away again."""
    group_id = pair[0].described["SecurityGroups"][0]["GroupId"]

    def rules():
        shown = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
        return {(r["IsEgress"], r["IpProtocol"], r["FromPort"], r["ToPort"], r.get("CidrIpv4"),
                 str(r.get("ReferencedGroupInfo"))): r["SecurityGroupRuleId"] for r in shown["SecurityGroupRules"]}
    before = rules()
    yield group_id
    after = rules()
    for rule in set(after) - set(before):
        revoke = ec2.revoke_security_group_egress if rule[0] else ec2.revoke_security_group_ingress
        revoke(GroupId=group_id, SecurityGroupRuleIds=[after[rule]])
    assert set(before) <= set(after)


def tcp(port=PORT, **source):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}


ANYWHERE = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def fetches(guest, address, patience=SHORT_S):
    return guest.ssh(f"timeout {patience} wget -q -O - http://{address}:{PORT}/ || true").strip() == "page"


def fetches_nothing(guest, address):
    return not fetches(guest, address, GUEST_IN_VAIN_S)


def test_rule_counts_at_once(ec2, served, group):
    """From the moment the API answers, from the first packet on; and so does its revocation."""
    address = served.public_ip
    assert not can_connect(address, PORT, IN_VAIN_S)
    for _ in range(5):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(**ANYWHERE)])
        assert first_packet_passes(address, PORT)
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[tcp(**ANYWHERE)])
        assert not first_packet_passes(address, PORT, IN_VAIN_S)


def test_a_rule_waits_for_who_enforces_it(cloud, ec2, served, group):
    """While netd does nothing there is no answer, though the rule is written down; with the answer it counts."""
    def authorize():
        return ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(**ANYWHERE)])

    def is_known():
        shown = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
        return any(rule["FromPort"] == PORT for rule in shown)
    netd = cloud.pid("netd")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        os.kill(netd, signal.SIGSTOP)
        try:
            call = pool.submit(authorize)
            wait_until("the rule is written down", is_known, SHORT_S)
            assert not call.done() or error_of(call.result)[0] == "Unavailable"  # after 20 s of patience
            assert not can_connect(served.public_ip, PORT, IN_VAIN_S)
        finally:
            os.kill(netd, signal.SIGCONT)
        try:
            call.result()
        except botocore.exceptions.ClientError:
            authorize()  # once more is no duplicate
    assert first_packet_passes(served.public_ip, PORT)


def test_source_address_counts(ec2, served, group):
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(IpRanges=[{"CidrIp": "198.51.100.0/24"}])])
    assert not can_connect(served.public_ip, PORT, IN_VAIN_S)


def test_group_as_source(ec2, pair, served, group):
    """A rule for members of a group lets them in by their private address, and nobody else."""
    member = pair[1]
    assert fetches_nothing(member, served.private_ip)
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(UserIdGroupPairs=[{"GroupId": group}])])
    assert fetches(member, served.private_ip)
    assert not can_connect(served.public_ip, PORT, IN_VAIN_S)


def why(cloud, *words):
    """The exit status and the words of `minicloud why`."""
    done = cloud.minicloud("why", *words, check=False)
    return done.returncode, done.stdout


def test_why(cloud, ec2, pair, served, group):
    """In plain words, and as the packets say."""
    member = pair[1]
    status, text = why(cloud, member.id, f"{served.id}:{PORT}")
    assert status == 1 and fetches_nothing(member, served.private_ip)
    assert text.startswith("No: ") and group in text and "Remedy: " in text
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(UserIdGroupPairs=[{"GroupId": group}])])
    status, text = why(cloud, member.id, f"{served.private_ip}:{PORT}")
    assert status == 0 and fetches(member, served.private_ip) and text.startswith("Yes: ")
    assert why(cloud, "internet", f"{served.id}:{PORT}")[0] == 1 and not can_connect(served.public_ip, PORT, IN_VAIN_S)
    assert why(cloud, "internet", f"{served.public_ip}:22")[0] == 0 and can_connect(served.public_ip, 22)


def test_egress(ec2, pair, served, group):
    """Without its egress rule a guest reaches nobody, yet still its metadata, and answers who may come in."""
    other = pair[1]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(**ANYWHERE)])
    assert fetches(other, served.private_ip)
    everything = [{"IpProtocol": "-1", **ANYWHERE}]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    try:
        assert fetches_nothing(other, served.private_ip)
        assert other.ssh("imds meta-data/instance-id") == other.id
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[tcp(**ANYWHERE)])
        assert fetches(other, served.private_ip)
    finally:
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=everything)


def test_ping(ec2, pair, group):
    one, other = pair
    ping = f"ping -c 2 -W %d {other.private_ip} >/dev/null && echo answered || true"
    assert one.ssh(ping % 2) == ""
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, **ANYWHERE}])
    assert one.ssh(ping % SHORT_S) == "answered\n"


def test_spoofed_source_is_dropped(ec2, pair, group):
    """A packet with another source than the interface's own address never reaches anybody."""
    one, other = pair
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, **ANYWHERE}])
    prefix = one.private_ip.rpartition(".")[0]
    free = next(f"{prefix}.{n}" for n in range(200, 250) if f"{prefix}.{n}" not in (one.private_ip, other.private_ip))
    before = other.count_pings_in()
    one.ssh(f"ping -c 2 -W {SHORT_S} {other.private_ip}")
    assert other.count_pings_in() == before + 2
    one.ssh(f"sudo ip addr add {free}/20 dev eth0")
    try:
        assert one.ssh(f"ping -c 3 -W 1 -I {free} {other.private_ip} >/dev/null && echo answered || true") == ""
    finally:
        one.ssh(f"sudo ip addr del {free}/20 dev eth0")
    assert other.count_pings_in() == before + 2
    one.ssh(f"ping -c 1 -W {SHORT_S} {other.private_ip}")


def test_spoofed_mac_is_dropped(ec2, pair, group):
    one, other = pair
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, **ANYWHERE}])
    mac = one.described["NetworkInterfaces"][0]["MacAddress"]
    before = other.count_pings_in()
    # The login dies with the address: the guest puts it back by itself.
    one.ssh(f"(sudo ip link set dev eth0 address 06:de:ad:be:ef:01; ping -c 3 -W 1 {other.private_ip}; "
            f"sudo ip link set dev eth0 address {mac}) >/dev/null 2>&1 </dev/null &")
    wait_until("the guest is back", lambda: (one.try_ssh("cat /sys/class/net/eth0/address") or "").strip() == mac and
               "ping -c" not in (one.try_ssh("ps") or "ping -c"), BOOT_S)
    assert other.count_pings_in() == before


def test_group_in_use_stays(ec2, group):
    assert error_of(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
