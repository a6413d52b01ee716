"""The same guest without minicloud: QEMU started by hand with the arguments that
libvirt gave it, on a bridge with dnsmasq and a metadata server of a few lines.
What of the arguments cannot be had by hand (inherited descriptors, libvirt's
monitor and secret) is replaced by its plain form; every device stays."""

import http.server
import json
import pathlib
import socket
import subprocess
import threading
import time

from cloud import run

GATEWAY = "10.99.0.1"
METADATA = "169.254.169.254"
BRIDGE = "bench0"
TOKEN = b"dG9rZW4="
ATTEMPT_S, PAUSE_S = 0.05, 0.02  # a time is wrong by at most this
CHECK_S = 3


class MetadataHandler(http.server.BaseHTTPRequestHandler):
    """Version 2, as far as a guest asks at boot."""

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.answer(200, TOKEN)

    def do_GET(self):
        body = self.server.values.get(self.path.removeprefix("/latest/"))
        self.answer(404) if body is None else self.answer(200, body)


class MetadataServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class Network:
    """A bridge with DHCP, DNS and the metadata address."""

    def __init__(self, directory, public_key):
        for line in (f"link add {BRIDGE} type bridge forward_delay 0", f"addr add {GATEWAY}/24 dev {BRIDGE}",
                     f"addr add {METADATA}/32 dev {BRIDGE}", f"link set {BRIDGE} up"):
            run("ip", *line.split())
        # Look for a guest often, or a measured time has up to a second of ARP in it.
        pathlib.Path(f"/proc/sys/net/ipv4/neigh/{BRIDGE}/retrans_time_ms").write_text("20", encoding="ascii")
        self.hosts = directory / "dhcp-hosts"
        self.hosts.write_text("".join(f"{self.mac(n)},{self.address(n)}\n" for n in range(64)), encoding="ascii")
        self.dnsmasq = subprocess.Popen([
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", f"--interface={BRIDGE}",
            "--except-interface=lo", "--bind-interfaces", "--dhcp-range=10.99.0.0,static,1h", "--no-ping",
            f"--dhcp-hostsfile={self.hosts}", "--dhcp-authoritative", f"--dhcp-leasefile={directory}/leases",
            "--no-resolv", "--no-hosts", "--log-facility=/dev/null"])
        self.metadata = MetadataServer((METADATA, 80), MetadataHandler)
        self.metadata.values = {
            "meta-data/instance-id": b"i-0123456789abcdef0",
            "meta-data/local-hostname": b"ip-10-99-0-10.ec2.internal",
            "meta-data/public-keys/0/openssh-key": public_key.encode(),
        }
        threading.Thread(target=self.metadata.serve_forever, daemon=True).start()

    @staticmethod
    def mac(n):
        return f"06:00:00:00:99:{n:02x}"

    @staticmethod
    def address(n):
        return f"10.99.0.{10 + n}"

    def tap(self, n):
        name = f"bench{n + 1}"
        run("ip", "tuntap", "add", name, "mode", "tap")
        run("ip", "link", "set", name, "master", BRIDGE, "up")
        return name

    def close(self):
        self.metadata.shutdown()
        self.metadata.server_close()
        self.dnsmasq.terminate()
        self.dnsmasq.wait()
        run("ip", "link", "del", BRIDGE)


def arguments_of(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


class Arguments:
    """libvirt's arguments turned into ones to type."""

    DROPPED = ("-S", "-no-shutdown")
    DROPPED_WITH_VALUE = ("-mon", "-add-fd", "-incoming", "-pidfile")

    def __init__(self, words, volume, edit=None):
        """Of a running guest: its words, and the volume it boots from. edit changes the other disks' nodes."""
        self.words, self.volume, self.edit = words, volume, edit
        image = json.loads(run("qemu-img", "info", "-U", "--output=json", volume).stdout)
        self.base, self.size = image["full-backing-filename"], image["virtual-size"]

    def rewritten(self, disk, tap, mac, log):
        out, words = [self.words[0]], iter(self.words[1:])
        for word in words:
            if word in self.DROPPED:
                continue
            if not word.startswith("-"):
                out.append(word)
                continue
            value = next(words) if self.takes_value(word) else None
            value = self.value(word, value, disk, tap, mac, log)
            if value is not False:
                out += [word] if value is None else [word, value]
        return out

    @staticmethod
    def takes_value(word):
        return word not in ("-no-user-config", "-nodefaults", "-no-hpet", "-no-acpi", "-nographic")

    def value(self, word, value, disk, tap, mac, log):
        """The argument's new value; False drops it."""
        if word in self.DROPPED_WITH_VALUE:
            return False
        if word == "-name":
            return "bare"  # the hypervisor looks for its QEMUs by that
        if word == "-object" and "secret" in value:
            return False
        if word == "-chardev":
            return self.chardev(value, log)
        if word == "-netdev":
            return f"tap,id={self.field(value, 'id')},ifname={tap},script=no,downscript=no"
        if word == "-blockdev":
            return self.blockdev(value, disk)
        if word == "-device" and "virtio-net-pci" in value:
            return self.device(value, mac)
        return value

    @staticmethod
    def field(value, name):
        if value.startswith("{"):
            return json.loads(value)[name]
        return dict(part.split("=", 1) for part in value.split(",") if "=" in part)[name]

    def chardev(self, value, log):
        name = self.field(value, "id")
        if name == "charmonitor":
            return False
        return f"file,id={name},path={log}" if "serial" in name else f"null,id={name}"

    def blockdev(self, value, disk):
        """The top layer is replaced, the image below it is the very same file."""
        node = json.loads(value)
        if node.get("filename") == self.volume:
            node["filename"] = str(disk)
        elif self.edit:
            self.edit(node)
        return json.dumps(node)

    @staticmethod
    def device(value, mac):
        node = json.loads(value)
        node["mac"] = mac
        return json.dumps(node)


class Guest:
    """One QEMU. began is when it was started."""

    def __init__(self, network, number, arguments, directory):
        disk = directory / f"bare-{number}.qcow2"
        disk.unlink(missing_ok=True)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", arguments.base, disk, str(arguments.size))
        self.tap = network.tap(number)
        self.address = network.address(number)
        self.log = directory / f"bare-{number}.log"
        self.log.write_bytes(b"")
        self.words = arguments.rewritten(disk, self.tap, network.mac(number), self.log)
        self.errors = directory / f"bare-{number}.err"
        self.began = self.process = None

    def start(self):
        with open(self.errors, "wb") as errors:
            self.began = time.monotonic()
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    def check(self):
        if self.process.poll() is not None:
            raise AssertionError("bare QEMU ended:\n" + self.errors.read_text(errors="replace"))
        if "Kernel panic" in self.log.read_text(errors="replace"):
            raise AssertionError(f"a bare guest panicked:\n{self.log.read_text(errors='replace')}")

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        run("ip", "link", "del", self.tap, check=False)


def greets(address):
    """Does an SSH server say who it is?"""
    try:
        with socket.create_connection((address, 22), timeout=ATTEMPT_S) as connection:
            connection.settimeout(2)
            return connection.recv(64).startswith(b"SSH-")
    except OSError:
        return False


def wait_all(guests, timeout=300):
    """Seconds from each guest's beginning to the greeting of its SSH server."""
    waiting, took = dict(enumerate(guests)), {}
    end, check = time.monotonic() + timeout, time.monotonic() + CHECK_S
    while waiting:
        for n, guest in list(waiting.items()):
            if greets(guest.address):
                took[n] = time.monotonic() - guest.began
                del waiting[n]
        if time.monotonic() > check:  # seldom: asking costs time that the guests need
            check = time.monotonic() + CHECK_S
            for guest in waiting.values():
                guest.check()
        if time.monotonic() > end:
            raise AssertionError(f"no SSH within {timeout} s: {[g.address for g in waiting.values()]}")
        time.sleep(PAUSE_S)
    return [took[n] for n in sorted(took)]
