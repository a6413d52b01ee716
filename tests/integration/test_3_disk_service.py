"""What a guest gets from its disks: file systems frozen at a snapshot, and the limits of volume types."""

import re
import time

from cloud import BOOT_S, SHORT_S, wait_until
from test_3_snapshots import wait_snapshot
from test_3_volumes import serial, wait_attached, wait_gone, wait_seen, wait_volume

TEXT = "written and not yet on the disk"
WINDOW_S = 3


def az_of(guest):
    return guest.described["Placement"]["AvailabilityZone"]


def root_of(guest):
    return next(m["Ebs"]["VolumeId"] for m in guest.described["BlockDeviceMappings"]
                if m["DeviceName"] == guest.described["RootDeviceName"])


def switches(cloud, guest):
    """Whether each snapshot of the guest's disks so far found it frozen: yes or no, of the hypervisor's log."""
    text = (cloud.home / "log" / "hypervisor.log").read_text(encoding="utf-8", errors="replace")
    return re.findall(rf"disks switched instance={guest.id} frozen=(\w+)", text)


def attached(ec2, guest, device, **volume):
    made = ec2.create_volume(AvailabilityZone=az_of(guest), **volume)["VolumeId"]
    wait_volume(ec2, made, "available")
    ec2.attach_volume(VolumeId=made, InstanceId=guest.id, Device=device)
    wait_attached(ec2, made)
    wait_seen(guest, made)
    return made


def remove(ec2, volume):
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)


def test_file_system_is_frozen(cloud, ec2, pair):
    """What was written a moment before and is in the guest's memory alone is in the snapshot, whose file
    system needs no recovery; an agent that sleeps keeps nobody from having a snapshot."""
    guest, other = pair
    wait_until("the agent runs", lambda: guest.ssh("pidof guestagent", check=False).stdout.strip(), BOOT_S)
    before = len(switches(cloud, guest))

    def frozen():
        """A snapshot, until one found the agent at the other end."""
        guest.ssh(f"echo '{TEXT}' > /home/ec2-user/late")
        made = ec2.create_snapshot(VolumeId=root_of(guest))["SnapshotId"]
        wait_snapshot(ec2, made)
        if switches(cloud, guest)[-1] == "yes":
            return made
        ec2.delete_snapshot(SnapshotId=made)
        return None
    snapshot = wait_until("a snapshot finds the file system frozen", frozen, BOOT_S)
    assert len(switches(cloud, guest)) > before
    volume = attached(ec2, other, "/dev/sdm", SnapshotId=snapshot)
    # noload: what is only in the journal would not be seen.
    read = other.ssh(f"sudo mount -t ext4 -o ro,noload {serial(volume)}-part1 /mnt && cat /mnt/home/ec2-user/late; sudo umount /mnt")
    assert read.strip() == TEXT
    remove(ec2, volume)
    ec2.delete_snapshot(SnapshotId=snapshot)
    guest.ssh("sudo kill -STOP $(pidof guestagent)")
    slept = ec2.create_snapshot(VolumeId=root_of(guest))["SnapshotId"]
    wait_snapshot(ec2, slept)
    assert switches(cloud, guest)[-1] == "no"
    guest.ssh("sudo kill -CONT $(pidof guestagent); sync; echo awake > /home/ec2-user/late; sync")
    ec2.delete_snapshot(SnapshotId=slept)
    assert guest.ssh("cat /home/ec2-user/late").strip() == "awake"


def counters(cloud, guest, volume):
    """(operations, bytes, when) of one disk, as its QEMU counts them."""
    began = time.monotonic()
    status, answer = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}/stats")
    now = (began + time.monotonic()) / 2
    assert status == 200, answer
    disks = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")[1]["disks"]
    target = next(d["target"] for d in disks if d["volume"] == volume)
    disk = next(d for d in answer["instances"][0]["disks"] if d["target"] == target)
    return disk["reads"] + disk["writes"], disk["read_bytes"] + disk["written_bytes"], now


def rate(cloud, guest, volume, size):
    """(operations, bytes) a second while the guest always has some of this size waiting."""
    go = f"/tmp/go-{volume}"
    reader = f"while [ -e {go} ]; do dd if={serial(volume)} of=/dev/null bs={size} count=64 iflag=direct 2>/dev/null; done"
    guest.ssh(f"touch {go}; for n in 1 2 3 4; do sudo sh -c '{reader}' >/dev/null 2>&1 </dev/null & done")
    start = counters(cloud, guest, volume)
    # What the limit lets through at once at the beginning is over.
    wait_until("it reads", lambda: counters(cloud, guest, volume)[0] > start[0] + 20, SHORT_S)
    first = counters(cloud, guest, volume)
    time.sleep(WINDOW_S)  # the window that is looked at
    last = counters(cloud, guest, volume)
    guest.ssh(f"rm {go}")
    return [(last[i] - first[i]) / (last[2] - first[2]) for i in (0, 1)]


def test_limits_bite(cloud, ec2, pair):
    """io1 by operations, changed while it is used, and sc1 by bytes (its burst: 80 MiB/s for each TiB): what
    QEMU lets through is the limit, within a tenth."""
    guest = pair[0]
    volume = attached(ec2, guest, "/dev/sdn", VolumeType="io1", Size=8, Iops=100)
    operations, _ = rate(cloud, guest, volume, 4096)
    assert 90 <= operations <= 110, operations
    ec2.modify_volume(VolumeId=volume, Iops=200)
    wait_until("it is changed", lambda: ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0][
        "ModificationState"] in ("optimizing", "completed"), SHORT_S)
    operations, _ = rate(cloud, guest, volume, 4096)
    assert 180 <= operations <= 220, operations
    remove(ec2, volume)
    volume = attached(ec2, guest, "/dev/sdn", VolumeType="sc1", Size=125)
    _, octets = rate(cloud, guest, volume, 1 << 20)
    assert 0.9 <= octets / (80 * 125 / 1024 * 2 ** 20) <= 1.1, octets
    remove(ec2, volume)
