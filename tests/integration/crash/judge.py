"""Hears of every crash point that a daemon passes (common/crash.h) and decides what dies there."""

import collections
import os
import pathlib
import select
import signal
import socket
import subprocess
import threading

import points

Point = collections.namedtuple("Point", "step daemon place way number")
Point.__doc__ = """The number-th time that this daemon passes this place in this step of a life, having come there this way
(points.py)."""

DAEMONS = ("api", "storaged", "netd", "hypervisor", "libvirtd")
# What libvirtd tells a QEMU, or an agent, without changing anything.
QUESTIONS = ("qmp:query-", "qmp:x-debug-query-", "qmp:qom-get", "qmp:qom-list", "qmp:device-list", "qmp:qmp_capabilities", "agent:guest-sync")


def libvirtd_points(directory):
    """The library that gives libvirtd its points, to be named by LD_PRELOAD; its path."""
    library = pathlib.Path(directory) / "libvirtd_points.so"
    source = pathlib.Path(__file__).resolve().parent / "libvirtd_points.c"
    subprocess.run(["gcc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def kill_and_wait(pid):
    """SIGKILL; returns when the process is no more."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [])
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


class Judge(threading.Thread):
    """Calls verdict(point, pid) at each point; what it has not killed goes on when it returns."""

    def __init__(self, path, verdict):
        super().__init__(daemon=True)
        self.verdict = verdict
        self.step, self.passed = "birth", collections.Counter()
        self.recovering = set()
        self.failure = None
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(path))
        os.chmod(path, 0o666)
        self.socket.listen(128)
        self.start()

    def begin(self, step):
        """From here on points are numbered anew; nothing dies any more because of those before."""
        with self.lock:
            self.step, self.passed = step, collections.Counter()

    def run(self):
        while True:
            asking, _ = self.socket.accept()
            with asking:
                try:
                    self.hear(asking)
                except Exception as e:  # pylint: disable=broad-except  # told by the main thread
                    self.failure = self.failure or e

    @staticmethod
    def name(daemon, words):
        """(place, way). A program that is not `make crash-build`'s, as libvirtd, has no way there."""
        if daemon == "libvirtd":
            return words[1], ""
        return points.place(words[1]), points.way(daemon, words[2:])

    def hear(self, asking):
        words = asking.recv(4096).decode().split()
        daemon = words[0].removeprefix("minicloud-") if words else ""
        if daemon not in DAEMONS or words[1].startswith(QUESTIONS):
            return
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        with self.lock:
            where = "recovery" if daemon in self.recovering else self.step, daemon, *self.name(daemon, words)
            self.passed[where] += 1
            self.verdict(Point(*where, self.passed[where]), int.from_bytes(credentials[:4], "little"))
