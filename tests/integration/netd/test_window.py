"""No packet passes before the rules: guests that talk from the moment their taps exist, twenty at a time, while they are
talked to. window.c has the kinds of frames: A is allowed, none of the others is."""
import concurrent.futures
import itertools
import os
import subprocess
import threading

import pytest

import netlab
from netlab import PATIENCE, Vpc, all_, tap_of, udp, wait_for

LAUNCHES, PATIENCE_S = 20, 4 * PATIENCE


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("window") / "window")
    source = os.path.join(os.path.dirname(__file__), "window.c")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, source], check=True)
    return path


class Talk:
    """A running window program."""

    def __init__(self, world, program):
        self.process = subprocess.Popen(world.enter(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock, self.numbers = threading.Lock(), itertools.count()

    def add(self, eni, gateway, targets):
        """The guest's number."""
        words = (tap_of(eni["id"]), eni["mac"], eni["ip"], gateway, ",".join(t["ip"] for t in targets))
        with self.lock:
            self.process.stdin.write("add %s %s %s %s %s\n" % words)
            self.process.stdin.flush()
            assert self.process.stdout.readline() == ".\n"
            return next(self.numbers)

    def look(self):
        """How many frames have come: {(receiver, sender, kind): count}."""
        with self.lock:
            self.process.stdin.write("look\n")
            self.process.stdin.flush()
            rows = [line.split() for line in iter(self.process.stdout.readline, ".\n")]
        assert self.process.poll() is None
        return {(int(r[0]), int(r[1]), r[2]): int(r[3]) for r in rows}

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(PATIENCE) == 0


@pytest.fixture
def talk(world, program):
    it = Talk(world, program)
    yield it
    it.close()


def gateway_of(vpc):
    """The MAC that guests send everything to: the bridge's, which is the same whenever it is made."""
    vpc.put()
    mac = vpc.world.in_vpc(vpc.id, "ip", "-br", "link", "show", "mb" + vpc.subnet.split("-")[1][:13]).split()[2]
    vpc.delete()
    return mac


def scene(world):
    """A VPC that has no network yet; a neighbour, whom the launched ones may reach on port 7, and its gateway."""
    vpc = Vpc(world)
    near = vpc.eni(9, vpc.group([udp(7), udp(8)]))
    gateway = gateway_of(vpc)
    return vpc, near, gateway


def launched(vpc, group):
    """Interfaces that are not in the document yet."""
    return [vpc.doc["enis"].pop() for n in range(LAUNCHES) if vpc.eni(10 + n, group)]


def start(vpc, talk, gateway, near, enis, former=()):
    """Each guest's tap comes, it is made known to netd (for a former one, which goes) and plugged: all at the same time."""
    numbers, lock = set(), threading.Lock()

    def one(n, eni):
        if n % 2 == 0:  # the tap is there before netd hears of it, or after
            numbers.add(talk.add(eni, gateway, [near]))
        with lock:
            for old in former[n:n + 1]:
                vpc.doc["enis"].remove(old)
            vpc.doc["enis"].append(eni)
            vpc.put()
        if n % 2:
            numbers.add(talk.add(eni, gateway, [near]))
        assert vpc.plug(eni)[0] == 200

    with concurrent.futures.ThreadPoolExecutor(len(enis)) as pool:
        for done in [pool.submit(one, n, eni) for n, eni in enumerate(enis)]:
            done.result()
    return numbers


def check(talk, near, numbers):
    """What is allowed comes, between each of them and the neighbour; nothing else has ever come."""
    def all_there():
        seen = talk.look()
        return all(seen.get((near, n, "A")) and seen.get((n, near, "A")) for n in numbers) and seen
    seen = wait_for(all_there, PATIENCE_S)
    assert seen, "what is allowed does not come: %s" % talk.look()
    wrong = {k: c for k, c in seen.items() if (k[0] in numbers or k[1] in numbers) and k[2] != "A"}
    assert not wrong, "receiver, sender, kind: %s" % wrong


def test_no_packet_before_the_rules(world, talk):
    vpc, near, gateway = scene(world)
    enis = launched(vpc, vpc.group([udp(7)], [udp(7), udp(9)]))
    half = enis[:LAUNCHES // 2]
    number = talk.add(near, gateway, enis)
    waiting = {talk.add(eni, gateway, [near]) for eni in half}
    vpc.doc["enis"] += half
    # The first of the others makes the network, and plugs who waits.
    others = start(vpc, talk, gateway, near, enis[LAUNCHES // 2:])
    check(talk, number, waiting | others)
    vpc.delete()


def test_who_comes_after_inherits_nothing(world, talk):
    """Twenty guests, from whom and to whom all passes, make room for others at their addresses and with their MACs."""
    vpc, near, gateway = scene(world)
    near["groups"].append(vpc.group([all_()])["id"])
    former = launched(vpc, vpc.group([all_()]))
    number = talk.add(near, gateway, former)
    old = start(vpc, talk, gateway, near, former)
    assert wait_for(lambda: {(n, number, "I") for n in old} | {(number, n, "I") for n in old} <= set(talk.look()), PATIENCE_S)
    strict = vpc.group([udp(7)], [udp(7)])
    after = launched(vpc, strict)
    for eni, before in zip(after, former):
        eni["mac"] = before["mac"]
    numbers = start(vpc, talk, gateway, near, after, former)
    check(talk, number, numbers)
    vpc.delete()
