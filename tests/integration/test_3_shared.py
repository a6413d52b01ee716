"""Multi-Attach: two guests write and read one volume."""

import os

import pytest

from cloud import SHORT_S, error_of, run, wait_until
from test_3_volumes import serial, volume_of, wait_gone, wait_seen, wait_volume

LONG_S = 300


def states(ec2, volume):
    return {a["InstanceId"]: a["State"] for a in volume_of(ec2, volume)["Attachments"]}


def clones(cloud):
    """Can the file system of the store clone files? Then a volume in use has snapshots, too (`make disk-trouble`)."""
    (cloud.own / "one").write_bytes(b"x" * 4096)
    return run("cp", "--reflink=always", cloud.own / "one", cloud.own / "two", check=False).returncode == 0


def write(guest, volume, block, text):
    guest.ssh(f"echo {text} | sudo dd of={serial(volume)} bs=4096 seek={block} count=1 conv=sync,fsync,notrunc 2>/dev/null")


def read(guest, volume, block):
    """From the disk, not from what the guest keeps of it in memory."""
    return guest.ssh(f"sudo blockdev --flushbufs {serial(volume)} && "
                     f"sudo dd if={serial(volume)} bs=4096 skip={block} count=1 2>/dev/null | head -n 1")


def modified(ec2, volume, **what):
    ec2.modify_volume(VolumeId=volume, **what)

    def state():
        found = ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]
        assert found["ModificationState"] != "failed", found
        return found["ModificationState"] == "completed" and found
    return wait_until(f"{volume} is modified", state, LONG_S)


# The zeros of an encrypted one are written when it is made: minutes on a slow disk, so that this is `make shared-volumes`.
@pytest.mark.parametrize("encrypted", [False, pytest.param(True, marks=pytest.mark.skipif(
    "MINICLOUD_LONG" not in os.environ, reason="only make shared-volumes"))])
def test_two_guests_one_volume(cloud, pair, ec2, encrypted):
    one, other = pair
    az = one.described["Placement"]["AvailabilityZone"]
    assert other.described["Placement"]["AvailabilityZone"] == az
    assert error_of(ec2.create_volume, AvailabilityZone=az, Size=4, VolumeType="gp3", MultiAttachEnabled=True)[0] == \
        "InvalidParameterCombination"
    made = ec2.create_volume(AvailabilityZone=az, Size=4, VolumeType="io2", Iops=100, MultiAttachEnabled=True, Encrypted=encrypted)
    volume = made["VolumeId"]
    assert made["MultiAttachEnabled"]
    wait_volume(ec2, volume, "available", LONG_S)
    for guest in pair:
        ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdm")
    wait_until("both have it", lambda: states(ec2, volume) == {one.id: "attached", other.id: "attached"}, SHORT_S)
    assert error_of(ec2.attach_volume, VolumeId=volume, InstanceId=one.id, Device="/dev/sdn")[0] == "VolumeInUse"
    assert error_of(ec2.detach_volume, VolumeId=volume)[0] == "InvalidParameterCombination"
    if not clones(cloud):
        assert error_of(ec2.create_snapshot, VolumeId=volume)[0] == "IncorrectState"
        assert error_of(ec2.create_snapshots, InstanceSpecification={"InstanceId": one.id, "ExcludeBootVolume": True})[0] == "IncorrectState"
        assert not ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "volume-id", "Values": [volume]}])["Snapshots"]
    assert error_of(ec2.create_snapshots, InstanceSpecification={"InstanceId": one.id})[0] == "IncorrectState"
    for guest in pair:
        wait_seen(guest, volume)
    write(one, volume, 0, "from one")
    write(other, volume, 1, "from other")
    assert (read(other, volume, 0), read(one, volume, 1)) == ("from one\n", "from other\n")
    write(other, volume, 0, "over it")
    assert read(one, volume, 0) == "over it\n"
    assert error_of(ec2.modify_volume, VolumeId=volume, MultiAttachEnabled=False)[0] == "IncorrectState"
    assert error_of(ec2.modify_volume, VolumeId=volume, VolumeType="gp3")[0] == "InvalidParameterCombination"
    modified(ec2, volume, Size=5)
    for guest in pair:
        wait_until("each sees it grow", lambda g=guest: g.ssh(f"sudo blockdev --getsize64 {serial(volume)}") == f"{5 << 30}\n", SHORT_S)
    ec2.detach_volume(VolumeId=volume, InstanceId=one.id)
    wait_until("one has let go", lambda: states(ec2, volume) == {other.id: "attached"}, SHORT_S)
    assert volume_of(ec2, volume)["State"] == "in-use" and read(other, volume, 1) == "from other\n"
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ec2.delete_snapshot(SnapshotId=snapshot)
    if not encrypted:
        for_one_alone(ec2, pair, volume)
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)


def for_one_alone(ec2, pair, volume):
    """Multi-Attach is disabled, and what both had written is there for one."""
    found = modified(ec2, volume, MultiAttachEnabled=False)
    assert found["OriginalMultiAttachEnabled"] and not found["TargetMultiAttachEnabled"]
    assert not volume_of(ec2, volume)["MultiAttachEnabled"]
    one, other = pair
    ec2.attach_volume(VolumeId=volume, InstanceId=one.id, Device="/dev/sdm")
    wait_until("one has it", lambda: states(ec2, volume) == {one.id: "attached"}, SHORT_S)
    assert error_of(ec2.attach_volume, VolumeId=volume, InstanceId=other.id, Device="/dev/sdm")[0] == "VolumeInUse"
    assert error_of(ec2.modify_volume, VolumeId=volume, MultiAttachEnabled=True)[0] == "IncorrectState"
    wait_seen(one, volume)
    assert (read(one, volume, 0), read(one, volume, 1)) == ("over it\n", "from other\n")
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
