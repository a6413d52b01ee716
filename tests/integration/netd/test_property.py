"""Whatever happens on the way, the kernel is as the last document says: random changes with netd killed in them,
addresses reused over and over, two VPCs that are the same. `make property` tries other seeds."""
import json
import random
import re

import netlab
from netlab import ANY, PATIENCE, SOON, Vpc, all_, dhcp, icmp, talks, tcp, udp

CHANGES, REUSES = 100, 200


def ruleset(world, vpc):
    """nft's objects without what differs between two equal rulesets: handles, order of elements, counters, what
    packets put into flow logs' sets and on which of their two sides they do."""
    found = []
    for item in json.loads(world.in_vpc(vpc.id, "nft", "-j", "-s", "list", "ruleset"))["nftables"]:
        ((kind, body),) = item.items()
        body = dict(body) if isinstance(body, dict) else {}
        body.pop("handle", None)
        for count in ("packets", "bytes") if kind == "counter" else ():
            body.pop(count, None)
        if body.get("name", "").startswith("flow_"):
            body.pop("elem", None)
        elif "elem" in body:
            body["elem"] = sorted(json.dumps(e, sort_keys=True) for e in body["elem"])
        if body.get("chain", "").startswith("path_count_"):
            body.pop("comment", None)
            body["expr"] = json.loads(re.sub(r"(@flow_[0-9]+)[ab]_", r"\1x_", json.dumps(body["expr"])))
        if kind != "metainfo" and not body.get("name", "").startswith("epoch_"):
            found.append(kind + json.dumps(body, sort_keys=True))
    rules = [f for f in found if f.startswith("rule")]
    return sorted(f for f in found if f not in rules), sorted(rules)


def kernel(world, vpc):
    """All that netd makes of a VPC. Numbers of tables come from the devices' and differ."""
    def lines(*argv):
        return sorted(re.sub(r"(table|lookup) \d{5,}", r"\1 N", text).strip()
                      for text in world.in_vpc(vpc.id, *argv).splitlines())
    links = sorted(line.split()[0].split("@")[0] for line in lines("ip", "-br", "link"))
    return (ruleset(world, vpc), lines("ip", "rule"), lines("ip", "route", "show", "table", "all"),
            lines("ip", "neigh", "show", "nud", "permanent"), links)


def differences(one, two):
    """What stands in one of two states of the kernel alone."""
    def flat(state):
        (objects, rules), *rest = state
        return {text for part in (objects, rules, *rest) for text in part}
    return sorted(flat(one) ^ flat(two))


def some_rule():
    return random.choice([
        lambda: tcp(random.randrange(1, 65535)), lambda: udp(random.randrange(1, 65535), cidr="10.0.0.0/8"), icmp,
        lambda: {"protocol": "tcp", "from": 1024, "to": random.randrange(1024, 65535), "cidr": "10.%d.0.0/16" % random.randrange(9)},
        lambda: {"protocol": str(random.randrange(2, 255)), "cidr": ANY}])()


def toggle(rows, row):
    """Away when there is one, there when there is none."""
    rows.pop() if rows else rows.append(row())


def change(vpc, group, nat, state):
    """One random change of the document."""
    doc, subnet = vpc.doc, vpc.doc["subnets"][0]
    extra = [e for e in doc["enis"] if e["id"] not in state["kept"]]

    def interface():
        if extra:
            doc["enis"].remove(random.choice(extra))
        else:
            vpc.add_eni(subnet, "10.0.0.%d" % random.randrange(30, 250), group, secondary=[{"ip": "10.0.0.251"}])

    def acl():
        if subnet.pop("acl", None):
            doc["acls"] = []
        else:
            entry = [(random.randrange(2, 99), "deny", "tcp", ANY, 25), (100, "allow", "all", ANY)]
            subnet["acl"] = vpc.add_acl(entry, entry)["id"]

    def way():
        route = {"destination": state["gateway"]["ip"] + "/32", "target": state["gateway"]["id"]}
        subnet["routes"].remove(route) if route in subnet["routes"] else subnet["routes"].append(route)

    random.choice([
        way, lambda: group["ingress"].append(some_rule()), lambda: group["ingress"][1:] and group["ingress"].pop(),
        lambda: group["egress"].append(some_rule()), interface, acl,
        lambda: toggle(doc["nat_gateways"], lambda: nat),
        lambda: toggle(subnet["routes"], lambda: {"destination": ANY, "target": random.choice(["igw", nat["id"], "blackhole"])}),
        lambda: doc.update(igw=not doc["igw"]),
        lambda: toggle(doc["flow_logs"], lambda: state["log"]),
        lambda: toggle(doc["gateway_endpoints"], lambda: state["gateway"]),
    ])()


def test_killed_in_a_hundred_changes(world, seed):
    vpc = Vpc(world, "10.0.0.0/16", "10.0.0.0/24")
    group = vpc.group([all_(cidr="10.0.0.0/24")])
    enis = [vpc.add_eni(vpc.doc["subnets"][0], "10.0.0.%d" % h, group) for h in (10, 11)]
    nat = vpc.add_nat(vpc.doc["subnets"][0], "10.0.0.9", public_ip="203.0.113.44")
    log = {"id": netlab.new_id("fl"), "enis": [enis[0]["id"]], "traffic": "all", "interval": 60,
           "account": "123456789012", "file": "property.log"}
    state = {"kept": {e["id"] for e in enis}, "log": log, "gateway": {"id": netlab.new_id("vpce"), "ip": "198.19.255.1"}}
    vpc.doc["flow_logs"], vpc.doc["gateway_endpoints"] = [], []
    vpc.put()
    a, b = (vpc.guest(e) for e in enis)
    server = b.listen(22)
    client = a.connect(b.ip, 22)
    peer, _ = server.accept()
    for n in range(CHANGES):
        change(vpc, group, nat, state)
        if n % 4:
            vpc.put()
            continue
        world.killed_during(lambda: world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc), 0.05)
        vpc.put()
        assert talks(client, peer), "change %d, seed %d" % (n, seed)
    grown = kernel(world, vpc)
    assert talks(client, peer)
    a.close(), b.close()
    vpc.delete()
    vpc.put()
    again = [vpc.guest(e) for e in enis]
    assert differences(grown, kernel(world, vpc)) == [], "as if made at once"
    for guest in again:
        guest.close()
    vpc.delete()


def test_one_mac_and_address_two_hundred_times(world):
    """Each owner gets exactly what its own group allows, at once, and the last one's lease is no obstacle."""
    vpc = Vpc(world)
    keep = vpc.eni(10, vpc.group([all_()]))
    opened, closed = vpc.group([all_()]), vpc.group([])
    vpc.put()
    a = vpc.guest(keep)
    for n in range(REUSES):
        eni = vpc.eni(11, closed if n % 2 else opened, mac="06:00:00:00:00:77")
        eni["mac"] = "06:00:00:00:00:77"
        vpc.put()
        if n % 20 < 2:
            b = vpc.guest(eni, configure=False)
            assert dhcp(b)[0] == b.ip
            b.configure()
            assert a.ping(b.ip, SOON if n % 2 else PATIENCE) == (n % 2 == 0), n
            b.close()
        vpc.doc["enis"].remove(eni)
    vpc.put()
    assert "172.31.0.11" not in world.in_vpc(vpc.id, "ip", "neigh") + world.in_vpc(vpc.id, "nft", "list", "ruleset")
    a.close()
    vpc.delete()


def test_two_identical_vpcs(world):
    """The same networks, addresses and MACs twice: each guest meets its own neighbour alone."""
    vpcs, guests = [], []
    for n in range(2):
        vpc = Vpc(world)
        group = vpc.group([all_()])
        enis = [vpc.eni(h, group) for h in (10, 11)]
        for eni, mac in zip(enis, ("06:00:00:00:00:10", "06:00:00:00:00:11")):
            eni["mac"] = mac
        vpc.put()
        vpcs.append(vpc), guests.append([vpc.guest(e) for e in enis])
    for n, (a, b) in enumerate(guests):
        server = b.udp(9)
        other = guests[1 - n][1].udp(9)
        other.settimeout(SOON)
        a.udp().sendto(b"mine", (b.ip, 9))
        assert server.recv(10) == b"mine"
        try:
            assert not other.recv(10), "the twin heard it"
        except TimeoutError:
            pass
        server.close(), other.close()
    one, two = (kernel(world, v) for v in vpcs)
    assert [len(x) for x in one[1:]] == [len(x) for x in two[1:]]
    vpcs[0].delete()
    assert guests[1][0].ping("172.31.0.11"), "the other one's end is nothing to it"
    for pair in guests:
        for guest in pair:
            guest.close()
    vpcs[1].delete()
