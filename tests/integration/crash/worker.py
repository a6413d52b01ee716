"""A process with a cloud at a time, and the lives on it: it is told what to kill at, and tells what came of it."""

import collections
import json
import sys
import time

from executioner import Executioner
from record import key_of, list_of, name_of

MAX_FAILURES = 4
MAX_TRIES = 2   # what was killed in so many lives that went wrong is not tried again
IDLE_LIVES = 12  # without a kill: what is left is never passed any more


def say(document):
    print(json.dumps(document), flush=True)


class Worker:
    """Begun with its orders as the first line of stdin."""

    def __init__(self, scene):
        self.scene, self.orders = scene, json.loads(sys.stdin.readline())
        self.cloud = self.executioner = None
        self.references, self.lives = {}, 0
        self.tries = collections.Counter()
        self.end_at = time.monotonic() + self.orders["seconds"]

    def begin_cloud(self):
        """A new one; the executioner keeps what he has to do."""
        if self.cloud:
            self.end_cloud()
        before = self.executioner
        self.cloud = self.scene.cloud()
        self.executioner = Executioner(self.cloud, self.scene, self.orders["seed"] + self.lives)
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
        """The points of a life with each end, a list for each life."""
        noted = []
        for end in self.scene.ends:
            self.executioner.notes = set()
            trouble = self.live(end)
            assert not trouble, f"an undisturbed life: {trouble}\n{self.cloud.logs()}"
            self.report(None)
            noted.append(self.executioner.notes)
        self.executioner.notes = None
        passed = {point.place for notes in noted for point, _ in notes}
        assert passed >= self.scene.passes, f"{self.scene.passes - passed} is not passed at all"
        return set().union(*noted)

    def busiest_end(self, wanted):
        """That which needs the most lives yet, by the steps that only it has."""
        left = collections.Counter((point.step, victim) for point, victim in self.executioner.todo & wanted)
        return max(self.scene.ends, key=lambda end: max((n for (step, _), n in left.items() if self.has_step(end, step)), default=0))

    def has_step(self, end, step):
        """The first end's steps have no name of an end in them."""
        return end in step.split() or (end == self.scene.ends[0] and not set(self.scene.ends) & set(step.split()))

    def kill_all(self, wanted):
        failures = idle = 0
        while self.executioner.todo & wanted and failures < MAX_FAILURES and idle < IDLE_LIVES and time.monotonic() < self.end_at:
            trouble = self.live(self.busiest_end(wanted))
            idle = 0 if self.executioner.killed else idle + 1
            if trouble:
                failures += 1
                self.tries.update(self.executioner.killed)
                self.executioner.todo |= {key for key in self.executioner.killed if self.tries[key] < MAX_TRIES}
            self.report(trouble)
            if trouble:
                self.begin_cloud()
                self.prepare()

    def prepare(self):
        """What lives are compared with."""
        if self.scene.life.compares:
            self.undisturbed()

    def report(self, trouble):
        it = self.executioner
        took = it.times[-1][0] == "" and it.times[-1][1] - it.times[0][1]
        steps = " ".join(f"{step or '-'} {b - a:.1f}" for (step, a), (_, b) in zip(it.times, it.times[1:]) if b - a > 0.5)
        if it.notes is None:
            say({"life": {"bad" if trouble else "good": list(map(list_of, it.killed)), "again": it.again, "seconds": round(took, 1),
                          **({"trouble": trouble} if trouble else {})}})
        say({"show": f"life {self.lives}: {len(it.killed)} kills, {it.again} more in recovery, {len(it.todo)} left ({steps}): "
                     f"{trouble or 'ok'}"})
        if trouble:
            say({"show": "\n".join(["killed in it:", *map(name_of, it.killed), self.cloud.logs()])})

    def work(self):
        try:
            self.begin_cloud()
            if self.orders["note"]:
                say({"noted": [sorted(map(list_of, self.undisturbed())) for _ in range(self.scene.rounds)]})
            else:
                self.prepare()
                say({"noted": []})
            orders = json.loads(sys.stdin.readline())
            wanted = set(map(key_of, orders["wanted"]))
            self.executioner.todo = wanted | set(map(key_of, orders["if met"]))
            self.kill_all(wanted)
            say({"end": [list_of(key) for key in self.executioner.todo & wanted]})
        finally:
            self.end_cloud()
