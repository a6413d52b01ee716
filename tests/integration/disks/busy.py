"""Guests that do not let go of a volume: it is busy, and taken away by force. `make disk-trouble`."""

import os
import pathlib

from cloud import BOOT_S, IMAGES, IN_VAIN_S, SHORT_S, can_connect, error_of, run, wait_until
from test_3_full_disk import status_of
from test_3_volumes import serial, volume_of, wait_attached, wait_gone, wait_seen, wait_volume

BUSY_S = 90  # after 20 s it is called so
BOOT_WORD, DEAF_WORD = "cryptomgr.notests", "acpiphp.disable=1"  # of one length; with the latter the kernel hears of no unplugging


def attachment(ec2, volume):
    return volume_of(ec2, volume)["Attachments"][0]


def boot_id(guest):
    return guest.ssh("cat /proc/sys/kernel/random/boot_id")


def reboot(ec2, guest):
    before = boot_id(guest)
    ec2.reboot_instances(InstanceIds=[guest.id])

    def is_new():
        found = guest.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
        return found.returncode == 0 and found.stdout != before
    wait_until("it has booted again", is_new, BOOT_S)
    guest.wait_ready()


def place_of_boot_words(directory):
    """Where on the tiny image's disk the words lie that its boot loader gives the kernel."""
    start = directory / "boot-part"
    run("qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=32", f"if={IMAGES / 'minicloud-tiny.qcow2'}", f"of={start}")
    content = start.read_bytes()
    start.unlink()
    assert content.count(BOOT_WORD.encode()) == 1
    return content.index(BOOT_WORD.encode())


def boot_with(cloud, guest, word):
    root = next(m["Ebs"]["VolumeId"] for m in guest.described["BlockDeviceMappings"]
                if m["DeviceName"] == guest.described["RootDeviceName"])
    guest.ssh(f"printf {word} | sudo dd of={serial(root)} bs=1 seek={place_of_boot_words(cloud.own)} conv=notrunc,fsync 2>/dev/null")


def is_open(cloud, guest, path):
    """Has its QEMU the file open, by the kernel's word?"""
    pid = cloud.socket_call("hypervisor", "GET", f"/v1/instances/{guest.id}")[1]["pid"]
    return path in {os.readlink(p) for p in pathlib.Path(f"/proc/{pid}/fd").iterdir() if p.exists()}


def attach(ec2, guest, volume):
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdf")
    wait_attached(ec2, volume)


def new_volume(ec2, guest):
    """One that the guest has, with a word on it."""
    volume = ec2.create_volume(AvailabilityZone=guest.described["Placement"]["AvailabilityZone"], Size=1)["VolumeId"]
    wait_volume(ec2, volume, "available")
    attach(ec2, guest, volume)
    wait_seen(guest, volume)
    guest.ssh(f"echo kept | sudo dd of={serial(volume)} bs=512 count=1 conv=sync,fsync 2>/dev/null")
    return volume


def busy(cloud, ec2, guest, other, volume):
    """It is asked for and not given."""
    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"
    wait_until("it is busy", lambda: attachment(ec2, volume)["State"] == "busy", BUSY_S)
    assert [v["VolumeId"] for v in ec2.describe_volumes(Filters=[
        {"Name": "attachment.status", "Values": ["busy"]}])["Volumes"]] == [volume]
    assert volume_of(ec2, volume)["State"] == "in-use"
    assert error_of(ec2.attach_volume, VolumeId=volume, InstanceId=other.id, Device="/dev/sdf")[0] == "VolumeInUse"
    assert error_of(ec2.delete_volume, VolumeId=volume)[0] == "VolumeInUse"
    assert cloud.volumes()[volume]["opened_by"] == [guest.id]


def force(cloud, ec2, guest, volume):
    path = cloud.volumes()[volume]["path"]
    assert is_open(cloud, guest, path)
    ec2.detach_volume(VolumeId=volume, Force=True)
    wait_volume(ec2, volume, "available")
    assert not volume_of(ec2, volume)["Attachments"]
    assert cloud.volumes()[volume]["opened_by"] == [] and not is_open(cloud, guest, path)


def lent_to(ec2, other, volume):
    """Another guest finds on it what was written, and gives it back."""
    attach(ec2, other, volume)
    wait_seen(other, volume)
    assert other.ssh(f"sudo head -n 1 {serial(volume)}") == "kept\n"
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")


def delete(ec2, volume):
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)


def test_deaf_guest(cloud, ec2, pair):
    """One whose kernel knows of no hot-plug: its requests fail from then on, it lives, and the device is gone after its reboot."""
    guest, other = pair
    volume = new_volume(ec2, guest)
    boot_with(cloud, guest, DEAF_WORD)
    reboot(ec2, guest)
    wait_seen(guest, volume)
    busy(cloud, ec2, guest, other, volume)
    assert guest.ssh(f"sudo head -n 1 {serial(volume)}") == "kept\n", "busy is in use"
    force(cloud, ec2, guest, volume)
    failed = guest.ssh(f"sudo blockdev --flushbufs {serial(volume)}; sudo head -n 1 {serial(volume)}", check=False)
    assert failed.returncode != 0 and "Input/output error" in failed.stderr, failed
    failed = guest.ssh(f"echo lost | sudo dd of={serial(volume)} bs=512 count=1 conv=sync,fsync", check=False)
    assert failed.returncode != 0 and "Input/output error" in failed.stderr, failed
    assert status_of(ec2, guest) != "impaired"
    lent_to(ec2, other, volume)
    # The device is in the way of the same volume until the guest is reset.
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdf")
    os.kill(cloud.pid("hypervisor"), 9)
    cloud.launcher("start-one", "hypervisor")
    snapshot = ec2.create_snapshot(VolumeId=guest.described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert attachment(ec2, volume)["State"] == "attaching" and not is_open(cloud, guest, cloud.volumes()[volume]["path"])
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    boot_with(cloud, guest, BOOT_WORD)
    reboot(ec2, guest)
    wait_seen(guest, volume, False)
    attach(ec2, guest, volume)
    wait_seen(guest, volume)
    assert guest.ssh(f"sudo head -n 1 {serial(volume)}") == "kept\n"
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    delete(ec2, volume)


def test_dead_guest(cloud, ec2, pair):
    """One whose kernel has died, and stays so: what it had is free for others, and it can be started again."""
    guest, other = pair
    volume = new_volume(ec2, guest)
    boot = boot_id(guest)
    guest.ssh("sudo sh -c 'echo 0 > /proc/sys/kernel/panic; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 </dev/null &'")
    address = guest.public_ip
    wait_until("the guest is dead", lambda: not can_connect(address, 22, IN_VAIN_S), BOOT_S)
    busy(cloud, ec2, guest, other, volume)
    force(cloud, ec2, guest, volume)
    lent_to(ec2, other, volume)
    ec2.stop_instances(InstanceIds=[guest.id], Force=True)
    cloud.wait_state(guest.id, "stopped")
    attach(ec2, guest, volume)
    ec2.start_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    assert boot_id(guest) != boot
    wait_seen(guest, volume)
    assert guest.ssh(f"sudo head -n 1 {serial(volume)}") == "kept\n"
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available", SHORT_S)
    delete(ec2, volume)
