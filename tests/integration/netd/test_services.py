"""What a VPC's guests are told: DHCP options and names. Flow logs of what they do."""
import contextlib
import http.client
import os
import socket
import threading

import netlab
from netlab import AAAA, PATIENCE, SOON, Vpc, all_, dhcp, dns, dns_status, icmp, udp, wait_for

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
    assert options[15] == b"ec2.internal" and addresses(options[6]) == [RESOLVER] and not {42, 119} & set(options)
    vpc.doc["dhcp"] = {"domain_name": "class.example lab.example", "domain_name_servers": ["10.9.9.9", "AmazonProvidedDNS"],
                       "ntp_servers": ["169.254.169.123", "10.9.9.8"], "netbios_name_servers": ["10.9.9.7"],
                       "netbios_node_type": 2}
    vpc.put()
    _, options = dhcp(a)
    assert options[15] == b"class.example" and options[119].startswith(b"\x05class\x07example\0\x03lab")
    assert addresses(options[6]) == ["10.9.9.9", RESOLVER]
    assert addresses(options[42]) == ["169.254.169.123", "10.9.9.8"]
    assert addresses(options[44]) == ["10.9.9.7"] and options[46] == b"\x02"
    vpc.doc["dhcp"] = {}
    vpc.put()
    _, options = dhcp(a)
    assert not {6, 15, 42, 44, 46, 119} & set(options), "what is not in the set is not given out"
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
    assert wait_for(lambda: dns(a, "ec2.us-east-1.amazonaws.com", RESOLVER))
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
    assert wait_for(lambda: dns(a, "ip-172-31-0-10.ec2.internal", RESOLVER) == [])
    assert dns(a, "instance-data.ec2.internal", RESOLVER) == ["169.254.169.254"]
    vpc.doc["dns"] = {"support": False}
    vpc.put()
    assert dns(a, "ip-172-31-0-10.ec2.internal", RESOLVER, timeout=SOON) is None
    assert dns(a, "ip-172-31-0-10.ec2.internal", LINK_RESOLVER, timeout=SOON) is None
    assert dhcp(a)[0] == a.ip, "DHCP goes on"
    del vpc.doc["dns"]
    vpc.put()
    assert wait_for(lambda: dns(a, "ip-172-31-0-10.ec2.internal", RESOLVER) == [a.ip])
    finish(vpc, a)


class NameServer:
    """A name server in a namespace: it knows one name, by datagram and by connection."""
    NAME, ADDRESS = b"\x07example\x03com\0", "192.0.2.77"

    def __init__(self, ns, port=0, host="127.0.0.1"):
        with netlab.inside(ns):
            self.sockets = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
            self.sockets[0].bind((host, port))
            self.sockets[1].bind(self.sockets[0].getsockname())
        self.sockets[1].listen(4)
        self.address = "127.0.0.1#%d" % self.sockets[0].getsockname()[1]
        self.asked = []
        for target in (self.serve_datagrams, self.serve_connections):
            threading.Thread(target=target, daemon=True).start()

    def answer(self, query, how):
        name = query[12:query.index(b"\0", 12) + 1]
        self.asked.append((how, name))
        known = name == self.NAME
        end = 12 + len(name) + 4
        record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + socket.inet_aton(self.ADDRESS)
        return query[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\x01" + (b"\0\x01" if known else b"\0\0") + \
            bytes(4) + query[12:end] + (record if known else b"")

    def serve_datagrams(self):
        with contextlib.suppress(OSError):
            query, peer = self.sockets[0].recvfrom(2000)
            while query:  # nothing at the end
                self.sockets[0].sendto(self.answer(query, "udp"), peer)
                query, peer = self.sockets[0].recvfrom(2000)

    def serve_connections(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.sockets[1].accept()
                with connection:
                    answer = self.answer(message_of(connection), "tcp")
                    connection.sendall(len(answer).to_bytes(2, "big") + answer)
                    connection.recv(1)

    def close(self):
        for s in self.sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


def message_of(connection):
    """What its two octets of length announce (RFC 1035, 4.2.2): it may come in parts."""
    with connection.makefile("rb") as f:
        return f.read(int.from_bytes(f.read(2), "big"))


def dns_by_connection(guest, name, server):
    """The answer's last four bytes as an address."""
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0" + labels + b"\0\x01\0\x01"
    with guest.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(PATIENCE)
        s.connect((server, 53))
        s.sendall(len(query).to_bytes(2, "big") + query)
        return socket.inet_ntoa(message_of(s)[-4:])


def test_nobody_else_is_asked_of_ones_own_names(world):
    """Who wants the IPv6 address of a name that the VPC knows hears that it has none, not that nobody knows it."""
    outside = NameServer(world.ns)
    vpc, group, a = one_guest(world, public_ip="203.0.113.5", public_name="ec2-203-0-113-5." + PUBLIC)
    vpc.doc["dns"] = {"public_domain": PUBLIC, "names": [{"name": "sts.us-east-1.amazonaws.com", "ip": "198.19.255.3"}]}
    vpc.doc["endpoints"] = [{"id": netlab.new_id("vpce"), "subnet": vpc.subnet, "eni": netlab.new_id("eni"), "ip": "172.31.0.20",
                             "groups": [group["id"]], "names": ["ec2.us-east-1.amazonaws.com"]}]
    vpc.put()
    own = {"ip-172-31-0-10.ec2.internal": ["172.31.0.10"], "ec2-203-0-113-5." + PUBLIC: ["172.31.0.10"],
           "ec2-203-0-113-77." + PUBLIC: ["203.0.113.77"], "ec2.us-east-1.amazonaws.com": ["172.31.0.20"],
           "sts.us-east-1.amazonaws.com": ["198.19.255.3"]}
    try:
        world.stop()
        world.start("--dns-servers=" + outside.address)
        assert wait_for(lambda: dns(a, "example.com", RESOLVER) == [outside.ADDRESS])
        for name, there in own.items():
            assert dns(a, name, RESOLVER) == there
            assert dns(a, name, RESOLVER, AAAA) == [] and dns_status(a, name, RESOLVER, AAAA) == 0, name
        assert dns(a, "ssm.us-east-1.amazonaws.com", RESOLVER) == []
        asked = [name for _, name in outside.asked]
        assert not [n for n in asked if n != outside.NAME and b"\x03ssm" not in n], asked
        assert [n for n in asked if b"\x03ssm" in n], "others of that domain are not the VPC's"
    finally:
        outside.close()
        world.stop()
        world.start()
    finish(vpc, a)


def test_other_names_are_asked_of_the_operators_servers(world):
    """From a VPC without any way out; the second server where the first one is not there; and nobody where none is wanted."""
    outside = NameServer(world.ns)
    vpc, _, a = one_guest(world)
    vpc.doc["igw"] = False
    vpc.put()
    try:
        world.stop()
        world.start("--dns-servers=127.0.0.1#1," + outside.address)
        for server in (RESOLVER, LINK_RESOLVER):  # asked again where the server has not answered in time: netd does not wait for ever
            assert wait_for(lambda: dns(a, "example.com", server) == [outside.ADDRESS])  # pylint: disable=cell-var-from-loop
        assert dns(a, "nowhere.example.org", RESOLVER) == []
        assert dns_by_connection(a, "www.example.org", RESOLVER) and ("tcp", b"\x03www\x07example\x03org\0") in outside.asked
        assert dns(a, "ip-172-31-0-99.ec2.internal", RESOLVER) == [] and dns(a, "9.9.9.10.in-addr.arpa", RESOLVER, 12) == []
        asked = [name for _, name in outside.asked]
        assert not [n for n in asked if b"internal" in n or b"in-addr" in n], "what is private stays here"
        assert not a.connect("127.0.0.1", 5300, SOON)
        world.stop()
        world.start("--dns-servers=none")
        assert dns(a, "example.net", RESOLVER) == [] and b"\x07example\x03net\0" not in [name for _, name in outside.asked]
    finally:
        outside.close()
        world.stop()
        world.start()
    finish(vpc, a)


def test_name_servers_of_ones_own(world):
    """A guest that DHCP tells of a name server in the VPC is answered by it, as groups let it."""
    vpc, group, a = one_guest(world)
    group["ingress"] = [udp(53)]
    other = vpc.eni(11, group)
    vpc.doc["dhcp"] = {"domain_name_servers": [other["ip"]]}
    vpc.put()
    b = vpc.guest(other)
    server = NameServer(b.ns, 53, "0.0.0.0")
    _, options = dhcp(a)
    (address,) = addresses(options[6])
    assert dns(a, "example.com", address) == [server.ADDRESS]
    group["ingress"] = [udp(54)]
    vpc.put()
    assert dns(a, "example.com", address, timeout=SOON) is None
    server.close()
    finish(vpc, a, b)


# --- flow logs -----------------------------------------------------------------------------------


ACCOUNT = "123456789012"


def flow_log(vpc, *enis, traffic="all", interval=60):
    log = {"id": netlab.new_id("fl"), "enis": [e["id"] for e in enis], "traffic": traffic, "interval": interval,
           "account": ACCOUNT}
    log["file"] = log["id"] + ".log"
    vpc.doc.setdefault("flow_logs", []).append(log)
    return log


def lines(world, log):
    try:
        with open(os.path.join(world.dir, "flow-logs", log["file"])) as f:
            return [line.split() for line in f]
    except FileNotFoundError:
        return []


def flush(world, vpc):
    return world.ok("POST", "/v1/vpcs/%s/flow-logs/flush" % vpc.id, {})["records"]


def records(world, log):
    """{(eni, src, dst, sport, dport, protocol, action): (packets, bytes)} of all lines that hold data."""
    found = {}
    for line in lines(world, log):
        assert len(line) == 14 and line[:2] == ["2", ACCOUNT] and int(line[10]) <= int(line[11])
        if line[13] == "OK":
            key = (*line[2:8], line[12])
            packets, size = found.get(key, (0, 0))
            found[key] = (packets + int(line[8]), size + int(line[9]))
    return found


def test_flow_logs_tell_what_passed_and_what_did_not(world):
    vpc, group, a = one_guest(world)
    group["ingress"] = [udp(53), icmp()]
    other = vpc.eni(11, group)
    log = flow_log(vpc, a.eni, other)
    rejects = flow_log(vpc, other, traffic="reject", interval=600)
    vpc.put()
    b = vpc.guest(other)
    server, sender = b.udp(53), a.udp(4444)
    for _ in range(3):
        sender.sendto(b"12345", (b.ip, 53))
        server.recv(10)
    server.sendto(b"1", (a.ip, 4444))
    sender.recv(10)
    sender.sendto(b"", (b.ip, 54))
    assert a.ping(b.ip) and not a.connect(b.ip, 22, SOON)
    assert flush(world, vpc) == len(lines(world, log)) + len(lines(world, rejects))
    at_a, at_b, flow = a.eni["id"], other["id"], records(world, log)

    def sizes():
        return {g["id"]: os.path.getsize(os.path.join(world.dir, "flow-logs", g["file"])) for g in (log, rejects)}
    before = sizes()
    counted = {r["id"]: r["bytes"] for r in world.ok("GET", "/v1/vpcs/%s/counters" % vpc.id)["flow_logs"]}
    assert counted.keys() == before.keys() and all(before[i] <= counted[i] <= n for i, n in sizes().items())
    assert counted[log["id"]] > counted[rejects["id"]] > 0
    there, back = (a.ip, b.ip, "4444", "53", "17"), (b.ip, a.ip, "53", "4444", "17")
    assert flow[(at_a, *there, "ACCEPT")] == flow[(at_b, *there, "ACCEPT")] == (3, 3 * 33)
    assert flow[(at_b, *back, "ACCEPT")] == flow[(at_a, *back, "ACCEPT")] == (1, 29)
    refused = (a.ip, b.ip, "4444", "54", "17")
    assert flow[(at_a, *refused, "ACCEPT")] == (1, 28), "the sender's side let it out"
    assert flow[(at_b, *refused, "REJECT")] == (1, 28)
    assert flow[(at_b, a.ip, b.ip, "0", "0", "1", "ACCEPT")] == (1, 28)
    (tcp22,) = [k for k in flow if k[4:] == ("22", "6", "REJECT")]
    assert tcp22[0] == at_b
    assert set(records(world, rejects)) == {(at_b, *refused, "REJECT"), tcp22}
    assert flush(world, vpc) == 0, "written once"
    finish(vpc, a, b)


def test_flow_logs_of_acls_secondary_addresses_and_nat(world):
    vpc = Vpc(world, "10.0.0.0/16", "10.0.0.0/24")
    group = vpc.group([all_()])
    private = vpc.add_subnet("10.0.1.0/24")
    one = vpc.add_eni(private, "10.0.1.10", group, secondary=[{"ip": "10.0.1.12"}])
    nat = vpc.add_nat(vpc.doc["subnets"][0], "10.0.0.9", public_ip="203.0.113.9")
    private["routes"] = [{"destination": "0.0.0.0/0", "target": nat["id"]}]
    two = vpc.add_eni(vpc.doc["subnets"][0], "10.0.0.10", group)
    log = flow_log(vpc, one, {"id": nat["eni"]}, two, {"id": "eni-00000000000000000"})
    vpc.put()
    a, b = vpc.guest(one), vpc.guest(two)
    a.ip_cmd("addr", "add", "10.0.1.12/32", "dev", "eth0")
    assert b.ping("10.0.1.12") and b.ping("10.0.1.10")
    a.udp(5000).sendto(b"", ("203.0.113.200", 53))
    private["acl"] = vpc.add_acl(ingress=[(1, "allow", "all", "10.0.0.0/16")],
                                 egress=[(1, "allow", "icmp", "203.0.113.0/24", 8, -1)])["id"]
    vpc.put()
    assert not b.ping("10.0.1.10", SOON)
    a.ping("203.0.113.200", SOON)
    flush(world, vpc)
    flow = records(world, log)
    assert flow[(one["id"], "10.0.0.10", "10.0.1.10", "0", "0", "1", "ACCEPT")] == (3, 84), "one, by its first address"
    assert flow[(one["id"], "10.0.1.10", "10.0.0.10", "0", "0", "1", "REJECT")] == (1, 28), "the answer"
    assert flow[(one["id"], "10.0.1.10", "203.0.113.200", "0", "0", "1", "ACCEPT")] == (1, 28)
    assert (two["id"], "10.0.0.10", "10.0.1.10", "0", "0", "1", "ACCEPT") in flow
    # A NAT gateway's traffic is its own, in and out.
    assert flow[(nat["eni"], "10.0.1.10", "10.0.0.9", "5000", "53", "17", "ACCEPT")] == (1, 28)
    assert flow[(nat["eni"], "10.0.0.9", "203.0.113.200", "5000", "53", "17", "ACCEPT")] == (1, 28)
    finish(vpc, a, b)


def begin_before(world, vpc, seconds):
    """As if the interval had begun so many seconds ago, netd being away meanwhile: when."""
    since = "%s/netd/%s/flow-%d.since" % (world.run, vpc.id, seconds)
    world.stop()
    with open(since) as f:
        began = int(f.read()) - seconds
    with open(since, "w") as f:
        f.write("%d\n" % began)
    world.start()
    return began


def test_flow_logs_in_time_and_at_the_end(world):
    vpc, group, a = one_guest(world)
    log, slow = flow_log(vpc, a.eni), flow_log(vpc, a.eni, interval=600)
    vpc.put()
    for it, seconds in ((log, 60), (slow, 600)):
        assert lines(world, slow) == [], "ten minutes are not one"
        began = begin_before(world, vpc, seconds)
        assert wait_for(lambda: lines(world, it)), "the time had passed"  # pylint: disable=cell-var-from-loop
        ((*_, start, end, action, status),) = lines(world, it)
        assert int(start) == began and int(end) >= began + seconds and (action, status) == ("-", "NODATA")
    a.udp(5000).sendto(b"", ("172.31.0.99", 1))
    vpc.doc["flow_logs"] = []
    vpc.put()
    key = (a.eni["id"], a.ip, "172.31.0.99", "5000", "1", "17", "ACCEPT")
    assert records(world, log)[key] == records(world, slow)[key] == (1, 28), "what was seen before it was deleted"
    assert "flow_" not in world.in_vpc(vpc.id, "nft", "list", "ruleset")
    finish(vpc, a)


def test_killed_netd_writes_every_packet_once(world):
    vpc, group, a = one_guest(world)
    other = vpc.eni(11, group)
    log = flow_log(vpc, other)
    vpc.put()
    b = vpc.guest(other)
    server, sender = b.udp(53), a.udp(4444)
    sent = 0
    for n in range(12):
        for _ in range(20):
            sender.sendto(b"x", (b.ip, 53))
            assert server.recv(10)
            sent += 1
        asking = threading.Thread(target=ask_in_vain, args=(world, vpc))
        asking.start()
        asking.join(n * 0.0015)
        world.stop(9)
        asking.join()
        world.start()
    flush(world, vpc)
    assert records(world, log)[(other["id"], a.ip, b.ip, "4444", "53", "17", "ACCEPT")] == (sent, sent * 29)
    finish(vpc, a, b)


def ask_in_vain(world, vpc):
    with contextlib.suppress(OSError, http.client.HTTPException):
        world.call("POST", "/v1/vpcs/%s/flow-logs/flush" % vpc.id, {})
