"""What a VPC's guests are told: DHCP options and names. Flow logs of what they do."""
import socket

import netlab
from netlab import Vpc, all_, dhcp, dns, wait_for

RESOLVER, LINK_RESOLVER = "172.31.0.2", "169.254.169.253"
PUBLIC = "compute-1.amazonaws.com"


def one_guest(world, **eni):
    vpc = Vpc(world)
    group = vpc.group([all_()])
    it = vpc.eni(10, group, **eni)
    vpc.put()
    return vpc, group, vpc.guest(it)


def finish(vpc, *guests):
    for guest in guests:
        guest.close()
    vpc.delete()


def addresses(data):
    return [socket.inet_ntoa(data[i:i + 4]) for i in range(0, len(data), 4)]


def test_dhcp_options(world):
    vpc, _, a = one_guest(world)
    _, options = dhcp(a)
    assert options[15] == b"ec2.internal" and addresses(options[6]) == [RESOLVER] and 42 not in options
    vpc.doc["dhcp"] = {"domain_name": "class.example lab.example", "domain_name_servers": ["10.9.9.9", "AmazonProvidedDNS"],
                       "ntp_servers": ["169.254.169.123", "10.9.9.8"], "netbios_name_servers": ["10.9.9.7"],
                       "netbios_node_type": 2}
    vpc.put()
    _, options = dhcp(a)
    assert options[15] == b"class.example lab.example" and addresses(options[6]) == ["10.9.9.9", RESOLVER]
    assert addresses(options[42]) == ["169.254.169.123", "10.9.9.8"]
    assert addresses(options[44]) == ["10.9.9.7"] and options[46] == b"\x02"
    vpc.doc["dhcp"] = {}
    vpc.put()
    _, options = dhcp(a)
    assert not {6, 15, 42, 44, 46} & set(options), "what is not in the set is not given out"
    finish(vpc, a)


def test_names(world):
    vpc, group, a = one_guest(world, public_ip="203.0.113.5", public_name="ec2-203-0-113-5." + PUBLIC,
                              secondary=[{"ip": "172.31.0.12"}])
    vpc.doc["dns"] = {"public_domain": PUBLIC, "names": [{"name": "ec2-203-0-113-9." + PUBLIC, "ip": "10.1.0.7"}]}
    row = {"id": netlab.new_id("vpce"), "subnet": vpc.subnet, "eni": netlab.new_id("eni"), "ip": "172.31.0.20",
           "groups": [group["id"]], "names": ["ec2.us-east-1.amazonaws.com", "*.api.aws"]}
    vpc.doc["endpoints"] = [row]
    vpc.put()
    expected = {
        "ip-172-31-0-10.ec2.internal": ["172.31.0.10"], "ip-172-31-0-12.ec2.internal": ["172.31.0.12"],
        "ec2-203-0-113-5." + PUBLIC: ["172.31.0.10"],    # inside, a public name is the private address
        "ec2-203-0-113-77." + PUBLIC: ["203.0.113.77"],  # of another VPC
        "ec2-203-0-113-9." + PUBLIC: ["10.1.0.7"],       # of a peer
        "ec2.us-east-1.amazonaws.com": ["172.31.0.20"], "any.api.aws": ["172.31.0.20"],
        "example.com": [], "ip-172-31-0-99.ec2.internal": [],
    }
    for server in (RESOLVER, LINK_RESOLVER):
        assert {name: dns(a, name, server) for name in expected} == expected
    assert dns(a, "10.0.31.172.in-addr.arpa", RESOLVER, 12) == ["ip-172-31-0-10.ec2.internal"]
    assert dns(a, "12.0.31.172.in-addr.arpa", RESOLVER, 12) == ["ip-172-31-0-12.ec2.internal"]
    assert dns(a, "77.113.0.203.in-addr.arpa", RESOLVER, 12) == ["ec2-203-0-113-77." + PUBLIC]
    finish(vpc, a)


def test_dns_attributes(world):
    vpc, _, a = one_guest(world)
    vpc.doc["dns"] = {"hostnames": False}
    vpc.put()
    assert dns(a, "ip-172-31-0-10.ec2.internal", RESOLVER) == []
    assert dns(a, "instance-data.ec2.internal", RESOLVER) == ["169.254.169.254"]
    vpc.doc["dns"] = {"support": False}
    vpc.put()
    assert dns(a, "ip-172-31-0-10.ec2.internal", RESOLVER, timeout=0.2) is None
    assert dns(a, "ip-172-31-0-10.ec2.internal", LINK_RESOLVER, timeout=0.2) is None
    assert dhcp(a)[0] == a.ip, "DHCP goes on"
    del vpc.doc["dns"]
    vpc.put()
    assert wait_for(lambda: dns(a, "ip-172-31-0-10.ec2.internal", RESOLVER) == [a.ip])
    finish(vpc, a)
