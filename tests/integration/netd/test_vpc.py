"""Everything of a VPC beyond one subnet and its groups, driven by real packets: ACLs, routes, NAT gateways,
peerings, endpoints, secondary addresses."""
import os
import socket

import netlab
from netlab import ANY, SOON, Vpc, all_, connected, dns, icmp, ping, talks, tcp, udp, wait_for


def two_subnets(world, **first):
    """A VPC of 10.0.0.0/16 with open groups and a guest in each of two subnets."""
    vpc = Vpc(world, "10.0.0.0/16", "10.0.0.0/24")
    group = vpc.group([all_()])
    left = vpc.doc["subnets"][0]
    right = vpc.add_subnet("10.0.1.0/24")
    enis = [vpc.add_eni(left, "10.0.0.10", group, **first), vpc.add_eni(right, "10.0.1.10", group)]
    vpc.put()
    return vpc, group, (left, right), [vpc.guest(e) for e in enis]


def finish(*vpcs, guests=()):
    for guest in guests:
        guest.close()
    for vpc in vpcs:
        vpc.delete()


# --- network ACLs ---------------------------------------------------------------------------


def test_acl_is_stateless_and_numbered(world):
    vpc, group, (left, right), (a, b) = two_subnets(world)
    b.listen(22), b.listen(80)
    assert a.connect(b.ip, 22) and a.ping(b.ip), "no ACL, no filter"
    acl = vpc.add_acl(ingress=[(200, "allow", "tcp", ANY, 0, 65535), (100, "deny", "tcp", ANY, 22)],
                      egress=[(100, "allow", "tcp", ANY, 1024, 65535)])
    right["acl"] = acl["id"]
    vpc.put()
    assert a.connect(b.ip, 80), "answers go to ephemeral ports"
    assert not a.connect(b.ip, 22, SOON), "the lower number decides"
    assert not a.ping(b.ip, SOON), "what nothing matches is denied"
    acl["egress"][0].update({"from": 80, "to": 80})
    vpc.put()
    assert not a.connect(b.ip, 80, SOON), "answers are filtered, too"
    acl["egress"][0].update({"from": 1024, "to": 65535})
    vpc.put()
    client, peer = connected(a, b, 81)
    acl["ingress"].append(netlab.acl_entry(50, "deny", "all", "10.0.0.10/32"))
    vpc.put()
    assert not talks(client, peer, SOON), "an established connection is no exception"
    finish(vpc, guests=(a, b))


def test_acl_has_no_effect_inside_its_subnet(world):
    vpc, group, (left, _), (a, b) = two_subnets(world)
    c = vpc.guest(put_eni(vpc, left, "10.0.0.11", group))
    left["acl"] = vpc.add_acl()["id"]
    vpc.put()
    assert a.ping(c.ip) and not a.ping(b.ip, SOON) and not b.ping(a.ip, SOON)
    assert netlab.dhcp(a)[0] == a.ip and netlab.dns(a, "ip-10-0-1-10.ec2.internal", "10.0.0.2") == [b.ip]
    finish(vpc, guests=(a, b, c))


def put_eni(vpc, subnet, ip, *groups, **more):
    eni = vpc.add_eni(subnet, ip, *groups, **more)
    vpc.put()
    return eni


def test_acl_icmp_type_and_protocol_number(world):
    vpc, _, (_, right), (a, b) = two_subnets(world)
    acl = vpc.add_acl(ingress=[(1, "allow", "icmp", ANY, 8, -1)], egress=[(1, "allow", "1", ANY)])
    right["acl"] = acl["id"]
    vpc.put()
    assert a.ping(b.ip)
    acl["ingress"][0].update({"from": 13})
    vpc.put()
    assert not a.ping(b.ip, SOON)
    finish(vpc, guests=(a, b))


# --- routes ------------------------------------------------------------------------------------


def test_an_instance_as_router(world):
    """Traffic of one subnet to 192.168.0.0/16 goes by way of a guest that has it on a second interface."""
    vpc, group, (left, right), (a, b) = two_subnets(world, source_dest_check=False)
    a.ip_cmd("addr", "add", "192.168.7.1/32", "dev", "lo")
    route = {"destination": "192.168.0.0/16", "target": a.eni["id"]}
    right["routes"] = [route, {"destination": "0.0.0.0/0", "target": "blackhole"}]
    vpc.put()
    assert b.ping("192.168.7.1"), "delivered to the router, answered in its own name"
    right["routes"].append({"destination": "192.168.7.0/24", "target": "blackhole"})
    vpc.put()
    assert not b.ping("192.168.7.1", SOON), "the most specific wins"
    right["routes"].pop()
    vpc.doc["enis"][0]["source_dest_check"] = True
    vpc.put()
    assert not b.ping("192.168.7.1", SOON), "with the check on nothing for others is delivered"
    vpc.doc["enis"][0]["source_dest_check"] = False
    vpc.doc["enis"][0]["groups"] = [vpc.group()["id"]]
    vpc.put()
    assert not b.ping("192.168.7.1", SOON), "the router's own group lets nothing in"
    finish(vpc, guests=(a, b))


def router(vpc, group):
    """A guest in a subnet of its own that forwards, and the socket on which it sees what passes."""
    guest = vpc.guest(put_eni(vpc, vpc.add_subnet("10.0.2.0/24"), "10.0.2.10", group, source_dest_check=False))
    guest.sysctl("net.ipv4.ip_forward", "1")
    return guest, guest.packet()


def test_a_route_to_a_subnet_by_way_of_a_router(world):
    vpc, group, (left, right), (a, b) = two_subnets(world)
    c, seen = router(vpc, group)
    left["routes"] = [{"destination": "10.0.1.0/24", "target": c.eni["id"]}]
    vpc.put()
    assert a.ping(b.ip)
    assert passed(seen, a.ip, b.ip), "through the router"
    left["routes"][0]["target"] = "local"
    vpc.put()
    assert a.ping(b.ip) and not passed(seen, a.ip, b.ip)
    left["routes"][0]["target"] = "blackhole"
    vpc.put()
    assert not a.ping(b.ip, SOON)
    finish(vpc, guests=(a, b, c))


def test_a_whole_network_by_way_of_a_router(world):
    """The local route with another target: all but the subnet's own neighbours."""
    vpc, group, (left, right), (a, b) = two_subnets(world)
    near = vpc.guest(put_eni(vpc, left, "10.0.0.11", group))
    c, seen = router(vpc, group)
    left["routes"] = [{"destination": "10.0.0.0/16", "target": c.eni["id"]}]
    vpc.put()
    assert a.ping(b.ip) and passed(seen, a.ip, b.ip)
    assert a.ping(near.ip) and not passed(seen, a.ip, near.ip), "neighbours meet as before"
    assert a.ping("10.0.0.1") and dns(a, "ip-10-0-0-10.ec2.internal", "10.0.0.2") == [a.ip]
    right["routes"] = list(left["routes"])
    vpc.put()
    assert talks(*connected(a, b, 443)) and a.ping(b.ip) and passed(seen, b.ip, a.ip), "there and back"
    left["routes"] = right["routes"] = []
    vpc.put()
    assert a.ping(b.ip) and not passed(seen, a.ip, b.ip)
    finish(vpc, guests=(a, b, c, near))


def test_what_comes_from_the_internet_by_way_of_a_router(world):
    """The route table of an internet gateway: in and out through an appliance, which sees the server's own address."""
    vpc, group, (left, right), (a, c) = two_subnets(world, public_ip="203.0.113.7")
    c.eni["source_dest_check"] = False
    c.sysctl("net.ipv4.ip_forward", "1")
    left["routes"] = [{"destination": ANY, "target": c.eni["id"]}]
    right["routes"] = [{"destination": ANY, "target": "igw"}]
    vpc.doc["igw_routes"] = [{"destination": left["cidr"], "target": c.eni["id"]}]
    vpc.put()
    other = Vpc(world)
    far = other.guest(put_eni(other, other.doc["subnets"][0], "172.31.0.10", other.group([all_()]), public_ip="203.0.113.20"))
    seen = c.packet()
    assert far.ping("203.0.113.7") and passed(seen, "203.0.113.20", a.ip)
    server = a.listen(443)
    client = far.connect("203.0.113.7", 443)
    peer_end, source = server.accept()
    assert source[0] == "203.0.113.20" and source[1] == client.getsockname()[1] and talks(client, peer_end)
    assert a.ping("203.0.113.20") and passed(seen, a.ip, "203.0.113.20"), "out by the same way"
    back = far.listen(444)
    out = a.connect("203.0.113.20", 444)
    in_end, source = back.accept()
    assert source[0] == "203.0.113.7" and talks(out, in_end)
    c.sysctl("net.ipv4.ip_forward", "0")
    assert not far.ping("203.0.113.7", SOON), "the appliance decides"
    c.sysctl("net.ipv4.ip_forward", "1")
    c.eni["groups"] = [vpc.group()["id"]]
    vpc.put()
    assert not far.ping("203.0.113.7", SOON), "its own group does, too"
    c.eni["groups"] = a.eni["groups"]
    a.eni["groups"] = [vpc.group()["id"]]
    vpc.put()
    assert not far.ping("203.0.113.7", SOON), "and the server's"
    a.eni["groups"] = c.eni["groups"]
    del a.eni["public_ip"]
    vpc.put()
    assert not far.ping("203.0.113.7", SOON) and not a.ping("203.0.113.20", SOON)
    a.eni["public_ip"] = "203.0.113.7"
    vpc.doc["igw_routes"] = []
    left["routes"] = [{"destination": ANY, "target": "igw"}]
    vpc.put()
    frames(seen)
    assert far.ping("203.0.113.7") and not passed(seen, "203.0.113.20", a.ip)
    finish(vpc, other, guests=(a, c, far))


def passed(seen, source, target):
    """Did an ICMP packet of these addresses pass the socket? Empties it. (TCP acknowledges and closes when it likes.)"""
    seen.settimeout(0.05)
    found = False
    try:
        while True:
            data = seen.recv(2000)
            found = found or (data[23], data[26:34]) == (1, socket.inet_aton(source) + socket.inet_aton(target))
    except OSError:
        return found


def test_no_route_no_way_and_no_word(world):
    vpc, _, _, (a, b) = two_subnets(world)
    seen = b.packet()
    assert not b.ping("8.8.8.8", SOON) and not b.ping("10.0.9.9", SOON)
    assert not any(d[23] == 1 and d[34] == 3 for d in frames(seen)), "no unreachable, as from AWS"
    finish(vpc, guests=(a, b))


def frames(seen):
    seen.settimeout(0.05)
    found = []
    try:
        while True:
            found.append(seen.recv(2000))
    except OSError:
        return [d for d in found if d[12:14] == b"\x08\x00"]


def test_several_networks_in_one_vpc(world):
    vpc = Vpc(world, "10.0.0.0/16", "10.0.0.0/24")
    vpc.doc["cidrs"] += ["100.64.0.0/24", "10.7.0.0/20"]
    group = vpc.group([all_()])
    guests = []
    for cidr, ip in (("100.64.0.0/26", "100.64.0.10"), ("10.7.1.0/24", "10.7.1.10")):
        eni = put_eni(vpc, vpc.add_subnet(cidr), ip, group)
        guests.append(vpc.guest(eni))
    a, b = guests
    assert a.ping(b.ip) and b.ping(a.ip)
    assert netlab.dns(a, "ip-10-7-1-10.ec2.internal", "10.0.0.2") == [b.ip]
    finish(vpc, guests=guests)


def test_secondary_addresses(world):
    vpc, group, _, (a, b) = two_subnets(world, secondary=[{"ip": "10.0.0.12", "public_ip": "203.0.113.12"}])
    a.ip_cmd("addr", "add", "10.0.0.12/32", "dev", "eth0")
    assert b.ping("10.0.0.12")
    assert a.udp_from("10.0.0.12", b)
    vpc.doc["subnets"][0]["routes"] = [{"destination": ANY, "target": "igw"}]
    vpc.put()
    assert ping(world.ns, "203.0.113.12") and not ping(world.ns, "203.0.113.13", SOON)
    rows = {(e["id"], e["ip"]) for e in world.ok("GET", "/v1/vpcs/%s/counters" % vpc.id)["enis"]}
    assert {(a.eni["id"], "10.0.0.10"), (a.eni["id"], "10.0.0.12")} < rows
    a.eni["secondary"] = []
    vpc.put()
    assert not b.ping("10.0.0.12", SOON) and not a.udp_from("10.0.0.12", b, SOON)
    finish(vpc, guests=(a, b))


# --- NAT gateways ---------------------------------------------------------------------------------


def private_and_public(world, **nat):
    """A guest in a private subnet whose way out is a NAT gateway in a public one."""
    vpc = Vpc(world, "10.0.0.0/16", "10.0.0.0/24")
    group = vpc.group([icmp()])
    public, nat = vpc.doc["subnets"][0], vpc.add_nat(vpc.doc["subnets"][0], "10.0.0.9", **nat)
    private = vpc.add_subnet("10.0.1.0/24", (ANY, nat["id"]))
    eni = put_eni(vpc, private, "10.0.1.10", group)
    return vpc, public, private, nat, vpc.guest(eni)


def test_nat_gateway_lets_out_and_not_in(world):
    vpc, public, private, nat, a = private_and_public(world, public_ip="203.0.113.7")
    other = Vpc(world)
    b = other.guest(put_eni(other, other.doc["subnets"][0], "172.31.0.10", other.group([all_()]),
                            public_ip="203.0.113.20"))
    server = b.listen(443)
    client = a.connect("203.0.113.20", 443)
    peer, (source, _) = server.accept()
    assert source == "203.0.113.7" and talks(client, peer) and a.ping("203.0.113.20")
    assert not ping(world.ns, "203.0.113.7", SOON), "nothing begins from outside"
    assert not b.connect("203.0.113.7", 443, SOON)
    (row,) = world.ok("GET", "/v1/vpcs/%s/counters" % vpc.id)["nat_gateways"]
    assert row["id"] == nat["id"] and row["out_packets"] >= 5 and row["in_bytes"] > 150
    vpc.put()
    assert talks(client, peer), "a repeated PUT disturbs nothing"
    public["routes"] = []
    vpc.put()
    assert not a.ping("203.0.113.20", SOON), "its own subnet has no way out"
    public["routes"] = [{"destination": ANY, "target": "igw"}]
    vpc.put()
    assert talks(client, peer)
    vpc.doc["nat_gateways"] = []
    vpc.put()
    assert not talks(client, peer, SOON) and not a.ping("203.0.113.20", SOON), "deleted while in use"
    assert not [f for f in os.listdir(world.run + "/netns") if "eni" in f]
    finish(vpc, other, guests=(a, b))


def test_private_nat_gateway_reaches_a_peer(world):
    """Its connections come from its own private address; the internet is not for it, even with an internet gateway."""
    vpc, public, private, nat, a = private_and_public(world)
    far, _, b = simple(world, 2)
    peer(vpc, far)
    private["routes"] = [{"destination": ANY, "target": nat["id"]}]
    far.doc["subnets"][0]["routes"] = [{"destination": nat["ip"] + "/32", "target": vpc.doc["peerings"][0]["id"]}]
    vpc.put(), far.put()
    server = b.listen(443)
    client = a.connect(b.ip, 443)
    peer_end, (source, _) = server.accept()
    assert source == nat["ip"] and talks(client, peer_end) and a.ping(b.ip)
    assert not b.connect(nat["ip"], 443, SOON) and not b.ping(nat["ip"], SOON), "nothing begins from there"
    assert not a.ping("203.0.113.1", SOON)
    other = Vpc(world)
    c = other.guest(put_eni(other, other.doc["subnets"][0], "172.31.0.10", other.group([all_()]), public_ip="203.0.113.20"))
    assert not a.ping("203.0.113.20", SOON), "it has no public address"
    finish(vpc, far, other, guests=(a, b, c))


def connection_from(guest, server, source, tries=64):
    """A connection that the server sees from that address, and its ends; which one it is, a hash of its ports decides."""
    for _ in range(tries):
        client = guest.connect(*server.getsockname())
        peer_end, (seen, _) = server.accept()
        if seen == source:
            return client, peer_end
        client.close(), peer_end.close()
    raise AssertionError("no connection from %s" % source)


def sources(guest, server, n=24):
    """Where connections of the guest come from."""
    seen = set()
    for _ in range(n):
        client = guest.connect(*server.getsockname())
        peer_end, (source, _) = server.accept()
        seen.add(source)
        client.close(), peer_end.close()
    return seen


def draining(world, vpc, nat):
    return {r["ip"]: r["connections"] for r in world.ok("GET", "/v1/vpcs/%s/nat-gateways/%s" % (vpc.id, nat["id"]))["draining"]}


def test_nat_gateway_of_several_addresses(world):
    """Connections are spread over them; a draining one keeps what it has and gets no more; one that is taken cuts all."""
    vpc, _, private, nat, a = private_and_public(world)
    far, _, b = simple(world, 2)
    peer(vpc, far)
    private["routes"] = [{"destination": ANY, "target": nat["id"]}]
    far.doc["subnets"][0]["routes"] = [{"destination": "10.0.0.0/24", "target": vpc.doc["peerings"][0]["id"]}]
    vpc.put(), far.put()
    server = b.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((b.ip, 443))
    server.listen(64)
    first = connection_from(a, server, "10.0.0.9")
    nat["secondary"] = [{"ip": "10.0.0.20"}]
    vpc.put()
    assert sources(a, server) == {"10.0.0.9", "10.0.0.20"}
    assert not b.ping("10.0.0.20", SOON) and not b.connect("10.0.0.20", 443, SOON), "nothing begins from there"
    second = connection_from(a, server, "10.0.0.20")
    nat["secondary"][0]["draining"] = True
    vpc.put()
    assert sources(a, server) == {"10.0.0.9"} and talks(*second) and talks(*first)
    assert wait_for(lambda: draining(world, vpc, nat) == {"10.0.0.20": 1}), "those that were closed are over"
    world.stop(9)
    world.start()
    assert talks(*second) and draining(world, vpc, nat) == {"10.0.0.20": 1}
    del nat["secondary"]
    vpc.put()
    assert not talks(*second, SOON) and talks(*first) and draining(world, vpc, nat) == {}
    nat["secondary"] = [{"ip": "10.0.0.20"}]
    vpc.put()
    third = connection_from(a, server, "10.0.0.20")
    nat["secondary"][0]["draining"] = True
    vpc.put()
    third[0].close(), third[1].close()
    assert wait_for(lambda: draining(world, vpc, nat) == {"10.0.0.20": 0}), "what is closed on both sides is over"
    finish(vpc, far, guests=(a, b))


def test_nat_gateway_of_several_public_addresses(world):
    vpc, _, _, nat, a = private_and_public(world, public_ip="203.0.113.7")
    other = Vpc(world)
    b = other.guest(put_eni(other, other.doc["subnets"][0], "172.31.0.10", other.group([all_()]), public_ip="203.0.113.20"))
    nat["secondary"] = [{"ip": "10.0.0.20", "public_ip": "203.0.113.8"}]
    vpc.put()
    server = b.listen(443)
    seen = set()
    for _ in range(24):
        client = a.connect("203.0.113.20", 443)
        peer_end, (source, _) = server.accept()
        seen.add(source)
        client.close(), peer_end.close()
    assert seen == {"203.0.113.7", "203.0.113.8"}
    assert not ping(world.ns, "203.0.113.8", SOON)
    nat["secondary"] = []
    vpc.put()
    assert "10.0.0.20" not in world.in_vpc(vpc.id, "nft", "list", "ruleset")
    finish(vpc, other, guests=(a, b))


def test_nat_gateway_obeys_the_acls_of_its_subnet(world):
    vpc, public, _, _, a = private_and_public(world, public_ip="203.0.113.7")
    other = Vpc(world)
    b = other.guest(put_eni(other, other.doc["subnets"][0], "172.31.0.10", other.group([all_()]),
                            public_ip="203.0.113.20"))
    assert a.ping("203.0.113.20")
    acl = vpc.add_acl(ingress=[(1, "allow", "all", "10.0.1.0/24")], egress=[(1, "allow", "all", ANY)])
    public["acl"] = acl["id"]
    vpc.put()
    assert not a.ping("203.0.113.20", SOON), "answers from the internet do not come in"
    acl["ingress"][0]["cidr"] = ANY
    vpc.put()
    assert a.ping("203.0.113.20")
    finish(vpc, other, guests=(a, b))


def test_killed_netd_leaves_the_nat_gateway_working(world):
    vpc, _, _, nat, a = private_and_public(world, public_ip="203.0.113.7")
    other = Vpc(world)
    b = other.guest(put_eni(other, other.doc["subnets"][0], "172.31.0.10", other.group([all_()]),
                            public_ip="203.0.113.20"))
    server = b.listen(443)
    client = a.connect("203.0.113.20", 443)
    peer, _ = server.accept()
    world.stop(9)
    assert talks(client, peer)
    world.start()
    assert talks(client, peer)
    vpc.put()
    assert talks(client, peer)
    finish(vpc, other, guests=(a, b))


# --- peerings ----------------------------------------------------------------------------------------


def peer(one, other):
    pcx = netlab.new_id("pcx")
    for a, b in ((one, other), (other, one)):
        a.doc.setdefault("peerings", []).append({"id": pcx, "vpc": b.id, "cidrs": b.doc["cidrs"]})
        for subnet in a.doc["subnets"]:
            subnet["routes"].append({"destination": b.doc["cidrs"][0], "target": pcx})
    return pcx


def simple(world, number, *rules):
    vpc = Vpc(world, "10.%d.0.0/16" % number, "10.%d.0.0/24" % number)
    group = vpc.group(list(rules) or [all_()])
    eni = put_eni(vpc, vpc.doc["subnets"][0], "10.%d.0.10" % number, group)
    return vpc, group, vpc.guest(eni)


def test_peering_takes_both_sides(world):
    one, _, a = simple(world, 1)
    two, _, b = simple(world, 2)
    assert not a.ping(b.ip, SOON)
    peer(one, two)
    one.put()
    assert not a.ping(b.ip, SOON), "the other side has not said yes"
    two.put()
    assert a.ping(b.ip) and b.ping(a.ip)
    client, server = connected(a, b, 22)
    route = two.doc["subnets"][0]["routes"].pop()
    two.put()
    assert not talks(client, server, SOON), "no way back"
    two.doc["subnets"][0]["routes"].append(route)
    two.put()
    assert a.ping(b.ip)
    client, server = connected(a, b, 23)
    world.stop(9)
    world.start()
    assert talks(client, server)
    one.doc["peerings"] = []
    one.put()
    assert not talks(client, server, SOON) and not a.ping(b.ip, SOON)
    assert "mp" not in world.in_vpc(two.id, "ip", "-br", "link")
    assert not world.in_vpc(one.id, "ip", "route", "show", "table", "all", "dev", "igw0").count("10.2.")
    finish(one, two, guests=(a, b))


def test_peering_is_not_transitive_and_knows_groups(world):
    one, group, a = simple(world, 1)
    two, _, b = simple(world, 2, icmp())
    three, closed, c = simple(world, 3, icmp())
    peer(one, two), peer(two, three)
    # Even with routes through the middle, and out of it, nothing passes.
    pcx = one.doc["peerings"][0]["id"]
    one.doc["subnets"][0]["routes"] += [{"destination": "10.3.0.0/16", "target": pcx}]
    one.doc["subnets"][0]["routes"][0] = {"destination": ANY, "target": pcx}
    for vpc in (one, two, three):
        vpc.put()
    assert a.ping(b.ip) and b.ping(c.ip)
    assert not a.ping(c.ip, SOON) and not a.ping("203.0.113.99", SOON)
    closed["ingress"] = [tcp(22, group=group["id"])]
    three.doc["foreign_groups"] = [{"id": group["id"], "members": [b.ip]}]
    three.put()
    c.listen(22)
    assert b.connect(c.ip, 22)
    three.doc["foreign_groups"][0]["members"] = ["10.2.0.99"]
    three.put()
    assert not b.connect(c.ip, 22, SOON)
    finish(one, two, three, guests=(a, b, c))


def test_a_peer_that_comes_and_goes(world):
    one, _, a = simple(world, 1)
    two, _, b = simple(world, 2)
    peer(one, two)
    one.put(), two.put()
    assert a.ping(b.ip)
    b.close()
    two.delete()
    assert not a.ping(b.ip, SOON)
    assert "mp" not in world.in_vpc(one.id, "ip", "-br", "link")
    two.put()
    b = two.guest(two.doc["enis"][0])
    assert wait_for(lambda: a.ping(b.ip, SOON))
    finish(one, two, guests=(a, b))


def test_nothing_false_comes_by_a_peering(world):
    """A router in one VPC cannot send the other one packets in a third party's name."""
    one, _, a = simple(world, 1)
    two, _, b = simple(world, 2)
    peer(one, two)
    a.eni["source_dest_check"] = False
    one.put(), two.put()
    a.ip_cmd("addr", "add", "192.168.1.1/32", "dev", "eth0")
    assert a.udp_from(a.ip, b) and not a.udp_from("192.168.1.1", b, SOON)
    finish(one, two, guests=(a, b))


# --- endpoints -----------------------------------------------------------------------------------------


def endpoint(vpc, subnet, ip, *groups, name="ec2.us-east-1.amazonaws.com"):
    row = {"id": netlab.new_id("vpce"), "subnet": subnet["id"], "eni": netlab.new_id("eni"), "ip": ip,
           "groups": [g["id"] for g in groups], "names": [name]}
    vpc.doc.setdefault("endpoints", []).append(row)
    return row


def test_endpoint_socket_is_filtered_by_its_groups(world):
    vpc, _, (left, right), (a, b) = two_subnets(world)
    group = vpc.group([tcp(80, cidr="10.0.0.0/24")])
    row = endpoint(vpc, right, "10.0.1.20", group)
    vpc.put()
    answer, listener = world.descriptor(op="endpoint", vpc=vpc.id, endpoint=row["id"], port=80)
    assert answer == {"ok": True}
    client = a.connect("10.0.1.20", 80)
    server, (source, _) = listener.accept()
    assert source == a.ip and talks(client, server)
    assert not b.connect("10.0.1.20", 80, SOON), "its group does not let this one in"
    group["ingress"] = [tcp(80)]
    vpc.put()
    assert b.connect("10.0.1.20", 80) and talks(client, server)
    for bad in ({"port": 81}, {"port": 80, "endpoint": "vpce-x"}, {}):
        request = {"op": "endpoint", "vpc": vpc.id, "endpoint": row["id"], **bad}
        assert world.descriptor(**request)[0]["outcome"] == "bad_request"
    assert world.descriptor(op="endpoint", vpc=vpc.id, endpoint=row["id"], port=80)[0]["outcome"] == "in_use"
    right["acl"] = vpc.add_acl(ingress=[(1, "deny", "all", "10.0.0.0/24"), (2, "allow", "all", ANY)],
                               egress=[(1, "allow", "all", ANY)])["id"]
    vpc.put()
    assert not talks(client, server, SOON), "the ACL of its subnet holds"
    assert b.connect("10.0.1.20", 80)
    listener.close()
    vpc.doc["endpoints"] = []
    vpc.put()
    assert not b.connect("10.0.1.20", 80, SOON)
    finish(vpc, guests=(a, b))


def test_endpoint_of_several_subnets(world):
    vpc, group, (left, right), (a, b) = two_subnets(world)
    one, two = endpoint(vpc, left, "10.0.0.20", group), endpoint(vpc, right, "10.0.1.20", group)
    two["id"] = one["id"]
    vpc.put()
    answer, _ = world.descriptor(op="endpoint", vpc=vpc.id, endpoint=one["id"], port=443)
    assert answer["outcome"] == "not_found" and "which" in answer["message"]
    for row in (one, two):
        _, listener = world.descriptor(op="endpoint", vpc=vpc.id, endpoint=one["id"], eni=row["eni"], port=443)
        assert a.connect(row["ip"], 443) and b.connect(row["ip"], 443)
        listener.close()
    finish(vpc, guests=(a, b))


def test_gateway_endpoint_is_reached_by_route(world):
    """Out of a VPC without internet: from subnets with the route, as groups and ACLs let out, and from nowhere else."""
    vpc, group, (left, right), (a, b) = two_subnets(world)
    far, _, c = simple(world, 2)
    peer(vpc, far)
    vpc.doc["igw"] = False
    address, gateway = "198.19.255.1", netlab.new_id("vpce")
    vpc.doc["gateway_endpoints"] = [{"id": gateway, "ip": address}]
    left["routes"] = [{"destination": address + "/32", "target": gateway}, *left["routes"]]
    far.doc["subnets"][0]["routes"].append({"destination": address + "/32", "target": vpc.doc["peerings"][0]["id"]})
    far.put(), vpc.put()
    answer, listener = world.descriptor(op="endpoint", vpc=vpc.id, endpoint=gateway, port=80)
    assert answer == {"ok": True}
    client = a.connect(address, 80)
    server, (source, _) = listener.accept()
    assert source == a.ip and talks(client, server)
    assert not b.connect(address, 80, SOON), "this subnet's table has no route to it"
    assert c.ping(a.ip) and not c.connect(address, 80, SOON), "not by way of a peering"
    world.stop(9)
    world.start()
    vpc.put()
    assert talks(client, server), "neither a restart nor a repeated PUT disturbs it"
    group["egress"] = [tcp(80, cidr="198.19.255.2/32"), icmp()]
    vpc.put()
    assert not a.connect(address, 80, SOON), "the sender's groups decide"
    group["egress"] = [tcp(80, cidr=address + "/32"), icmp()]
    vpc.put()
    assert a.connect(address, 80)
    acl = vpc.add_acl(ingress=[(1, "deny", "tcp", address + "/32", 80, 65535), (2, "allow", "all", ANY)],
                      egress=[(1, "allow", "all", ANY)])
    left["acl"] = acl["id"]
    vpc.put()
    assert not a.connect(address, 80, SOON), "and so do the subnet's ACLs, for what comes back, too"
    acl["ingress"] = acl["ingress"][1:]
    vpc.put()
    assert a.connect(address, 80)
    left["routes"] = left["routes"][1:]
    vpc.put()
    assert not a.connect(address, 80, SOON)
    left["routes"] = [{"destination": address + "/32", "target": gateway}]
    vpc.put()
    assert a.connect(address, 80)
    listener.close()
    vpc.doc["gateway_endpoints"] = []
    vpc.put()
    assert not a.connect(address, 80, SOON), "a route to nothing is a black hole"
    assert not [f for f in os.listdir(world.run + "/netns") if "vpce" in f]
    assert "mg" not in world.in_vpc(vpc.id, "ip", "-br", "link")
    finish(vpc, far, guests=(a, b, c))


def test_bad_gateway_endpoints(world):
    vpc = Vpc(world)
    for row in ({"id": "vpce-1"}, {"id": netlab.new_id("vpce")}, {"id": netlab.new_id("vpce"), "ip": "172.31.0.9"},
                {"id": netlab.new_id("vpce"), "ip": "198.19.255.300"}):
        vpc.doc["gateway_endpoints"] = [row]
        assert world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)[0] == 400
    vpc.doc["gateway_endpoints"] = 2 * [{"id": netlab.new_id("vpce"), "ip": "198.19.255.1"}]
    assert world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)[0] == 400


def test_nothing_is_left_at_the_end(world):
    assert world.ok("GET", "/v1/vpcs") == {"vpcs": []}
    assert not world.processes() and os.listdir(world.run + "/netns") == []
    assert not [w for w in world.sh("ip", "-br", "link").split() if w[:2] in ("mi", "mp", "ma", "mg")]


def test_guests_that_answer(world):
    """As AWS's status checks do: one that is there answers, one that does not speak ARP, or has another address, does not."""
    vpc = Vpc(world)
    group = vpc.group()
    enis = [vpc.eni(n, group) for n in (10, 11, 12)]
    vpc.put()
    guests = [vpc.guest(eni) for eni in enis]

    def answers():
        rows = world.ok("POST", f"/v1/vpcs/{vpc.id}/ask", {})["enis"]
        return {row["id"]: row["answers"] for row in rows}
    assert answers() == {eni["id"]: True for eni in enis}
    guests[1].ip_cmd("link", "set", "eth0", "arp", "off")
    guests[2].ip_cmd("addr", "flush", "dev", "eth0")
    assert answers() == {enis[0]["id"]: True, enis[1]["id"]: False, enis[2]["id"]: False}
    guests[1].ip_cmd("link", "set", "eth0", "arp", "on")
    assert answers()[enis[1]["id"]]
    assert world.call("POST", "/v1/vpcs/vpc-00000000000000000/ask", {})[0] == 404
    finish(vpc, guests=guests)
