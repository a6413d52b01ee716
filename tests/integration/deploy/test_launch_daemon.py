"""build/launch-daemon, which says who runs."""

import os
import pathlib
import signal
import subprocess

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "build" / "launch-daemon"
# Its memory takes the kernel a while to take back.
LARGE = """
import os, signal, socket
memory = bytearray(os.urandom(1 << 20)) * 300
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"""


def tool(*words):
    # Its output goes nowhere: what it starts keeps that open.
    return subprocess.run([TOOL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=400, check=False).returncode


def test_who_was_killed_does_not_run(tmp_path):
    """However soon it is asked: a start right after a kill is a start."""
    pid_file = tmp_path / "pid"
    for _ in range(3):
        assert tool("start", pid_file, tmp_path / "log", tmp_path / "notify", "300", "python3", "-c", LARGE) == 0
        assert tool("status", pid_file) == 0
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        assert tool("status", pid_file) == 3
