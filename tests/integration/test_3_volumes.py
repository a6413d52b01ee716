"""Volumes as a guest sees them: plugged in while it runs, at launch, kept or gone at the end."""

import base64

import pytest

from cloud import BOOT_S, ROOT, SHORT_S, Guest, error_of, run, wait_until

GIB = 1 << 30


def serial(volume):
    return "/dev/disk/by-id/virtio-" + volume.replace("-", "")


def volume_of(ec2, volume):
    return ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


def wait_volume(ec2, volume, state, seconds=SHORT_S):
    wait_until(f"{volume} is {state}", lambda: volume_of(ec2, volume)["State"] == state, seconds)


def wait_gone(ec2, volume):
    wait_until(f"{volume} is gone", lambda: not ec2.describe_volumes(
        Filters=[{"Name": "volume-id", "Values": [volume]}])["Volumes"], SHORT_S)
    assert error_of(ec2.describe_volumes, VolumeIds=[volume])[0] == "InvalidVolume.NotFound"


def wait_attached(ec2, volume, state="attached"):
    wait_until(f"{volume} is {state}",
               lambda: [a["State"] for a in volume_of(ec2, volume)["Attachments"]] == ([state] if state else []), SHORT_S)


def wait_seen(guest, volume, seen=True):
    wait_until(f"the guest {'sees' if seen else 'has let go of'} {volume}",
               lambda: guest.try_ssh(f"test -e {serial(volume)} && echo seen || echo gone") == ("seen\n" if seen else "gone\n"), SHORT_S)


@pytest.fixture
def volume(ec2, pair, request):
    """A new volume where the pair is."""
    token = request.node.name
    az = pair[0].described["Placement"]["AvailabilityZone"]
    made = ec2.create_volume(AvailabilityZone=az, Size=1, VolumeType="gp3", ClientToken=token,
                             TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}])
    again = ec2.create_volume(AvailabilityZone=az, Size=1, VolumeType="gp3", ClientToken=token,
                              TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}])
    assert again["VolumeId"] == made["VolumeId"] and made["State"] == "creating"
    wait_volume(ec2, made["VolumeId"], "available")
    return made["VolumeId"]


def refused(ec2, guest):
    """A volume of another zone, a device that has one (by each of its names), a name that is none."""
    here = guest.described["Placement"]["AvailabilityZone"]
    volumes = [ec2.create_volume(AvailabilityZone=az, Size=1)["VolumeId"]
               for az in (here, here[:-1] + ("b" if here.endswith("a") else "a"))]
    for volume in volumes:
        wait_volume(ec2, volume, "available")
    assert error_of(ec2.attach_volume, VolumeId=volumes[1], InstanceId=guest.id, Device="/dev/sdg")[0] == "InvalidVolume.ZoneMismatch"
    for device in ("/dev/sdf", "/dev/xvdf", "xvdf", "/dev/xvda", "/dev/rubbish"):
        assert error_of(ec2.attach_volume, VolumeId=volumes[0], InstanceId=guest.id, Device=device)[0] == "InvalidParameterValue", device
    for volume in volumes:
        ec2.delete_volume(VolumeId=volume)


def test_attach_and_detach(volume, pair, ec2, cloud):
    """What one guest writes, the next one reads; the CLI's words all the way."""
    one, other = pair
    answer = cloud.aws("ec2", "attach-volume", "--volume-id", volume, "--instance-id", one.id, "--device", "/dev/sdf")
    assert answer["State"] == "attaching" and answer["Device"] == "/dev/sdf"
    assert error_of(ec2.attach_volume, VolumeId=volume, InstanceId=other.id, Device="/dev/sdf")[0] == "VolumeInUse"
    assert error_of(ec2.delete_volume, VolumeId=volume)[0] == "VolumeInUse"
    refused(ec2, one)
    wait_attached(ec2, volume)
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume])
    wait_seen(one, volume)
    assert int(one.ssh(f"sudo blockdev --getsize64 {serial(volume)}")) == GIB
    one.ssh(f"echo written by one | sudo dd of={serial(volume)} bs=512 count=1 conv=sync,fsync 2>/dev/null")
    mapping = {m["DeviceName"]: m["Ebs"] for m in one.described["BlockDeviceMappings"]}["/dev/sdf"]
    assert mapping["VolumeId"] == volume and mapping["Status"] == "attached" and not mapping["DeleteOnTermination"]
    assert cloud.volumes()[volume]["opened_by"] == [one.id]
    answer = cloud.aws("ec2", "detach-volume", "--volume-id", volume)
    assert answer["State"] == "detaching"
    wait_volume(ec2, volume, "available")
    wait_seen(one, volume, False)
    assert cloud.volumes()[volume]["opened_by"] == []
    ec2.attach_volume(VolumeId=volume, InstanceId=other.id, Device="/dev/xvdf")
    wait_attached(ec2, volume)
    wait_seen(other, volume)
    assert other.ssh(f"sudo head -n 1 {serial(volume)}") == "written by one\n"
    # A file system in use goes too, as a cable would be pulled.
    other.ssh(f"sudo sh -c 'mke2fs {serial(volume)} && mount {serial(volume)} /mnt && cd /mnt && sync' >/dev/null 2>&1",
              check=False)
    ec2.detach_volume(VolumeId=volume, InstanceId=other.id, Device="/dev/xvdf", Force=True)
    wait_volume(ec2, volume, "available")
    other.ssh("sudo umount -l /mnt", check=False)
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume])
    wait_until("storaged has it no more", lambda: volume not in cloud.volumes(), SHORT_S)


@pytest.fixture(scope="module")
def launched(cloud, key_file, open_group):
    """An instance with a larger root, a volume that stays and an instance store."""
    ec2 = cloud.client()
    answer = ec2.run_instances(
        ImageId=cloud.tiny_image(), InstanceType="m1.small", MinCount=1, MaxCount=1, KeyName="tests",
        SecurityGroupIds=[open_group], BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 3, "VolumeType": "gp3"}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}},
            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}])
    guest = Guest(cloud, answer["Instances"][0]["InstanceId"], key_file)
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    return guest


def disks(guest):
    """The sizes in GiB of the guest's disks, by their serials."""
    lines = guest.ssh("cd /sys/block; for d in vd*; do echo $(cat $d/serial) $(cat $d/size); done").splitlines()
    return {name: int(size) * 512 // GIB for name, size in map(str.split, lines)}


def test_launch_mappings(launched, cloud, ec2):
    """The root file system has grown to its disk; the others are there."""
    volumes = {m["DeviceName"]: m["Ebs"] for m in launched.described["BlockDeviceMappings"]}
    assert sorted(volumes) == ["/dev/sdf", "/dev/xvda"]
    sizes = disks(launched)
    assert sizes.pop(volumes["/dev/xvda"]["VolumeId"].replace("-", "")) == 3
    assert sizes.pop(volumes["/dev/sdf"]["VolumeId"].replace("-", "")) == 1
    assert list(sizes.values()) == [160], "the instance store, which no call shows"
    assert int(launched.ssh("df -k / | tail -n 1").split()[1]) > 2.7 * GIB / 1024
    assert len(ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [launched.id]}])["Volumes"]) == 2


def write_all(guest, paths):
    for path, text in paths.items():
        guest.ssh(f"echo {text} | sudo dd of={path} bs=512 count=1 conv=sync,fsync,notrunc 2>/dev/null")


def test_stop_keeps_volumes_and_empties_the_store(launched, cloud, ec2):
    store = next("/dev/disk/by-id/virtio-" + name for name, size in disks(launched).items() if size == 160)
    data = next(m["Ebs"]["VolumeId"] for m in launched.described["BlockDeviceMappings"] if m["DeviceName"] == "/dev/sdf")
    write_all(launched, {store: "scratch", serial(data): "kept"})
    boot = launched.ssh("cat /proc/sys/kernel/random/boot_id")
    launched.ssh("sudo reboot", check=False)
    wait_until("it has rebooted", lambda: launched.try_ssh("cat /proc/sys/kernel/random/boot_id") not in (None, "", boot), BOOT_S)
    launched.wait_ready()
    assert launched.ssh(f"sudo head -n 1 {store}") == "scratch\n", "a reboot keeps the instance store"
    ec2.stop_instances(InstanceIds=[launched.id], Force=True)
    cloud.wait_state(launched.id, "stopped")
    # What is attached and detached while it is off is there, or not, when it is on.
    az = launched.described["Placement"]["AvailabilityZone"]
    cold = ec2.create_volume(AvailabilityZone=az, Size=2)["VolumeId"]
    wait_volume(ec2, cold, "available")
    ec2.attach_volume(VolumeId=cold, InstanceId=launched.id, Device="/dev/sdg")
    wait_attached(ec2, cold)
    ec2.detach_volume(VolumeId=data)
    wait_volume(ec2, data, "available")
    ec2.attach_volume(VolumeId=data, InstanceId=launched.id, Device="/dev/sdh")
    wait_attached(ec2, data)
    ec2.start_instances(InstanceIds=[launched.id])
    cloud.wait_state(launched.id, "running")
    launched.wait_ready()
    assert sorted(disks(launched).values()) == [1, 2, 3, 160]
    assert launched.ssh(f"sudo head -n 1 {serial(data)}") == "kept\n"
    assert "scratch" not in launched.ssh(f"sudo head -c 512 {store}"), "a stop empties it"


def test_terminate_deletes_what_it_should(launched, cloud, ec2):
    volumes = {m["DeviceName"]: m["Ebs"] for m in launched.described["BlockDeviceMappings"]}
    assert {d: v["DeleteOnTermination"] for d, v in volumes.items()} == \
        {"/dev/xvda": True, "/dev/sdg": False, "/dev/sdh": False}
    ec2.modify_instance_attribute(InstanceId=launched.id, BlockDeviceMappings=[
        {"DeviceName": "/dev/sdh", "Ebs": {"DeleteOnTermination": True}}])
    ec2.terminate_instances(InstanceIds=[launched.id])
    cloud.wait_state(launched.id, "terminated")
    kept = volumes["/dev/sdg"]["VolumeId"]
    wait_volume(ec2, kept, "available")
    for device in ("/dev/xvda", "/dev/sdh"):
        wait_gone(ec2, volumes[device]["VolumeId"])
    ec2.delete_volume(VolumeId=kept)
    wait_until("storaged has none of them", lambda: not {v["VolumeId"] for v in volumes.values()} & set(cloud.volumes()),
               SHORT_S)


@pytest.fixture(scope="session")
def ioload(cloud):
    """The program that loads a disk, for any guest."""
    program = cloud.own / "ioload"
    run("gcc", "-std=gnu11", "-O2", "-static", "-pthread", "-o", program, ROOT / "tests/integration/guest/ioload.c")
    return program


def load(guest, program, device, *words):
    """Operations and milliseconds of a load in the guest."""
    if guest.ssh("test -x /tmp/ioload", check=False).returncode != 0:
        with program.open("rb") as f:
            text = base64.b64encode(f.read()).decode()
        guest.ssh("base64 -d > /tmp/ioload && chmod +x /tmp/ioload", stdin=text)
    words = " ".join(str(w) for w in words)
    return [int(n) for n in guest.ssh(f"sudo /tmp/ioload {device} {words}").split()[:2]]


def wait_modified(ec2, volume):
    def completed():
        m = ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]
        assert m["ModificationState"] != "failed", m
        return m if m["ModificationState"] == "completed" else None
    return wait_until("it is modified", completed, SHORT_S)


def test_modify_in_use(volume, pair, ec2, cloud, ioload):
    """The guest sees the new size at once, and the new limits bite."""
    guest = pair[0]
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdf")
    wait_attached(ec2, volume)
    wait_seen(guest, volume)
    guest.ssh(f"echo before | sudo dd of={serial(volume)} bs=512 count=1 conv=sync,fsync 2>/dev/null")
    answer = cloud.aws("ec2", "modify-volume", "--volume-id", volume, "--size", "5", "--volume-type", "io2", "--iops", "100")
    m = answer["VolumeModification"]
    assert m["ModificationState"] == "modifying" and m["OriginalSize"] == 1 and m["TargetSize"] == 5
    m = wait_modified(ec2, volume)
    assert m["Progress"] == 100 and m["EndTime"] >= m["StartTime"]
    described = volume_of(ec2, volume)
    assert (described["Size"], described["VolumeType"], described["Iops"]) == (5, "io2", 100) and described["State"] == "in-use"
    wait_until("the guest sees it", lambda: int(guest.ssh(f"sudo blockdev --getsize64 {serial(volume)}")) == 5 * GIB, SHORT_S)
    assert guest.ssh(f"sudo head -n 1 {serial(volume)}") == "before\n"
    def limited():
        """100 a second, and a tenth of a second's in the bucket; fewer where the guest did not get to run."""
        operations, ms = load(guest, ioload, serial(volume), "read", 4096, 4, 3)
        assert operations <= 110 * ms / 1000 + 10
        return operations >= 90 * ms / 1000
    wait_until("the limit is used up", limited, BOOT_S)
    ec2.modify_volume(VolumeId=volume, VolumeType="gp3")
    wait_modified(ec2, volume)

    def free():
        """3,000 a second."""
        operations, ms = load(guest, ioload, serial(volume), "read", 4096, 4, 3)
        return operations > 150 * ms / 1000
    wait_until("the new limit is higher", free, BOOT_S)
    assert error_of(ec2.modify_volume, VolumeId=volume, Size=4)[0] == "InvalidParameterValue"
    ec2.detach_volume(VolumeId=volume)
    wait_volume(ec2, volume, "available")
    ec2.modify_volume(VolumeId=volume, Size=6)
    wait_modified(ec2, volume)
    assert cloud.volumes()[volume]["size_gib"] == 6
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)
