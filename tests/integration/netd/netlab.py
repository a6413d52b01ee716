"""An outer network namespace with netd in it, and fake guests: a veth whose end in netd's
root namespace is named like a tap, and whose other end is eth0 in a namespace of its own."""
import contextlib
import ctypes
import http.client
import ipaddress
import json
import os
import pwd
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
NETD = os.environ.get("MINICLOUD_NETD", os.path.join(ROOT, "build/minicloud-netd"))
CAPS = "+net_admin,+sys_admin,+net_bind_service,+net_raw"
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

ANY = "0.0.0.0/0"
PATIENCE = 60  # seconds, for what is to come: it ends when it has come
SOON = 0.2     # for what is not to
ASK_AGAIN = 4  # what a server that was just made has not heard is asked again


def tcp(port, **peer):
    return {"protocol": "tcp", "from": port, "to": port, **(peer or {"cidr": ANY})}


def udp(port, **peer):
    return {"protocol": "udp", "from": port, "to": port, **(peer or {"cidr": ANY})}


def icmp(kind=-1, code=-1, **peer):
    return {"protocol": "icmp", "from": kind, "to": code, **(peer or {"cidr": ANY})}


def all_(**peer):
    return {"protocol": "all", **(peer or {"cidr": ANY})}


def talks(a, b, timeout=PATIENCE, text=b"hello"):
    """Does a connection still carry bytes both ways?"""
    for end in (a, b):
        end.settimeout(timeout)
    try:
        a.sendall(text)
        got = b.recv(100)
        b.sendall(got)
        return a.recv(100) == text
    except OSError:
        return False


def connected(a, b, port):
    """Both ends of a new connection."""
    server = b.listen(port)
    client = a.connect(b.ip, port)
    return client, server.accept()[0]


def connects(ns, host, port, timeout=PATIENCE):
    """Whether a TCP connection from that namespace comes about."""
    with inside(ns):
        s = socket.socket()
    s.settimeout(timeout)
    with s:
        try:
            s.connect((host, port))
            return True
        except OSError:
            return False


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def inside(ns_fd):
    """Sockets made here belong to that namespace for good."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        check(libc.setns(ns_fd, CLONE_NEWNET))
        yield
    finally:
        check(libc.setns(home, CLONE_NEWNET))
        os.close(home)


def new_namespace():
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        check(libc.unshare(CLONE_NEWNET))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    finally:
        check(libc.setns(home, CLONE_NEWNET))
        os.close(home)


def there(path, what):
    """Is the link up, as the kernel sees it? Until then it may lose what is sent."""
    return "state UP" in subprocess.run(["nsenter", "--net=" + path, "ip", "-o", "link", "show", what], capture_output=True,
                                        text=True, check=True).stdout


def new_id(prefix):
    return "%s-%017x" % (prefix, random.getrandbits(68))


def mac_of(eni):
    low = int(eni.split("-")[1][-10:], 16)
    return "06:" + ":".join("%02x" % (low >> s & 255) for s in (32, 24, 16, 8, 0))


def tap_of(eni):
    return "mt" + eni.split("-")[1][:13]


def wait_for(what, timeout=PATIENCE):
    """The first true answer of what(); polls, for conditions that give no event."""
    end = time.monotonic() + timeout
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.005)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("d", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class World:
    """The outer namespaces, netd's run directory and the daemon itself."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="netd-test-")
        self.run = os.path.join(self.dir, "run")
        os.mkdir(self.run)
        self.uid, self.gid = self.user_ids()
        os.chmod(self.dir, 0o755)
        os.chown(self.run, self.uid, self.gid)
        os.mkdir(os.path.join(self.dir, "flow-logs"))
        os.chown(os.path.join(self.dir, "flow-logs"), self.uid, self.gid)
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "--propagation", "private", "sleep", "infinity"])
        assert wait_for(lambda: self.name_of(self.holder.pid) == "sleep")  # the namespaces are as they are to be
        self.ns = os.open("/proc/%d/ns/net" % self.holder.pid, os.O_RDONLY)
        self.sh("ip", "link", "set", "lo", "up")
        self.netd = None
        self.guests = []
        self.log = open(os.path.join(self.dir, "netd.log"), "ab")

    @staticmethod
    def user_ids():
        try:
            return pwd.getpwnam("minicloud-netd")[2:4]
        except KeyError:
            return 61234, 61234

    @staticmethod
    def name_of(pid):
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()

    def enter(self, *argv):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", *argv]

    def sh(self, *argv, ok=True):
        done = subprocess.run(self.enter(*argv), capture_output=True, text=True)
        if ok and done.returncode != 0:
            raise RuntimeError("%s: %s" % (argv, done.stderr))
        return done.stdout

    def in_vpc(self, vpc, *argv, ok=True):
        return self.sh("nsenter", "--net=%s/netns/%s" % (self.run, vpc), *argv, ok=ok)

    def command(self, *flags):
        return self.enter(
            "setpriv", "--reuid=%d" % self.uid, "--regid=%d" % self.gid, "--clear-groups",
            "--inh-caps=-all," + CAPS, "--bounding-set=-all," + CAPS, "--ambient-caps=-all," + CAPS,
            "--no-new-privs",
            "env", "MINICLOUD_RUN=" + self.run, "MINICLOUD_HOME=" + self.dir,
            NETD, "--config=/dev/null", "--allow=root", *flags)

    def start(self, *flags):
        self.netd = subprocess.Popen(self.command(*flags), stderr=self.log)
        assert wait_for(self.answers), self.logged()

    def answers(self):
        if self.netd.poll() is not None:
            raise RuntimeError("netd ended: " + self.logged())
        try:
            return self.call("GET", "/v1/health")[0] == 200
        except OSError:
            return False

    def stop(self, sig=signal.SIGTERM):
        self.netd.send_signal(sig)
        self.netd.wait(PATIENCE)
        self.netd = None

    def killed_during(self, ask, within):
        """ask() is under way when netd is killed, at any moment of the first `within` seconds; it is started again."""
        def in_vain():
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask()
        asking = threading.Thread(target=in_vain)
        asking.start()
        asking.join(random.random() * within)
        self.stop(signal.SIGKILL)
        asking.join()
        self.start()

    def logged(self):
        with open(self.log.name) as f:
            return f.read()

    def call(self, method, path, body=None):
        conn = UnixConnection(os.path.join(self.run, "netd.sock"))
        try:
            conn.request(method, path, None if body is None else json.dumps(body))
            answer = conn.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else text
        finally:
            conn.close()

    def ok(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        assert status == 200, (status, answer, self.logged()[-2000:])
        return answer

    def findings(self):
        """What is wrong with the host: {what: [finding]}; what was looked at and is good is left out."""
        found = {}
        for f in self.ok("GET", "/v1/host")["findings"]:
            assert set(f) <= {"what", "severity", "text", "remedy"} and f["text"]
            if f["severity"] != "ok":
                found.setdefault(f["what"], []).append(f)
        return found

    def metadata(self, vpc):
        return self.descriptor(op="metadata", vpc=vpc)

    def descriptor(self, **request):
        """The answer of the descriptor socket, and the socket that came with it or None."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.run, "netd-fd.sock"))
            s.sendall(json.dumps(request).encode() + b"\n")
            text, fds, _, _ = socket.recv_fds(s, 4096, 1)
            answer = json.loads(text)
            return answer, socket.socket(fileno=fds[0]) if fds else None

    def processes(self):
        """dnsmasq processes of this world."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    if b"--conf-file=" + self.run.encode() in f.read():
                        found.append(int(pid))
        return found

    def close(self):
        for guest in self.guests:
            guest.close()
        if self.netd and self.netd.poll() is None:
            self.stop()
        subprocess.run(self.command("--teardown=yes"), stderr=self.log, check=True)
        self.holder.kill()
        self.holder.wait()
        os.close(self.ns)
        self.log.close()
        shutil.rmtree(self.dir)


def acl_entry(number, action, protocol, cidr, low=None, high=None):
    ports = {} if low is None else {"from": low, "to": low if high is None else high}
    return {"number": number, "action": action, "protocol": protocol, "cidr": cidr, **ports}


class Vpc:
    """A wanted VPC document with one subnet, and its guests."""

    def __init__(self, world, cidr="172.31.0.0/16", subnet="172.31.0.0/20"):
        self.world = world
        self.id = new_id("vpc")
        self.subnet = new_id("subnet")
        self.base = subnet.rsplit(".", 1)[0]
        self.doc = {
            "generation": 0, "cidrs": [cidr], "domain": "ec2.internal", "igw": True,
            "subnets": [{"id": self.subnet, "cidr": subnet,
                         "routes": [{"destination": "0.0.0.0/0", "target": "igw"}]}],
            "security_groups": [], "enis": []}
        self.all_out = [{"protocol": "all", "cidr": "0.0.0.0/0"}]

    def group(self, ingress=(), egress=None):
        sg = {"id": new_id("sg"), "ingress": list(ingress),
              "egress": self.all_out if egress is None else egress}
        self.doc["security_groups"].append(sg)
        return sg

    def eni(self, host, *groups, public_ip=None, **more):
        eni = {"id": new_id("eni"), "subnet": self.subnet, "ip": "%s.%d" % (self.base, host),
               "groups": [g["id"] for g in groups], **more}
        eni["mac"] = mac_of(eni["id"])
        if public_ip:
            eni["public_ip"] = public_ip
        self.doc["enis"].append(eni)
        return eni

    def add_subnet(self, cidr, *routes, acl=None):
        """Another subnet, with routes as (destination, target)."""
        subnet = {"id": new_id("subnet"), "cidr": cidr, **({"acl": acl["id"]} if acl else {}),
                  "routes": [{"destination": d, "target": t} for d, t in routes]}
        self.doc["subnets"].append(subnet)
        return subnet

    def add_eni(self, subnet, ip, *groups, **more):
        eni = {"id": new_id("eni"), "subnet": subnet["id"], "ip": ip, "groups": [g["id"] for g in groups], **more}
        eni["mac"] = mac_of(eni["id"])
        self.doc["enis"].append(eni)
        return eni

    def add_acl(self, ingress=(), egress=()):
        """Entries as (number, action, protocol, cidr) and, with ports, from and to."""
        acl = {"id": new_id("acl"), "ingress": [acl_entry(*e) for e in ingress],
               "egress": [acl_entry(*e) for e in egress]}
        self.doc.setdefault("acls", []).append(acl)
        return acl

    def add_nat(self, subnet, ip, **more):
        nat = {"id": new_id("nat"), "eni": new_id("eni"), "subnet": subnet["id"], "ip": ip, **more}
        nat["mac"] = mac_of(nat["eni"])
        self.doc.setdefault("nat_gateways", []).append(nat)
        return nat

    def put(self):
        return self.world.ok("PUT", "/v1/vpcs/" + self.id, self.doc)

    def plug(self, eni):
        return self.world.call("POST", "/v1/vpcs/%s/enis/%s/plug" % (self.id, eni["id"]), {})

    def guest(self, eni, configure=True):
        (cidr,) = [s["cidr"] for s in self.doc["subnets"] if s["id"] == eni["subnet"]]
        guest = Guest(self.world, eni, cidr)
        status, answer = self.plug(eni)
        assert status == 200, answer
        assert wait_for(guest.carrier)
        if configure:
            guest.configure()
        return guest

    def delete(self):
        return self.world.ok("DELETE", "/v1/vpcs/" + self.id)


def attach_lan(world):
    """A network outside: lan0 in netd's root namespace, eth0 in a namespace, returned."""
    outside = new_namespace()
    path = "/proc/%d/fd/%d" % (os.getpid(), outside)
    world.sh("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", path)
    world.sh("ip", "addr", "add", "198.51.100.1/24", "dev", "lan0")
    world.sh("ip", "link", "set", "lan0", "up")
    for argv in (["addr", "add", "198.51.100.2/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
                 ["route", "add", "default", "via", "198.51.100.1"]):
        world.sh("nsenter", "--net=" + path, "ip", *argv)
    world.sh("ip", "route", "add", "default", "via", "198.51.100.2")
    assert wait_for(lambda: there(path, "eth0") and there("/proc/%d/ns/net" % world.holder.pid, "lan0"))
    return outside


class Guest:
    def __init__(self, world, eni, cidr="172.31.0.0/20"):
        network = ipaddress.ip_network(cidr)
        self.world, self.eni, self.ip, self.mac = world, eni, eni["ip"], eni["mac"]
        self.gateway, self.length = str(network[1]), network.prefixlen
        self.ns = new_namespace()
        self.path = "/proc/%d/fd/%d" % (os.getpid(), self.ns)
        world.guests.append(self)
        assert wait_for(lambda: tap_of(eni["id"]) not in world.sh("ip", "-o", "link")), "the kernel takes an ended guest's away"
        world.sh("ip", "link", "add", tap_of(eni["id"]), "type", "veth", "peer", "name", "eth0",
                 "address", self.mac, "netns", self.path)
        self.ip_cmd("link", "set", "lo", "up")
        self.ip_cmd("link", "set", "eth0", "up")
        self.opened = []

    def ip_cmd(self, *argv):
        subprocess.run(["nsenter", "--net=" + self.path, "ip", *argv], check=True, pass_fds=[self.ns])

    def carrier(self):
        """The kernel notices a link's carrier some time after the other end went up."""
        return there(self.path, "eth0")

    def configure(self, ip=None):
        assert wait_for(self.carrier)
        self.ip_cmd("addr", "add", "%s/%d" % (ip or self.ip, self.length), "dev", "eth0")
        self.ip_cmd("route", "add", "default", "via", self.gateway)

    def socket(self, *kind):
        with inside(self.ns):
            s = socket.socket(*kind)
        s.settimeout(PATIENCE)
        self.opened.append(s)
        return s

    def listen(self, port):
        s = self.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", port))
        s.listen(8)
        return s

    def udp(self, port=0):
        s = self.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", port))
        return s

    def udp_from(self, source, receiver, timeout=PATIENCE, port=9):
        """Does a datagram from that address of ours reach the other guest?"""
        with receiver.udp(port) as server, self.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            server.settimeout(timeout)
            client.bind((source, 0))
            client.sendto(b"x", (receiver.ip, port))
            try:
                return server.recv(10) == b"x"
            except OSError:
                return False

    def sysctl(self, name, value):
        with inside(self.ns), open("/proc/sys/" + name.replace(".", "/"), "w") as f:
            f.write(value)

    def connect(self, host, port, timeout=PATIENCE):
        """A connected socket, or None."""
        s = self.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(timeout)
        try:
            s.connect((host, port))
            return s
        except OSError:
            s.close()
            return None

    def ping(self, host, timeout=PATIENCE):
        return ping(self.ns, host, timeout)

    def packet(self):
        s = self.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        s.bind(("eth0", 0x0003))
        return s

    def close(self):
        for s in self.opened:
            s.close()
        self.opened.clear()
        if self.ns >= 0:
            os.close(self.ns)
            self.ns = -1


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp_echo(ident):
    head = struct.pack("!BBHHH", 8, 0, 0, ident, 1)
    return struct.pack("!BBHHH", 8, 0, checksum(head), ident, 1)


def echoed(s, ident, timeout):
    s.settimeout(timeout)
    while True:
        data = s.recv(1500)[20:]
        if data[0] == 0 and struct.unpack("!H", data[4:6])[0] == ident:
            return True


def ping(ns, host, timeout=PATIENCE):
    """Does the host answer? One echo request; another one where there is no answer for long."""
    ident = random.randrange(1, 65535)
    with inside(ns):
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with s:
        end = time.monotonic() + timeout
        while True:
            try:
                s.sendto(icmp_echo(ident), (host, 0))
                if echoed(s, ident, min(timeout, ASK_AGAIN)):
                    return True
            except TimeoutError:
                pass
            except OSError:  # no way there, so far
                time.sleep(0.05)
            if time.monotonic() >= end:
                return False


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def udp_frame(src_mac, dst_mac, src, dst, sport, dport, payload):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     socket.inet_aton(src), socket.inet_aton(dst))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return mac_bytes(dst_mac) + mac_bytes(src_mac) + b"\x08\x00" + ip + udp


def dhcp_message(mac, kind, xid, options=b""):
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 0, 0) + bytes(16) + mac_bytes(mac) + bytes(10)
    return head + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"


def dhcp_options(data):
    options, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return options


def dhcp_exchange(s, mac, kind, options, timeout=PATIENCE):
    """(yiaddr, options) of the answer, or None. Asks again now and then, as clients do."""
    xid = random.getrandbits(32)
    question = udp_frame(mac, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255", 68, 67, dhcp_message(mac, kind, xid, options))
    s.settimeout(0.1)
    end, again = time.monotonic() + timeout, 0
    while time.monotonic() < end:
        if time.monotonic() >= again:
            s.send(question)
            again = time.monotonic() + ASK_AGAIN
        try:
            data = s.recv(2000)
        except TimeoutError:
            continue
        if data[12:14] == b"\x08\x00" and data[23] == 17 and data[34:36] == b"\x00\x43" and \
           data[46:50] == struct.pack("!I", xid):
            return socket.inet_ntoa(data[58:62]), dhcp_options(data[42:])
    return None


def dhcp(guest, mac=None, timeout=PATIENCE):
    """A real client's DISCOVER and REQUEST; (address, options) or None."""
    mac = mac or guest.mac
    with guest.packet() as s:
        ask = bytes([55, 12, 1, 3, 6, 12, 15, 26, 42, 44, 46, 51, 54, 119])
        offer = dhcp_exchange(s, mac, 1, ask, timeout)
        if not offer:
            return None
        wanted = bytes([50, 4]) + socket.inet_aton(offer[0]) + bytes([54, 4]) + offer[1][54] + ask
        ack = dhcp_exchange(s, mac, 3, wanted, timeout)
        return ack if ack and ack[1][53] == b"\x05" else None


def ask_dns(guest, name, server, kind=1, timeout=PATIENCE):
    """The query and the whole answer, None for silence. Asks again as resolvers do."""
    query = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0)
    query += b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    query += struct.pack("!HH", kind, 1)
    s = guest.udp()
    s.settimeout(min(timeout, ASK_AGAIN))
    data, end = None, time.monotonic() + timeout
    while not data and time.monotonic() < end:
        s.sendto(query, (server, 53))
        with contextlib.suppress(OSError):
            data = s.recv(2000)
    return query, data


AAAA = 28


def dns_status(guest, name, server, kind):
    """0 for no error, 2 for a server that failed, 3 for a name that there is not."""
    return ask_dns(guest, name, server, kind)[1][3] & 15


def dns(guest, name, server, kind=1, timeout=PATIENCE):
    """Addresses (or the name, for kind 12) of the answer, [] for none, None for silence."""
    query, data = ask_dns(guest, name, server, kind, timeout)
    if not data:
        return None
    answers, at, found = struct.unpack("!H", data[6:8])[0], len(query), []
    for _ in range(answers):
        at += 2
        rtype, _, _, size = struct.unpack("!HHIH", data[at:at + 10])
        at += 10
        found.append(socket.inet_ntoa(data[at:at + 4]) if rtype == 1 else
                     label_text(data[at:at + size]))
        at += size
    return found


def label_text(data):
    parts = []
    while data and data[0] and data[0] < 64:
        parts.append(data[1:1 + data[0]].decode())
        data = data[1 + data[0]:]
    return ".".join(parts)
