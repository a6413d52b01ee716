"""The lives of volumes on a guest that runs all the while, with QEMU's own agent in it."""

import contextlib
import os
import pathlib
import re
import subprocess
import time

import rooms
from cloud import BOOT_S, Cloud, Guest, run
from test_3_volumes import serial
from trial import LIFE_S, TrialCloud, insist, soon

AGENT = "/usr/sbin/qemu-ga"
# In the place of the image's own agent, which is kind enough to thaw by itself. All of it lies in memory.
INSTALL = """set -e
mount -t tmpfs none /mnt && tar -C /mnt -xf -
echo "#!/bin/sh
cd /mnt && exec ./ld.so --library-path /mnt ./qemu-ga -m virtio-serial -t /mnt -p /dev/$(cd /sys/class/virtio-ports &&
    grep -lx org.qemu.guest_agent.0 */name | cut -d/ -f1)" > /mnt/start
chmod +x /mnt/start
mount --bind /mnt/start /usr/lib/minicloud/guestagent
killall guestagent
"""
BLOCK = "64k"
BLOCKS = 12  # that a check reads
LONG = 12    # files of a chain that is pulled
# Lives that are led for these steps: the others are those of a plain life.
TOLD = {"long": ("pull",), "sealed": ("attach", "snapshot", "set", "delete"), "frozen": ("snapshot", "set")}


class TrialGuest(Guest):
    """By one connection, which is made anew when the guest is."""

    def __init__(self, cloud, instance_id, key_file, control="ssh"):
        super().__init__(cloud, instance_id, key_file)
        self.address = self.master = None
        self.control = cloud.directory / control

    def words(self, *more):
        return ["ssh", "-i", self.key_file, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                "BatchMode=yes", "-o", "LogLevel=ERROR", "-F", "none", "-o", f"ControlPath={self.control}", *more,
                f"ec2-user@{self.address}"]

    def connect(self):
        """Wait for the guest's boot; everything is lost that the connection before had."""
        self.disconnect()
        self.address = insist(self.cloud.client().describe_instances, InstanceIds=[self.id])["Reservations"][0][
            "Instances"][0]["PublicIpAddress"]
        end = time.monotonic() + BOOT_S
        while run(*self.words("-o", "ConnectTimeout=5"), "test -e /run/minicloud/ready", check=False).returncode != 0:
            assert time.monotonic() < end, "the guest does not come up"
            time.sleep(0.2)
        self.master = subprocess.Popen([str(w) for w in self.words("-M", "-N")], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        soon("one connection for all", self.control.exists, BOOT_S)

    def disconnect(self):
        if self.master:
            self.master.kill()
            self.master.wait()
        self.master = None
        with contextlib.suppress(FileNotFoundError):
            self.control.unlink()

    def ssh(self, command, stdin=None):  # pylint: disable=arguments-differ
        """A command's output. A guest that is frozen does not answer."""
        options = {"input": stdin} if stdin else {"stdin": subprocess.DEVNULL}
        done = subprocess.run([str(w) for w in self.words()] + [command], capture_output=True, check=False, timeout=BOOT_S, **options)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
        return done.stdout.decode()

    def root(self, script, stdin=None):
        return self.ssh(f"sudo sh -c '{script}'", stdin)

    # --- what lives ask

    def start_again(self, start):
        start()
        self.connect()
        self.install_agent()

    def look_alive(self):
        """One that is frozen does not write."""
        self.root("echo > /var/not-frozen; sync")

    def has(self, volume):
        return bool(self.root(f"ls {serial(volume)} 2>/dev/null || true").strip())

    def size(self, volume):
        return int(self.root(f"blockdev --getsize64 {serial(volume)}"))

    def read(self, volume):
        """The checksum of its begin."""
        soon(f"the guest sees {volume}", lambda: self.has(volume), LIFE_S)
        return self.root(f"echo 3 > /proc/sys/vm/drop_caches; dd if={serial(volume)} bs={BLOCK} count={BLOCKS} 2>/dev/null | "
                         "sha256sum").split()[0]

    def write(self, volume, number):
        """Another part of the volume; what it holds then."""
        soon("the guest sees it", lambda: self.has(volume), LIFE_S)
        self.root(f"dd if=/dev/urandom of={serial(volume)} bs={BLOCK} seek={2 * number} count=3 conv=notrunc,fsync 2>/dev/null")
        return self.read(volume)

    def install_agent(self):
        """And wait until libvirt knows that it is there."""
        self.root(INSTALL, bundle())
        soon("the guest's agent runs", lambda: self.root("pidof ld.so || true").strip(), BOOT_S)  # which runs it


def bundle():
    """The host's agent with its libraries, as a tar file."""
    listed = run("ldd", AGENT).stdout
    libraries = re.findall(r"=> (/\S+)", listed)
    loader = re.search(r"^\s*(/\S*ld-linux\S*)", listed, re.M).group(1)
    names = [AGENT, *libraries, loader]
    words = ["tar", "-chf", "-", "--transform", r"s,.*/,,;s,^ld-linux.*,ld.so,", *names]
    return subprocess.run(words, capture_output=True, check=True).stdout


class VolumeCloud(TrialCloud):
    """With the tiny image, and one guest for all lives."""

    slots = 3

    def __init__(self):
        super().__init__()
        self.guest = self.zone = self.group = None

    def prepare_home(self):
        Cloud.prepare_home(self)

    def begin_lives(self):
        super().begin_lives()
        ec2 = self.client()
        key_file = self.own / "key"
        key_file.write_text(ec2.create_key_pair(KeyName="trial", KeyType="ed25519")["KeyMaterial"], encoding="ascii")
        key_file.chmod(0o600)
        launched = ec2.run_instances(ImageId=self.image, InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="trial")["Instances"][0]
        self.zone, self.group = launched["Placement"]["AvailabilityZone"], launched["SecurityGroups"][0]["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=self.group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
        self.guest = TrialGuest(self, launched["InstanceId"], key_file)
        self.wait_state(self.guest.id, "running")
        self.guest.connect()
        self.guest.install_agent()

    def forget(self):
        if self.guest:
            self.guest.disconnect()
        super().forget()


class VolumeLife:
    """One volume from its creation to its deletion, with three snapshots of it, and one volume made of the last."""

    compares = False

    def __init__(self, cloud, executioner, references):
        self.cloud, self.executioner, self.references = cloud, executioner, references
        self.guest, self.ec2 = cloud.guest, cloud.client()
        self.prefix, self.told, self.volume, self.made = "", None, None, []
        self.revived = False  # has the guest been started again in this step?
        self.sums, self.now = {}, None  # what each snapshot holds, in the order of their making; what the volume holds now

    # --- asking

    def ask(self, call, known=(), **words):
        """known: the errors that mean that it was done before the answer was lost."""
        try:
            return insist(call, **words)
        except self.ec2.exceptions.ClientError as e:
            if e.response["Error"]["Code"] not in known:
                raise
            return None

    def described(self, volume):
        found = insist(self.ec2.describe_volumes, Filters=[{"Name": "volume-id", "Values": [volume]}])["Volumes"]
        return found[0] if found else {"State": "gone", "Attachments": []}

    def snapshots(self):
        found = insist(self.ec2.describe_snapshots, OwnerIds=["self"])["Snapshots"]
        assert all(s["State"] in ("pending", "completed") for s in found), found
        return {s["SnapshotId"]: s for s in found}

    def instance_state(self):
        found = insist(self.ec2.describe_instances, InstanceIds=[self.guest.id])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]

    # --- one step

    def step(self, name, act, reached):
        """What is asked for comes about whoever dies; then all is as it was, but for that. In a life that is led for a few steps'
        sake nobody dies in the others."""
        self.revived = False
        self.executioner.begin(self.prefix + name if self.told is None or name in self.told else "")
        act()
        soon(f"{self.prefix}{name}: its end", reached, LIFE_S)
        died = self.executioner.begin("")
        self.executioner.settle()
        if "QEMU" in died and not self.revived:
            self.start_again()
        self.look_around()

    def start_again(self):
        """Nobody has done so behind its owner's back."""
        soon("it is stopped", lambda: self.instance_state() == "stopped", LIFE_S)
        self.guest.start_again(self.start)
        self.revived = True

    def start(self):
        insist(self.ec2.start_instances, InstanceIds=[self.guest.id])
        soon("it runs again", lambda: self.instance_state() == "running", LIFE_S)

    def look_around(self):
        """One QEMU; a guest that is not frozen; its data; no block job."""
        assert len(rooms.processes(f"guest={self.guest.id},")) == 1, "not one QEMU"
        self.guest.look_alive()
        if self.now:
            found = self.guest.read(self.volume)
            assert found == self.now, f"the guest reads {found}, and wrote {self.now}"

    def job(self, volume):
        """What the guest's QEMU does with the volume's chain besides using it."""
        look = {"action": "look", "kind": "commit", "base": "/none", "top": "/none"}
        answer = self.cloud.tell("hypervisor", "POST", f"/v1/instances/{self.guest.id}/disks/{volume}/merge", look)
        return answer.get("state")

    def write(self, number):
        self.now = self.guest.write(self.volume, number)

    # --- the steps

    def live(self, token, end):
        self.prefix, self.told = "" if end == "plain" else end + " ", TOLD.get(end)
        known = set(self.snapshots())
        self.make(token, end)
        self.attach()
        if end == "frozen":
            self.snap(known)
        elif end == "long":
            self.make_long(known)
        else:
            self.snap(known)
            self.modify()
            self.delete_snapshots()
        self.detach()
        if end == "frozen":
            self.now = None
        else:
            self.restore(token)
        self.drop()

    def make(self, token, end):
        words = {"AvailabilityZone": self.cloud.zone, "Size": 1, "VolumeType": "gp2", "ClientToken": token, "Encrypted": end == "sealed"}

        def act():
            self.volume = self.ask(self.ec2.create_volume, **words)["VolumeId"]
        self.step("make", act, lambda: self.described(self.volume)["State"] == "available")
        assert self.ask(self.ec2.create_volume, **words)["VolumeId"] == self.volume, "one token made two volumes"

    def attachment(self, volume):
        return [a["State"] for a in self.described(volume)["Attachments"]]

    def attach(self):
        words = {"VolumeId": self.volume, "InstanceId": self.guest.id, "Device": "/dev/sdf"}

        def act():
            try:
                self.ask(self.ec2.attach_volume, ("VolumeInUse",), **words)
            except self.ec2.exceptions.ClientError as e:
                # The first answer was lost with the API daemon, and the guest has died since.
                if e.response["Error"]["Code"] != "IncorrectState" or "QEMU" not in self.executioner.served:
                    raise
                self.start_again()
                self.ask(self.ec2.attach_volume, ("VolumeInUse",), **words)
        self.step("attach", act, lambda: self.attachment(self.volume) == ["attached"])
        self.write(0)

    def taken(self, known):
        """The volume's snapshots that are not known, once they are completed; None before."""
        new = {i: s for i, s in self.snapshots().items() if i not in known}
        if not any(s["VolumeId"] == self.volume for s in new.values()) or any(s["State"] == "pending" for s in new.values()):
            return None
        return new

    def snap(self, known):
        """Of the volume, of all volumes of the guest at one point in time, and of the volume once more."""
        both = {"InstanceId": self.guest.id}
        for name, call, words in (("snapshot", self.ec2.create_snapshot, {"VolumeId": self.volume}),
                                  ("set", self.ec2.create_snapshots, {"InstanceSpecification": both}),
                                  (None, self.ec2.create_snapshot, {"VolumeId": self.volume})):
            before = known | set(self.sums)
            if name:
                self.step(name, lambda c=call, w=words: self.ask(c, **w), lambda b=before: self.taken(b))
            else:
                self.ask(call, **words)
                soon("the last one", lambda b=before: self.taken(b), LIFE_S)
            self.sums.update((i, self.now if s["VolumeId"] == self.volume else None) for i, s in self.taken(before).items())
            self.write(len(self.sums))

    def modify(self):
        def done():
            found = insist(self.ec2.describe_volumes_modifications, VolumeIds=[self.volume])["VolumesModifications"]
            assert not found or found[0]["ModificationState"] != "failed", found
            return found and found[0]["ModificationState"] in ("optimizing", "completed") and self.described(self.volume)["Size"] == 2
        self.step("modify", lambda: self.ask(self.ec2.modify_volume, ("IncorrectModificationState",
                                                                      "VolumeModificationRateExceeded"),
                                             VolumeId=self.volume, Size=2, VolumeType="gp3"), done)
        soon("the guest sees the size", lambda: self.guest.size(self.volume) == 2 << 30, LIFE_S)

    def merged(self, most):
        """Are no more files left under the top, by storaged's word and by QEMU's open files?"""
        known = self.cloud.tell("storaged", "GET", f"/v1/volumes/{self.volume}")
        return "backing" in known and len(known["backing"]) <= most and self.opened(known) and self.job(self.volume) != "running"

    def opened(self, known):
        chain = {known["path"], *known["backing"]}
        for pid in self.cloud.pids("QEMU"):
            names = set()
            for path in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    names.add(os.readlink(path))
            store = str(self.cloud.home / "store")
            return {n for n in names if n in chain} == chain and not any("(deleted)" in n for n in names if n.startswith(store))
        return True

    def delete_snapshots(self):
        """All but the volume's last; what stood between is merged by the QEMU."""
        last = max((s["StartTime"], i) for i, s in self.snapshots().items() if i in self.sums and s["VolumeId"] == self.volume)[1]
        gone = [i for i in self.sums if i != last]

        def act():
            for snapshot in gone:
                self.ask(self.ec2.delete_snapshot, ("InvalidSnapshot.NotFound",), SnapshotId=snapshot)
        self.step("delete", act, lambda: self.merged(1) and not set(gone) & set(self.snapshots()))
        self.sums = {last: self.sums[last]}
        self.billed_once()

    def billed_once(self):
        """What deleted ones left is borne by those that live, in storaged's records and in api's meters alike, and as the files say."""
        found = []

        def agree():
            found[:] = rooms.borne(self.cloud.home / "api/minicloud.db", self.cloud.home / "storaged/storaged.db")
            return found[0] == found[1]
        try:
            soon("what snapshots bear is metered", agree)
        except AssertionError as e:
            raise AssertionError(f"{e}: {found}") from None
        self.cloud.check_store()

    def make_long(self, known):
        """Until its chain is pulled into the volume itself."""
        for number in range(LONG - 1):
            before = known | set(self.sums)
            if number == LONG - 2:
                self.step("pull", lambda: self.ask(self.ec2.create_snapshot, VolumeId=self.volume),
                          lambda b=before: self.taken(b) and self.merged(3))  # taken twice, perhaps
            else:
                self.ask(self.ec2.create_snapshot, VolumeId=self.volume)
                soon("one more", lambda b=before: self.taken(b), LIFE_S)
            self.sums.update((i, self.now) for i in self.taken(before))
            if number % 4 == 0:
                self.write(number // 4 + 1)

    def detach(self):
        wanted, self.now = self.now, None
        self.step("detach", lambda: self.ask(self.ec2.detach_volume, ("IncorrectState",), VolumeId=self.volume),
                  lambda: self.described(self.volume)["State"] == "available")
        self.now = wanted
        assert not self.guest.has(self.volume)

    def restore(self, token):
        """The last snapshot, read in the guest: it holds what the volume held then. So does the volume now."""
        made, last = self.made, list(self.sums)[-1]
        words = {"AvailabilityZone": self.cloud.zone, "SnapshotId": last, "ClientToken": token + "-restored", "Size": 3}
        self.now, wanted = None, self.now
        self.step("restore", lambda: made.append(self.ask(self.ec2.create_volume, **words)["VolumeId"]),
                  lambda: self.described(made[0])["State"] == "available")
        for volume, what in ((made[0], self.sums[last]), (self.volume, wanted)):
            self.ask(self.ec2.attach_volume, VolumeId=volume, InstanceId=self.guest.id, Device="/dev/sdg")
            found = self.guest.read(volume)
            assert found == what, f"{volume} holds {found}, not {what}"
            self.ask(self.ec2.detach_volume, VolumeId=volume)
            soon("let go", lambda v=volume: self.described(v)["State"] == "available", LIFE_S)

    def drop(self):
        volumes = [self.volume, *self.made]

        def act():
            for volume in volumes:
                self.ask(self.ec2.delete_volume, ("InvalidVolume.NotFound", "IncorrectState"), VolumeId=volume)
            for snapshot in self.sums:
                self.ask(self.ec2.delete_snapshot, ("InvalidSnapshot.NotFound",), SnapshotId=snapshot)
        self.step("drop", act, lambda: all(self.described(v)["State"] == "gone" for v in volumes) and
                  not set(self.sums) & set(self.snapshots()))
        self.nothing_left()

    def nothing_left(self):
        """The guest's own volume, and the layers under it, are all that there is."""
        cloud, left = self.cloud, {}

        def look():
            left.clear()
            left["snapshots"] = cloud.tell("storaged", "GET", "/v1/snapshots").get("snapshots", "unknown")
            known = {v["id"]: v for v in cloud.tell("storaged", "GET", "/v1/volumes").get("volumes", ())}
            mine = {pathlib.Path(p).name for v in known.values() for p in (v["path"], *v["backing"])}
            left["files"] = {p.name for p in (cloud.home / "store").glob("lay-*")} - mine
            left["volumes"] = list(known)[1:]
            left["unwritten"] = rooms.unwritten(cloud.home / "storaged/storaged.db")
            return not any(left.values())
        try:
            soon("nothing left", look)
        except AssertionError as e:
            raise AssertionError(f"{e}: {left}") from None
        cloud.check_store()
        interfaces = insist(self.ec2.describe_network_interfaces)["NetworkInterfaces"]
        living = {self.guest.id, *cloud.volumes(), *(i["NetworkInterfaceId"] for i in interfaces)}
        wrong = rooms.misbilled(cloud.home / "api/minicloud.db", living)
        assert wrong == [], wrong
