"""Snapshots of volumes that a guest writes to, and what comes out of them."""

import contextlib
import os
import pathlib
import re

import pytest

from cloud import BOOT_S, NEIGHBOUR, OTHER_REGION, SHORT_S, error_of, wait_until
from test_3_volumes import serial, wait_attached, wait_gone, wait_seen, wait_volume

BULK = 8 << 20

# Writes a growing number to one volume, then to the other: at any point in time the
# first is the second, or one more.
WRITER = """i=0
while [ -e /tmp/go ]; do
    i=$((i+1))
    printf '%015d\\n' $i | dd of={a} bs=16 count=1 conv=notrunc,fsync 2>/dev/null
    printf '%015d\\n' $i | dd of={b} bs=16 count=1 conv=notrunc,fsync 2>/dev/null
done
"""


def wait_snapshot(ec2, snapshot, state="completed"):
    def reached():
        one = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        assert one["State"] in ("pending", state), one
        return one if one["State"] == state else None
    return wait_until(f"{snapshot} is {state}", reached, SHORT_S)


@pytest.fixture(scope="module")
def two(cloud, pair):
    """Two volumes attached to the first of the pair."""
    ec2, guest = cloud.client(), pair[0]
    az = guest.described["Placement"]["AvailabilityZone"]
    made = [ec2.create_volume(AvailabilityZone=az, Size=1, VolumeType="gp3")["VolumeId"] for _ in range(2)]
    for volume, device in zip(made, ("/dev/sdf", "/dev/sdg")):
        wait_volume(ec2, volume, "available")
        ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device=device)
    for volume in made:
        wait_attached(ec2, volume)
        wait_seen(guest, volume)
    yield made
    for volume in made:
        ec2.detach_volume(VolumeId=volume)
        wait_volume(ec2, volume, "available")
        ec2.delete_volume(VolumeId=volume)


def number_in(ec2, guest, snapshot, device, size=None):
    """The number that a volume made of the snapshot holds, read in a guest."""
    az = guest.described["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=az, SnapshotId=snapshot, **({"Size": size} if size else {}))["VolumeId"]
    wait_volume(ec2, volume, "available")
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device=device)
    wait_attached(ec2, volume)
    wait_seen(guest, volume)
    number = int(guest.ssh(f"sudo head -n 1 {serial(volume)}"))
    sectors = int(guest.ssh(f"cat /sys/class/block/$(basename $(readlink -f {serial(volume)}))/size"))
    assert sectors == (size or 1) * 2 ** 21
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)
    return number


def test_one_point_in_time(two, pair, ec2, cloud):
    """Both volumes while they are written to, again and again; each pair fits together and what was
    written before the call is in it."""
    guest, other = pair
    a, b = (serial(v) for v in two)
    guest.ssh("touch /tmp/go; cat > /tmp/writer", stdin=WRITER.format(a=a, b=b))
    guest.ssh("sudo sh /tmp/writer >/dev/null 2>&1 </dev/null &")
    wait_until("the writer writes", lambda: (guest.try_ssh(f"sudo head -n 1 {b}") or "").strip("\0\n").isdigit(), SHORT_S)
    sets, before = [], []
    for _ in range(3):
        before.append(int(guest.ssh(f"sudo head -n 1 {b}")))
        answer = ec2.create_snapshots(Description="both", InstanceSpecification={"InstanceId": guest.id, "ExcludeBootVolume": True})
        assert [s["VolumeId"] for s in answer["Snapshots"]] == two
        sets.append([s["SnapshotId"] for s in answer["Snapshots"]])
        for snapshot in sets[-1]:
            assert wait_snapshot(ec2, snapshot)["Progress"] == "100%"
    wait_until("the guest goes on writing", lambda: int(guest.ssh(f"sudo head -n 1 {b}")) > before[-1], SHORT_S)
    guest.ssh("rm /tmp/go")
    # The first set goes away before the others are looked at.
    for snapshot in sets[0]:
        ec2.delete_snapshot(SnapshotId=snapshot)
        assert error_of(ec2.delete_snapshot, SnapshotId=snapshot)[0] == "InvalidSnapshot.NotFound"
    for (first, second), least in list(zip(sets, before))[1:]:
        x = number_in(ec2, other, first, "/dev/sdh")
        y = number_in(ec2, other, second, "/dev/sdi", size=2)
        assert y >= least and x in (y, y + 1), (x, y, least)
    for snapshot in sets[1] + sets[2]:
        ec2.delete_snapshot(SnapshotId=snapshot)
    wait_until("storaged has none", lambda: not cloud.socket_call("storaged", "GET", "/v1/snapshots")[1]["snapshots"], SHORT_S)


def test_snapshot_of_a_root(pair, cloud, ec2):
    """By the CLI, of a running instance; incremental; copied to another region, where it lives on."""
    guest = pair[0]
    root = next(m["Ebs"]["VolumeId"] for m in guest.described["BlockDeviceMappings"]
                if m["DeviceName"] == guest.described["RootDeviceName"])
    words = ["ec2", "create-snapshot", "--volume-id", root, "--description", "root", "--tag-specifications",
             "ResourceType=snapshot,Tags=[{Key=Name,Value=mine}]"]
    first = cloud.aws(*words)
    assert first["State"] == "pending" and first["VolumeId"] == root and first["Progress"] == ""
    assert wait_snapshot(ec2, first["SnapshotId"])["Tags"] == [{"Key": "Name", "Value": "mine"}]
    second = cloud.aws(*words)["SnapshotId"]
    wait_snapshot(ec2, second)
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[second])
    stored = {s["id"]: s for s in cloud.socket_call("storaged", "GET", "/v1/snapshots")[1]["snapshots"]}
    assert stored[second]["bytes"] < stored[first["SnapshotId"]]["bytes"] or stored[second]["bytes"] < 2 << 20
    assert guest.ssh("echo alive").strip() == "alive"
    found = ec2.describe_snapshots(Filters=[{"Name": "tag:Name", "Values": ["mine"]}], OwnerIds=["self"])["Snapshots"]
    assert {s["SnapshotId"] for s in found} == {first["SnapshotId"], second}
    far = cloud.client(region=OTHER_REGION)
    copy = far.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=second, Description="far")["SnapshotId"]
    assert re.fullmatch("snap-[0-9a-f]{17}", copy)
    wait_snapshot(far, copy)
    for snapshot in (first["SnapshotId"], second):
        ec2.delete_snapshot(SnapshotId=snapshot)
    wait_until("the originals are gone", lambda: {copy} == {
        s["id"] for s in cloud.socket_call("storaged", "GET", "/v1/snapshots")[1]["snapshots"]}, SHORT_S)
    volume = far.create_volume(AvailabilityZone=OTHER_REGION + "a", SnapshotId=copy)["VolumeId"]
    wait_volume(far, volume, "available")
    far.delete_volume(VolumeId=volume)
    far.delete_snapshot(SnapshotId=copy)
    wait_gone(far, volume)


def share(ec2, snapshot, account, way="add"):
    ec2.modify_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission", OperationType=way, UserIds=[account])


def copy_policy(cloud, owner):
    """The neighbour has what this account shares copied into another region."""
    dlm = cloud.client("dlm", key_id=NEIGHBOUR["key_id"], secret=NEIGHBOUR["secret"])
    source = {"Type": "MANAGED_CWE", "Parameters": {"EventType": "shareSnapshot", "SnapshotOwner": [owner],
                                                    "DescriptionRegex": "^for the neighbour$"}}
    copies = [{"Target": OTHER_REGION, "EncryptionConfiguration": {"Encrypted": True},
               "RetainRule": {"Interval": 1, "IntervalUnit": "DAYS"}}]
    made = dlm.create_lifecycle_policy(ExecutionRoleArn="arn:aws:iam::123456789012:role/dlm", Description="copies", State="ENABLED",
                                       PolicyDetails={"PolicyType": "EVENT_BASED_POLICY", "EventSource": source,
                                                      "Actions": [{"Name": "copy", "CrossRegionCopy": copies}]})
    return dlm, made["PolicyId"]


def copied_by(cloud, dlm, policy):
    """By that policy; both are gone then."""
    far = cloud.client(region=OTHER_REGION, key_id=NEIGHBOUR["key_id"], secret=NEIGHBOUR["secret"])
    own = [{"Name": "tag:aws:dlm:lifecycle-policy-id", "Values": [policy]}, {"Name": "status", "Values": ["completed"]}]
    (copy,) = wait_until("the policy has copied it", lambda: far.describe_snapshots(OwnerIds=["self"], Filters=own)["Snapshots"], SHORT_S)
    dlm.delete_lifecycle_policy(PolicyId=policy)
    far.delete_snapshot(SnapshotId=copy["SnapshotId"])
    return copy


def test_shared_with_another_account(two, pair, ec2, cloud, neighbour):
    """It may use it from then on, and a policy of its copies it; a copy that it makes and gives back outlives the original, and a
    guest here reads what was written on the volume."""
    guest, other = pair
    own_account = ec2.describe_vpcs()["Vpcs"][0]["OwnerId"]
    guest.ssh(f"echo 000000000000042 | sudo dd of={serial(two[0])} bs=16 count=1 conv=notrunc,fsync 2>/dev/null")
    snapshot = ec2.create_snapshot(VolumeId=two[0], Description="for the neighbour")["SnapshotId"]
    wait_snapshot(ec2, snapshot)
    assert error_of(neighbour.describe_snapshots, SnapshotIds=[snapshot])[0] == "InvalidSnapshot.NotFound"
    assert error_of(neighbour.create_volume, AvailabilityZone="us-east-1a", SnapshotId=snapshot)[0] == "InvalidSnapshot.NotFound"
    policy = copy_policy(cloud, own_account)
    share(ec2, snapshot, NEIGHBOUR["account"])
    assert [s["OwnerId"] for s in neighbour.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]] == [own_account]
    volume = neighbour.create_volume(AvailabilityZone="us-east-1a", SnapshotId=snapshot)["VolumeId"]
    wait_volume(neighbour, volume, "available")
    copy = neighbour.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=snapshot)["SnapshotId"]
    wait_snapshot(neighbour, copy)
    assert copied_by(cloud, *policy)["Encrypted"]
    share(ec2, snapshot, NEIGHBOUR["account"], "remove")
    assert error_of(neighbour.create_volume, AvailabilityZone="us-east-1a", SnapshotId=snapshot)[0] == "InvalidSnapshot.NotFound"
    assert error_of(neighbour.delete_snapshot, SnapshotId=snapshot)[0] == "InvalidSnapshot.NotFound"
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert error_of(ec2.create_volume, AvailabilityZone="us-east-1a", SnapshotId=copy)[0] == "InvalidSnapshot.NotFound"
    share(neighbour, copy, own_account)
    assert number_in(ec2, other, copy, "/dev/sdh", size=2) == 42
    neighbour.delete_volume(VolumeId=volume)
    neighbour.delete_snapshot(SnapshotId=copy)
    wait_gone(neighbour, volume)


def files_of(cloud, guest, volume):
    """The chain that the guest's QEMU has open, by the kernel's word."""
    pid = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")[1]["pid"]
    names = set()
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            names.add(os.readlink(path))
    known = cloud.volumes()[volume]
    return [name for name in [known["path"], *known["backing"]] if name in names]


def allocated(cloud):
    """Bytes on the disk of all layers, in whichever chain; one that goes meanwhile has none."""
    total = 0
    for path in (cloud.home / "store").glob("lay-*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def test_chains_of_running_guests(two, pair, ec2, cloud):
    """Snapshots come and go while the guest writes; its chain is merged under it."""
    guest, volume = pair[0], two[0]
    device = serial(volume)

    def snapshots(n):
        made = []
        for k in range(n):
            guest.ssh(f"printf '%015d\\n' {k} | sudo dd of={device} bs=4k seek={k} conv=notrunc,fsync 2>/dev/null")
            made.append(ec2.create_snapshot(VolumeId=volume)["SnapshotId"])
            wait_snapshot(ec2, made[-1])
        return made
    kept, *gone = snapshots(6)
    last = gone.pop()
    for snapshot in gone:
        ec2.delete_snapshot(SnapshotId=snapshot)

    def merged():
        known = cloud.volumes()[volume]
        return len(known["backing"]) == 2 and files_of(cloud, guest, volume) == [known["path"], *known["backing"]]
    wait_until("the deleted ones are merged by the QEMU", merged, BOOT_S)
    text = guest.ssh(f"sudo sh -c 'for k in 0 1 2 3 4 5; do dd if={device} bs=4k skip=$k count=1 2>/dev/null | head -n 1; done'")
    assert [int(n) for n in text.split()] == list(range(6))
    # One that has to wait for a shorter chain is taken as soon as that is there.
    more = snapshots(14)
    wait_until("it is short again", lambda: len(cloud.volumes()[volume]["backing"]) < 12, BOOT_S)
    assert len(files_of(cloud, guest, volume)) <= 16
    text = guest.ssh(f"sudo sh -c 'for k in 0 1 5 13; do dd if={device} bs=4k skip=$k count=1 2>/dev/null | head -n 1; done'")
    assert [int(n) for n in text.split()] == [0, 1, 5, 13]
    guest.ssh(f"yes | head -c {BULK} > /tmp/bulk")
    for _ in range(4):
        guest.ssh(f"sudo dd if=/tmp/bulk of={device} bs=1M seek=64 conv=notrunc,fsync 2>/dev/null")
        more += snapshots(1)
    before = allocated(cloud)
    assert before > 4 * BULK, "each of the snapshots keeps its own"
    wait_until("the store proves right in the midst of it", lambda: cloud.store_findings() == "0 findings\n", SHORT_S)
    for snapshot in (kept, last, *more):
        ec2.delete_snapshot(SnapshotId=snapshot)

    def given_back():
        """To the disk, by the QEMU that has it open: one frozen file is left, and its top."""
        return len(cloud.volumes()[volume]["backing"]) == 1 and allocated(cloud) < before - 3 * BULK + BULK // 2
    wait_until("the space of the deleted ones comes back", given_back, BOOT_S)
    assert guest.ssh(f"sudo blockdev --flushbufs {device} && sudo dd if={device} bs=4k skip={(71 << 20) // 4096} count=1 2>/dev/null | head -n 1") == "y\n"
    guest.ssh("rm /tmp/bulk")
    assert guest.ssh("sudo dmesg | grep -c 'I/O error' || true").strip() == "0"
