"""What of a scene's points has been killed at, and was good: kept in a file from one run to the next."""

import json
import pathlib

from judge import Point
import points

DIRECTORY = points.BIN / "matrix"


def list_of(key):
    return [*key[0], key[1]]


def key_of(words):
    return Point(*words[:5]), words[5]


def name_of(key):
    point, victim = key
    return f"{point.step}: {victim} at {point.daemon} {point.place} {point.way} #{point.number}"


class Record:
    """A line of JSON for each thing that was done; written at once, so that nothing is lost with us."""

    def __init__(self, scene, kept, anew=False):
        self.path = DIRECTORY / f"{scene}.jsonl" if kept else None
        if kept and anew:
            self.path.unlink(missing_ok=True)
        self.points, self.good, self.bad, self.again, self.seconds = set(), set(), {}, 0, 0.0
        self.build = None
        if kept and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                self.take(json.loads(line))

    def take(self, said):
        """Points of another build replace those before."""
        if "points" in said:
            self.points, self.build = set(map(key_of, said["points"])), said["build"]
        for key in map(key_of, said.get("good", ())):
            self.good.add(key)
            self.bad.pop(key, None)
        for key in map(key_of, said.get("bad", ())):
            self.bad[key] = self.bad.get(key, 0) + 1
        self.again += said.get("again", 0)
        self.seconds += said.get("seconds", 0)

    def add(self, said):
        self.take(said)
        if self.path:
            pathlib.Path(self.path.parent).mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(said) + "\n")

    def is_of_this_build(self):
        return self.build == points.build()

    def left(self):
        return self.points - self.good

    def result(self):
        """By step and victim, and the whole."""
        rows = sorted({(key[0].step, key[1]) for key in self.points})
        lines = []
        for step, victim in rows:
            of = {key for key in self.points if (key[0].step, key[1]) == (step, victim)}
            lines.append(f"  {step:16} {victim:10} {len(of & self.good):4} of {len(of):4}")
        lines.append(f"{len(self.points & self.good)} of {len(self.points)} points good; {self.again} more kills while something "
                     f"recovered; {self.seconds / 60:.0f} minutes of work")
        return "\n".join(lines)
