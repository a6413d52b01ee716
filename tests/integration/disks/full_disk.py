"""A whole cloud whose state directory, store and databases included, lies on a small file system that fills up: guests
wait and go on, creating is refused, deleting works, daemons start, and nothing is corrupt. `make disk-trouble`; a minute."""

import contextlib
import os
import subprocess

import pytest

from cloud import BOOT_S, ROOT, SHORT_S, Cloud, Guest, run, wait_until
from test_3_full_disk import begin_to_write, check_written, status_of, status_of_volume
from test_3_volumes import wait_attached, wait_gone, wait_seen, wait_volume

SIZE_MIB = 768
WRITTEN_MIB = 64
BLOCK = 64 << 10
STOP_S = 90  # far below what a guest may take


@contextlib.contextmanager
def small_disk(file, directory):
    """An ext4 in a loop device, or a tmpfs where there is none of those."""
    with file.open("wb") as f:
        f.truncate(SIZE_MIB << 20)
    run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", file)
    done = subprocess.run(["mount", "-o", "loop", file, directory], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        print("no loop device here, a tmpfs instead:", done.stderr)
        run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}M,mode=755", "none", directory)
    try:
        yield
    finally:
        run("umount", "--lazy", directory, check=False)
        file.unlink()


class Filler:
    """A file that takes what is left."""

    def __init__(self, directory):
        self.path = directory / "filler"

    def free(self):
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    def fill(self, left_mib=0):
        """Until there is no more than that; nothing at all with 0."""
        with self.path.open("ab", buffering=0) as f:
            if left_mib and self.free() > left_mib << 20:
                os.posix_fallocate(f.fileno(), f.tell(), self.free() - (left_mib << 20))
            if not left_mib:
                self.fill_up(f)

    @staticmethod
    def fill_up(f):
        for block in (BLOCK, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * block)

    def empty(self):
        self.path.unlink()


@pytest.fixture(scope="module")
def cloud():
    it = Cloud()
    it.home.mkdir()
    with small_disk(it.directory / "disk", it.home):
        with contextlib.suppress(OSError):
            (it.home / "lost+found").rmdir()
        try:
            it.start()
            yield it
        finally:
            it.launcher("stop", "--purge", "--grace", "0", check=False)
    it.forget()


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client()


def two_guests(cloud, ec2):
    key = cloud.own / "key"
    key.write_text(ec2.create_key_pair(KeyName="tests", KeyType="ed25519")["KeyMaterial"], encoding="ascii")
    key.chmod(0o600)
    group = ec2.create_security_group(GroupName="open", Description="SSH")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    made = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=2, MaxCount=2, KeyName="tests",
                             SecurityGroupIds=[group])["Instances"]
    both = [Guest(cloud, i["InstanceId"], key) for i in made]
    for guest in both:
        cloud.wait_state(guest.id, "running")
    for guest in both:
        guest.wait_ready()
    return both


@pytest.fixture(scope="module")
def guests(cloud, ec2):
    return two_guests(cloud, ec2)


def check_store(cloud):
    """What storaged says of its store, as its user; and qemu-img of each file."""
    done = run("setpriv", "--reuid=minicloud-storaged", "--regid=minicloud", "--init-groups", ROOT / "build/minicloud-storaged",
               "--check", check=False, env=cloud.environment())
    assert (done.returncode, done.stdout) == (0, "0 findings\n"), done.stdout + done.stderr
    for path in (cloud.home / "store").glob("lay-*.qcow2"):
        run("qemu-img", "check", "-U", "-f", "qcow2", path)


def test_full_disk(cloud, ec2, guests):
    writer, other = guests
    disk = Filler(cloud.home)
    az = writer.described["Placement"]["AvailabilityZone"]
    volumes = [ec2.create_volume(AvailabilityZone=az, Size=1, VolumeType="gp3")["VolumeId"] for _ in range(4)]
    for volume in volumes:
        wait_volume(ec2, volume, "available")
    ec2.attach_volume(VolumeId=volumes[0], InstanceId=writer.id, Device="/dev/sdf")
    wait_attached(ec2, volumes[0])
    wait_seen(writer, volumes[0])
    snapshot = ec2.create_snapshot(VolumeId=volumes[1])["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    # Creating is refused, with what is kept in reserve still there.
    disk.fill(left_mib=8)
    refused = ec2.create_volume(AvailabilityZone=az, Size=1)["VolumeId"]
    wait_until("it is refused", lambda: ec2.describe_volumes(VolumeIds=[refused])["Volumes"][0]["State"] == "error", SHORT_S)
    failed = ec2.run_instances(ImageId=cloud.tiny_image(), InstanceType="t3.nano", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    wait_until("the launch fails", lambda: cloud.instance(failed)["State"]["Name"] == "terminated", BOOT_S)
    assert cloud.instance(failed)["StateReason"]["Code"] == "Server.InsufficientInstanceCapacity"
    found = cloud.minicloud("doctor", check=False)
    assert found.returncode != 0 and "no volume can be made" in found.stdout

    # A guest that writes waits; nothing at all is left.
    begin_to_write(writer, volumes[0], WRITTEN_MIB)
    wait_until("the guest is called impaired", lambda: status_of(ec2, writer) == "impaired", BOOT_S)
    assert status_of_volume(ec2, volumes[0])[0] == "impaired" and status_of_volume(ec2, volumes[2])[0] == "ok"
    disk.fill()
    assert disk.free() < 4096

    # Deleting works, again and again, on a disk that is filled up after each time.
    ec2.delete_volume(VolumeId=refused)
    wait_gone(ec2, refused)
    disk.fill()
    ec2.delete_volume(VolumeId=volumes[2])
    wait_gone(ec2, volumes[2])
    disk.fill()
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert not ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    disk.fill()
    # Daemons that are killed start again.
    for daemon in ("storaged", "hypervisor", "api"):
        os.kill(cloud.pid(daemon), 9)
        disk.fill()
        cloud.launcher("start-one", daemon)
    assert status_of(ec2, writer) == "impaired"
    disk.fill()
    ec2.delete_volume(VolumeId=volumes[3])
    wait_gone(ec2, volumes[3])
    disk.fill()
    ec2.terminate_instances(InstanceIds=[other.id])
    cloud.wait_state(other.id, "terminated")
    assert other.id not in cloud.domains()
    wait_until("what it had is gone", lambda: set(cloud.volumes()) == {volumes[0], volumes[1]} | {
        m["Ebs"]["VolumeId"] for m in writer.described["BlockDeviceMappings"]}, SHORT_S)

    # Room comes back, and the guest goes on where it was.
    disk.empty()
    wait_until("it goes on", lambda: status_of(ec2, writer) == "ok", BOOT_S)
    check_written(writer, volumes[0], WRITTEN_MIB)
    assert "waits since" not in cloud.minicloud("doctor", check=False).stdout
    made = ec2.create_volume(AvailabilityZone=az, Size=1)["VolumeId"]
    wait_volume(ec2, made, "available")
    # One that waits is not asked to stop: it would not hear it for the two minutes that a guest has.
    disk.fill(left_mib=8)
    begin_to_write(writer, volumes[0], 2 * WRITTEN_MIB)
    wait_until("the guest is called impaired", lambda: status_of(ec2, writer) == "impaired", BOOT_S)
    ec2.stop_instances(InstanceIds=[writer.id])
    cloud.wait_state(writer.id, "stopped", timeout=STOP_S)
    assert status_of_volume(ec2, volumes[0])[0] == "ok"
    disk.empty()
    ec2.detach_volume(VolumeId=volumes[0])
    wait_volume(ec2, volumes[0], "available")
    check_store(cloud)
