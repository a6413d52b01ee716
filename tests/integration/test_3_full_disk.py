"""A guest whose disk finds no room: it waits, is called impaired, and goes on when there is room again. `make disk-trouble`
has a whole cloud on a small disk."""

import hashlib
import pathlib

import pytest

from cloud import BOOT_S, run, wait_until
from test_3_volumes import serial, wait_attached, wait_gone, wait_seen, wait_volume

SMALL, LARGE = "12M", "64M"
WRITTEN_MIB = 24
LINE = b"abcdefg\n"
# The guest's own tools, in the background; the end is told by a file.
WRITER = "(yes abcdefg | head -c {size} > {device}; sync; echo done > /tmp/written) </dev/null >/dev/null 2>&1 &"


@pytest.fixture
def cramped(cloud, ec2, pair, tmp_path):
    """A volume, whose file lies on a file system of its own, of a fixed size, for the QEMU of the first of the pair; what
    runs a program where that QEMU sees its files; and the file system."""
    guest, small = pair[0], pathlib.Path(tmp_path) / "small"
    pid = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")[1]["pid"]

    def there(*words, check=True):
        return run("nsenter", f"--mount=/proc/{pid}/ns/mnt", *words, check=check)
    small.mkdir()
    there("mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=755", "none", small)
    if there("dd", "if=/dev/zero", f"of={small}/direct", "bs=4096", "count=1", "oflag=direct", check=False).returncode != 0:
        there("umount", small)
        pytest.skip("a tmpfs takes no O_DIRECT, which QEMU wants, before Linux 6.6")
    az = guest.described["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=az, Size=1, VolumeType="gp3")["VolumeId"]
    wait_volume(ec2, volume, "available")
    path = pathlib.Path(cloud.volumes()[volume]["path"])
    there("cp", "--preserve=all", "--sparse=always", path, small / path.name)
    there("mount", "--bind", small / path.name, path)
    yield volume, small, path, there
    there("mount", "-o", f"remount,size={LARGE}", small)
    if ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "in-use":
        ec2.detach_volume(VolumeId=volume)
        wait_volume(ec2, volume, "available")
    there("umount", path)
    there("umount", small)
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)


def status_of(ec2, guest):
    found = ec2.describe_instance_status(InstanceIds=[guest.id])["InstanceStatuses"][0]
    assert found["InstanceState"]["Name"] == "running" and found["SystemStatus"]["Status"] in ("ok", "initializing")
    return found["InstanceStatus"]["Status"]


def status_of_volume(ec2, volume):
    """(status, {check: its status}, event types, action codes)"""
    found = ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"][0]
    return (found["VolumeStatus"]["Status"], {d["Name"]: d["Status"] for d in found["VolumeStatus"]["Details"]},
            [e["EventType"] for e in found["Events"]], [a["Code"] for a in found["Actions"]])


def begin_to_write(guest, volume, mib):
    guest.ssh("sudo rm -f /tmp/written")
    guest.ssh(f"sudo sh -c '{WRITER.format(device=serial(volume), size=mib << 20)}'")


def check_written(guest, volume, mib):
    wait_until("all is written", lambda: (guest.try_ssh("cat /tmp/written") or "").strip() == "done", BOOT_S)
    read = guest.ssh(f"sudo sh -c 'echo 3 >/proc/sys/vm/drop_caches; head -c {mib << 20} {serial(volume)}' | md5sum")
    assert read.split()[0] == hashlib.md5(LINE * ((mib << 20) // len(LINE))).hexdigest()
    assert guest.ssh("sudo dmesg | grep -c 'I/O error' || true").strip() == "0"


def called_impaired(ec2, guest, volume):
    """It, its volume, and nothing else."""
    guests = ec2.describe_instance_status(Filters=[{"Name": "instance-status.status", "Values": ["impaired"]}])["InstanceStatuses"]
    volumes = ec2.describe_volume_status(Filters=[{"Name": "volume-status.status", "Values": ["impaired"]}])["VolumeStatuses"]
    details = [(i["InstanceId"], d["Name"], d["Status"], "ImpairedSince" in d) for i in guests for d in i["InstanceStatus"]["Details"]]
    return (details == [(guest.id, "reachability", "failed", True)] and [v["VolumeId"] for v in volumes] == [volume] and
            status_of_volume(ec2, volume) == ("impaired", {"io-enabled": "failed", "io-performance": "stalled"},
                                              ["io-performance:stalled"], []))


def test_guest_waits_for_room(cramped, ec2, cloud, pair):
    guest, (volume, small, path, there) = pair[0], cramped
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdf")
    wait_attached(ec2, volume)
    wait_seen(guest, volume)
    wait_until("the guest is heard", lambda: status_of(ec2, guest) == "ok", BOOT_S)
    assert status_of_volume(ec2, volume) == ("ok", {"io-enabled": "passed", "io-performance": "not-applicable"}, [], [])
    begin_to_write(guest, volume, WRITTEN_MIB)
    # It is tried every two seconds, and a machine that is busy may take it for well for a moment.
    wait_until("the guest is called impaired", lambda: called_impaired(ec2, guest, volume), BOOT_S)
    wait_until("the doctor says so", lambda: f"{guest.id} waits since" in cloud.minicloud("doctor", check=False).stdout, BOOT_S)
    there("mount", "-o", f"remount,size={LARGE}", small)
    wait_until("it goes on", lambda: status_of(ec2, guest) == "ok", BOOT_S)
    check_written(guest, volume, WRITTEN_MIB)
    wait_until("the volume is called well", lambda: status_of_volume(ec2, volume)[0] == "ok", BOOT_S)
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    there("qemu-img", "check", "-f", "qcow2", path)
