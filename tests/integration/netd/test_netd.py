"""netd driven by real packets. `pytest tests/integration/netd`, as root."""
import json
import os
import signal
import socket
import time

import pytest

import netlab
from netlab import ANY, PATIENCE, SOON, Vpc, connected, connects, dhcp, dns, icmp, ping, talks, tap_of, tcp, udp, udp_frame, wait_for


def udp_arrives(sender, receiver, host, port, timeout=PATIENCE):
    """Does a datagram from the guest reach the receiver's socket?"""
    receiver.settimeout(timeout)
    sender.udp().sendto(b"x", (host, port))
    try:
        return receiver.recv(10) == b"x"
    except OSError:
        return False


def lab(world, *rules, hosts=(10, 11), **eni):
    """A VPC, its one group and configured guests."""
    vpc = Vpc(world)
    group = vpc.group(list(rules))
    enis = [vpc.eni(h, group, **eni) for h in hosts]
    vpc.put()
    return vpc, group, [vpc.guest(e) for e in enis]


def finish(vpc, guests=()):
    for g in guests:
        g.close()
    vpc.delete()


# --- security groups -----------------------------------------------------------------------


def test_nothing_is_allowed_without_rules(world):
    vpc, _, (a, b) = lab(world)
    b.listen(22)
    assert not a.ping(b.ip, SOON)
    assert not a.connect(b.ip, 22, SOON)
    assert a.ping("172.31.0.1"), "the gateway answers"
    finish(vpc, (a, b))


def test_tcp_udp_icmp_rules(world):
    vpc, group, (a, b) = lab(world, tcp(22), udp(53), icmp(8, 0))
    b.listen(22), b.listen(23)
    u53, u54 = b.udp(53), b.udp(54)
    assert a.connect(b.ip, 22)
    assert not a.connect(b.ip, 23, SOON)
    assert udp_arrives(a, u53, b.ip, 53)
    assert not udp_arrives(a, u54, b.ip, 54, SOON)
    assert a.ping(b.ip)
    group["ingress"] = [icmp(13, -1)]
    vpc.put()
    assert not a.ping(b.ip, SOON), "another ICMP type"
    group["ingress"] = [{"protocol": "1", "cidr": "172.31.0.10/32"}]
    vpc.put()
    assert a.ping(b.ip) and not b.ping(a.ip, SOON), "the rule names one address"
    finish(vpc, (a, b))


def test_overlapping_rules_and_ranges(world):
    vpc, group, (a, b) = lab(world, {"protocol": "tcp", "from": 0, "to": 65535, "cidr": "10.0.0.0/8"},
                             {"protocol": "tcp", "from": 20, "to": 30, "cidr": "172.31.0.0/16"},
                             {"protocol": "tcp", "from": 25, "to": 40, "cidr": "172.31.0.0/20"})
    for port in (19, 22, 27, 40, 41):
        b.listen(port)
    assert all(a.connect(b.ip, p) for p in (22, 27, 40)) and not any(a.connect(b.ip, p, SOON) for p in (19, 41))
    finish(vpc, (a, b))


def test_group_reference_follows_members(world):
    vpc = Vpc(world)
    clients = vpc.group()
    servers = vpc.group([tcp(80, group=clients["id"])])
    enis = [vpc.eni(10, clients), vpc.eni(11, servers), vpc.eni(12, servers)]
    vpc.put()
    a, b, c = (vpc.guest(e) for e in enis)
    b.listen(80)
    assert a.connect(b.ip, 80)
    assert not c.connect(b.ip, 80, SOON), "servers are not clients"
    enis[2]["groups"].append(clients["id"])
    vpc.put()
    assert c.connect(b.ip, 80)
    enis[0]["groups"] = [servers["id"]]
    vpc.put()
    assert not a.connect(b.ip, 80, SOON)
    finish(vpc, (a, b, c))


def test_egress_rules(world):
    vpc, group, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    for port in (22, 80):
        b.listen(port)
    group["egress"] = [tcp(80, group=group["id"])]
    vpc.put()
    assert a.connect(b.ip, 80) and not a.connect(b.ip, 22, SOON)
    group["egress"] = []
    vpc.put()
    assert not a.connect(b.ip, 80, SOON)
    finish(vpc, (a, b))


def test_revocation_cuts_what_need_not_be_tracked(world):
    vpc, group, (a, b) = lab(world, tcp(22), tcp(80), udp(9))
    client, peer = connected(a, b, 22)
    other, other_peer = connected(a, b, 80)
    u = b.udp(9)
    us = a.udp()
    us.sendto(b"x", (b.ip, 9))
    assert u.recv(10) == b"x"
    assert talks(client, peer) and talks(other, other_peer)
    group["ingress"] = [tcp(80)]
    vpc.put()
    assert not talks(client, peer, SOON), "the revoked connection is cut"
    assert not talks(peer, client, SOON), "from the server's side too"
    us.sendto(b"y", (b.ip, 9))
    u.settimeout(SOON)
    with pytest.raises(OSError):
        u.recv(10)
    assert not a.connect(b.ip, 22, SOON)
    assert talks(other, other_peer), "what is still allowed goes on"
    finish(vpc, (a, b))


def test_revocation_leaves_tracked_connections(world):
    vpc, group, (a, b) = lab(world, tcp(22, cidr="172.31.0.10/32"), tcp(80, cidr="172.31.0.0/20"))
    client, peer = connected(a, b, 22)
    other, other_peer = connected(a, b, 80)
    for _ in range(2):
        group["ingress"] = [udp(1)] + group["ingress"][2:]
        vpc.put()
        assert talks(client, peer) and talks(other, other_peer), "as AWS lets tracked ones go on"
        assert not a.connect(b.ip, 22, SOON) and not a.connect(b.ip, 80, SOON), "and none begins"
    finish(vpc, (a, b))


def test_adding_and_removing_leaves_established_alone(world):
    vpc, group, (a, b) = lab(world, tcp(22))
    server = b.listen(22)
    client = a.connect(b.ip, 22)
    peer, _ = server.accept()
    for n in range(20):
        group["ingress"] = [tcp(22)] + [tcp(1000 + n)]
        extra = vpc.eni(20 + n, group)
        vpc.put()
        assert talks(client, peer)
        vpc.doc["enis"].remove(extra)
    vpc.put()
    assert talks(client, peer)
    finish(vpc, (a, b))


# --- what Prometheus is told --------------------------------------------------------------------


def metrics(world):
    """{name and labels: value}"""
    lines = world.ok("GET", "/metrics").decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_metrics(world):
    before = metrics(world)
    vpc, _, (a, b) = lab(world, icmp())
    made = metrics(world)

    def grown(name, now):
        return now[f"minicloud_netd_{name}"] - before.get(f"minicloud_netd_{name}", 0)
    assert {name: grown(name, made) for name in (
        "networks", "interfaces", "interfaces_plugged", 'reconciles_total{outcome="failed"}')} == {
            "networks": 1, "interfaces": 2, "interfaces_plugged": 2, 'reconciles_total{outcome="failed"}': 0}
    assert grown("rules", made) >= 1 and grown('reconciles_total{outcome="ok"}', made) >= 1
    assert made["minicloud_netd_reconcile_seconds_count"] == sum(
        made[f'minicloud_netd_reconciles_total{{outcome="{o}"}}'] for o in ("ok", "failed"))
    assert 0 < grown("nft_seconds_sum", made) < grown("reconcile_seconds_sum", made)

    def dropped(reason):
        return metrics(world)[f'minicloud_netd_dropped_packets_total{{vpc="{vpc.id}",reason="{reason}"}}']
    assert a.ping(b.ip) and dropped("refused in") == 0
    assert not a.connect(b.ip, 22, SOON) and dropped("refused in") > 0
    spoofed = dropped("spoofed")
    a.packet().send(udp_frame("06:00:00:00:00:99", b.mac, a.ip, b.ip, 5, 7, b"x"))
    assert wait_for(lambda: dropped("spoofed") > spoofed)
    finish(vpc, (a, b))
    assert grown("networks", metrics(world)) == 0
    assert grown("removals_total", metrics(world)) == 1


# --- the guard --------------------------------------------------------------------------------


def test_spoofed_frames_are_dropped(world):
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    u = b.udp(7)
    gateway = a.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gateway.connect((a.gateway, 1))
    assert a.ping(a.gateway)
    bridge = neighbour(a, a.gateway)
    raw = a.packet()

    def arrives(mac, ip, timeout=SOON):
        u.settimeout(timeout)
        raw.send(udp_frame(mac, bridge, ip, b.ip, 5, 7, b"x"))
        try:
            return bool(u.recv(10))
        except OSError:
            return False

    assert arrives(a.mac, a.ip, PATIENCE), "the honest frame passes"
    assert not arrives(a.mac, "172.31.0.99"), "another address"
    assert not arrives(a.mac, b.ip), "the receiver's own address"
    assert not arrives("06:00:00:00:00:99", a.ip), "another MAC"
    assert not arrives(b.mac, b.ip), "a neighbour's MAC and address"
    finish(vpc, (a, b))


def dhcp_frame(sender, mac, kind, ip):
    """To the server, by the sender's own frame, about the interface with that MAC."""
    options = bytes([50, 4]) + socket.inet_aton(ip) + bytes([54, 4]) + socket.inet_aton(sender.gateway)
    return udp_frame(sender.mac, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255", 68, 67,
                     netlab.dhcp_message(mac, kind, 7, options))


def test_nobody_speaks_dhcp_for_another(world):
    """A neighbour's address is neither asked for, declined nor given back: dnsmasq would give it to nobody for minutes."""
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    assert dhcp(b)[0] == b.ip
    with a.packet() as raw:
        assert netlab.dhcp_exchange(raw, a.mac, 1, b""), "its own request is answered"
        for kind in (1, 3, 4, 7):  # DISCOVER, REQUEST, DECLINE, RELEASE
            raw.send(dhcp_frame(a, b.mac, kind, b.ip))
    assert dhcp(a)[0] == a.ip, "what was sent before has been read"
    with open("%s/netd/%s/leases" % (world.run, vpc.id)) as f:
        assert b.mac in f.read()
    assert dhcp(b)[0] == b.ip
    finish(vpc, (a, b))


def neighbour(guest, ip):
    import subprocess
    out = subprocess.run(["nsenter", "--net=" + guest.path, "ip", "neigh", "show", ip],
                         capture_output=True, text=True, pass_fds=[guest.ns]).stdout
    return out.split("lladdr ")[1].split()[0]


def arp_frame(mac, sha, spa, tpa):
    body = b"\x00\x01\x08\x00\x06\x04\x00\x01" + netlab.mac_bytes(sha) + socket.inet_aton(spa)
    body += bytes(6) + socket.inet_aton(tpa)
    return b"\xff" * 6 + netlab.mac_bytes(mac) + b"\x08\x06" + body


def arp_answered(guest, frame, timeout=SOON):
    with guest.packet() as s:
        s.settimeout(timeout)
        s.send(frame)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                data = s.recv(100)
            except OSError:
                return False
            if data[12:14] == b"\x08\x06" and data[20:22] == b"\x00\x02":
                return True
    return False


def test_arp_is_guarded(world):
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    assert arp_answered(a, arp_frame(a.mac, a.mac, a.ip, b.ip), PATIENCE), "the bridge answers for b"
    assert not arp_answered(a, arp_frame(a.mac, a.mac, b.ip, a.gateway))
    assert not arp_answered(a, arp_frame(a.mac, b.mac, a.ip, a.gateway))
    assert not arp_answered(a, arp_frame(b.mac, b.mac, b.ip, a.gateway))
    assert b.ping(a.gateway), "and b's neighbour entry is unharmed"
    finish(vpc, (a, b))


def test_guests_do_not_meet_on_layer_2(world):
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    raw, seen = a.packet(), b.packet()
    raw.send(udp_frame(a.mac, b.mac, a.ip, b.ip, 5, 7, b"direct"))
    raw.send(udp_frame(a.mac, "ff:ff:ff:ff:ff:ff", a.ip, "172.31.15.255", 5, 7, b"broadcast"))
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        seen.settimeout(SOON)
        try:
            data = seen.recv(2000)
        except OSError:
            break
        assert netlab.mac_bytes(a.mac) not in data[:14]
    finish(vpc, (a, b))


def test_source_dest_check_off_lets_others_through(world):
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    u = b.udp(7)
    assert a.ping(a.gateway)
    raw, bridge = a.packet(), neighbour(a, a.gateway)
    frame = udp_frame(a.mac, bridge, "192.168.9.9", b.ip, 5, 7, b"x")
    raw.send(frame)
    u.settimeout(SOON)
    with pytest.raises(OSError):
        u.recv(10)
    vpc.doc["enis"][0]["source_dest_check"] = False
    vpc.put()
    u.settimeout(PATIENCE)
    raw.send(frame)
    assert u.recv(10) == b"x"
    finish(vpc, (a, b))


# --- VPCs and gateways --------------------------------------------------------------------------


def test_vpcs_of_one_cidr_are_apart(world):
    allow = {"protocol": "all", "cidr": ANY}
    one, _, (a, b) = lab(world, allow)
    two, _, (c, d) = lab(world, allow)
    assert a.ping(b.ip) and c.ping(d.ip)
    b.listen(22)
    assert a.connect(b.ip, 22) and not c.connect(d.ip, 22, SOON)
    two.delete()
    assert a.ping(b.ip)
    finish(one, (a, b, c, d))


def test_public_address_and_rules(world):
    vpc, group, (a, b) = lab(world, hosts=(10, 11))
    vpc.doc["enis"][0]["public_ip"] = "203.0.113.5"
    vpc.put()
    a.listen(22)
    assert not connects(world.ns, "203.0.113.5", 22, SOON), "no rule"
    assert not ping(world.ns, "203.0.113.5", SOON)
    group["ingress"] = [tcp(22), icmp()]
    vpc.put()
    assert connects(world.ns, "203.0.113.5", 22)
    assert ping(world.ns, "203.0.113.5")
    assert not ping(world.ns, "203.0.113.6", SOON), "an address that nobody has"
    counters = {e["id"]: e for e in world.ok("GET", "/v1/vpcs/%s/counters" % vpc.id)["enis"]}
    assert counters[a.eni["id"]]["internet_in"] > 0 and counters[a.eni["id"]]["internet_out"] > 0
    assert counters[b.eni["id"]]["internet_in"] == 0
    vpc.doc["igw"] = False
    vpc.put()
    assert not ping(world.ns, "203.0.113.5", SOON), "no gateway"
    assert world.sh("ip", "route") == "", "the pool's blackhole goes with the last address"
    vpc.doc["igw"] = True
    vpc.put()
    assert ping(world.ns, "203.0.113.5")
    del vpc.doc["enis"][0]["public_ip"]
    vpc.put()
    assert not ping(world.ns, "203.0.113.5", SOON)
    finish(vpc, (a, b))


def test_vpcs_reach_each_other_by_public_address(world):
    allow = {"protocol": "all", "cidr": ANY}
    one, two = Vpc(world), Vpc(world)
    e1 = one.eni(10, one.group([allow]), public_ip="203.0.113.10")
    e2 = two.eni(10, two.group([tcp(22, cidr="203.0.113.10/32"), icmp()]), public_ip="203.0.113.20")
    one.put(), two.put()
    a, b = one.guest(e1), two.guest(e2)
    server = b.listen(22)
    assert a.ping("203.0.113.20") and a.connect("203.0.113.20", 22)
    assert server.accept()[1][0] == "203.0.113.10", "seen by its public address"
    assert not world.findings() and world.ok("GET", "/v1/host")["forwarding"]
    two.doc["enis"][0]["public_ip"] = "203.0.113.10"
    status, answer = world.call("PUT", "/v1/vpcs/" + two.id, two.doc)
    assert (status, answer["outcome"]) == (409, "conflict")
    finish(one), finish(two, (a, b))


def test_hairpin_through_the_own_gateway(world):
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    vpc.doc["enis"][0]["public_ip"] = "203.0.113.31"
    vpc.doc["enis"][1]["public_ip"] = "203.0.113.32"
    vpc.put()
    b.listen(22)
    assert a.connect("203.0.113.32", 22)
    finish(vpc, (a, b))


def test_teardown_flag():
    own = netlab.World()
    try:
        own.start()
        vpc, _, (a,) = lab(own, icmp(), hosts=(10,), public_ip="203.0.113.9")
        own.stop(signal.SIGKILL)
        a.close()
        netlab.subprocess.run(own.command("--teardown=yes"), stderr=own.log, check=True)
        assert not own.processes() and os.listdir(own.run + "/netns") == []
        assert own.sh("ip", "route") == "" and "mi" not in own.sh("ip", "-br", "link")
    finally:
        own.close()


def transit_of(vpc):
    return "mi" + vpc.id.split("-")[1][:13]


def way(world, source, target, interface):
    """What the kernel says of the route of a packet that comes in there; "" for none."""
    return world.sh("ip", "route", "get", target, "from", source, "iif", interface, ok=False)


def test_guests_reach_neither_the_host_nor_what_lies_behind(world):
    outside = netlab.attach_lan(world)
    vpc, _, (a,) = lab(world, {"protocol": "all", "cidr": ANY}, hosts=(10,), public_ip="203.0.113.9")
    with netlab.inside(world.ns):
        host = socket.create_server(("0.0.0.0", 8080))
    with netlab.inside(outside):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("eth0", 3))
    s.settimeout(SOON)
    for target in ("198.51.100.2", "8.8.8.8", "198.51.100.1", "169.254.255.1"):
        assert not a.connect(target, 8080, SOON)
    a.ping("8.8.8.8", SOON)
    try:
        while True:
            data = s.recv(2000)
            assert socket.inet_aton("203.0.113.9") not in data and socket.inet_aton(a.ip) not in data
    except TimeoutError:
        pass
    assert not ping(outside, "203.0.113.9", SOON), "the pool is for the host alone"
    # Whatever becomes of the nft table: the routing alone keeps them here.
    for source in ("203.0.113.9", "169.254.255.2"):
        assert not way(world, source, "198.51.100.2", transit_of(vpc)) and way(world, source, "203.0.113.9", transit_of(vpc))
    world.sh("ip", "route", "del", "default")
    world.sh("ip", "link", "del", "lan0")
    host.close(), s.close(), os.close(outside)
    finish(vpc, (a,))


# --- services --------------------------------------------------------------------------------------


def test_what_transits_share_is_the_same_for_one_and_for_many(world):
    vpcs = []

    def shared():
        vpcs.append(Vpc(world))
        vpcs[-1].eni(10, vpcs[-1].group([icmp()]))
        vpcs[-1].put()
        return world.sh("ip", "rule"), world.sh("nft", "--stateless", "list", "table", "inet", "minicloud")

    first = shared()
    for _ in range(3):
        assert shared() == first
    for vpc in vpcs:
        vpc.delete()
    assert "minicloud" not in world.sh("nft", "list", "tables") and "proto 77" not in world.sh("ip", "rule")


def test_transits_of_an_older_netd_are_taken_over():
    own = netlab.World()
    try:
        own.start()
        vpc, _, (a,) = lab(own, icmp(), hosts=(10,), public_ip="203.0.113.9")
        other = Vpc(own)
        other.eni(10, other.group([icmp()]), public_ip="203.0.113.10")
        other.put()
        own.stop(signal.SIGKILL)
        for transit in (transit_of(vpc), transit_of(other)):
            own.sh("ip", "link", "set", transit, "group", "0")
            own.sh("ip", "rule", "add", "pref", "5001", "iif", transit, "blackhole", "proto", "77")
        own.start()
        assert own.sh("ip", "-o", "link", "show", "group", "27747").count("mi") == 2 and "iif" not in own.sh("ip", "rule")
        assert ping(own.ns, "203.0.113.9") and a.ping("203.0.113.9")
    finally:
        own.close()


def test_dhcp_and_dns(world):
    vpc, _, (a, b) = lab(world)
    address, options = dhcp(b)
    assert address == b.ip
    assert socket.inet_ntoa(options[3]) == "172.31.0.1"
    assert socket.inet_ntoa(options[6]) == "172.31.0.2"
    assert options[15] == b"ec2.internal" and options[12] == b"ip-172-31-0-11"
    assert int.from_bytes(options[26], "big") == 1500 and int.from_bytes(options[51], "big") == 3600
    for server in ("172.31.0.2", "169.254.169.253"):
        assert dns(a, "ip-172-31-0-11.ec2.internal", server) == [b.ip]
    assert dns(a, "11.0.31.172.in-addr.arpa", "172.31.0.2", 12) == ["ip-172-31-0-11.ec2.internal"]
    assert dns(a, "example.com", "172.31.0.2") == []
    assert dns(a, "ip-172-31-0-11.ec2.internal", "172.31.0.1", timeout=SOON) is None, "only the resolver's address"
    assert not dhcp(b, mac="06:00:00:00:00:01", timeout=SOON), "a MAC of no ENI"
    finish(vpc, (a, b))


def test_address_reuse_gets_the_address(world):
    """A lease goes with its ENI: the next one with the address gets it at once."""
    vpc, group, (a,) = lab(world, hosts=(10,))
    keep = vpc.eni(11, group)
    vpc.put()
    assert dhcp(a)[0] == "172.31.0.10"
    pids = world.processes()
    vpc.doc["enis"].pop(0)
    vpc.put()
    with open("%s/netd/%s/leases" % (world.run, vpc.id)) as f:
        assert a.mac not in f.read()
    again = vpc.eni(10, group)
    vpc.put()
    b = vpc.guest(again)
    assert dhcp(b)[0] == "172.31.0.10"
    assert world.processes() == pids, "dnsmasq was told, not restarted"
    a.close()
    vpc.doc["enis"].remove(keep)
    finish(vpc, (b,))


def test_a_dead_dnsmasq_is_started_again(world):
    vpc, _, (a,) = lab(world, hosts=(10,))
    (pid,) = world.processes()
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: world.processes() not in ([], [pid])), "without being asked"
    assert dhcp(a)[0] == a.ip
    finish(vpc, (a,))


def test_dnsmasq_comes_with_the_first_guest(world):
    """Only guests ask it: interfaces alone have none, and one that died is started again for guests alone."""
    vpc = Vpc(world)
    group = vpc.group([icmp()])
    first, second = vpc.eni(10, group), vpc.eni(11, group)
    vpc.put()
    assert not world.processes()
    a = vpc.guest(first)
    assert dhcp(a)[0] == a.ip and dns(a, "ip-172-31-0-11.ec2.internal", "172.31.0.2") == [second["ip"]]
    (pid,) = world.processes()
    b = vpc.guest(second)
    assert dhcp(b)[0] == b.ip and world.processes() == [pid], "one for all"
    for guest in (a, b):
        guest.close()
        assert wait_for(lambda: netlab.tap_of(guest.eni["id"]) not in world.in_vpc(vpc.id, "ip", "-o", "link"))
    vpc.doc["generation"] += 1
    vpc.put()
    assert world.processes() == [pid], "it stays as long as the interfaces"
    world.stop(signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not world.processes())
    world.start()
    vpc.put()
    assert not world.processes()
    vpc.doc["enis"][1]["ip"] = "172.31.0.12"
    vpc.put()
    again = vpc.guest(second)
    assert dhcp(again)[0] == "172.31.0.12", "as the document is now, not as it was"
    assert dns(again, "ip-172-31-0-12.ec2.internal", "172.31.0.2") == ["172.31.0.12"]
    assert wait_for(lambda: len(world.processes()) == 1)
    finish(vpc, (again,))


def test_a_waiting_tap_finds_a_dnsmasq(world):
    """A change plugs in what waits, and starts what it needs first."""
    vpc = Vpc(world)
    eni = vpc.eni(10, vpc.group([icmp()]))
    guest = netlab.Guest(world, eni)
    (answer,) = vpc.put()["enis"]
    assert answer["plugged"] and len(world.processes()) == 1
    assert dhcp(guest)[0] == guest.ip
    finish(vpc, (guest,))


def test_metadata_socket(world):
    vpc, _, (a, b) = lab(world)
    answer, listener = world.metadata(vpc.id)
    assert answer == {"ok": True}
    client = a.connect("169.254.169.254", 80)
    server, (source, _) = listener.accept()
    assert source == a.ip, "the source names the ENI"
    assert talks(client, server)
    again, none = world.metadata(vpc.id)
    assert again["outcome"] == "in_use" and none is None
    listener.close()
    assert world.metadata("vpc-00000000000000000")[0]["outcome"] == "not_found"
    assert world.metadata("../../etc")[0]["outcome"] == "bad_request"
    finish(vpc, (a, b))


# --- life --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_restart_disturbs_nothing(world, sig):
    vpc, _, (a, b) = lab(world, tcp(22), icmp())
    server = b.listen(22)
    client = a.connect(b.ip, 22)
    peer, _ = server.accept()
    pids = world.processes()
    before = world.in_vpc(vpc.id, "nft", "-s", "list", "ruleset")
    world.stop(sig)
    assert talks(client, peer), "without netd"
    assert a.ping(b.ip)
    world.start()
    assert world.processes() == pids, "dnsmasq is adopted"
    (known,) = world.ok("GET", "/v1/vpcs")["vpcs"]
    assert known["id"] == vpc.id and all(e["plugged"] for e in known["enis"])
    assert talks(client, peer)
    vpc.put()
    assert talks(client, peer)
    assert world.in_vpc(vpc.id, "nft", "-s", "list", "ruleset") == before
    assert world.processes() == pids
    finish(vpc, (a, b))


def test_killed_anywhere_it_converges():
    """netd is killed at some instant of a PUT or DELETE; the repeated call makes all right."""
    own = netlab.World()
    try:
        own.start()
        vpc = Vpc(own)
        group = vpc.group([icmp()])
        one, two = vpc.eni(10, group, public_ip="203.0.113.9"), vpc.eni(11, group)
        both = vpc.doc["enis"]
        guests = [netlab.Guest(own, e) for e in both]
        for step in range(16):
            vpc.doc["enis"] = [] if step % 4 == 3 else both[:1 + step % 2]
            killed_put(own, vpc, step * 0.004)
            own.start()
            vpc.doc["enis"] = both
            assert all(e["plugged"] for e in vpc.put()["enis"])
        for g in guests:
            g.configure()
        assert guests[0].ping(guests[1].ip) and ping(own.ns, "203.0.113.9")
        assert len(own.processes()) == 1 and dhcp(guests[1])[0] == two["ip"]
        killed_put(own, vpc, 0.005, "DELETE")
        own.start()
        finish(vpc, guests)
        assert not own.processes() and own.sh("nft", "list", "ruleset") == ""
        assert own.sh("ip", "route") == "" and os.listdir(own.run + "/netns") == []
    finally:
        own.close()


def killed_put(world, vpc, after, method="PUT"):
    body = json.dumps(vpc.doc) if method == "PUT" else None
    conn = netlab.UnixConnection(os.path.join(world.run, "netd.sock"))
    conn.request(method, "/v1/vpcs/" + vpc.id, body)
    time.sleep(after)
    world.stop(signal.SIGKILL)
    conn.close()


def test_a_real_tap(world):
    vpc = Vpc(world)
    eni = vpc.eni(10, vpc.group())
    vpc.put()
    world.sh("ip", "tuntap", "add", "dev", tap_of(eni["id"]), "mode", "tap")
    world.sh("ip", "link", "set", tap_of(eni["id"]), "up")
    assert vpc.plug(eni)[0] == 200
    assert tap_of(eni["id"]) not in world.sh("ip", "link")
    vpc.delete()
    assert "state DOWN" in world.sh("ip", "link", "show", tap_of(eni["id"]))
    world.sh("ip", "link", "del", tap_of(eni["id"]))


def test_flushed_rules_come_back_with_counters(world):
    vpc, _, (a, b) = lab(world, icmp())
    assert a.ping(b.ip)
    counters = "/v1/vpcs/%s/counters" % vpc.id
    before = world.ok("GET", counters)
    world.in_vpc(vpc.id, "nft", "delete", "table", "bridge", "guard")
    assert wait_for(lambda: "spoofed" in world.in_vpc(vpc.id, "nft", "list", "ruleset"))
    assert world.ok("GET", counters) == before, "carried over into the new tables"
    world.in_vpc(vpc.id, "nft", "flush", "ruleset")
    vpc.put()
    assert a.ping(b.ip) and not a.connect(b.ip, 22, SOON)
    world.sh("nft", "flush", "ruleset")
    assert wait_for(lambda: "inet minicloud" in world.sh("nft", "list", "ruleset")), "the host's table"
    finish(vpc, (a, b))


UDP_HEADERS = 28  # IP and UDP


def counters_of(world, vpc):
    answer = world.ok("GET", "/v1/vpcs/%s/counters" % vpc.id)
    meters = ("internet_in", "internet_out", "local_in", "local_out")
    return answer["epoch"], {(e["id"], e["ip"]): tuple(e[m] for m in meters) for e in answer["enis"]}


def datagrams(sender, receiver, address, sizes):
    """Datagrams that have arrived; the bytes of their packets."""
    sent = sender.udp()
    for size in sizes:
        sent.sendto(b"." * size, address)
        assert len(receiver.recv(2000)) == size
    return sum(sizes) + UDP_HEADERS * len(sizes)


def test_counters_are_exact_and_outlive_netd(world):
    vpc, _, (a, b) = lab(world, udp(53))
    a.eni["public_ip"] = "203.0.113.5"
    vpc.put()
    of_a, of_b = (a.eni["id"], a.ip), (b.eni["id"], b.ip)
    first, counted = counters_of(world, vpc)
    assert len(first) == 16 and counted == {of_a: (0, 0, 0, 0), of_b: (0, 0, 0, 0)}
    inside_b, inside_a = b.udp(53), a.udp(53)
    local = datagrams(a, inside_b, (b.ip, 53), [1, 100, 1000])
    world.stop(signal.SIGKILL)
    local += datagrams(a, inside_b, (b.ip, 53), [7])
    with netlab.inside(world.ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.sendto(b"." * 333, ("203.0.113.5", 53))
        assert len(inside_a.recv(2000)) == 333
    world.start()
    vpc.put()
    local += datagrams(a, inside_b, (b.ip, 53), [20])
    assert counters_of(world, vpc) == (first, {of_a: (333 + UDP_HEADERS, 0, 0, local), of_b: (0, 0, local, 0)})
    assert not udp_arrives(a, b.udp(54), b.ip, 54, SOON)
    assert counters_of(world, vpc)[1][of_a][3] == local, "what was dropped was not carried"
    world.in_vpc(vpc.id, "nft", "flush", "ruleset")
    vpc.put()
    again = datagrams(a, inside_b, (b.ip, 53), [5])
    second, counted = counters_of(world, vpc)
    assert second != first and counted[of_a] == (0, 0, 0, again), "a new epoch began at 0"
    finish(vpc, (a, b))


def test_generations(world):
    vpc, _, guests = lab(world, hosts=(10,))
    vpc.doc["generation"] = 7
    assert vpc.put()["generation"] == 7
    assert vpc.put()["generation"] == 7
    vpc.doc["generation"] = 6
    status, answer = world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)
    assert (status, answer["outcome"]) == (409, "conflict")
    vpc.doc["generation"] = 0
    vpc.put()
    finish(vpc, guests)


def test_plug_is_idempotent_and_honest(world):
    vpc = Vpc(world)
    eni = vpc.eni(10, vpc.group([icmp()]))
    assert vpc.put()["enis"] == [{"id": eni["id"], "plugged": False}]
    status, answer = vpc.plug(eni)
    assert (status, answer["outcome"]) == (404, "not_found")
    a = vpc.guest(eni)
    assert vpc.plug(eni) == (200, {"id": eni["id"], "plugged": True})
    port = world.in_vpc(vpc.id, "ip", "-d", "link", "show", tap_of(eni["id"]))
    assert "isolated on" in port and "learning off" in port and " flood off" in port
    a.close()
    assert wait_for(lambda: not world.ok("GET", "/v1/vpcs/" + vpc.id)["enis"][0]["plugged"])
    b = vpc.guest(eni)
    assert b.ping(b.gateway)
    finish(vpc, (b,))


def test_put_plugs_waiting_taps(world):
    vpc = Vpc(world)
    eni = vpc.eni(10, vpc.group())
    a = netlab.Guest(world, eni)
    assert vpc.put()["enis"] == [{"id": eni["id"], "plugged": True}]
    a.configure()
    assert a.ping(a.gateway)
    finish(vpc, (a,))


def test_removed_eni_is_cut_off(world):
    vpc, _, (a, b) = lab(world, {"protocol": "all", "cidr": ANY})
    server = b.listen(22)
    client = a.connect(b.ip, 22)
    peer, _ = server.accept()
    gone = vpc.doc["enis"].pop(0)
    vpc.put()
    assert not talks(client, peer, SOON) and not a.ping(b.ip, SOON) and not a.ping(a.gateway, SOON)
    assert gone["ip"] not in world.in_vpc(vpc.id, "nft", "list", "ruleset")
    assert gone["ip"] not in world.in_vpc(vpc.id, "ip", "neigh")
    assert "state DOWN" in world.sh("ip", "link", "show", tap_of(gone["id"]))
    vpc.doc["enis"].append(gone)
    vpc.put()
    # The kernel tells the bridge of a link that is up again within a second (linkwatch).
    assert wait_for(lambda: a.ping(b.ip, SOON)), "and comes back"
    finish(vpc, (a, b))


def test_last_eni_takes_the_network_along(world):
    vpc, _, (a,) = lab(world, hosts=(10,))
    vpc.doc["generation"] = 3
    vpc.doc["enis"] = []
    answer = vpc.put()
    assert answer == {"id": vpc.id, "generation": 3, "active": False, "enis": []}
    assert not world.processes() and os.listdir(world.run + "/netns") == []
    assert world.call("GET", "/v1/vpcs/%s/counters" % vpc.id)[0] == 404
    a.close()
    finish(vpc)


def around(world):
    """Devices, rules and routes of the host. The stand-ins for taps are the tests' own: the kernel takes
    those of ended guests away in its own time."""
    links = [line.split(": ")[1] for line in world.sh("ip", "-o", "link").splitlines()]
    return sorted(n for n in links if not n.startswith("mt")), world.sh("ip", "rule"), world.sh("ip", "route")


def test_delete_leaves_nothing(world):
    before = around(world)
    vpc, _, (a,) = lab(world, icmp(), hosts=(10,), public_ip="203.0.113.77")
    # A mount namespace that was copied while the VPC stood must not keep it alive.
    copy = netlab.subprocess.Popen(world.enter("unshare", "-m", "--propagation", "private", "sleep", "infinity"))
    assert wait_for(lambda: world.name_of(copy.pid) == "sleep") and vpc.id in mounts(copy.pid)
    a.close()
    vpc.delete()
    assert wait_for(lambda: vpc.id not in mounts(copy.pid))
    assert vpc.id not in mounts(world.holder.pid)
    assert not world.processes()
    assert os.listdir(world.run + "/netns") == [] and os.listdir(world.run + "/netd") == []
    assert around(world) == before
    assert wait_for(lambda: tap_of(a.eni["id"]) not in world.sh("ip", "-o", "link"))
    assert world.sh("nft", "list", "ruleset") == ""
    vpc.delete()
    assert world.call("GET", "/v1/vpcs/" + vpc.id)[0] == 404
    copy.kill()
    copy.wait()


def mounts(pid):
    with open("/proc/%d/mountinfo" % pid) as f:
        return f.read()


def test_new_subnet_and_removed_subnet(world):
    vpc, group, (a,) = lab(world, icmp(), hosts=(10,))
    other = {"id": netlab.new_id("subnet"), "cidr": "172.31.16.0/20", "routes": []}
    vpc.doc["subnets"].append(other)
    eni = vpc.eni(10, group)
    eni.update(ip="172.31.16.10", subnet=other["id"])
    vpc.put()
    b = netlab.Guest(world, eni, "172.31.16.0/20")
    assert vpc.plug(eni)[0] == 200
    assert dhcp(b)[0] == "172.31.16.10", "dnsmasq knows the new subnet"
    b.configure()
    assert a.ping(b.ip) and b.ping(a.ip)
    vpc.doc["enis"].remove(eni)
    vpc.doc["subnets"].remove(other)
    vpc.put()
    assert world.in_vpc(vpc.id, "ip", "-o", "link", "show", "type", "bridge").count("\n") == 1
    assert a.ping(a.gateway)
    finish(vpc, (a, b))


# --- messages --------------------------------------------------------------------------------------


BAD = [
    ("cidrs", ["10.0.0.0/33"]), ("cidrs", []), ("cidrs", ["10.0.0.1/16"]),
    ("domain", "a\nb"), ("domain", "x" * 300), ("igw", "yes"), ("generation", -1),
    ("subnets", [{"id": "subnet-1", "cidr": "172.31.0.0/20"}]),
    ("subnets", [{"id": "subnet-00000000000000001", "cidr": "10.0.0.0/20"}]),
    ("unknown", 1),
]


@pytest.mark.parametrize("key,value", BAD, ids=range(len(BAD)))
def test_bad_documents(world, key, value):
    vpc = Vpc(world)
    vpc.eni(10, vpc.group())
    vpc.doc[key] = value
    status, answer = world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)
    assert (status, answer["outcome"]) == (400, "bad_request")
    assert world.call("GET", "/v1/vpcs/" + vpc.id)[0] == 404, "nothing half-made"


BAD_ENI = [
    {"ip": "172.31.0.2"}, {"ip": "172.31.15.255"}, {"ip": "10.0.0.1"}, {"mac": "06:00"},
    {"mac": "07:00:00:00:00:01"}, {"hostname": "a\nb"}, {"hostname": "a,b"}, {"hostname": "a.b"},
    {"groups": ["sg-00000000000000000"]}, {"public_ip": "8.8.8.8"}, {"subnet": "subnet-00000000"},
    {"id": "eni-x"}, {"id": "eni-0000000000000000g"},
]


@pytest.mark.parametrize("change", BAD_ENI, ids=lambda c: json.dumps(c))
def test_bad_enis(world, change):
    vpc = Vpc(world)
    vpc.eni(10, vpc.group()).update(change)
    status, answer = world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)
    assert (status, answer["outcome"]) == (400, "bad_request"), answer


def test_bad_rules_and_doubles(world):
    for rule in ({"protocol": "tcp", "from": 5, "to": 4, "cidr": ANY}, {"protocol": "tcp"},
                 {"protocol": "tcp", "cidr": ANY, "group": "sg-00000000000000000"},
                 {"protocol": "sctp2", "cidr": ANY}, {"protocol": "256", "cidr": ANY},
                 {"protocol": "icmp", "from": 300, "to": 0, "cidr": ANY}):
        vpc = Vpc(world)
        vpc.eni(10, vpc.group([rule]))
        assert world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)[0] == 400, rule
    vpc = Vpc(world)
    group = vpc.group()
    vpc.eni(10, group), vpc.eni(10, group)
    assert world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)[0] == 400


def test_nothing_is_left_at_the_end(world):
    assert world.ok("GET", "/v1/vpcs") == {"vpcs": []}
    assert not world.processes()
    assert "mi" not in [w[:2] for w in world.sh("ip", "-o", "link").split()]
