"""What a guest gets from its volumes, against what their types promise: the load is the guest's own, counted in its own
time, and always more than the limit."""

import contextlib
import dataclasses
import pathlib
import sqlite3
import time

from cloud import Guest, ROOT, run, wait_until
from row import Row

SERIAL = "/dev/disk/by-id/virtio-"
STATE_S = 120
MIB = 1 << 20
NEAR = 0.1
NARROW, WIDE = 4096, 256 << 10  # of operations, of bytes
CREDITS = 6000                  # a burst that ends while it is watched


@dataclasses.dataclass
class Promise:
    """A volume, what is left of its burst (None: all), and what it is to do a second."""
    what: str
    volume: dict
    limit: float
    octets: bool = False
    credits: int | None = None
    way: str = "read"


PROMISES = [
    Promise("io1 of 100 IOPS", {"VolumeType": "io1", "Size": 4, "Iops": 100}, 100),
    Promise("io2 of 600 IOPS", {"VolumeType": "io2", "Size": 4, "Iops": 600}, 600),
    Promise("io2 of 600 IOPS, writing", {"VolumeType": "io2", "Size": 4, "Iops": 600}, 600, way="write"),
    Promise("gp3, 125 MiB/s", {"VolumeType": "gp3", "Size": 1}, 125, octets=True),
    Promise("gp3, 3,000 IOPS", {"VolumeType": "gp3", "Size": 1}, 3000),
    Promise("gp2 of 100 GiB, without credits", {"VolumeType": "gp2", "Size": 100}, 300, credits=0),
    Promise("gp2 of 1 GiB, without credits", {"VolumeType": "gp2", "Size": 1}, 100, credits=0),
    Promise("gp2 of 1 GiB, with credits", {"VolumeType": "gp2", "Size": 1}, 3000),
    Promise("standard, without credits", {"VolumeType": "standard", "Size": 1}, 100, credits=0),
    Promise("standard, with credits", {"VolumeType": "standard", "Size": 1}, 300),
    Promise("st1 of 125 GiB, without credits", {"VolumeType": "st1", "Size": 125}, 40 * 125 / 1024, octets=True, credits=0),
    Promise("st1 of 125 GiB, with credits", {"VolumeType": "st1", "Size": 125}, 250 * 125 / 1024, octets=True),
    Promise("sc1 of 125 GiB, without credits", {"VolumeType": "sc1", "Size": 125}, 12 * 125 / 1024, octets=True, credits=0),
    Promise("sc1 of 125 GiB, with credits", {"VolumeType": "sc1", "Size": 125}, 80 * 125 / 1024, octets=True),
]


class Load:
    """A guest with the program that loads a disk (tests/integration/guest/ioload.c)."""

    def __init__(self, bench):
        self.bench, self.cloud, self.ec2 = bench, bench.cloud, bench.ec2
        key = bench.directory / "limits-key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "limits", "-f", key)
        public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
        self.ec2.import_key_pair(KeyName="limits", PublicKeyMaterial=public.encode())
        made = self.ec2.run_instances(ImageId=bench.image, InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="limits",
                                      SecurityGroupIds=[bench.group])["Instances"][0]["InstanceId"]
        self.guest = Guest(self.cloud, made, key)
        self.cloud.wait_state(made, "running")
        self.guest.wait_ready()
        program = bench.directory / "ioload"
        run("gcc", "-std=gnu11", "-O2", "-static", "-pthread", "-o", program, ROOT / "tests/integration/guest/ioload.c")
        self.guest.ssh("base64 -d > /tmp/ioload && chmod +x /tmp/ioload", stdin=run("base64", program).stdout)

    def wait(self, volume, state):
        wait_until(f"{volume} is {state}", lambda: self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == state, STATE_S)

    def leave_credits(self, volume, credits_left):
        """What is left of its burst, put into the database as the API daemon notes it."""
        self.cloud.launcher("stop-one", "api")
        path = pathlib.Path(self.cloud.home) / "api" / "minicloud.db"
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("INSERT OR REPLACE INTO burst (volume, credits, at, given, operations, bytes) VALUES (?, ?, ?, ?, 0, 0)",
                       (volume, credits_left, time.time_ns(), credits_left))
        self.cloud.launcher("start-one", "api")

    @contextlib.contextmanager
    def attached(self, credits_left=None, **volume):
        made = self.ec2.create_volume(AvailabilityZone=self.guest.described["Placement"]["AvailabilityZone"], **volume)["VolumeId"]
        self.wait(made, "available")
        if credits_left is not None:
            self.leave_credits(made, credits_left)
        self.ec2.attach_volume(VolumeId=made, InstanceId=self.guest.id, Device="/dev/sdf")
        wait_until("the guest sees it", lambda: self.guest.ssh(f"test -e {SERIAL}{made.replace('-', '')}", check=False).returncode == 0, STATE_S)
        yield made
        self.ec2.detach_volume(VolumeId=made)
        self.wait(made, "available")
        self.ec2.delete_volume(VolumeId=made)

    def count(self, volume, seconds, way="read", size=NARROW):
        """Operations, and the guest's seconds."""
        words = ["sudo", "/tmp/ioload", SERIAL + volume.replace("-", ""), way, size, 8, seconds, 256]
        operations, ms = self.guest.ssh(" ".join(map(str, words)), timeout=300).split()[:2]
        return int(operations), int(ms) / 1000

    def rate(self, volume, promise):
        """Operations or MiB a second. What the limit lets through at once is taken before, with what was earned
        while the API daemon started."""
        size = WIDE if promise.octets else NARROW
        self.count(volume, 1 if promise.credits is None else 6, promise.way, size)
        operations, seconds = self.count(volume, 8, promise.way, size)
        return operations / seconds * (size / MIB if promise.octets else 1)

    def row(self, promise, volume):
        unit = "MiB/s" if promise.octets else "IOPS"
        return Row(promise.what, self.rate(volume, promise), promise.limit, unit, "what the type promises", None, within=NEAR)

    def kept(self, promise):
        with self.attached(promise.credits, **promise.volume) as volume:
            return self.row(promise, volume)

    def burst_ends(self):
        """All credits are spent, then the baseline is left."""
        promise = Promise(f"gp2 of 1 GiB, after {CREDITS:,} credits", {}, 100)
        with self.attached(CREDITS, VolumeType="gp2", Size=1) as volume:
            operations, seconds = self.count(volume, 10)
            spent = Row(f"gp2 of 1 GiB with {CREDITS:,} credits: what it does in {seconds:.0f} s", operations, CREDITS + 100 * seconds,
                        "operations", "the credits and the baseline", None, within=NEAR)
            return [spent, self.row(promise, volume)]

    def modify(self, volume, promise):
        self.ec2.modify_volume(VolumeId=volume, **promise.volume)
        wait_until("it is modified", lambda: self.ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0][
            "ModificationState"] == "completed", STATE_S)
        return self.row(promise, volume)

    def modified(self):
        """The same QEMU, another limit."""
        with self.attached(VolumeType="io1", Size=8, Iops=100) as volume:
            return [self.modify(volume, Promise(f"{what}, modified in use", changed, limit, octets)) for what, changed, limit, octets in (
                ("io1 to 400 IOPS", {"Iops": 400}, 400, False), ("io1 to gp3, 125 MiB/s", {"VolumeType": "gp3"}, 125, True),
                ("gp3 to io2 of 200 IOPS", {"VolumeType": "io2", "Iops": 200}, 200, False))]


def measure(bench):
    """(rows, notes)"""
    load = Load(bench)
    rows = [load.kept(promise) for promise in PROMISES] + load.burst_ends() + load.modified()
    load.ec2.terminate_instances(InstanceIds=[load.guest.id])
    load.cloud.wait_state(load.guest.id, "terminated")
    return rows, []
