"""What a guest gets from its disks: file systems frozen at a snapshot. (Limits: test_3_volumes.py, `make bench BENCH=limits`.)"""

import re

from cloud import BOOT_S, wait_until
from test_3_snapshots import wait_snapshot
from test_3_volumes import serial, wait_attached, wait_gone, wait_seen, wait_volume

TEXT = "written and not yet on the disk"


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
    wait_until("the agent runs", lambda: guest.try_ssh("pidof guestagent"), BOOT_S)
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
