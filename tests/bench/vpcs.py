"""Many VPCs on one host: what each costs, in time, memory and what packets pay, when there are few and when there are many."""

import contextlib
import ipaddress
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import memory
import netlab
from row import Row
from rules import Caller, timed

COUNT = 1000
STEP = 50           # the first and the last of them are measured; by their mean, since most of it is waiting for the kernel's ticks
TIMES = 20
GROWTH = 1.25       # of the cost of each, where the number is twenty times as large
GROWTH_OF_ONE = 2   # of the cost of changing one: the kernel asks for each of its notifications who of all namespaces listens
PLUGS = 9
RESTARTS = 5
EVERY = 10


class Host:
    """netd with VPCs of one instance each; every tenth of these has a public address."""

    def __init__(self, world):
        self.world, self.caller, self.vpcs = world, Caller(f"{world.run}/netd.sock"), []

    def add(self):
        """Milliseconds until a VPC more is in force."""
        n = len(self.vpcs)
        vpc = netlab.Vpc(self.world)
        public = {"public_ip": str(ipaddress.ip_address("203.0.113.1") + n // EVERY)} if n % EVERY == 0 else {}
        vpc.eni(10, vpc.group([netlab.tcp(22)]), **public)
        vpc.doc["generation"] = 1
        self.vpcs.append(vpc)
        return self.put(vpc)

    def put(self, vpc):
        return self.caller.call("PUT", f"/v1/vpcs/{vpc.id}", vpc.doc)

    def change(self, vpc):
        """Milliseconds for another document of a VPC that is there."""
        vpc.doc["generation"] += 1
        vpc.doc["security_groups"][0]["ingress"].append(netlab.tcp(1000 + vpc.doc["generation"]))
        return self.put(vpc)

    def rule(self, vpc):
        """Milliseconds for one rule of it."""
        base = vpc.doc["generation"]
        vpc.doc["generation"] += 1
        change = {"operation": "add", "group": vpc.doc["security_groups"][0]["id"], "direction": "ingress",
                  "rule": netlab.tcp(1000 + base + 1)}
        took = self.caller.call("POST", f"/v1/vpcs/{vpc.id}/rules", {"base": base, "generation": base + 1, "changes": [change]})
        vpc.doc["security_groups"][0]["ingress"].append(change["rule"])
        return took

    def plug(self, vpc):
        """Milliseconds until a port of its guest, the VPC's first, passes packets; the guest stays."""
        eni = vpc.doc["enis"][0]
        netlab.Guest(self.world, eni)
        return self.caller.call("POST", f"/v1/vpcs/{vpc.id}/enis/{eni['id']}/plug", {})

    def add_running(self):
        """Milliseconds until a VPC more is in force and its guest's port passes packets."""
        return self.add() + self.plug(self.vpcs[-1])

    def delete(self):
        vpc = self.vpcs.pop()
        return timed(lambda: self.world.ok("DELETE", f"/v1/vpcs/{vpc.id}"))[0]

    def memory(self):
        """MiB of netd, and of a dnsmasq."""
        dnsmasq = [memory.pss_mib(pid) for pid in self.world.processes()]
        (netd,) = [int(p) for p in pathlib.Path(f"/proc/{self.world.netd.pid}/task/{self.world.netd.pid}/children").read_text(
            encoding="ascii").split()] or [self.world.netd.pid]
        return memory.pss_mib(netd), statistics.mean(dnsmasq)


def costs(host):
    """(change, rule, plug, netd's memory, a dnsmasq's) with the VPCs that there are."""
    some = host.vpcs[:: max(1, len(host.vpcs) // TIMES)][:TIMES]
    for vpc in some:
        host.rule(vpc)
    return [statistics.median(host.change(vpc) for vpc in some), statistics.median(host.rule(vpc) for vpc in some),
            statistics.median(host.plug(vpc) for vpc in some[1:PLUGS + 1]), *host.memory()]


def restart(host):
    """Milliseconds until a netd that was killed serves again, with every network in line."""
    def once():
        host.world.stop(9)
        return timed(host.world.start)[0]
    took = statistics.median(once() for _ in range(RESTARTS))
    host.caller = Caller(f"{host.world.run}/netd.sock")
    return took


def keep_in_memory():
    """What is made here from now on, as /run is; only this process's namespace has it."""
    directory = tempfile.mkdtemp(prefix="bench-")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], check=True)
    tempfile.tempdir = directory
    return directory


def forget_memory(directory):
    tempfile.tempdir = None
    subprocess.run(["umount", "-l", directory], check=True)
    os.rmdir(directory)


def measure():
    """(rows, notes)."""
    directory = keep_in_memory()
    try:
        rows, notes = measure_idle()
        return [*rows, measure_running()], notes
    finally:
        forget_memory(directory)


@contextlib.contextmanager
def new_host():
    """One without VPCs, for as long as it is measured."""
    world = netlab.World()
    try:
        world.start()
        yield Host(world)
    finally:
        world.close()


def measure_running():
    """Where a guest of each runs, every one with a dnsmasq that listens to the kernel."""
    with new_host() as host:
        first = statistics.mean(host.add_running() for _ in range(STEP))
        while len(host.vpcs) < COUNT - STEP:
            host.add_running()
        last = statistics.mean(host.add_running() for _ in range(STEP))
    return Row(f"a VPC more and its guest's port, with {COUNT:,} whose guests run", last, first, "ms", f"with {STEP}", GROWTH_OF_ONE)


def measure_idle():
    """Where few guests run."""
    with new_host() as host:
        first = statistics.mean(host.add() for _ in range(STEP))
        few = costs(host)
        few_restart = restart(host)
        began = time.monotonic()
        while len(host.vpcs) < COUNT - STEP:
            host.add()
        last = statistics.mean(host.add() for _ in range(STEP))
        took = time.monotonic() - began
        many = costs(host)
        many_restart = restart(host)
        gone = statistics.mean(host.delete() for _ in range(STEP))
        while len(host.vpcs) > STEP:
            host.delete()
        gone_few = statistics.mean(host.delete() for _ in range(STEP))
    times = COUNT / STEP
    words = f"with {STEP}"
    rows = [Row(f"a VPC more, with {COUNT:,}", last, first, "ms", words, GROWTH),
            Row(f"another document of one, with {COUNT:,}", many[0], few[0], "ms", words, GROWTH_OF_ONE),
            Row(f"a rule of one, with {COUNT:,}", many[1], few[1], "ms", words, GROWTH_OF_ONE),
            Row(f"the first guest's port plugged, with {COUNT:,}", many[2], few[2], "ms", words, GROWTH_OF_ONE),
            Row(f"a VPC goes, with {COUNT:,}", gone, gone_few, "ms", words, GROWTH),
            Row(f"netd killed and started, with {COUNT:,}, for each", many_restart / COUNT, few_restart / STEP, "ms", words, GROWTH),
            Row(f"memory of netd, with {COUNT:,}, for each", many[3] / COUNT, few[3] / STEP, "MiB (PSS)", words, GROWTH),
            Row(f"memory of dnsmasq, with {COUNT:,}, for each that runs", many[4], few[4], "MiB (PSS)", words, GROWTH)]
    return rows, [f"{COUNT - STEP:,} VPCs made one after the other in {took:.0f} s; each has a subnet, an instance's interface, a group and "
                  f"an internet gateway, every tenth a public address, and {2 * PLUGS} a guest that runs ({times:.0f} times as many)"]
