"""One host's libvirtd and minicloud-hypervisor in a network namespace of their own, and guests
of 512 bytes to run on it."""

import http.client
import json
import os
import pathlib
import pwd
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
from judge import libvirtd_points  # noqa: E402  (the path above)

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / "build"
USERS = ("minicloud-hypervisor", "minicloud-qemu")
PATIENCE_S = 180  # for what is to come: it ends when it has come


def boot_sector(text, obeys_button):
    """A disk that prints the text on the serial port and halts; on the ACPI power button it
    powers off (port 0x600 holds the event bits, 0x604 takes the command), or does not. Who
    reads the text may press the button."""
    code = bytes.fromhex("FA 31C0 8ED8")                    # cli; ds = 0
    if obeys_button:
        code += bytes.fromhex("BA0206 B80001 EF")           # let the button set its bit
    code += b"\xbe"                                         # si =
    rest = bytes.fromhex("FC AC 84C0 7406 BAF803 EE EBF5")  # each byte of the text to port 0x3f8
    if obeys_button:
        rest += bytes.fromhex("FB F4 BA0006 ED F6C401 74F5"  # wait for it
                              "BA0406 B80020 EF EBEC")      # off
    else:
        rest += bytes.fromhex("FB F4 EBFC")
    code += (0x7C00 + len(code) + 2 + len(rest)).to_bytes(2, "little") + rest + text.encode() + b"\0"
    return code.ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)


def ejecting_sector(text):
    """A disk that prints the text, and again each time that it has read a byte from the serial port and then let go of all
    devices that the host wants back: by the registers at 0xcc0 (QEMU's docs/specs/acpi_pci_hotplug), bus by bus."""
    code = bytes.fromhex("FA 31C0 8ED8"                             # cli; ds = 0
                         "BE427C FC AC 84C0 7406 BAF803 EE EBF5"    # each byte of the text to port 0x3f8
                         "BAFD03 EC A801 74F8 BAF803 EC"            # wait for a byte from there
                         "6631C9 BAD00C 6689C8 66EF"                # select the next bus
                         "BAC40C 66ED 6685C0 7405 BAC80C 66EF"      # eject what is to go
                         "41 83F920 75E3 EBC3")
    return (code + text.encode() + b"\0").ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)


class Failure(Exception):
    """An answer other than 200."""

    def __init__(self, status, document):
        super().__init__(f"{status}: {document}")
        self.status, self.outcome = status, document.get("outcome")
        self.message = document.get("message", "")


class Connection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path, timeout=PATIENCE_S):
        super().__init__("d", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Events:
    """A listener on the event stream; what it hears waits in a queue."""

    def __init__(self, path):
        self.connection = Connection(path, timeout=None)
        self.connection.request("GET", "/v1/events")
        self.sock = self.connection.sock  # the response takes it from the connection
        self.response = self.connection.getresponse()
        self.heard = queue.Queue()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        self.expect(event="resync", reason="listening")

    def _listen(self):
        try:
            for line in self.response:
                self.heard.put(json.loads(line))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed, here or there

    def expect(self, timeout=PATIENCE_S, **wanted):
        """The next event that has all these members; the ones before it are dropped."""
        deadline = time.monotonic() + timeout
        passed = []
        while True:
            try:
                event = self.heard.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no event {wanted}, only {passed}") from None
            if wanted.items() <= event.items():
                return event
            passed.append(event)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(PATIENCE_S)
        self.connection.close()


class Node:
    """Starts, kills and asks."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hypervisor-test."))
        self.dir.chmod(0o755)
        self.libvirt, self.store = self.dir / "libvirt", self.dir / "store"
        self.console, self.socket = self.dir / "own/console", self.dir / "run/hypervisor.sock"
        self.ended = self.dir / "run/ended"
        self.points, self.preload = self.dir / "points", libvirtd_points(self.dir)
        self.daemon = None
        self.log = self.dir / "hypervisor.log"
        names = {user.pw_name for user in pwd.getpwall()}
        # Before the first launch of a cloud on this machine its users are not there yet.
        self.users = all(user in names for user in USERS)
        for path, mode, user, group in (("own", 0o750, "minicloud-hypervisor", "minicloud"),
                                        ("run", 0o770, "root", "minicloud"),
                                        ("store", 0o2770, "root", "minicloud-disk")):
            (self.dir / path).mkdir()
            if self.users:
                shutil.chown(self.dir / path, user, group)
            (self.dir / path).chmod(mode)
        # Holds the network namespace.
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        self.wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"))

    @staticmethod
    def wait_for(condition, timeout=PATIENCE_S):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    def inside(self, *command, **options):
        """Run in the node's network namespace."""
        return subprocess.run(["nsenter", "-n", "-t", str(self.holder.pid), *map(str, command)], check=True,
                              capture_output=True, text=True, timeout=2 * PATIENCE_S, **options).stdout

    # libvirtd

    def start_libvirtd(self):
        users = ("minicloud-qemu", "minicloud-disk", "minicloud") if self.users else ("root", "root", "root")
        self.inside(ROOT / "deploy/private-libvirtd", "start", self.libvirt, *users,
                    env={**os.environ, "LD_PRELOAD": str(self.preload), "MINICLOUD_CRASH": str(self.points)})

    def stop_libvirtd(self):
        self.inside(ROOT / "deploy/private-libvirtd", "stop", self.libvirt)

    def libvirtd_pid(self):
        return int((self.libvirt / "run/libvirtd.pid").read_text(encoding="ascii"))

    def mates(self):
        """Processes that see this node's libvirt directories."""
        mine = (self.libvirt / "run").stat() if (self.libvirt / "run").exists() else None
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/root/run/libvirt"):
            try:
                if mine and os.path.samestat(path.stat(), mine):
                    found.append(int(path.parts[2]))
            except OSError:
                pass
        return found

    # The daemon

    def start_daemon(self, *options):
        uri = f"qemu+unix:///system?socket={self.libvirt}/run/libvirt-sock"
        command = [BUILD / "minicloud-hypervisor", "--libvirt-uri", uri, "--disk-roots", self.store, "--console-dir",
                   self.console, "--socket", self.socket, "--fd-socket", self.socket.with_name("fd.sock"),
                   "--ended-dir", self.ended, *options]
        if self.users:
            ids = pwd.getpwnam("minicloud-hypervisor")
            command = ["setpriv", f"--reuid={ids.pw_uid}", f"--regid={ids.pw_gid}", "--init-groups", "--inh-caps=-all",
                       "--bounding-set=-all", "--no-new-privs", *command]
        else:
            command += ["--allow", "root", "--qemu-user", "root", "--qemu-group", "root"]
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)
        self.wait_for(lambda: self.answers() or self.daemon.poll() is not None)
        assert self.daemon.poll() is None, self.log.read_text(encoding="utf-8")

    def answers(self):
        try:
            return self.call("GET", "/v1/host")["libvirt"]
        except (OSError, Failure, http.client.HTTPException):
            return None

    def end_daemon(self, how=signal.SIGTERM):
        if self.daemon:
            self.daemon.send_signal(how)
            status = self.daemon.wait(PATIENCE_S)
            self.daemon = None
            return status
        return None

    def call(self, method, path, body=None):
        connection = Connection(self.socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            document = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise Failure(response.status, document)
        return document

    def events(self):
        return Events(self.socket)

    def links(self):
        return {link["ifname"] for link in json.loads(self.inside("ip", "-j", "link"))}

    # Instances

    def disk(self, name, text="HELLO\r\n", obeys_button=False):
        """A boot disk as storaged would own it."""
        path = self.store / name
        path.write_bytes(boot_sector(text, obeys_button))
        if self.users:
            shutil.chown(path, group="minicloud-disk")
        path.chmod(0o660)
        return path

    def instance(self, number, **disk):
        """An instance that is not there yet."""
        return Instance(self, number, self.disk(f"{number}.raw", **disk))

    def close(self):
        self.end_daemon()
        self.stop_libvirtd()
        self.holder.kill()
        self.holder.wait()
        shutil.rmtree(self.dir)


class Instance:
    """One instance's calls."""

    def __init__(self, node, number, path):
        hexes = f"{number:017x}"
        self.node, self.id = node, f"i-{hexes}"
        self.url = f"/v1/instances/{self.id}"
        self.tap = f"mt{hexes[:13]}"
        self.document = {"vcpus": 1, "memory_mib": 48, "instance_type": "t3.nano",
                         "disks": [{"volume": f"vol-{hexes}", "path": str(path), "format": "raw", "boot": True}],
                         "nics": [{"eni": f"eni-{hexes}", "mac": f"06:00:00:00:00:{number % 256:02x}"}]}

    def put(self, state, **more):
        return self.node.call("PUT", self.url, {**self.document, "state": state, **more})

    def run(self):
        self.put("paused")
        return self.put("running")

    def get(self):
        return self.node.call("GET", self.url)

    def delete(self):
        return self.node.call("DELETE", self.url)

    def reboot(self, hard):
        return self.node.call("POST", self.url + "/reboot", {"hard": hard})

    def console(self):
        return self.node.call("GET", self.url + "/console")
