"""What others do to the host: found, explained, and put right where it is ours."""

import json
import pathlib
import re
import signal
import subprocess

import pytest

import netlab
from netlab import ANY, PATIENCE, SOON, Vpc, tcp, wait_for


@pytest.fixture(scope="module")
def own():
    """A world of its own: what is done to it is done to all of it."""
    w = netlab.World()
    try:
        w.start()
        yield w
    finally:
        w.close()


@pytest.fixture(scope="module")
def pair(own):
    """Two guests in two VPCs, that reach each other by public address; and one port open in the second."""
    allow = {"protocol": "all", "cidr": ANY}
    one, two = Vpc(own), Vpc(own)
    e1 = one.eni(10, one.group([allow]), public_ip="203.0.113.10")
    e2 = two.eni(10, two.group([tcp(22, cidr=ANY)]), public_ip="203.0.113.20")
    one.put(), two.put()
    a, b = one.guest(e1), two.guest(e2)
    server = b.listen(22)
    b.listen(23)
    a.server = server
    yield one, two, a
    a.close(), b.close()


def reaches(a, timeout=PATIENCE):
    client = a.connect("203.0.113.20", 22, timeout)
    if not client:
        return False
    a.server.accept()[0].close()
    client.close()
    return True


def test_a_healthy_host(own, pair):
    assert reaches(pair[2]) and not own.findings()
    good = {f["what"] for f in own.ok("GET", "/v1/host")["findings"]}
    assert good >= {"kernel-feature", "forwarding", "foreign-firewall", "nft-rules", "pool-clash", "bridge-ports", "inotify"}


DOCKER = """
table ip filter {
    chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; oifname "docker0" accept
    }
    chain DOCKER-USER { return
    }
}
"""
FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD { type filter hook forward priority 10; policy accept
        ct state { established, related } accept
        iifname "lo" accept
        jump filter_FORWARD_ZONES
        ct state invalid drop
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_ZONES { iifname "eth0" goto filter_FWD_public
    }
    chain filter_FWD_public { accept
    }
}
"""


@pytest.mark.parametrize("rules,chain,remedy,mend", [
    (DOCKER, "ip filter FORWARD", "DOCKER-USER",
     ["insert rule ip filter DOCKER-USER iifname mi* accept", "insert rule ip filter DOCKER-USER oifname mi* accept"]),
    (FIREWALLD, "inet firewalld filter_FORWARD", "firewall-cmd",
     ["insert rule inet firewalld filter_FORWARD_ZONES iifname mi* accept"]),
])
def test_another_firewall(own, pair, rules, chain, remedy, mend):
    """Its drop is found when packets are dropped, and not when they are not."""
    path = own.dir + "/rules.nft"
    with open(path, "w", encoding="ascii") as f:
        f.write(rules)
    own.sh("nft", "-f", path)
    (finding,) = own.findings()["foreign-firewall"]
    assert not reaches(pair[2], SOON)
    assert chain in finding["text"] and remedy in finding["remedy"] and finding["severity"] == "error"
    for rule in mend:
        own.sh("nft", rule)
    assert reaches(pair[2]) and not own.findings()
    own.sh("nft", "delete", "table", *chain.split()[:2])


def test_a_firewall_whose_remedy_is_general(own, pair):
    own.sh("nft", "add table inet other; add chain inet other fwd2 { type filter hook forward priority 5; policy drop; }")
    (finding,) = own.findings()["foreign-firewall"]
    assert not reaches(pair[2], SOON)
    for command in finding["remedy"].split("; "):
        own.sh("sh", "-c", command)
    assert reaches(pair[2]) and "foreign-firewall" not in own.findings()
    own.sh("nft", "delete", "table", "inet", "other")


def repairs(own):
    """What is said of those so far: how many there were, among other things."""
    return "".join(f["text"] for f in own.findings().get("nft-rules", ()))


def repaired(own, rules, damage, *words):
    """The damage is put right, and said to have been in these words."""
    before, said = rules(), repairs(own)
    damage()
    assert wait_for(lambda: rules() == before), (before, rules())
    assert wait_for(lambda: repairs(own) != said and all(word in repairs(own) for word in words)), repairs(own)


def rules_of(own, vpc):
    return re.sub("epoch_[0-9a-f]+", "", own.in_vpc(vpc.id, "nft", "--stateless", "list", "ruleset"))


def test_our_own_changes_are_no_damage(own, pair):
    two = pair[1]
    for port in range(100, 110):
        two.doc["security_groups"][0]["ingress"].append(tcp(port, cidr=ANY))
        two.put()
    two.doc["security_groups"][0]["ingress"] = [tcp(22, cidr=ANY)]
    two.put()
    assert "nft-rules" not in own.findings()


@pytest.mark.parametrize("damage", [
    "flush ruleset", "flush table ip vpc", "delete table bridge guard", "insert rule ip vpc forward accept",
    "flush chain bridge guard pre",
])
def test_a_vpcs_rules_are_put_back(own, pair, damage):
    _, two, a = pair

    def rules():
        return rules_of(own, two)
    repaired(own, rules, lambda: own.in_vpc(two.id, "nft", "flush ruleset"))  # from here on it is watched
    repaired(own, rules, lambda: own.in_vpc(two.id, "nft", damage), two.id, " by nft ")
    assert reaches(a) and not a.connect("203.0.113.20", 23, SOON)


def test_damage_among_more_than_can_be_told(own, pair):
    """While netd sleeps the kernel has more to tell than its socket holds (ENOBUFS): it looks for itself when it wakes."""
    _, two, a = pair
    before, said = rules_of(own, two), repairs(own)
    many = "add table ip noise; add set ip noise s { type ipv4_addr; }; " + "; ".join(
        f"add element ip noise s {{ {', '.join(f'10.{n}.{m}.{k}' for m in range(16) for k in range(64))} }}" for n in range(64))
    own.netd.send_signal(signal.SIGSTOP)
    try:
        for text in ("flush chain bridge guard pre", many, "delete table ip noise"):
            path = pathlib.Path(own.dir) / "noise.nft"
            path.write_text(text.replace("; add", "\nadd"), encoding="ascii")
            own.in_vpc(two.id, "nft", "-f", str(path))
        assert rules_of(own, two) != before
        sockets = [line.split() for line in own.in_vpc(two.id, "cat", "/proc/net/netlink").splitlines()[1:]]
        assert any(eth == "12" and int(drops) > 0 for _, eth, _, _, _, _, _, _, drops, _ in sockets), sockets
    finally:
        own.netd.send_signal(signal.SIGCONT)
    assert wait_for(lambda: rules_of(own, two) == before)
    assert wait_for(lambda: repairs(own) != said) and reaches(a)


def test_a_nat_gateways_rules_are_put_back(own, pair):
    two = pair[1]
    nat = two.add_nat(two.doc["subnets"][0], "%s.99" % two.base)
    two.put()
    namespace = "%s.%s.%s" % (two.id, nat["eni"], nat["ip"])

    def rules():
        return re.sub("epoch_[0-9a-f]+", "", own.in_vpc(namespace, "nft", "--stateless", "list", "ruleset"))
    assert "snat to " + nat["ip"] in rules()
    # The first of them is noticed even where the watch has not come to know the gateway yet.
    for damage in ("flush ruleset", "delete table ip nat", "flush chain ip nat forward", "insert rule ip nat forward accept"):
        repaired(own, rules, lambda: own.in_vpc(namespace, "nft", damage), two.id)  # pylint: disable=cell-var-from-loop
    two.doc["nat_gateways"] = []
    two.put()
    assert namespace not in own.sh("ls", own.run + "/netns")


@pytest.mark.parametrize("damage", [
    "flush ruleset", "flush table inet minicloud", "insert rule inet minicloud forward drop",
    "flush chain inet minicloud forward",
])
def test_the_hosts_rules_are_put_back(own, pair, damage):
    def table():
        return re.sub("epoch_[0-9a-f]+", "", own.sh("nft", "--stateless", "list", "table", "inet", "minicloud", ok=False))

    repaired(own, table, lambda: own.sh("nft", damage), "of the host were")
    assert reaches(pair[2])


def test_other_peoples_tables_are_theirs(own, pair):
    before = repairs(own)
    own.sh("nft", "add table inet theirs; flush table inet theirs; delete table inet theirs")
    assert repairs(own) == before


def test_forwarding_off(own, pair):
    transit = own.sh("ip", "-o", "link").split(": mi", 1)[1][:13]
    own.sh("sysctl", "-q", "-w", f"net.ipv4.conf.mi{transit}.forwarding=0")
    (finding,) = own.findings()["forwarding"]
    assert finding["severity"] == "error" and not own.ok("GET", "/v1/host")["forwarding"]
    own.sh("sh", "-c", finding["remedy"].split(",")[0])
    assert "forwarding" not in own.findings() and reaches(pair[2])


def test_pool_clashes(own):
    own.sh("ip", "addr", "add", "203.0.113.77/32", "dev", "lo")
    (finding,) = own.findings()["pool-clash"]
    assert finding["severity"] == "error" and "203.0.113.77 " in finding["text"]
    own.sh("ip", "addr", "del", "203.0.113.77/32", "dev", "lo")
    for route in ("203.0.113.128/25", "203.0.0.0/16"):
        own.sh("ip", "route", "add", route, "dev", "lo")
        (finding,) = own.findings()["pool-clash"]
        assert finding["severity"] == "warning" and route in finding["text"] and " by lo" in finding["text"]
        own.sh("ip", "route", "del", route, "dev", "lo")
    own.sh("ip", "route", "add", "default", "dev", "lo")
    assert "pool-clash" not in own.findings()
    own.sh("ip", "route", "del", "default", "dev", "lo")


def test_a_subnet_that_is_nearly_full(own, pair):
    one = pair[0]
    bridge = one.doc["subnets"][0]["id"].replace("subnet-", "mb")[:15]
    commands = "\n".join(f"tuntap add dev full{n} mode tap\nlink set full{n} group 77 master {bridge}" for n in range(920))
    own.in_vpc(one.id, "sh", "-c", f"ip -batch - <<'EOF'\n{commands}\nEOF")
    (finding,) = own.findings()["bridge-ports"]
    assert one.id in finding["text"] and "of the 1023" in finding["text"]
    own.in_vpc(one.id, "ip", "link", "del", "group", "77")
    assert "bridge-ports" not in own.findings()


def test_limits(own):
    """Told as they stand in /proc: the limit itself is the whole machine's, on which others are at work."""
    place = "/proc/sys/fs/inotify/max_user_instances"
    with open(own.dir + "/none", "w", encoding="ascii") as f:
        f.write("0\n")
    own.sh("mount", "--bind", own.dir + "/none", place)
    try:
        assert "max_user_instances" in own.findings()["inotify"][0]["remedy"]
    finally:
        own.sh("umount", place)
    assert "inotify" not in own.findings()


def test_without_a_daemon(own, pair):
    """The same report from the program itself, for a netd that cannot start."""
    own.stop(signal.SIGKILL)
    done = subprocess.run(own.command("--findings=yes"), stdout=subprocess.PIPE, check=True)
    report = json.loads(done.stdout)
    assert report["public_pool"] == "203.0.113.0/24" and {f["severity"] for f in report["findings"]} == {"ok"}
    own.start()
    assert reaches(pair[2])
