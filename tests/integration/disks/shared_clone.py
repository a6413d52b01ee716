"""A whole cloud whose store lies on a file system that can clone files (XFS): a volume that two guests write to has a snapshot of
one point in time. `make disk-trouble`."""

import contextlib
import shutil

import pytest

from cloud import SHORT_S, Cloud, error_of, run, wait_until
from full_disk import two_guests
from test_3_volumes import serial, wait_gone, wait_seen, wait_volume

SIZE_MIB = 1024
# Writes a growing number to one block, then to the next: at any point in time the first is the second, or one more. A guest's kernel
# writes pages: two guests' blocks may not be in one. What is on the disk for sure is told by a file: to read the disk is to read what
# the guest has of it in memory.
WRITER = """i=0
while [ -e /tmp/go ]; do
    i=$((i+1))
    printf '%015d\\n' $i | dd of={device} bs=4096 seek={first} count=1 conv=sync,notrunc,fsync 2>/dev/null
    printf '%015d\\n' $i | dd of={device} bs=4096 seek={second} count=1 conv=sync,notrunc,fsync 2>/dev/null
    echo $i > /tmp/written.new && mv /tmp/written.new /tmp/written
done
"""


@pytest.fixture(scope="module")
def cloud():
    it = Cloud()
    it.home.mkdir()
    file = it.directory / "disk"
    with file.open("wb") as f:
        f.truncate(SIZE_MIB << 20)
    if not shutil.which("mkfs.xfs"):
        pytest.skip("no mkfs.xfs (xfsprogs)")
    run("mkfs.xfs", "-q", file)
    if run("mount", "-o", "loop", file, it.home, check=False).returncode != 0:
        pytest.skip("no loop devices, or no XFS in this kernel")
    try:
        it.start()
        yield it
    finally:
        it.launcher("stop", "--purge", "--grace", "0", check=False)
        run("umount", "--lazy", it.home, check=False)
        it.forget()


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client()


@pytest.fixture(scope="module")
def guests(cloud, ec2):
    return two_guests(cloud, ec2)


def written(guest):
    return int(guest.ssh("cat /tmp/written"))


def number(guest, volume, block):
    return int(guest.ssh(f"sudo blockdev --flushbufs {serial(volume)} && "
                         f"sudo dd if={serial(volume)} bs=4096 skip={block} count=1 2>/dev/null | head -n 1"))


def attach(ec2, guest, volume, device):
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device=device)
    wait_until("it is attached", lambda: guest.id in {
        a["InstanceId"] for a in ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"] if a["State"] == "attached"}, SHORT_S)
    wait_seen(guest, volume)


def test_snapshot_of_a_shared_volume_in_use(cloud, ec2, guests):
    """Both write all the time; each one's pair fits together in the snapshot, and what was written before the call is in it."""
    az = guests[0].described["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=az, Size=4, VolumeType="io2", Iops=1000, MultiAttachEnabled=True)["VolumeId"]
    wait_volume(ec2, volume, "available")
    for n, guest in enumerate(guests):
        attach(ec2, guest, volume, "/dev/sdf")
        words = WRITER.format(device=serial(volume), first=2 * n, second=2 * n + 1)
        guest.ssh("touch /tmp/go; cat > /tmp/writer", stdin=words)
        guest.ssh("sudo sh /tmp/writer >/dev/null 2>&1 </dev/null &")
    for guest in guests:
        wait_until("the writers write", lambda g=guest: g.ssh("test -e /tmp/written", check=False).returncode == 0, SHORT_S)
    taken = []
    one = {"InstanceId": guests[0].id}
    ways = (lambda: ec2.create_snapshot(VolumeId=volume)["SnapshotId"],
            lambda: ec2.create_snapshots(InstanceSpecification={**one, "ExcludeBootVolume": True})["Snapshots"][0]["SnapshotId"])
    for turn in range(3):
        least = [written(guest) for guest in guests]
        taken.append((ways[turn % 2](), least))
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[taken[-1][0]], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert all(written(guest) > least for guest, least in zip(guests, taken[0][1])), "they went on writing"
    assert error_of(ec2.create_snapshots, InstanceSpecification=one)[0] == "IncorrectState", "its moment is not that of the root"
    assert error_of(ec2.create_image, **one, Name="shared", NoReboot=True)[0] == "IncorrectState"
    for guest in guests:
        guest.ssh("rm /tmp/go")
    for snapshot, least in taken:
        restored = ec2.create_volume(AvailabilityZone=az, SnapshotId=snapshot)["VolumeId"]
        wait_volume(ec2, restored, "available")
        attach(ec2, guests[1], restored, "/dev/sdg")
        found = [number(guests[1], restored, block) for block in range(4)]
        for n in range(2):
            assert found[2 * n + 1] >= least[n] and found[2 * n] - found[2 * n + 1] in (0, 1), (found, least)
        ec2.detach_volume(VolumeId=restored)
        wait_volume(ec2, restored, "available")
        ec2.delete_volume(VolumeId=restored)
        ec2.delete_snapshot(SnapshotId=snapshot)
        wait_gone(ec2, restored)
    with contextlib.suppress(FileNotFoundError):
        assert not list((cloud.home / "store").glob("*.part"))
