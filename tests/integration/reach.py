"""The table of the reachability matrix, and an independent model of what Amazon VPC does with each packet.

Nothing here knows the cloud under test: a Scene says how groups, ACLs and routes stand, a Path who talks to whom, and
`expected()` whether the answer comes back, by the rules of the VPC User Guide.

    VPC a 10.0.0.0/16, an internet gateway          VPC b 10.1.0.0/16, peered with a
      pub  10.0.0.0/24   p1, p2 (public addresses)    far 10.1.0.0/24   q
      priv 10.0.1.0/24   r; a NAT gateway in pub
    INTERNET: an address of the machine outside
"""

import dataclasses
import ipaddress

PORT = 7001
INTERNET = "198.51.100.7"
EPHEMERAL = (32768, 60999)  # net.ipv4.ip_local_port_range of the guests and of this machine
CIDRS = {"pub": "10.0.0.0/24", "priv": "10.0.1.0/24", "far": "10.1.0.0/24"}
VPCS = {"a": "10.0.0.0/16", "b": "10.1.0.0/16"}
VPC_OF = {"pub": "a", "priv": "a", "far": "b"}
SUBNET_OF = {"p1": "pub", "p2": "pub", "r": "priv", "q": "far", "nat": "pub"}
GROUP_OF = {"p1": "p", "p2": "p", "r": "r", "q": "q"}
PUBLIC = {"p1", "p2", "nat"}
ANY = "0.0.0.0/0"
PREFIX_LIST = ["10.0.1.0/24", "198.51.100.0/24"]
PROTOCOLS = ("tcp", "udp", "icmp")


@dataclasses.dataclass(frozen=True)
class Rule:
    """Of a group: peer is a CIDR, "sg:NAME" or "pl"."""
    protocol: str  # tcp, udp, icmp, all
    peer: str
    port: int = PORT


@dataclasses.dataclass(frozen=True)
class Entry:
    """Of a network ACL."""
    number: int
    allow: bool
    egress: bool
    protocol: str = "all"
    cidr: str = ANY
    ports: tuple = (0, 65535)


EVERYTHING = (Rule("all", ANY),)
ALLOW_ALL = (Entry(100, True, False), Entry(100, True, True))
ROUTES = {"pub": {ANY: "igw", VPCS["b"]: "pcx"}, "priv": {ANY: "nat", VPCS["b"]: "pcx"}, "far": {VPCS["a"]: "pcx"}}


@dataclasses.dataclass(frozen=True)
class Scene:
    """How things stand; what is not said is open."""
    name: str
    ingress: dict = dataclasses.field(default_factory=dict)  # group -> rules
    egress: dict = dataclasses.field(default_factory=dict)
    acls: dict = dataclasses.field(default_factory=dict)     # subnet -> entries
    routes: dict = dataclasses.field(default_factory=dict)   # subnet -> {destination: target}

    def route_table(self, subnet):
        return self.routes.get(subnet, ROUTES[subnet])


def same(rules):
    return {"p": rules, "r": rules, "q": rules}


SCENES = [
    Scene("everything open"),
    Scene("no ingress rule", ingress=same(())),
    Scene("no egress rule", egress=same(())),
    Scene("tcp on one port from anywhere", ingress=same((Rule("tcp", ANY),))),
    Scene("tcp on another port", ingress=same((Rule("tcp", ANY, PORT + 1), Rule("udp", ANY, PORT - 1)))),
    Scene("one range of addresses for each protocol", ingress=same(
        (Rule("udp", "10.0.0.0/24"), Rule("icmp", "10.1.0.0/16"), Rule("tcp", INTERNET + "/32")))),
    Scene("the group itself", ingress={g: (Rule("all", f"sg:{g}"),) for g in "prq"}),
    Scene("a group of the peer", ingress={"p": (Rule("tcp", "sg:q"), Rule("icmp", "sg:q")),
                                          "q": (Rule("udp", "sg:p"), Rule("tcp", "sg:r")), "r": (Rule("all", "sg:p"),)}),
    Scene("a prefix list", ingress=same((Rule("tcp", "pl"), Rule("icmp", "pl")))),
    Scene("egress to the VPC alone", egress={"p": (Rule("tcp", VPCS["a"]), Rule("icmp", VPCS["a"])),
                                             "r": (Rule("udp", ANY),), "q": (Rule("all", "10.0.1.0/24"),)}),
    Scene("an ACL refuses what another subnet sends", acls={
        "pub": (Entry(90, False, False, "tcp", "10.0.1.0/24", (PORT, PORT)), *ALLOW_ALL)}),
    Scene("the first matching entry decides", acls={
        "pub": (Entry(80, True, False, "udp", "10.1.0.0/24"), Entry(90, False, False, "all", "10.1.0.0/16"), *ALLOW_ALL)}),
    Scene("an ACL refuses what leaves", acls={
        "priv": (Entry(90, False, True, "tcp", ANY, (PORT, PORT)), Entry(91, False, True, "icmp"), *ALLOW_ALL)}),
    Scene("an ACL lets no answers in", acls={
        "pub": (Entry(100, True, False, "tcp", ANY, (PORT, PORT)), Entry(110, True, False, "udp", ANY, (PORT, PORT)),
                Entry(100, True, True))}),
    Scene("an ACL lets no answers out", acls={
        "far": (Entry(100, True, False), Entry(100, True, True, "tcp", ANY, (PORT, PORT)),
                Entry(110, True, True, "udp", ANY, (PORT, PORT)))}),
    Scene("an ACL with its answers", acls={
        "pub": (Entry(100, True, False, "tcp", ANY, (PORT, PORT)), Entry(110, True, False, "tcp", ANY, (1024, 65535)),
                Entry(100, True, True, "tcp"))}),
    Scene("an ACL without entries", acls={"pub": ()}),
    Scene("no route to the peer", routes={"pub": {ANY: "igw"}}),
    Scene("no way back from the peer", routes={"far": {}}),
    Scene("no route to the internet", routes={"pub": {VPCS["b"]: "pcx"}}),
    Scene("a private subnet routed to the internet gateway", routes={"priv": {ANY: "igw", VPCS["b"]: "pcx"}}),
    Scene("the longest prefix wins", routes={"pub": {**ROUTES["pub"], "198.51.100.0/24": "pcx"},
                                             "priv": {**ROUTES["priv"], "198.51.100.0/25": "igw"}}),
    Scene("all at once", ingress={"p": (Rule("tcp", ANY), Rule("udp", "sg:r"), Rule("icmp", "pl")), "r": EVERYTHING,
                                  "q": (Rule("icmp", "10.0.0.0/24"), Rule("tcp", "sg:r"))},
          egress={"r": (Rule("tcp", ANY), Rule("icmp", ANY), Rule("udp", "10.0.0.0/24"))},
          acls={"priv": (Entry(50, False, False, "icmp", "10.1.0.0/16"), *ALLOW_ALL)}),
]

# Who talks to whom; "p2!" is p2 by its public address.
PATHS = [("p1", "p2"), ("p1", "r"), ("r", "p1"), ("p1", "q"), ("q", "p1"), ("r", "q"), ("q", "r"), ("p1", "net"),
         ("r", "net"), ("q", "net"), ("net", "p1"), ("net", "p2"), ("p1", "p2!"), ("r", "p2!")]

# Two addresses stand for each machine where the model needs one: any of its subnet does for private addresses.
PUBLIC_ADDRESS = "203.0.113.1"


def _host(name):
    return INTERNET if name == "net" else str(ipaddress.ip_network(CIDRS[SUBNET_OF[name]])[10])


def _within(address, cidr):
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def _group_allows(rules, protocol, address, member):
    """One direction of a group. member: the peer's name if it shows its private address, else None."""
    for rule in rules:
        if rule.protocol not in ("all", protocol) or (protocol in ("tcp", "udp") and rule.protocol != "all" and
                                                      rule.port != PORT):
            continue
        if rule.peer.startswith("sg:"):
            if member and GROUP_OF.get(member) == rule.peer[3:]:
                return True
        elif any(_within(address, cidr) for cidr in (PREFIX_LIST if rule.peer == "pl" else [rule.peer])):
            return True
    return False


def _acl_allows(scene, subnet, egress, protocol, address, answer):
    """All ports that may be used must pass: an answer goes to any ephemeral port."""
    ports = EPHEMERAL if answer else (PORT, PORT)
    for entry in sorted(scene.acls.get(subnet, ALLOW_ALL), key=lambda e: e.number):
        if entry.egress != egress or entry.protocol not in ("all", protocol) or not _within(address, entry.cidr):
            continue
        if protocol == "icmp" or entry.protocol == "all" or (entry.ports[0] <= ports[0] and ports[1] <= entry.ports[1]):
            return entry.allow
    return False


def _route(scene, subnet, address):
    """The target, or None. The local route of the VPC is always there."""
    table = {VPCS[VPC_OF[subnet]]: "local", **scene.route_table(subnet)}
    fits = [cidr for cidr in table if _within(address, cidr)]
    return table[max(fits, key=lambda c: ipaddress.ip_network(c).prefixlen)] if fits else None


def _both_acls(scene, subnet, protocol, outside, starts_inside):
    """A request and its answer cross the border of the subnet, whose other side has this address."""
    return (_acl_allows(scene, subnet, starts_inside, protocol, outside, False) and
            _acl_allows(scene, subnet, not starts_inside, protocol, outside, True))


def _internet(scene, name, protocol, starts_inside, address):
    """Between a machine with a public address and an address on the internet."""
    subnet = SUBNET_OF[name]
    return (_route(scene, subnet, address) == "igw" and name in PUBLIC and
            _both_acls(scene, subnet, protocol, address, starts_inside))


def _by_nat(scene, name, protocol, address):
    """Out through the NAT gateway, which has no group; its subnet's border is crossed twice."""
    subnet, inside = SUBNET_OF[name], _host(name)
    return (_both_acls(scene, subnet, protocol, address, True) and
            _acl_allows(scene, "pub", False, protocol, inside, False) and
            _acl_allows(scene, "pub", True, protocol, inside, True) and
            _internet(scene, "nat", protocol, True, address))


def _outward(scene, source, protocol, address):
    """A request to an address of the internet, as far as the internet gateway and back."""
    if source == "net":
        return True
    target = _route(scene, SUBNET_OF[source], address)
    way = {"igw": lambda: _internet(scene, source, protocol, True, address),
           "nat": lambda: SUBNET_OF[source] == "priv" and _by_nat(scene, source, protocol, address)}
    return target in way and way[target]()


def _private(scene, source, destination, protocol):
    """Between two machines by their private addresses."""
    a, b = SUBNET_OF[source], SUBNET_OF[destination]
    if a == b:
        return True
    wanted = "local" if VPC_OF[a] == VPC_OF[b] else "pcx"
    return (_route(scene, a, _host(destination)) == wanted and _route(scene, b, _host(source)) == wanted and
            _both_acls(scene, a, protocol, _host(destination), True) and
            _both_acls(scene, b, protocol, _host(source), False))


def expected(scene, path, protocol):
    """Does the answer come back?"""
    source, destination = path[0], path[1].rstrip("!")
    by_public = path[1].endswith("!")
    outside = "net" in path or by_public
    # What each end sees of the other.
    seen_by_source = PUBLIC_ADDRESS if by_public else _host(destination)
    seen_by_destination = PUBLIC_ADDRESS if by_public else _host(source)
    if source != "net" and not _group_allows(scene.egress.get(GROUP_OF[source], EVERYTHING), protocol, seen_by_source,
                                             None if outside else destination):
        return False
    if destination != "net" and not _group_allows(scene.ingress.get(GROUP_OF[destination], EVERYTHING), protocol,
                                                  seen_by_destination, None if outside else source):
        return False
    if not outside:
        return _private(scene, source, destination, protocol)
    if not _outward(scene, source, protocol, seen_by_source):
        return False
    return destination == "net" or _internet(scene, destination, protocol, False, seen_by_destination)


def cases(scene):
    return [(path, protocol) for path in PATHS for protocol in PROTOCOLS]
