"""A storaged of one's own, started by the launcher as its own user."""

import contextlib
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
LAUNCHER = ROOT / "deploy" / "launcher"
BUILD = ROOT / "build"
COPY_S = 300
PATIENCE_S = 300  # for what is to come: it ends when it has come


class Storaged:
    def __init__(self, directory, config=""):
        self.home, self.run_dir = directory / "h", directory / "r"
        self.config = directory / "minicloud.conf"
        self.config.write_text("[storaged]\n" + config, encoding="ascii")
        self.config.chmod(0o644)
        self.options = ["--home", self.home, "--run", self.run_dir, "--bin", BUILD,
                        "--config", self.config]
        self.launcher("prepare")

    def launcher(self, *words, check=True):
        done = subprocess.run([str(w) for w in (LAUNCHER, *words, *self.options)], capture_output=True,
                              text=True, timeout=PATIENCE_S, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self):
        self.launcher("start-one", "storaged")

    def stop(self):
        self.launcher("stop-one", "storaged")

    @property
    def pid(self):
        return int(self.launcher("pid", "storaged").stdout)

    def kill(self):
        """SIGKILL; returns when the process has ended."""
        fd = os.pidfd_open(self.pid)
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            assert select.select([fd], [], [], PATIENCE_S)[0]
        finally:
            os.close(fd)

    def command(self, *words):
        """The daemon as its own user, with its options; and its environment."""
        return (["setpriv", "--reuid=minicloud-storaged", "--regid=minicloud", "--init-groups",
                 str(BUILD / "minicloud-storaged"), "--config", str(self.config), *words],
                {"MINICLOUD_HOME": str(self.home), "MINICLOUD_RUN": str(self.run_dir)})

    def check(self, flag="--check"):
        """What --check finds, or another flag does: (status, text)."""
        command, environment = self.command(flag)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def ask(self, method, path, body=None):
        """(HTTP status, text). Raises OSError or HTTPException when the daemon is not there."""
        connection = http.client.HTTPConnection("d", timeout=PATIENCE_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE_S)
        try:
            connection.sock.connect(str(self.run_dir / "storaged.sock"))
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def call_once(self, method, path, body=None):
        """(HTTP status, document)."""
        status, text = self.ask(method, "/v1/" + path, body)
        return status, json.loads(text or "{}")

    def call(self, method, path, body=None):
        """The same, repeated while data are being copied for it."""
        end = time.monotonic() + COPY_S
        while True:
            status, answer = self.call_once(method, path, body)
            if status != 200 or answer.get("state") != "copying":
                return status, answer
            assert time.monotonic() < end and 0 <= answer["percent"] <= 100, answer
            time.sleep(0.02)

    @staticmethod
    def at_work():
        """The processes of storaged's user that copy, zombies left out: {pid: state}."""
        done = subprocess.run(["ps", "-ww", "-u", "minicloud-storaged", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=False)
        rows = [line.split() for line in done.stdout.splitlines()]
        return {int(pid): state[0] for pid, state, *words in rows if words[0].endswith("qemu-img") and "convert" in words and state[0] != "Z"}

    def halted(self):
        """Each qemu-img that copies for storaged stands still from now on, until it is killed: how many there are."""
        found = self.at_work()
        while any(state != "T" for state in found.values()):
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            found = self.at_work()
        return len(found)

    def caught(self, begin, is_under_way, take_back):
        """begin() what a qemu-img works at, and stop that: is_under_way() holds from then on. Where it was too quick,
        take_back() and begin() again."""
        end = time.monotonic() + PATIENCE_S
        while True:
            begin()
            while is_under_way():
                if self.halted() and is_under_way():
                    return
                assert time.monotonic() < end, "there is nothing to stop"
            take_back()

    def metrics(self):
        """What Prometheus is told of storaged, {name and labels: value}."""
        lines = [line for line in self.ask("GET", "/metrics")[1].splitlines() if line.startswith("minicloud_storaged_")]
        return {name.removeprefix("minicloud_storaged_"): float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    @property
    def files(self):
        return {p.name for p in (self.home / "store").iterdir() if p.is_file()}

    def image_file(self, name="a.qcow2", size="64M", options=()):
        """A qcow2 with some data in import_dir; its path."""
        path = self.home / "images-src" / name
        raw = path.with_suffix(".raw")
        raw.write_bytes(b"\7" * (3 << 20))
        os.truncate(raw, 8 << 20)
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, path], check=True)
        subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", path, size], check=True)
        raw.unlink()
        path.chmod(0o644)
        return path

    def log(self):
        return (self.home / "log" / "storaged.log").read_text(encoding="utf-8", errors="replace")
