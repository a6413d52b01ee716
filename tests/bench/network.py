"""What the rules of a VPC cost its packets: against the same network without them, a plain bridge, and one nft rule for each
rule of a security group. Guests are namespaces behind ports such as QEMU's; the packets are real."""

import contextlib
import ipaddress
import math
import os
import pathlib
import random
import statistics
import subprocess
import time

import netlab
from cloud import ROOT
from row import Row

PACKETS = ROOT / "build" / "bench" / "packets"
PORT = 5001
COUNTS = (1, 100, 1000, 10000)
ROUNDS = 24    # each of all pairs in turn, so that what disturbs one disturbs what it is held against
SECONDS = 0.08
KIND_S = 40     # for all rounds of a kind, where others work on this machine; the ratios' error says what fewer are worth
FEWEST = 6
# What is measured: the program's word, on so many processors, and the unit.
KINDS = {
    "work": ("requests", 1, "requests/s of work"), "work stream": ("stream", 1, "Gbit/s of work"),
    "work connects": ("connects", 1, "connections/s of work"), "work datagrams": ("datagrams", 1, "datagrams/s of work"),
    "requests": ("requests", 2, "requests/s"), "stream": ("stream", 2, "Gbit/s"), "connects": ("connects", 2, "connections/s"),
}
# What a VPC's rules are made of, put away one after the other.
NO_GUARD = "delete table bridge guard\n"
NO_BYTES = "flush chain ip vpc account_inside\nadd rule ip vpc account_inside accept\n"
PARTS_KIND = "work"
PARTS = {
    "not asking what a port may send": NO_GUARD,
    "not counting bytes": NO_BYTES,
    "neither": NO_GUARD + NO_BYTES,
    "conntrack and nothing else": NO_GUARD + "delete chain ip vpc raw_pre\nflush chain ip vpc forward\nadd rule ip vpc forward ct state established accept\n"
                                             "add rule ip vpc forward accept\n",
}
IDLE = 0.8  # of the processors' time, from which on what two of them do by the clock says something
AIMED = {"work": 0.9, "work stream": 0.9, "requests": 0.9, "stream": 0.9}
UNCHANGED = 0.95


def others(count):
    """Rules that no packet here matches, each for an address of its own, so that the one that does is the last."""
    return [netlab.tcp(1 + k % 4999, cidr=f"{ipaddress.ip_address(0x0b000000 + k)}/32") for k in range(count - 1)]


def rules_of(count, protocol):
    return others(count) + [protocol(PORT)]


class Pair:
    """Two guests of a network, and what carries their packets."""

    def __init__(self, server, client):
        self.server, self.client = server, client
        for guest in (server, client):
            # Or the client runs out of ports, whatever carries its connections.
            guest.sysctl("net.ipv4.tcp_max_tw_buckets", "1")

    def measure(self, kind):
        program, processors, _ = KINDS[kind]
        words = [PACKETS, program, str(processors), self.server.path, self.client.path, self.server.ip, str(PORT),
                 str(SECONDS)]
        done = subprocess.run(words, pass_fds=[self.server.ns, self.client.ns], stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout) * (8e-9 if program == "stream" else 1)


def vpc_pair(world, count, **addresses):
    """A VPC as netd makes it, with so many rules that let packets in, and two guests."""
    vpc = netlab.Vpc(world)
    groups = [vpc.group(rules_of(count, netlab.tcp)), vpc.group([netlab.udp(PORT)])]
    enis = [vpc.eni(10 + n, *groups, **{key: values[n] for key, values in addresses.items()}) for n in range(2)]
    vpc.put()
    return vpc, Pair(*(vpc.guest(eni) for eni in enis))


def bridge_pair(world):
    """A bridge, and nothing else."""
    vpc = netlab.Vpc(world)
    inside = netlab.new_namespace()
    path = f"/proc/{os.getpid()}/fd/{inside}"

    def ip(words):
        subprocess.run(["nsenter", f"--net={path}", "ip", *words.split()], check=True, pass_fds=[inside])
    ip("link add br0 type bridge forward_delay 0")
    ip("link set br0 up")
    guests = []
    for eni in (vpc.eni(10), vpc.eni(11)):
        guests.append(netlab.Guest(world, eni))
        tap = netlab.tap_of(eni["id"])
        world.sh("ip", "link", "set", tap, "netns", path)
        ip(f"link set {tap} master br0")
        ip(f"link set {tap} up")
        guests[-1].configure()
    return Pair(*guests)


def replace_rules(world, vpc, text):
    """In place of netd's, which is not there to mind."""
    change_rules(world, vpc, "flush ruleset\n" + text)


def change_rules(world, vpc, text):
    path = pathlib.Path(world.dir) / "bench.nft"
    path.write_text(text, encoding="ascii")
    world.in_vpc(vpc.id, "nft", "-f", str(path))


def rule_by_rule(count, hook=True):
    lines = ["table ip filter {", "chain forward {", "type filter hook forward priority filter; policy drop;" if hook else "",
             "ct state established,related accept", f"udp dport {PORT} accept"]
    lines += [f"ip saddr {r['cidr']} tcp dport {r['from']} accept" for r in others(count)]
    return "\n".join(lines + [f"tcp dport {PORT} accept", "}", "}", ""])


def make_all(world):
    """{what: pair}; netd has made its networks and is stopped, so that the rules of some can be others'."""
    pairs = {"bridge": bridge_pair(world)}
    routed, pairs["routed"] = vpc_pair(world, 1)
    for count in COUNTS:
        _, pairs["ours", count] = vpc_pair(world, count)
    _, pairs["public"] = vpc_pair(world, 1, public_ip=("203.0.113.5", "203.0.113.6"))
    plain = {}
    for count in COUNTS:
        plain[count], pairs["plain", count] = vpc_pair(world, 1)
    parts = {}
    for part in PARTS:
        parts[part], pairs["part", part] = vpc_pair(world, 1)
    world.stop()
    replace_rules(world, routed, "")
    for part, vpc in parts.items():
        change_rules(world, vpc, PARTS[part])
    for count, vpc in plain.items():
        replace_rules(world, vpc, rule_by_rule(count))
    return pairs


def idle_share():
    """Of all processors' time, for two seconds."""
    def spent():
        times = [int(word) for word in pathlib.Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
        return times[3] + times[4], sum(times)
    idle, whole = spent()
    time.sleep(2)
    idle_now, whole_now = spent()
    return (idle_now - idle) / (whole_now - whole)


def kinds_now():
    """By the clock alone where nobody else is on the processors."""
    idle = idle_share() >= IDLE and (os.cpu_count() or 1) > 1
    if not idle:
        print("bench: others work on this machine: nothing is measured by the clock", flush=True)
    return [kind for kind, (_, processors, _) in KINDS.items() if idle or processors == 1]


def take(pairs, kinds):
    """{(pair, kind): figures}, one of each round."""
    found = {}
    chance = random.Random(4711)
    for kind in kinds:
        end = time.monotonic() + KIND_S
        for n in range(ROUNDS):
            if n >= FEWEST and time.monotonic() > end:
                break
            # Nobody is always the first, or always after the same one.
            order = [(what, pair) for what, pair in pairs.items() if kind == PARTS_KIND or what[0] != "part"]
            chance.shuffle(order)
            for what, pair in order:
                found.setdefault((what, kind), []).append(pair.measure(kind))
    return found


def paired(ours, theirs):
    """The median of the rounds' ratios, and its standard error as far as they scatter like a normal distribution's (of
    which the middle half, unlike a deviation, hears nothing of the few that were disturbed)."""
    ratios = [a / b for a, b in zip(ours, theirs)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, 1.2533 * (high - low) / 1.349 / math.sqrt(len(ratios))


class Figures:
    def __init__(self, found):
        self.found = found
        self.middle = {key: statistics.median(figures) for key, figures in found.items()}

    def row(self, text, what, against, words, kind, aim=None):
        return Row(text, self.middle[what, kind], self.middle[against, kind], KINDS[kind][2], words, aim, more_is_better=True,
                   paired=paired(self.found[what, kind], self.found[against, kind]))


def rows_of(figures, kinds):
    rows = []
    for kind in kinds:
        aim, unit = AIMED.get(kind), KINDS[kind][2]
        rows.append(figures.row(f"{unit}: routed, without rules", "routed", "bridge", "a plain bridge", kind))
        rows.append(figures.row(f"{unit}: a VPC, 1 rule", ("ours", 1), "routed", "routed, without rules", kind, aim))
        rows.append(figures.row(f"{unit}: with public addresses", "public", "routed", "routed, without rules", kind, aim))
        rows += [figures.row(f"{unit}: a VPC, {part}", ("part", part), "routed", "routed, without rules", kind)
                 for part in PARTS if kind == PARTS_KIND]
        rows += [figures.row(f"{unit}: a VPC, {count:,} rules", ("ours", count), ("ours", 1), "1 rule", kind, UNCHANGED)
                 for count in COUNTS[1:]]
        rows += [figures.row(f"{unit}: a VPC, {count:,} {'rule' if count == 1 else 'rules'}", ("ours", count), ("plain", count), "an nft rule for each", kind)
                 for count in COUNTS]
    return rows


NOTES = [f"medians of at most {ROUNDS} rounds of {SECONDS * 1000:.0f} ms each, all in turn; ratios are medians of the rounds' ratios, with their standard error",
         "`/s of work`: both ends on one processor, by the time that it works for them; else each end has a processor and time is the clock's",
         "routed: the very network that netd makes, with its tables taken out: no packet is tracked or looked up"]


def measure():
    """(rows, notes)."""
    with contextlib.ExitStack() as stack:
        world = netlab.World()
        stack.callback(world.close)
        world.start()
        # Only a netd that runs can take its networks away.
        stack.callback(lambda: world.netd or world.start())
        kinds = kinds_now()
        return rows_of(Figures(take(make_all(world), kinds)), kinds), NOTES
