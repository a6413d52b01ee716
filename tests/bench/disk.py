"""What a guest's disk does, against the same disk at a bare QEMU; how long a snapshot holds up its writes."""

import concurrent.futures
import statistics

import bare
from cloud import Guest, ROOT, run, wait_until
from row import Row

GIB = 64           # io2 of this size may do more than any guest here can ask for
SPAN = 128 << 20   # is written to before, so that nothing is to be allocated
SERIAL = "/dev/disk/by-id/virtio-"
WHAT = [  # what is shown, then the program's arguments
    ("sequential read, 256 KiB", "read", "seq", 256 << 10, 1024), ("sequential write, 256 KiB", "write", "seq", 256 << 10, 1024),
    ("random read, 4 KiB", "read", "rand", 4096, 6000), ("random write, 4 KiB", "write", "rand", 4096, 6000)]
CHAIN = 11         # files; a longer one would be pulled together meanwhile
PAUSE_AIM_MS = 100
PAUSE_SIZES = (1, 10, 100)
STATE_S = 120


class Disk:
    def __init__(self, bench):
        self.bench, self.cloud, self.ec2 = bench, bench.cloud, bench.ec2
        self.key = bench.directory / "disk-key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "disk", "-f", self.key)
        public = self.key.with_suffix(".pub").read_text(encoding="ascii").strip()
        self.ec2.import_key_pair(KeyName="disk", PublicKeyMaterial=public.encode())
        bench.network.metadata.values["meta-data/public-keys/0/openssh-key"] = public.encode()
        self.program = bench.directory / "io"
        run("gcc", "-std=gnu11", "-O2", "-static", "-o", self.program, ROOT / "tests" / "bench" / "io.c")
        made = self.ec2.run_instances(ImageId=bench.image, InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="disk",
                                      SecurityGroupIds=[bench.group])["Instances"][0]["InstanceId"]
        self.guest = Guest(self.cloud, made, self.key)
        self.cloud.wait_state(made, "running")
        self.volume = self.attach("/dev/sdf", VolumeType="io2", Iops=32000, Size=GIB)
        self.arguments = None

    def attach(self, device, **more):
        volume = self.ec2.create_volume(AvailabilityZone=self.guest.described["Placement"]["AvailabilityZone"], **more)["VolumeId"]
        self.wait(volume, "available")
        self.ec2.attach_volume(VolumeId=volume, InstanceId=self.guest.id, Device=device)
        self.wait(volume, "in-use")
        return volume

    def wait(self, volume, state):
        wait_until(f"{volume} is {state}", lambda: self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == state, STATE_S)

    # --- in a guest

    def prepare(self, address=None):
        """The program in the guest, when it can be logged into and has nothing else to do."""
        wait_until("it can be logged into", lambda: self.guest.ssh("test -e /run/minicloud/ready", check=False, address=address).returncode == 0,
                   STATE_S)
        text = run("base64", self.program).stdout
        self.guest.ssh("base64 -d > /tmp/io && chmod +x /tmp/io", stdin=text, address=address)

    def io(self, *words, volume=None, address=None):
        device = SERIAL + (volume or self.volume).replace("-", "")
        return float(self.guest.ssh(" ".join(["sudo", "/tmp/io", device, *map(str, words)]), address=address, timeout=300))

    def figures(self, address=None):
        """The best of three each: what else the machine does makes them worse, never better."""
        rounds = [[self.io(way, order, block, count, SPAN, address=address) for _, way, order, block, count in WHAT] for _ in range(3)]
        return [max(column) for column in zip(*rounds)]

    # --- ours and theirs

    def ours(self):
        self.cloud.wait_state(self.guest.id, "running")
        self.prepare()
        return self.figures()

    def stop(self):
        self.ec2.stop_instances(InstanceIds=[self.guest.id])
        self.cloud.wait_state(self.guest.id, "stopped")

    def learn(self):
        pid = self.cloud.socket_call("hypervisor", "GET", f"/v1/instances/{self.guest.id}")[1]["pid"]
        root = self.guest.described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        self.arguments = bare.Arguments(bare.arguments_of(pid), self.cloud.volumes()[root]["path"])

    def theirs(self):
        """A QEMU with the arguments of ours; the data disk is the very same file."""
        guest = bare.Guest(self.bench.network, 0, self.arguments, self.bench.directory)
        try:
            guest.start()
            bare.wait_all([guest])
            self.prepare(guest.address)
            return self.figures(guest.address)
        finally:
            guest.end()

    def rates(self, repeats):
        self.prepare()
        self.io("write", "seq", 1 << 20, SPAN >> 20, SPAN)  # allocated
        self.stop()
        ours, theirs = [], []
        for turn in range(repeats):
            self.ec2.start_instances(InstanceIds=[self.guest.id])
            ours.append(self.ours())
            if turn == 0:
                self.learn()  # the data disk among the arguments, since it was there at the start
            self.stop()
            theirs.append(self.theirs())
            print(f"bench: turn {turn + 1}: {ours[-1]} against {theirs[-1]}", flush=True)
        self.ec2.start_instances(InstanceIds=[self.guest.id])
        return [Row(f"{what} (median of {repeats})", statistics.median(o), statistics.median(t), "operations/s",
                    "bare QEMU, same disk", 0.97, more_is_better=True)
                for (what, *_), o, t in zip(WHAT, zip(*ours), zip(*theirs))]

    def chain(self, repeats):
        """Random reads of a volume whose data lies in many files, in turn with one whose data lies in one."""
        volume = self.attach("/dev/sdh", VolumeType="io2", Iops=32000, Size=GIB)
        device, piece = SERIAL + volume.replace("-", ""), -(-(SPAN >> 20) // CHAIN)
        wait_until("the guest sees it", lambda: self.guest.ssh(f"test -e {device}", check=False).returncode == 0, STATE_S)
        self.guest.ssh(f"yes | head -c {piece << 20} > /tmp/piece")
        for n in range(CHAIN):
            self.guest.ssh(f"sudo dd if=/tmp/piece of={device} bs=1M seek={n * piece} conv=fsync,notrunc 2>/dev/null")
            if n < CHAIN - 1:
                self.snapshot(volume)
        assert len(self.cloud.volumes()[volume]["backing"]) == CHAIN - 1
        figures = [[self.io("read", "rand", 4096, 6000, SPAN, volume=v) for v in (volume, self.volume)] for _ in range(repeats)]
        self.detach(volume)
        ours, theirs = (statistics.median(column) for column in zip(*figures))
        return Row(f"random read, 4 KiB, of a chain of {CHAIN} files (median of {repeats})", ours, theirs, "operations/s",
                   "a chain of one file", 0.97, more_is_better=True)

    def snapshot(self, volume):
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        wait_until("it is taken", lambda: self.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "completed",
                   STATE_S)

    def detach(self, volume):
        self.ec2.detach_volume(VolumeId=volume)
        self.wait(volume, "available")

    def pause(self, size):
        """The slowest write of a guest that writes all the time, while three snapshots are taken."""
        volume = self.attach("/dev/sdg", VolumeType="io2", Iops=1000 * max(4, min(size, 32)), Size=max(4, size))
        device = SERIAL + volume.replace("-", "")
        wait_until("the guest sees it", lambda: self.guest.ssh(f"test -e {device}", check=False).returncode == 0, STATE_S)
        self.io("write", "seq", 1 << 20, SPAN >> 20, SPAN, volume=volume)
        self.guest.ssh("rm -f /tmp/stop")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            writing = pool.submit(self.io, "worst", 4096, SPAN, "/tmp/stop", volume=volume)
            for _ in range(3):
                self.snapshot(volume)
            self.guest.ssh("touch /tmp/stop")
            slowest = writing.result()
        self.detach(volume)
        return Row(f"slowest write while 3 snapshots of {max(4, size)} GiB are taken", slowest, PAUSE_AIM_MS, "ms", "the aim", 1)


def measure(bench, repeats):
    """(rows, notes)"""
    disk = Disk(bench)
    rows = disk.rates(repeats)
    disk.cloud.wait_state(disk.guest.id, "running")
    disk.prepare()
    rows.append(disk.chain(repeats))
    rows += [disk.pause(size) for size in PAUSE_SIZES]
    disk.ec2.terminate_instances(InstanceIds=[disk.guest.id])
    disk.cloud.wait_state(disk.guest.id, "terminated")
    return rows, []
