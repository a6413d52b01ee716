#!/usr/bin/python3
"""Kill everything that can be killed at every point of an instance's life, and of a volume's.

usage: tests/integration/crash/matrix.py [--workers N] [--scene NAME]... [--share PERCENT] [--only WORD]... [--keep]
                                         [--minutes N] [--seed N] [--anew] [--result]

Needs `make crash-build` and root; run inside namespaces, as tests/run does. Every worker
has a cloud of its own. First it lives undisturbed and notes which numbered points each
daemon passes in which step and by which way, and before which commands libvirtd stands that go to the guest's QEMU or to its
agent. At every one of these is then killed whoever the scene names: the daemon itself, libvirtd, dnsmasq, QEMU
(scenes.py, executioner.py). Many die in one life; and a daemon once more while it recovers, at
points not yet seen there. The life has to go as an undisturbed one did (trial.py, volumes.py). --only: points
that have the word in them, as printed. --share: so many of a hundred points, the same ones each time; without it as many as
the scene says. --seed: of what is chosen; the same each time without it. --keep: the points that were good are kept in
build-crash/matrix/SCENE.jsonl, and not killed at any more by the next run with it, until --anew; --minutes: begin no further
life then; --result: only print what is kept. Ends with "N passed, N failed", of all that is kept; what --minutes left undone is
not failed.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import zlib

from record import Record, key_of, list_of, name_of
import points
from scenes import SCENES
from trial import ROOT
from worker import Worker

# Of libvirt's functions those that ask nobody.
LOCAL_CALLS = {"virConnectIsAlive", "virDomainFree", "virDomainGetName", "virDomainGetUUIDString",
               "virDomainSnapshotFree", "virDomainStatsRecordListFree"}
FOREVER = 10 ** 6


def choose(lives):
    """(what every undisturbed life has passed, what only some did)."""
    always, ever = set.intersection(*lives), set.union(*lives)
    return always, {key for key in ever - always if key[0].number == 1}


class Foreman:
    """Shares the points out among the workers."""

    def __init__(self, options, scene, record):
        self.options, self.record = options, record
        self.only = options.only or []
        self.shares = SCENES[scene].shares if options.share is None else {"": options.share}
        self.note = not record.is_of_this_build()
        words = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
                 "--kill-child", "bash", "-c", 'ip link set lo up; "$@"; exit $?', "worker", sys.executable,
                 __file__, "--work", scene]
        self.workers = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                        for _ in range(options.workers)]
        for i in range(options.workers):
            self.order(i, {"seed": options.seed + 1000 * i, "note": self.note, "seconds": options.minutes * 60})

    def order(self, number, document):
        self.workers[number].stdin.write(json.dumps(document) + "\n")
        self.workers[number].stdin.flush()

    def hear(self, number, member):
        """The worker's document that has this member, None where it ended; what comes before is shown, or kept."""
        for line in self.workers[number].stdout:
            said = json.loads(line) if line.startswith("{") else {"show": line}
            if member in said:
                return said[member]
            if "life" in said:
                self.record.add(said["life"])
            else:
                print(f"worker {number} " + said["show"].rstrip(), flush=True)
        return None

    def is_wanted(self, name):
        share = min(percent for word, percent in self.shares.items() if word in name)
        return all(w in name for w in self.only) and zlib.crc32(name.encode()) % 100 < share

    def share_out(self, noted):
        """What every undisturbed life has passed must be killed at, the rest if it is met."""
        others = set()
        if self.note:
            wanted, others = choose([set(map(key_of, life)) for worker in noted for life in worker])
            self.record.add({"points": sorted(map(list_of, wanted)), "build": points.build()})
        wanted = sorted(k for k in self.record.left() if self.is_wanted(name_of(k)))
        others = sorted(k for k in others - self.record.good if self.is_wanted(name_of(k)) and not self.only)
        print(f"{len(self.record.points)} points; {len(wanted)} to kill at, {len(others)} more are passed only sometimes", flush=True)
        wanted.sort(key=lambda key: (key[0].step, key[1]))  # each gets as much of everything
        for i in range(len(self.workers)):
            self.order(i, {"wanted": list(map(list_of, wanted[i::len(self.workers)])),
                           "if met": list(map(list_of, others[i::len(self.workers)]))})
        return set(wanted)

    def run(self):
        """(passed, failed) of what is wanted now."""
        numbers = range(len(self.workers))
        print(f"seed {self.options.seed}", flush=True)
        noted = self.all_hear("noted")
        if None in noted:
            return 0, 1
        wanted = self.share_out(noted)
        ends = self.all_hear("end")
        for i in numbers:
            self.workers[i].stdin.close()
        left = wanted - self.record.good
        undone = {key for key in left if key not in self.record.bad} if self.options.minutes < FOREVER else set()
        for name in sorted(map(name_of, left - undone)):
            print("not killed at, or not in good order: " + name, flush=True)
        dead = sum(end is None for end in ends) + sum(worker.wait() != 0 for worker in self.workers)
        return len(wanted - left), len(left - undone) or dead

    def all_hear(self, member):
        heard = [None] * len(self.workers)

        def listen(i):
            heard[i] = self.hear(i, member)
        threads = [threading.Thread(target=listen, args=(i,)) for i in range(len(self.workers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return heard


def calls_without_point():
    """Calls to libvirtd in hypervisor that have no crash point."""
    header = (ROOT / "hypervisor/libvirt_points.h").read_text(encoding="ascii")
    found = []
    for path in sorted((ROOT / "hypervisor").glob("*.c")):
        calls = set(re.findall(r"\b(vir(?:Connect|Domain)[A-Z]\w*)\(", path.read_text(encoding="utf-8")))
        found += [f"{path.name}: {call}" for call in sorted(calls - LOCAL_CALLS) if f"#define {call}(" not in header]
    return found


def parse():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scene", action="append", choices=SCENES)
    parser.add_argument("--share", type=int)
    parser.add_argument("--only", action="append")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--result", action="store_true")
    parser.add_argument("--minutes", type=float, default=FOREVER)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", choices=SCENES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = parse()
    if options.work:
        Worker(SCENES[options.work]).work()
        return 0
    bare = calls_without_point()
    print("\n".join(["without a point in libvirt_points.h: " + call for call in bare]), end="\n" if bare else "")
    passed, failed = 0, len(bare)
    for scene in options.scene or [name for name, scene in SCENES.items() if options.share or scene.shares[""]]:
        print(f"scene {scene}:", flush=True)
        record = Record(scene, options.keep or options.result, options.anew)
        if not options.result:
            good, bad = Foreman(options, scene, record).run()
            passed, failed = passed + good, failed + bad
        if options.keep or options.result:
            print(record.result(), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
