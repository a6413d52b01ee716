#!/usr/bin/python3
"""Kill everything that can be killed at every point of an instance's life, and of a volume's.

usage: tests/integration/crash/matrix.py [--workers N] [--scene NAME]... [--share PERCENT] [--only WORD]...

Needs `make crash-build` and root; run inside namespaces, as tests/run does. Every worker
has a cloud of its own. First it lives undisturbed and notes which numbered points each
daemon passes in which step, and before which commands libvirtd stands that go to the guest's QEMU or to its
agent. At every one of these is then killed whoever the scene names: the daemon itself, libvirtd, dnsmasq, QEMU
(scenes.py). Many die in one life, each victim at most once in a step; and a daemon once more while it recovers, at
points not yet seen there. The life has to go as an undisturbed one did (trial.py, volumes.py). --only: points
that have the word in them, as printed. --share: so many of a hundred points, the same ones each time; without it as many as
the scene says. Ends with "N passed, N failed".
"""

import argparse
import collections
import json
import re
import subprocess
import sys
import threading
import time
import zlib

from judge import Judge, Point, kill_and_wait
from scenes import SCENES
from trial import ROOT, Nurse, soon

# Of libvirt's functions those that ask nobody.
LOCAL_CALLS = {"virConnectIsAlive", "virDomainFree", "virDomainGetName", "virDomainGetUUIDString",
               "virDomainSnapshotFree", "virDomainStatsRecordListFree"}
MAX_FAILURES = 3
IDLE_LIVES = 8  # without a kill: what is left is never passed any more
NURSED = ("api", "storaged", "netd", "hypervisor")  # libvirtd and dnsmasq have others who start them again


class Executioner:
    """Knows what is still to be killed where, and does it."""

    def __init__(self, cloud, victims):
        self.cloud, self.victims = cloud, victims
        self.todo, self.notes = set(), None  # {(point, victim)}; noted while it is a set
        self.recovered = set()
        self.killed, self.times = [], []     # in this life
        self.served = set()                  # victims of this step
        self.lock = threading.Lock()
        self.judge = Judge(cloud.points, self.verdict)
        self.nurse = Nurse(cloud, self.has_recovered)

    def begin_life(self):
        self.killed, self.times = [], []

    def begin(self, step):
        """Who died in the step before this one."""
        self.times.append((step, time.monotonic()))
        self.judge.begin(step)
        served = set(self.served)
        self.served.clear()
        return served

    def verdict(self, point, pid):
        if point.step == "recovery":
            self.verdict_on_recovering(point, pid)
        elif point.step:
            for victim, pids in self.victims(self.cloud, point).items():
                if self.notes is not None:
                    self.notes.add((point, victim))
                elif (point, victim) in self.todo and victim not in self.served:
                    self.kill(point, victim, pids or [pid])

    def verdict_on_recovering(self, point, pid):
        key, again = (point, point.daemon), point.daemon + " again"
        with self.lock:
            if point.daemon in self.judge.recovering and key not in self.recovered and again not in self.served:
                self.served.add(again)
                self.recovered.add(key)
                self.killed.append(key)
                kill_and_wait(pid)

    def has_recovered(self, daemon):
        with self.lock:
            self.judge.recovering.discard(daemon)

    def kill(self, point, victim, pids):
        self.served.add(victim)
        self.todo.discard((point, victim))
        self.killed.append((point, victim))
        if victim in NURSED:
            self.judge.recovering.add(victim)
        for pid in pids:
            kill_and_wait(pid)
        if victim in NURSED:
            self.nurse.patients.put(victim)

    def settle(self):
        """Wait until everybody is up; raises what went wrong aside."""
        self.nurse.patients.join()
        soon("libvirtd is back", lambda: self.cloud.socket_call("hypervisor", "GET", "/v1/host")[0] == 200)
        if self.nurse.failure or self.judge.failure:
            raise AssertionError(f"aside: {self.nurse.failure} {self.judge.failure!r}")


class Worker:
    """A cloud at a time, and the lives on it."""

    def __init__(self, scene):
        self.scene = scene
        self.cloud = self.executioner = None
        self.references, self.lives, self.passed = {}, 0, 0

    def begin_cloud(self):
        """A new one; the executioner keeps what he has to do."""
        if self.cloud:
            self.end_cloud()
        before = self.executioner
        self.cloud = self.scene.cloud()
        self.executioner = Executioner(self.cloud, self.scene.victims)
        if before:
            self.executioner.todo, self.executioner.recovered = before.todo, before.recovered
        self.cloud.start()
        self.cloud.begin_lives()
        self.references = {}

    def end_cloud(self):
        self.cloud.purge()
        self.cloud.forget()

    def live(self, end):
        """What went wrong, or None."""
        self.lives += 1
        self.executioner.begin_life()
        life = self.scene.life(self.cloud, self.executioner, self.references)
        try:
            life.live(f"life-{self.lives}", end)
            self.executioner.settle()
            return None
        except Exception as e:  # pylint: disable=broad-except  # whatever it was, it is reported
            return f"{type(e).__name__}: {e}"
        finally:
            self.executioner.begin("")

    def undisturbed(self):
        """The points of a life with each end."""
        self.executioner.notes = set()
        for end in self.scene.ends:
            trouble = self.live(end)
            assert not trouble, f"an undisturbed life: {trouble}\n{self.cloud.logs()}"
        notes, self.executioner.notes = self.executioner.notes, None
        passed = {point.place for point, _ in notes}
        assert passed >= self.scene.passes, f"{self.scene.passes - passed} is not passed at all"
        return notes

    def busiest_end(self, wanted):
        """That which needs the most lives yet, by the steps that only it has."""
        left = collections.Counter((point.step, victim) for point, victim in self.executioner.todo & wanted)
        return max(self.scene.ends, key=lambda end: max((n for (step, _), n in left.items() if end in step.split()), default=0))

    def kill_all(self, wanted):
        failures = idle = 0
        while self.executioner.todo & wanted and failures < MAX_FAILURES and idle < IDLE_LIVES:
            trouble = self.live(self.busiest_end(wanted))
            self.report(trouble, len(self.executioner.todo & wanted))
            idle = 0 if self.executioner.killed else idle + 1
            if trouble:
                failures += 1
                self.begin_cloud()
                self.undisturbed()
            else:
                self.passed += len(self.executioner.killed)
        return sorted(self.executioner.todo & wanted)

    def report(self, trouble, left):
        times = self.executioner.times
        steps = " ".join(f"{step} {b - a:.1f}" for (step, a), (_, b) in zip(times, times[1:]))
        killed = [name_of(k) for k in self.executioner.killed]
        say({"show": f"life {self.lives}: {len(killed)} kills, {left} left ({steps}): {trouble or 'ok'}"})
        if trouble:
            say({"show": "\n".join(["killed in it:", *killed, self.cloud.logs()])})

    def work(self):
        try:
            self.begin_cloud()
            say({"noted": [sorted(map(list_of, self.undisturbed())) for _ in range(self.scene.rounds)]})
            orders = json.loads(sys.stdin.readline())
            wanted = set(map(key_of, orders["wanted"]))
            self.executioner.todo = wanted | set(map(key_of, orders["if met"]))
            left = self.kill_all(wanted)
            say({"end": {"passed": self.passed, "left": [name_of(k) for k in left]}})
        finally:
            self.end_cloud()


def list_of(key):
    return [*key[0], key[1]]


def key_of(words):
    return Point(*words[:4]), words[4]


def name_of(key):
    point, victim = key
    return f"{point.step}: {victim} at {point.daemon} {point.place} #{point.number}"


def say(document):
    print(json.dumps(document), flush=True)


class Foreman:
    """Shares the points out among the workers."""

    def __init__(self, options, scene):
        self.only = options.only or []
        self.shares = SCENES[scene].shares if options.share is None else {"": options.share}
        words = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc",
                 "--kill-child", "bash", "-c", 'ip link set lo up; "$@"; exit $?', "worker", sys.executable,
                 __file__, "--work", scene]
        self.workers = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                        for _ in range(options.workers)]

    def hear(self, number, member):
        """The worker's document that has this member, None where it ended; what comes before is shown."""
        for line in self.workers[number].stdout:
            said = json.loads(line) if line.startswith("{") else {"show": line}
            if member in said:
                return said[member]
            print(f"worker {number} " + said["show"].rstrip(), flush=True)
        return None

    def is_wanted(self, name):
        share = min(percent for word, percent in self.shares.items() if word in name)
        return all(w in name for w in self.only) and zlib.crc32(name.encode()) % 100 < share

    def share_out(self, noted):
        """What every undisturbed life has passed must be killed at, the rest if it is met."""
        lives = [set(map(key_of, life)) for worker in noted for life in worker]
        wanted = sorted(k for k in set.intersection(*lives) if self.is_wanted(name_of(k)))
        others = sorted(k for k in set.union(*lives) - set.intersection(*lives) if self.is_wanted(name_of(k)) and not self.only)
        print(f"{len(wanted)} points to kill at, {len(others)} more are passed only sometimes", flush=True)
        wanted.sort(key=lambda key: (key[0].step, key[1]))  # each gets as much of everything
        for i, worker in enumerate(self.workers):
            orders = {"wanted": list(map(list_of, wanted[i::len(self.workers)])),
                      "if met": list(map(list_of, others[i::len(self.workers)]))}
            worker.stdin.write(json.dumps(orders) + "\n")
            worker.stdin.flush()
        return len(wanted)

    def run(self):
        """(passed, failed)."""
        numbers = range(len(self.workers))
        noted = [self.hear(i, "noted") for i in numbers]
        if None in noted:
            return 0, 1
        wanted, ends = self.share_out(noted), [None] * len(self.workers)

        def listen(i):
            ends[i] = self.hear(i, "end")

        threads = [threading.Thread(target=listen, args=(i,)) for i in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for end in filter(None, ends):
            for name in end["left"]:
                print("not killed at, or not in good order: " + name, flush=True)
        passed = sum(end["passed"] for end in filter(None, ends))
        failed = wanted if None in ends else sum(len(end["left"]) for end in ends)
        return passed, failed or sum(worker.wait() != 0 for worker in self.workers)


def calls_without_point():
    """Calls to libvirtd in hypervisor that have no crash point."""
    header = (ROOT / "hypervisor/libvirt_points.h").read_text(encoding="ascii")
    found = []
    for path in sorted((ROOT / "hypervisor").glob("*.c")):
        calls = set(re.findall(r"\b(vir(?:Connect|Domain)[A-Z]\w*)\(", path.read_text(encoding="utf-8")))
        found += [f"{path.name}: {call}" for call in sorted(calls - LOCAL_CALLS) if f"#define {call}(" not in header]
    return found


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scene", action="append", choices=SCENES)
    parser.add_argument("--share", type=int)
    parser.add_argument("--only", action="append")
    parser.add_argument("--work", choices=SCENES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        Worker(SCENES[options.work]).work()
        return 0
    bare = calls_without_point()
    print("\n".join(["without a point in libvirt_points.h: " + call for call in bare]), end="\n" if bare else "")
    passed, failed = 0, len(bare)
    for scene in options.scene or [name for name, scene in SCENES.items() if options.share or scene.shares[""]]:
        print(f"scene {scene}:", flush=True)
        good, bad = Foreman(options, scene).run()
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
