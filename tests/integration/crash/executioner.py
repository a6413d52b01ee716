"""Knows what is still to be killed at which points, and does it."""

import collections
import random
import threading
import time

from judge import Judge, kill_and_wait
from points import alike
from trial import Nurse, soon

NURSED = ("api", "storaged", "netd", "hypervisor")  # libvirtd and dnsmasq have others who start them again


class Executioner:
    """In one step a daemon dies at most so often as the scene says, each time at another point; QEMU once, at a point chosen before, and
    nobody after it. A point that is to be killed at when it is passed for the second time, or later, is only while nobody
    has died in the step: it would be another point."""

    def __init__(self, cloud, scene, seed):
        self.cloud, self.scene = cloud, scene
        self.chance = random.Random(seed)
        self.todo, self.notes = set(), None  # {(point, victim)}; the points of a life while it is a set
        self.recovered = set()
        self.killed, self.times = [], []     # in this life
        self.again = 0                       # kills of what is recovering, in this life
        self.served = collections.Counter()  # victims of this step
        self.counts = collections.Counter()  # {(point, victim): how often it was passed in this step}
        self.aim = None                      # of this step
        self.lock = threading.Lock()
        self.judge = Judge(cloud.points, self.verdict)
        self.nurse = Nurse(cloud, self.has_recovered)

    def begin_life(self):
        self.killed, self.times, self.again = [], [], 0

    def begin(self, step):
        """Who died in the step before this one."""
        self.times.append((step, time.monotonic()))
        self.judge.begin("")
        served = set(self.served)
        self.served.clear()
        self.counts.clear()
        self.aim = self.choose(step)
        self.judge.begin(step)
        return served

    def choose(self, step):
        """One of what happens only once in a step, if there is something left of it."""
        some = sorted(key for key in set(self.todo) if key[0].step == step and (key[1] == "QEMU" or key[0].number > 1))
        return self.chance.choice(some) if some else None

    def verdict(self, point, pid):
        if point.step == "recovery":
            self.verdict_on_recovering(point, pid)
        elif point.step:
            for victim, pids in self.scene.victims(self.cloud, point).items():
                known = alike(point._replace(number=0), victim)
                if known:
                    self.verdict_on(victim, pids or [pid], *known)

    def verdict_on(self, victim, pids, point, how_often):
        self.counts[point, victim] += 1
        point = point._replace(number=self.counts[point, victim])
        if self.notes is not None and (point.number == 1 or how_often == "each"):
            self.notes.add((point, victim))
        elif self.notes is None and self.is_time(point, victim):
            self.kill(point, victim, pids)

    def is_time(self, point, victim):
        key = point, victim
        if key not in self.todo or self.served["QEMU"]:
            return False
        if victim == "QEMU" or point.number > 1:
            return key == self.aim and (point.number == 1 or not self.served)
        return self.served[victim] < self.scene.most and not (self.aim and self.aim[0].number > 1)

    def verdict_on_recovering(self, point, pid):
        key, again = point._replace(number=0), point.daemon + " again"
        with self.lock:
            if point.daemon in self.judge.recovering and key not in self.recovered and not self.served[again]:
                self.served[again] += 1
                self.recovered.add(key)
                self.again += 1
                kill_and_wait(pid)

    def has_recovered(self, daemon):
        with self.lock:
            self.judge.recovering.discard(daemon)

    def kill(self, point, victim, pids):
        self.served[victim] += 1
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
        soon("libvirtd is back", lambda: self.cloud.tell("hypervisor", "GET", "/v1/host"))
        if self.nurse.failure or self.judge.failure:
            raise AssertionError(f"aside: {self.nurse.failure} {self.judge.failure!r}")
