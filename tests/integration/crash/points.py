"""What a crash point is called, whatever lines the program has before it: by its function, and by the way there."""

import bisect
import functools
import pathlib
import re
import subprocess
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = ROOT / "build-crash"
# What may hold a point in a line (common/crash.h, hypervisor/libvirt_points.h).
HOLDS = re.compile(r"MC_CRASH_|\bvir(Connect|Domain)[A-Z]\w*\(")
NOT_THE_WAY = {"crash_way", "crash_ask", "mc_crash_point"}


@functools.cache
def functions(file):
    """[(line, name)] of a C file's functions."""
    found, begun = [], None
    for number, line in enumerate((ROOT / file).read_text(encoding="utf-8").splitlines(), 1):
        head = re.match(r"[A-Za-z_][^;={}]*?(\w+)\(", line)
        if head:
            begun = number, head.group(1)
        elif line == "{" and begun:
            found.append(begun)
        if not line.startswith((" ", "\t")) and line.endswith(";"):
            begun = None
    return found


@functools.cache
def place(text):
    """"FILE:LINE[:WHEN]" as "FILE:FUNCTION+N[:WHEN]": the function's N-th line that may hold a point."""
    file, line, *when = text.split(":")
    known = functions(file)
    at = bisect.bisect(known, (int(line), "\x7f")) - 1
    if at < 0:
        return text
    begin, name = known[at]
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()[begin:int(line)]
    return ":".join([file, f"{name}+{sum(bool(HOLDS.search(one)) for one in lines)}", *when])


@functools.cache
def symbols(daemon):
    """([address], [name]) of the program's functions."""
    listed = subprocess.run(["nm", "-n", "--defined-only", BIN / f"minicloud-{daemon}"], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    rows = [(int(address, 16), name.split(".")[0]) for address, kind, name in rows if kind in "tTwW"]
    return [r[0] for r in rows], [r[1] for r in rows]


@functools.cache
def call_at(daemon, address):
    """(function, how far in it) that a call at this address returns to."""
    addresses, names = symbols(daemon)
    at = bisect.bisect(addresses, int(address, 16) - 1) - 1
    return (names[at], int(address, 16) - addresses[at]) if at >= 0 else ("?", 0)


def way(daemon, addresses):
    """The calls that the point was come to by, innermost first, and a number for which of each function's
    calls they were: "create<switch_disks<run~1f00"."""
    calls = [call for call in (call_at(daemon, address) for address in addresses) if call[0] not in NOT_THE_WAY]
    mark = zlib.crc32(repr([offset for _, offset in calls]).encode()) & 0xffff
    return "<".join(name for name, _ in calls) + f"~{mark:04x}" if calls else ""


def alike(point, victim):
    """(the point without what makes no difference to this one's death there, how often a step has it: "first", or "each" time that
    it is passed); None: its death there is no other than at the point before. Where a daemon stands counts by the
    way that it came, once. What only asks (":asks") changes nothing: only the one who is asked dies there. Somebody
    else who dies while a daemon is at work knows nothing of its way; but what libvirtd sends to a QEMU is another thing each time."""
    if point.place.endswith(":asks"):
        return (point._replace(way=""), "first") if victim == "libvirtd" else None
    if point.daemon == "libvirtd":
        return point, "first" if victim == "hypervisor" else "each"
    return (point._replace(way="") if victim == "QEMU" else point), "first"


def build():
    """Changes with the programs that have the points in them."""
    mark = 0
    for path in sorted(BIN.glob("minicloud-*")):
        mark = zlib.crc32(path.read_bytes(), mark)
    return f"{mark:08x}"
