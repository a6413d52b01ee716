"""Twenty instances launched at the same time while packets are sent at them, from inside their VPC and from outside: from
their first moment until their kernels answer nothing reaches them but what their security group lets in, none of them says
a word outside its VPC, and none runs before its interface is where it belongs. `make launch-window`; LAUNCHES=N for another
number."""

import base64
import collections
import concurrent.futures
import contextlib
import ctypes
import http.client
import json
import os
import select
import socket
import struct
import subprocess
import threading

import pytest

from cloud import BOOT_S, ROOT, Cloud, Guest, run, wait_until

LAUNCHES = int(os.environ.get("LAUNCHES", "20"))
TYPE, MEMORY_MIB = "t2.nano", 128
OPEN, CLOSED = 7, 9   # UDP ports
FIRST_HOST = 100      # of the addresses asked for
PAUSE_MS = 20         # between two rounds of packets to all
PATIENCE_S = 8 * BOOT_S
ALL_FRAMES = 3        # ETH_P_ALL
OUTGOING = 4          # PACKET_OUTGOING: from the kernel to a device
LOOPBACK = 772        # ARPHRD_LOOPBACK
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="session")
def cloud():
    """With a type so small that many fit in anywhere."""
    it = Cloud()
    try:
        it.prepare_home()
        it.launcher("start", "--config", small_types(it.own))
        it.running = True
        it.read_credentials()
        yield it
    finally:
        it.launcher("stop", "--purge", "--grace", "0", check=False)
        it.forget()


def small_types(directory):
    """A configuration whose TYPE has little memory."""
    known = json.loads((ROOT / "deploy/instance-types.json").read_text(encoding="ascii"))
    for row in known["types"]:
        if row["type"] == TYPE:
            row["memory_mib"] = MEMORY_MIB
    types, configuration = directory / "types.json", directory / "window.conf"
    types.write_text(json.dumps(known), encoding="ascii")
    configuration.write_text(f"[api]\ninstance_types = {types}\n", encoding="ascii")
    for path in (types, configuration):
        path.chmod(0o644)
    return configuration


# --- who looks


def in_namespace(path, make):
    """What make() answers inside that network namespace."""
    home, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(path, os.O_RDONLY)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0
        return make()
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home), os.close(there)


def frames(*program):
    """A packet socket with a classic BPF program of (code, jt, jf, k)."""
    code = b"".join(struct.pack("HBBI", *row) for row in program)
    memory = ctypes.create_string_buffer(code)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
    s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", len(program), ctypes.addressof(memory)))  # SO_ATTACH_FILTER
    s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
    with contextlib.suppress(BlockingIOError):  # what came before the filter
        while True:
            s.recv(1, socket.MSG_DONTWAIT)
    return s


DIRECTION, DEVICE = (0x30, 0, 0, 0xfffff004), (0x28, 0, 0, 0xfffff01c)  # SKF_AD_PKTTYPE, SKF_AD_HATYPE
TAKE, LEAVE = (0x06, 0, 0, 2048), (0x06, 0, 0, 0)


def is_equal(value, yes, no):
    return (0x15, yes, no, value)


def from_devices():
    return frames(DIRECTION, is_equal(OUTGOING, 2, 0), DEVICE, is_equal(LOOPBACK, 0, 1), LEAVE, TAKE)


def to_devices():
    """All but what is sent to the open port, in IPv4 without options."""
    return frames(DIRECTION, is_equal(OUTGOING, 0, 8), (0x28, 0, 0, 12), is_equal(0x0800, 0, 5), (0x30, 0, 0, 23),
                  is_equal(socket.IPPROTO_UDP, 0, 3), (0x28, 0, 0, 36), is_equal(OPEN, 0, 1), LEAVE, TAKE, LEAVE)


def unreachable():
    """ICMP errors that come out of devices: a guest's own kernel answers what came to its open port."""
    return frames(DIRECTION, is_equal(OUTGOING, 7, 0), (0x28, 0, 0, 12), is_equal(0x0800, 0, 5), (0x30, 0, 0, 23),
                  is_equal(socket.IPPROTO_ICMP, 0, 3), (0x30, 0, 0, 34), is_equal(3, 0, 1), TAKE, LEAVE)


def kind_of(frame):
    """(what it is, who sends it)."""
    if frame[12:14] == b"\x08\x06":
        return "arp", "-"
    if frame[12:14] != b"\x08\x00" or len(frame) < 38:
        return frame[12:14].hex(), "-"
    source, (sport, dport) = socket.inet_ntoa(frame[26:30]), struct.unpack("!HH", frame[34:38])
    if frame[23] == socket.IPPROTO_UDP:
        return {67: "dhcp", 53: "dns"}.get(sport, f"udp {dport}"), source
    if frame[23] == socket.IPPROTO_TCP and (source, sport) == ("169.254.169.254", 80):
        return "metadata", source
    return f"protocol {frame[23]}", source


EXPECTED = {"arp", "dhcp", "dns", "metadata"}


class Watch(threading.Thread):
    """All that goes into taps and comes out of them, here and in the VPC."""

    def __init__(self, vpc_namespace):
        super().__init__(daemon=True)
        self.here = from_devices()
        self.to, self.errors = (in_namespace(vpc_namespace, make) for make in (to_devices, unreachable))
        self.into = collections.Counter()    # (tap, kind, source): frames on their way into a guest
        self.answered = set()                # taps whose guests' kernels have answered
        self.strays = collections.Counter()  # tap: frames of guests in the host's own namespace
        self.over, self.lost = threading.Event(), 0

    def run(self):
        """To the last frame that has come when it is over."""
        while (ready := self.ready()) or not self.over.is_set():
            for s in ready:
                frame, (device, *_) = s.recvfrom(2048)
                if device.startswith("mt"):
                    self.note(s, device, frame)
        for s in (self.here, self.to):
            self.lost += struct.unpack("II", s.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS

    def ready(self):
        return select.select([self.here, self.to, self.errors], [], [], 0 if self.over.is_set() else 0.5)[0]

    def note(self, s, tap, frame):
        if s is self.to:
            self.into[tap, *kind_of(frame)] += 1
        elif s is self.errors:
            self.answered.add(tap)
        else:
            self.strays[tap] += 1

    def end(self):
        assert self.is_alive()
        self.over.set()
        self.join()

    def senders(self, tap, kind):
        return {source for t, k, source in list(self.into) if (t, k) == (tap, kind)}


class Events(threading.Thread):
    """Which interfaces netd had plugged when the hypervisor said that an instance runs."""

    def __init__(self, cloud, vpc):
        super().__init__(daemon=True)
        self.cloud, self.vpc, self.plugged = cloud, vpc, {}
        connection = http.client.HTTPConnection("d", timeout=None)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(cloud.run / "hypervisor.sock"))
        connection.request("GET", "/v1/events")
        self.answer = connection.getresponse()
        assert b"resync" in self.answer.readline()

    def run(self):
        for line in self.answer:
            event = json.loads(line)
            if event["event"] == "running":
                self.plugged.setdefault(event["instance"], self.plugged_now())

    def plugged_now(self):
        vpc = self.cloud.socket_call("netd", "GET", f"/v1/vpcs/{self.vpc}")[1]
        return {e["id"] for e in vpc["enis"] if e["plugged"]}


# --- who sends


@contextlib.contextmanager
def saying(guest, directory, inside, outside):
    """The guest sends to both ports of all of the first addresses over and over, this machine to the others."""
    program = directory / "say"
    run("gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, ROOT / "tests/integration/window/say.c")
    guest.ssh("base64 -d > /tmp/say && chmod +x /tmp/say", stdin=base64.b64encode(program.read_bytes()).decode())
    guest.ssh(f"/tmp/say {PAUSE_MS} {' '.join(inside)} >/dev/null 2>&1 </dev/null &")
    with subprocess.Popen([program, str(PAUSE_MS), *outside]) as here:
        try:
            yield
        finally:
            here.kill()


@pytest.fixture
def sender(cloud, key_file, open_group):
    made = cloud.client().run_instances(ImageId=cloud.tiny_image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="tests",
                                        SecurityGroupIds=[open_group])["Instances"][0]
    guest = Guest(cloud, made["InstanceId"], key_file)
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    return guest


def launch(ec2, image, subnet, group, address):
    """The instance and its interface."""
    made = ec2.run_instances(ImageId=image, InstanceType=TYPE, MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[group],
                             PrivateIpAddress=address)["Instances"][0]
    return made["InstanceId"], made["NetworkInterfaces"][0]["NetworkInterfaceId"]


def tap_of(eni):
    return "mt" + eni.split("-")[1][:13]


def open_to(ec2, group, port):
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="udp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0")


def test_twenty_launches(cloud, ec2, sender, tmp_path, capsys):
    shown, image = sender.described, cloud.tiny_image()
    subnet, vpc = shown["SubnetId"], shown["VpcId"]
    group = ec2.create_security_group(GroupName="window", Description="one port", VpcId=vpc)["GroupId"]
    open_to(ec2, group, OPEN)
    inside = [f"{sender.private_ip.rpartition('.')[0]}.{FIRST_HOST + n}" for n in range(LAUNCHES)]
    outside = [f"{sender.public_ip.rpartition('.')[0]}.{n}" for n in range(1, 3 * LAUNCHES)]
    watch, control = Watch(cloud.run / "netns" / vpc), Watch(cloud.run / "netns" / vpc)
    events = Events(cloud, vpc)
    watch.start(), events.start()
    with saying(sender, tmp_path, inside, outside):
        with concurrent.futures.ThreadPoolExecutor(LAUNCHES) as pool:
            made = dict(pool.map(lambda a: launch(ec2, image, subnet, group, a), inside))
        taps = {tap_of(eni) for eni in made.values()}
        for instance in made:
            cloud.wait_state(instance, "running", timeout=PATIENCE_S)
        wait_until("all guests answer what is allowed", lambda: taps <= watch.answered, PATIENCE_S)
        wait_until("all have been heard to run", lambda: set(made) <= set(events.plugged), BOOT_S)
        watch.end()
        # Who looks is not blind: what is allowed from now on is seen to come to all of them, from both sides.
        control.start()
        open_to(ec2, group, CLOSED)
        wait_until("the other port's packets are seen, too", lambda: all(
            {sender.private_ip} < control.senders(tap, f"udp {CLOSED}") for tap in taps), BOOT_S)
        control.end()
    kinds = collections.Counter()
    for (tap, kind, source), count in watch.into.items():
        if tap in taps:
            kinds[kind if kind in EXPECTED else f"{kind} from {source}"] += count
    with capsys.disabled():
        print(f"\n{len(made)} launches; into them went {dict(kinds)}; out into the host: {sum(watch.strays.values())}; "
              f"plugged when they ran: {sum(eni in events.plugged[i] for i, eni in made.items())}")
    assert not watch.lost, "frames that nobody looked at"
    assert not set(kinds) - EXPECTED
    assert not watch.strays, "guests' frames in the host's own namespace"
    assert not {i for i, eni in made.items() if eni not in events.plugged[i]}, "ran before it was plugged"
