"""Single rules, told without the whole document: in force when answered, the same as the document says, after a kill too."""
import contextlib
import functools
import json
import random
import re
import threading

import pytest

from netlab import ANY, PATIENCE, SOON, Vpc, all_, connected, connects, talks, tcp, udp, wait_for
from test_property import differences, kernel

CHANGES = 40


def row(operation, group, rule, direction="ingress"):
    return {"operation": operation, "group": group["id"], "direction": direction, "rule": rule}


def body(vpc, *changes, base=None):
    """The change, which is in our document from here on."""
    before = vpc.doc["generation"] if base is None else base
    groups = {g["id"]: g for g in vpc.doc["security_groups"]}
    for c in changes:
        rules = groups[c["group"]][c["direction"]]
        rules.append(c["rule"]) if c["operation"] == "add" else rules.remove(c["rule"])
    vpc.doc["generation"] += 1
    return {"base": before, "generation": vpc.doc["generation"], "changes": list(changes)}


def post(vpc, change):
    return vpc.world.call("POST", "/v1/vpcs/%s/rules" % vpc.id, change)


def told(vpc, *changes):
    assert post(vpc, body(vpc, *changes)) == (200, {"id": vpc.id, "generation": vpc.doc["generation"]})


def swept(state):
    """Without what is left of a last rule of its kind until the next document: an empty set, and the rule that looks into it."""
    (objects, rules), *rest = state
    sets = {json.loads(o[3:])["name"]: o for o in objects if o.startswith("set{")}
    empty = {name for name, text in sets.items() if name.startswith("sg_") and '"elem"' not in text}
    rules = [re.sub('"comment": "[0-9a-f]{16}", ', "", r) for r in rules if not any('"@%s"' % name in r for name in empty)]
    unused = empty | {n for n in sets if n.startswith("members_") and not any('"@%s"' % n in r for r in rules)}
    return (([o for o in objects if o not in [sets[n] for n in unused]], rules), *rest)


@pytest.fixture
def pair(world):
    vpc = Vpc(world)
    group = vpc.group([tcp(22, cidr="172.31.0.0/24"), tcp(22, cidr="172.31.9.0/24")])
    enis = [vpc.eni(h, group) for h in (10, 11)]
    vpc.doc["generation"] = 1
    vpc.put()
    guests = [vpc.guest(e) for e in enis]
    yield vpc, group, guests
    for guest in guests:
        guest.close()
    vpc.delete()


def test_in_force_when_answered(world, pair):
    vpc, group, (a, b) = pair
    server = b.listen(80)
    assert not connects(a.ns, b.ip, 80, SOON)
    told(vpc, row("add", group, tcp(80)))
    assert connects(a.ns, b.ip, 80)
    told(vpc, row("add", group, tcp(80, cidr="172.31.0.0/24")), row("remove", group, tcp(80)))
    assert connects(a.ns, b.ip, 80), "the other rule says it, too"
    told(vpc, row("remove", group, tcp(80, cidr="172.31.0.0/24")))
    assert not connects(a.ns, b.ip, 80, SOON)
    told(vpc, row("remove", group, all_(), "egress"))
    assert not connects(a.ns, b.ip, 22, SOON)
    server.close()


def test_cuts_what_aws_cuts(world, pair):
    """What everybody may begin, and may be answered, is cut; what is tracked goes on."""
    vpc, group, (a, b) = pair
    wide, narrow = tcp(80), tcp(81, cidr="172.31.0.10/32")
    told(vpc, row("add", group, wide), row("add", group, narrow), row("add", group, tcp(82)))
    cut, kept, other = (connected(a, b, port) for port in (80, 81, 82))
    told(vpc, row("remove", group, wide), row("remove", group, narrow))
    assert not talks(*cut, SOON) and talks(*kept) and talks(*other)


def test_must_follow(world, pair):
    vpc, group, _ = pair
    before = kernel(world, vpc)
    fine = body(vpc, row("add", group, tcp(80)))
    for bad in ({**fine, "base": 7, "generation": 8},
                {**fine, "changes": [row("remove", group, tcp(443))]},
                {**fine, "changes": [row("add", group, tcp(80)), row("remove", group, tcp(443))]},
                {**fine, "changes": [row("add", {"id": "sg-00000000000000000"}, tcp(80))]}):
        status, answer = post(vpc, bad)
        assert (status, answer["outcome"]) == (409, "conflict"), bad
    for bad in ({**fine, "changes": []}, {**fine, "changes": [row("put", group, tcp(80))]},
                {"changes": fine["changes"]}, {**fine, "base": 0}):
        assert post(vpc, bad)[0] == 400, bad
    assert differences(before, kernel(world, vpc)) == []
    assert post(vpc, fine)[0] == 200 and post(vpc, fine)[0] == 200, "once more is fine"
    assert world.ok("GET", "/v1/vpcs/" + vpc.id)["generation"] == vpc.doc["generation"]
    assert post(Vpc(world), fine)[1]["outcome"] == "conflict"


@contextlib.contextmanager
def stranger(world, vpc):
    """Somebody whose transactions come between all others; how many there were."""
    enough, done = threading.Event(), []

    def go_on():
        while not enough.is_set():
            world.in_vpc(vpc.id, "nft", "add table ip theirs; delete table ip theirs", ok=False)
            done.append(1)
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield done
    finally:
        enough.set()
        thread.join()


def put_in_the_end(vpc):
    """As api does it: again until it is done."""
    assert wait_for(lambda: vpc.world.call("PUT", "/v1/vpcs/" + vpc.id, vpc.doc)[0] == 200), vpc.world.logged()[-2000:]


def test_beside_somebody_who_changes_rules_all_the_time(world, pair):
    """The kernel has ours begin again (ERESTART) whenever theirs came first; what is answered is in force all the same."""
    vpc, group, (a, b) = pair
    server = b.listen(80)
    with stranger(world, vpc) as theirs:
        for n in range(12):
            seen = len(theirs)
            assert wait_for(lambda: len(theirs) > seen)
            if post(vpc, body(vpc, row("remove" if n % 2 else "add", group, tcp(80))))[0] != 200:
                put_in_the_end(vpc)
            end = a.connect(b.ip, 80, SOON if n % 2 else PATIENCE)
            assert bool(end) == (n % 2 == 0), n
            if end:
                server.accept()[0].close()
                end.close()
            if n % 4 == 3:
                vpc.doc["generation"] += 1
                put_in_the_end(vpc)
    server.close()


def some_change(group):
    rules = [tcp(80), tcp(80, cidr="10.0.0.0/8"), udp(80, cidr="10.0.0.0/8"), tcp(81, cidr="10.0.0.0/8"), all_(group=group["id"]),
             {"protocol": "tcp", "from": 80, "to": 90, "cidr": "10.0.0.0/8"}, tcp(81, group=group["id"]), tcp(82, group=group["id"])]
    rule = random.choice(rules)
    return row("remove" if rule in group["ingress"] else "add", group, rule)


def test_killed_in_changes(world, pair, seed):
    """netd is killed at any moment of every fourth of them: what it comes back with is before or after it, and goes on from there."""
    vpc, group, (a, b) = pair
    flow = connected(a, b, 22)
    short = 0
    for n in range(CHANGES):
        change = body(vpc, some_change(group))
        if n % 4 == 3:
            world.killed_during(functools.partial(post, vpc, change), 0.004)
            assert world.ok("GET", "/v1/vpcs/" + vpc.id)["generation"] in (change["base"], change["generation"]), "change %d, seed %d" % (n, seed)
        if post(vpc, change)[0] == 200:
            short += 1
        else:
            vpc.put()
    assert short > CHANGES // 2 and talks(*flow)
    vpc.doc["generation"] += 1
    grown = kernel(world, vpc)
    vpc.put()
    made = kernel(world, vpc)
    assert differences(swept(grown), swept(made)) == [], "the document says nothing else"
    assert sorted(made[0][0]) == sorted(swept(made)[0][0]), "nothing empty is left"
    world.stop(9)
    world.start()
    assert differences(made, kernel(world, vpc)) == [] and talks(*flow)


def test_the_last_of_its_kind_goes_as_fast(world, pair):
    """Only elements change: what they were asked by waits for the next document."""
    vpc, group, (a, b) = pair
    server = b.listen(80)
    told(vpc, row("add", group, udp(53, cidr="10.0.0.0/8")), row("add", group, tcp(80, cidr="172.31.0.10/32")))
    assert connects(a.ns, b.ip, 80)

    def chains():
        return [line for line in world.in_vpc(vpc.id, "nft", "-a", "list", "table", "ip", "vpc").splitlines() if "handle" in line]
    before = chains()
    told(vpc, row("remove", group, udp(53, cidr="10.0.0.0/8")), row("remove", group, tcp(80, cidr="172.31.0.10/32")))
    assert not connects(a.ns, b.ip, 80, SOON)
    assert chains() == before
    told(vpc, row("add", group, tcp(80, cidr="172.31.0.10/32")))
    assert connects(a.ns, b.ip, 80) and chains() == before
    vpc.doc["generation"] += 1
    vpc.put()
    assert connects(a.ns, b.ip, 80) and "10.0.0.0" not in str(chains()) and len(chains()) < len(before)
    server.close()


def test_many_are_written_anew(world, pair):
    """What stands behind the document does not grow for ever."""
    vpc, group, _ = pair
    rules = [tcp(80, cidr="10.%d.0.0/16" % n) for n in range(200)]
    answers = []
    for _ in range(3):
        told_now = body(vpc, *(row("add", group, r) for r in rules))
        answers.append(post(vpc, told_now)[0])
        if answers[-1] != 200:
            vpc.put()
        told_now = body(vpc, *(row("remove", group, r) for r in rules))
        answers.append(post(vpc, told_now)[0])
        if answers[-1] != 200:
            vpc.put()
    assert set(answers) == {200, 409}
    assert tcp(22, cidr=ANY) not in group["ingress"] and "10.7.0.0" not in world.in_vpc(vpc.id, "nft", "list", "ruleset")
