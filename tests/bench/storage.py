"""Snapshots, volumes made of them, and long chains: storaged by itself, against qemu-img's full copy."""

import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration" / "storaged"))
from row import Row  # noqa: E402
from storaged_daemon import Storaged  # noqa: E402

SIZES_GIB = (1, 10, 100)
DATA_MIB = 512      # in each volume, so that only its size differs
CHAIN_MIB = 256     # spread over the layers of a chain
DEPTHS = (1, 2, 4, 8, 16)
TIMES = 7
OPENER = "i-0123456789abcdef0"
CLUSTER = 64 << 10


def vol(n):
    return f"vol-{n:017x}"


def snap(n):
    return f"snap-{n:017x}"


def run(*words):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout)
    return done.stdout


def timed(work):
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000


class Bench:
    def __init__(self, directory):
        self.directory, self.storaged, self.number = directory, Storaged(directory), 0

    def insist(self, method, path, body=None):
        while True:
            status, answer = self.storaged.call(method, path, body)
            if status == 200:
                return answer
            assert status == 503, (method, path, status, answer)
            time.sleep(0.01)

    def make(self, size):
        """A volume with some data; its number."""
        self.number += 1
        path = self.insist("PUT", f"volumes/{vol(self.number)}", {"size_gib": size})["path"]
        run("qemu-io", "-f", "qcow2", "-c", f"write -P 1 0 {DATA_MIB}M", path)
        return self.number

    def alone(self, volume):
        """The volume's file, when what the last snapshot has left is merged."""
        while True:
            answer = self.insist("GET", f"volumes/{vol(volume)}")
            if len(answer["backing"]) < 2:
                return answer["path"]
            time.sleep(0.02)

    def taken(self, volume):
        """Milliseconds that a snapshot, a volume made of it, and a full copy take, in turn."""
        figures = []
        for _ in range(TIMES):
            self.number += 1
            n, copy = self.number, self.directory / "copy"
            layer = self.alone(volume)
            full = timed(lambda: run("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", layer, copy))
            copy.unlink()
            taking = timed(lambda: self.insist("PUT", f"snapshots/{snap(n)}", {"volume": vol(volume)}))
            size = self.insist("GET", f"volumes/{vol(volume)}")["size_gib"]
            making = timed(lambda: self.insist("PUT", f"volumes/{vol(n)}", {"size_gib": size, "snapshot": snap(n)}))
            figures.append((taking, making, full))
            self.insist("DELETE", f"volumes/{vol(n)}")
            self.insist("DELETE", f"snapshots/{snap(n)}")
        return [statistics.median(column) for column in zip(*figures)]

    def chain(self, depth):
        """The top of a chain of so many files, each with its part of the data; open, so that nobody makes it shorter."""
        self.number += 1
        volume = f"volumes/{vol(self.number)}"
        path = self.insist("PUT", volume, {"size_gib": 1, "opener": OPENER})["path"]
        for k in range(depth):
            if k > 0:
                snapshot = f"snapshots/{snap(1000 * self.number + k)}"
                path = self.insist("PUT", snapshot, {"volume": vol(self.number)})["path"]
                self.insist("POST", snapshot + "/take", {})
            commands = [w for at in range(k * CLUSTER, CHAIN_MIB << 20, depth * CLUSTER) for w in ("-c", f"write -P 1 {at} {CLUSTER}")]
            for i in range(0, len(commands), 1000):
                run("qemu-io", "-f", "qcow2", "-n", *commands[i:i + 1000], path)
        return path

    @staticmethod
    def read(path, *options):
        text = run("qemu-img", "bench", "-f", "qcow2", "-t", "none", *options, path)
        return float(re.search(r"completed in ([0-9.]+) seconds", text)[1]) * 1000


def snapshots(bench):
    rows, first = [], None
    for size in SIZES_GIB:
        taking, making, full = bench.taken(bench.make(size))
        against = f"qemu-img convert of its {DATA_MIB} MiB"
        rows += [Row(f"snapshot of {size} GiB", taking, full, "ms", against, 0.5),
                 Row(f"volume of that snapshot, {size} GiB", making, full, "ms", against, 0.5)]
        first = first or (taking, making)
    rows += [Row(f"snapshot of {size} GiB", taking, first[0], "ms", f"of {SIZES_GIB[0]} GiB", 1.5),
             Row(f"volume of that snapshot, {size} GiB", making, first[1], "ms", f"of {SIZES_GIB[0]} GiB", 1.5)]
    return rows


def chains(bench):
    tops = {depth: bench.chain(depth) for depth in DEPTHS}
    # Far apart it is the processor's time alone that is measured; what that is for a guest, disk.py tells.
    ways = (("one after the other, 64 KiB", ("-s", CLUSTER, "-S", CLUSTER, "-c", (CHAIN_MIB << 20) // CLUSTER, "-d", 8), 1.25),
            ("far apart, 4 KiB", ("-s", 4096, "-S", (17 << 20) + 4096, "-c", 20000, "-d", 8), None))
    rows = []
    for what, options, aim in ways:
        taken = {depth: [] for depth in DEPTHS}
        for _ in range(TIMES):
            for depth, path in tops.items():
                taken[depth].append(bench.read(path, *options))
        middle = {depth: statistics.median(t) for depth, t in taken.items()}
        rows += [Row(f"reading a chain of {depth}: {what}", middle[depth], middle[1], "ms", "of one file", aim) for depth in DEPTHS[1:]]
    return rows


def measure(directory):
    """(rows, notes)."""
    place = directory / "s"
    place.mkdir()
    for path in (directory, place):
        path.chmod(0o755)
    bench = Bench(place)
    bench.storaged.start()
    try:
        return snapshots(bench) + chains(bench), [f"medians of {TIMES}; the disk's cache is in play in all columns alike"]
    finally:
        bench.storaged.stop()
