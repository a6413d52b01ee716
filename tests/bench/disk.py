"""What a guest's disk does, turn by turn against the same disk at a bare QEMU that runs beside it; how long a snapshot holds up
its writes."""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import bare
from cloud import Guest, ROOT, run, wait_until
from monitor import Monitor, THERE
from row import Row

TYPE = "t2.nano"   # of one processor: with two it is chance which of them serves the disk, for as long as a guest runs
GIB = 64           # io2 of this size may do more than any guest here can ask for
SPAN = 128 << 20   # is written to before, so that nothing is to be allocated
SERIAL = "/dev/disk/by-id/virtio-"
WHAT = [  # what is shown, then a turn's line
    ("sequential read, 256 KiB", "read seq 262144"), ("sequential write, 256 KiB", "write seq 262144"),
    ("random read, 4 KiB", "read rand 4096"), ("random write, 4 KiB", "write rand 4096")]
BOOTS = 4          # of both, since guests differ from boot to boot
PAIRS = 10         # of turns in each
TURN_S = 0.3
CHAINS = (2, 4, 8, 11)  # files; a longer one would be pulled together meanwhile
ALONE_PAIRS = 30
CHAIN_PAIRS = 20
AIM = 0.97
PAUSE_AIM_MS = 100
PAUSE_SIZES = (1, 10, 100)
STATE_S = 120
PLAIN = "plaindisk"


def processor_time(pid):
    """Seconds that all threads of a process, those that have ended too, have had a processor (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def pin(pid):
    """All its threads, and those to come, on the host's last processor: on several it is chance again which of them share one."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {max(os.sched_getaffinity(0))})


class Server:
    """The program that waits in a guest for turns, and the guest's QEMU."""

    def __init__(self, guest, address, volume, pid):
        """volume: or another disk's serial."""
        self.pid = pid
        pin(pid)
        command = f"sudo /tmp/io {SERIAL}{volume.replace('-', '')} serve {SPAN}"
        self.process = subprocess.Popen([*guest.ssh_words(address), command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)

    def turn(self, line, seconds=TURN_S):
        """Operations a second by the guest's clock, and by the processor time that its QEMU took."""
        before = processor_time(self.pid)
        self.process.stdin.write(f"{line} {seconds}\n")
        count, took = self.process.stdout.readline().split()
        worked = processor_time(self.pid) - before
        return int(count) / float(took), int(count) / worked

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def pair(ours, theirs, line, number):
    """A turn each; who begins changes. ((by the clock, by processor time), the same of theirs)"""
    if number % 2:
        there = theirs.turn(line)
        return ours.turn(line), there
    here = ours.turn(line)
    return here, theirs.turn(line)


class Pairs:
    """Those of one kind of load."""

    def __init__(self):
        self.boots = []

    def ratios(self, way):
        return [[ours[way] / theirs[way] for ours, theirs in boot] for boot in self.boots]

    def row(self, what, way, against):
        """By the clock (0), or by processor time (1)."""
        ours, theirs = (statistics.median(p[side][way] for boot in self.boots for p in boot) for side in (0, 1))
        unit = "operations/s" + (" of work" if way else "")
        return Row(what, ours, theirs, unit, against, AIM, more_is_better=True, paired=self.ratio(way))

    def ratio(self, way):
        """The median of all pairs, and its standard error: from boot to boot, or from pair to pair where there was one."""
        boots = self.ratios(way)
        samples = [statistics.median(b) for b in boots] if len(boots) > 1 else boots[0]
        return statistics.median(r for boot in boots for r in boot), 1.25 * statistics.stdev(samples) / len(samples) ** 0.5

    def note(self, what, way):
        ratios = self.ratios(way)
        low, _, high = statistics.quantiles([r for boot in ratios for r in boot], n=4)
        boots = "; by boot " + ", ".join(f"{statistics.median(b):.3f}" for b in ratios) if len(ratios) > 1 else ""
        return f"{what}{', by processor time' if way else ''}: half of the pairs from {low:.3f} to {high:.3f}{boots}"


class Disk:
    def __init__(self, bench):
        self.bench, self.cloud, self.ec2 = bench, bench.cloud, bench.ec2
        self.key = bench.directory / "disk-key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "disk", "-f", self.key)
        public = self.key.with_suffix(".pub").read_text(encoding="ascii").strip()
        self.ec2.import_key_pair(KeyName="disk", PublicKeyMaterial=public.encode())
        bench.network.metadata.values["meta-data/public-keys/0/openssh-key"] = public.encode()
        self.program = bench.directory / "io"
        run("gcc", "-std=gnu11", "-O2", "-static", "-s", "-o", self.program, ROOT / "tests" / "bench" / "io.c")
        made = self.ec2.run_instances(ImageId=bench.image, InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="disk",
                                      CreditSpecification={"CpuCredits": "unlimited"},
                                      SecurityGroupIds=[bench.group])["Instances"][0]["InstanceId"]
        self.guest = Guest(self.cloud, made, self.key)
        self.cloud.wait_state(made, "running")
        self.volume = self.attach("/dev/sdf", VolumeType="io2", Iops=32000, Size=GIB)
        self.copy = self.cloud.home / "bare-disk"  # beside the store: on the same medium
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

    def io(self, *words, volume=None):
        device = SERIAL + (volume or self.volume).replace("-", "")
        return float(self.guest.ssh(" ".join(["sudo", "/tmp/io", device, *map(str, words)]), timeout=300))

    def fill(self, volume):
        wait_until("the guest sees it", lambda: self.guest.ssh(f"test -e {SERIAL}{volume.replace('-', '')}", check=False).returncode == 0,
                   STATE_S)
        self.io("write", "seq", 1 << 20, SPAN >> 20, SPAN, volume=volume)

    # --- ours and theirs

    def pid(self):
        return self.cloud.socket_call("hypervisor", "GET", f"/v1/instances/{self.guest.id}")[1]["pid"]

    def start(self):
        self.ec2.start_instances(InstanceIds=[self.guest.id])
        self.cloud.wait_state(self.guest.id, "running")

    def stop(self):
        self.ec2.stop_instances(InstanceIds=[self.guest.id])
        self.cloud.wait_state(self.guest.id, "stopped")

    def plain(self, node):
        """The data disk as one types it: a copy of the file, past the page cache; nothing is looked at for zeros or given back."""
        path = self.cloud.volumes()[self.volume]["path"]
        if node.get("filename") == path:
            shutil.copyfile(path, self.copy)  # what is not allocated is so in the qcow2 file, which has no holes
            self.nodes = {node["node-name"]}
            node["filename"] = str(self.copy)
        elif node.get("file") not in self.nodes:
            return
        node.pop("discard", None)
        node.pop("detect-zeroes", None)

    nodes = frozenset()

    def learn(self):
        """While it is off after this: the data disk among the arguments, since it was there at the start."""
        root = self.guest.described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        self.arguments = bare.Arguments(bare.arguments_of(self.pid()), self.cloud.volumes()[root]["path"], self.plain)

    @contextlib.contextmanager
    def both(self, number):
        """Our guest and a bare one beside it, newly booted; the first one is not always the same."""
        other = bare.Guest(self.bench.network, 0, self.arguments, self.bench.directory)
        order = [self.start, other.start]
        try:
            for begin in order[::-1] if number % 2 else order:
                begin()
            self.prepare()
            self.prepare(other.address)
            servers = [Server(self.guest, self.guest.public_ip, self.volume, self.pid()),
                       Server(self.guest, other.address, self.volume, other.process.pid)]
            try:
                yield servers
            finally:
                for server in servers:
                    server.close()
        finally:
            other.end()
            self.stop()

    def rates(self):
        self.prepare()
        self.fill(self.volume)
        self.stop()
        self.start()
        self.prepare()
        self.learn()
        self.stop()
        found = {line: Pairs() for _, line in WHAT}
        for number in range(BOOTS):
            with self.both(number) as (ours, theirs):
                for _, line in WHAT:
                    pair(ours, theirs, line, 0)  # warm
                    found[line].boots.append([pair(ours, theirs, line, n) for n in range(PAIRS)])
            print(f"bench: boot {number + 1}:", *(f"{statistics.median(found[line].ratios(way)[-1]):.3f}" for way in (0, 1)
                                                  for _, line in WHAT), flush=True)
        rows = [found[line].row(what, way, "bare QEMU beside it") for way in (0, 1) for what, line in WHAT]
        return rows, [found[line].note(what, way) for way in (0, 1) for what, line in WHAT]

    # --- in one and the same guest

    def plug_plain(self):
        """The copy as a disk of our running guest, as one types it, which neither minicloud nor libvirt know of."""
        known, monitor = os.stat(self.cloud.volumes()[self.volume]["path"]), Monitor(self.cloud, self.guest)
        os.chown(self.copy, known.st_uid, known.st_gid)
        self.copy.chmod(0o660)
        direct = {"direct": True, "no-flush": False}
        monitor.ask("blockdev-add", driver="file", node_name="plain-file", filename=str(self.copy), aio="threads", cache=direct)
        monitor.ask("blockdev-add", driver="qcow2", node_name="plain", file="plain-file", cache=direct)
        monitor.ask("device_add", driver="virtio-blk-pci", id=PLAIN, bus=monitor.free_port(), drive="plain", serial=PLAIN,
                    **{"write-cache": "on"})
        wait_until("the guest sees it", lambda: self.guest.ssh(f"test -e {SERIAL}{PLAIN}", check=False).returncode == 0, STATE_S)

    def unplug_plain(self):
        Monitor(self.cloud, self.guest).ask("device_del", id=PLAIN)
        wait_until("the guest lets go of it", lambda: self.guest.ssh(f"test -e {SERIAL}{PLAIN}", check=False).returncode != 0, STATE_S)

    def alone(self):
        """Our disk against a plain one beside it, both of one guest: what a guest's boot does to it is the same for both."""
        shutil.copyfile(self.cloud.volumes()[self.volume]["path"], self.copy)  # the guest is off
        self.start()
        self.prepare()
        if not THERE:
            print("bench: without virsh (libvirt-clients) there is no plain disk in the same guest", flush=True)
            return [], []
        self.plug_plain()
        servers = [Server(self.guest, self.guest.public_ip, v, self.pid()) for v in (self.volume, PLAIN)]
        rows, notes = [], []
        for what, line in WHAT:
            pairs = Pairs()
            pair(*servers, line, 0)  # warm
            pairs.boots.append([pair(*servers, line, n) for n in range(ALONE_PAIRS)])
            rows += [pairs.row(what, way, "a plain disk, same guest") for way in (0, 1)]
            notes += [pairs.note(what + ", same guest", way) for way in (0, 1)]
        for server in servers:
            server.close()
        self.unplug_plain()
        return rows, notes

    def chained(self, files):
        """A volume whose data lies in so many files."""
        volume = self.attach("/dev/sdh", VolumeType="io2", Iops=32000, Size=GIB)
        device, piece = SERIAL + volume.replace("-", ""), -(-(SPAN >> 20) // files)
        wait_until("the guest sees it", lambda: self.guest.ssh(f"test -e {device}", check=False).returncode == 0, STATE_S)
        for n in range(files):
            self.guest.ssh(f"yes | head -c {piece << 20} | sudo dd of={device} bs=1M iflag=fullblock seek={n * piece} conv=fsync,notrunc "
                           "2>/dev/null")
            if n < files - 1:
                self.snapshot(volume)
        assert len(self.cloud.volumes()[volume]["backing"]) == files - 1
        return volume

    def chain(self, files):
        """Random reads of it, in turn with a volume whose data lies in one, in one and the same guest."""
        volume, pairs, what = self.chained(files), Pairs(), f"random read, 4 KiB, of a chain of {files} files"
        servers = [Server(self.guest, self.guest.public_ip, v, self.pid()) for v in (volume, self.volume)]
        pair(*servers, "read rand 4096", 0)
        pairs.boots.append([pair(*servers, "read rand 4096", n) for n in range(CHAIN_PAIRS)])
        for server in servers:
            server.close()
        self.detach(volume)
        return [pairs.row(what, way, "a chain of one file, same guest") for way in (0, 1)], [pairs.note(what, way) for way in (0, 1)]

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
        self.fill(volume)
        self.guest.ssh("rm -f /tmp/stop")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            writing = pool.submit(self.io, "worst", 4096, SPAN, "/tmp/stop", volume=volume)
            for _ in range(3):
                self.snapshot(volume)
            self.guest.ssh("touch /tmp/stop")
            slowest = writing.result()
        self.detach(volume)
        return Row(f"slowest write while 3 snapshots of {max(4, size)} GiB are taken", slowest, PAUSE_AIM_MS, "ms", "the aim", 1)


def measure(bench):
    """(rows, notes)"""
    disk = Disk(bench)
    rows, notes = disk.rates()
    more, spread = disk.alone()
    rows, notes = rows + more, notes + spread
    for files in CHAINS:
        more, spread = disk.chain(files)
        rows, notes = rows + more, notes + spread
    rows += [disk.pause(size) for size in PAUSE_SIZES]
    disk.ec2.terminate_instances(InstanceIds=[disk.guest.id])
    disk.cloud.wait_state(disk.guest.id, "terminated")
    return rows, [f"ratios: medians of {BOOTS * PAIRS} pairs of turns of {TURN_S} s, {BOOTS} boots; in the same guest {ALONE_PAIRS} pairs; of chains "
                  f"{CHAIN_PAIRS}; ± the standard error",
                  "of work: by the processor time of the guest's QEMU, all threads", *notes]
