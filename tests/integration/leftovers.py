"""What a cloud may leave behind: looked for before it starts and after it ends."""

import json
import os
import pathlib
import subprocess


def _text(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def links():
    """Network devices of this namespace."""
    return {link["ifname"] for link in json.loads(_text("ip", "-j", "link"))}


def routes():
    return set(_text("ip", "route", "show", "table", "all").splitlines())


def rules():
    return set(_text("ip", "rule").splitlines())


def tables():
    """nft tables of this namespace."""
    return set(_text("nft", "list", "tables").splitlines())


def mounts():
    """Places where something is mounted, in our mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return [line.split()[4] for line in f]


def processes():
    """{pid: command line} of all in our process namespace, zombies and our own line of ancestors left out."""
    found, ours = {}, set()
    pid = os.getpid()
    while pid > 0:
        ours.add(pid)
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has just ended
            continue
        if command and int(path.name) not in ours:  # a zombie has no command line
            found[int(path.name)] = command
    return found


class Snapshot:
    """All of it at one time."""

    def __init__(self):
        self.links, self.routes, self.rules, self.tables = links(), routes(), rules(), tables()
        self.mounts, self.processes = mounts(), processes()

    def added_by(self, later):
        """What `later` has and this has not: {kind: things}, only kinds with any."""
        added = {
            "network devices": later.links - self.links,
            "routes": later.routes - self.routes,
            "routing rules": later.rules - self.rules,
            "nft tables": later.tables - self.tables,
            "mounts": [m for m in later.mounts if m not in self.mounts],
            "processes": [c for p, c in later.processes.items() if p not in self.processes],
        }
        return {kind: things for kind, things in added.items() if things}
