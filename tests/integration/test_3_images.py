"""Images made of instances and snapshots, and instances launched from them, looked at inside the guests."""

import shutil

import pytest

from cloud import BOOT_S, OTHER_REGION, SHORT_S, Guest, error_of, run, wait_until
from test_3_volumes import disks, serial, wait_attached, wait_gone, wait_seen, wait_volume


def describe(ec2, image):
    return ec2.describe_images(ImageIds=[image])["Images"][0]


def wait_image(ec2, image, state="available", timeout=SHORT_S):
    def reached():
        one = describe(ec2, image)
        assert one["State"] in ("pending", state), one
        return one if one["State"] == state else None
    return wait_until(f"{image} is {state}", reached, timeout)


def snapshots_of(image):
    return [m["Ebs"]["SnapshotId"] for m in image["BlockDeviceMappings"] if "SnapshotId" in m.get("Ebs", {})]


def forget(ec2, *images):
    """Away with images and what they stand on."""
    for image in images:
        snapshots = snapshots_of(describe(ec2, image))
        ec2.deregister_image(ImageId=image)
        for snapshot in snapshots:
            ec2.delete_snapshot(SnapshotId=snapshot)


def launch_one(cloud, key_file, image, group, **more):
    made = cloud.client().run_instances(ImageId=image, InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="tests",
                                        SecurityGroupIds=[group], **more)["Instances"][0]["InstanceId"]
    return Guest(cloud, made, key_file)


@pytest.fixture(scope="module")
def worked(cloud, key_file, open_group):
    """An instance with an encrypted data volume that something was written to; its root is not encrypted."""
    ec2 = cloud.client()
    guest = launch_one(cloud, key_file, cloud.tiny_image(), open_group)
    cloud.wait_state(guest.id, "running")
    guest.wait_ready()
    volume = ec2.create_volume(AvailabilityZone=guest.described["Placement"]["AvailabilityZone"], Size=1, Encrypted=True)["VolumeId"]
    wait_volume(ec2, volume, "available")
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdf")
    wait_attached(ec2, volume)
    wait_seen(guest, volume)
    yield guest, volume
    ec2.terminate_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "terminated")
    wait_volume(ec2, volume, "available")
    ec2.delete_volume(VolumeId=volume)
    wait_gone(ec2, volume)


def register(cloud, image):
    """An image of a larger root volume of the same snapshot, the data volume, and an instance-store disk."""
    return cloud.aws("ec2", "register-image", "--name", "registered", "--architecture", "x86_64", "--virtualization-type", "hvm",
                     "--root-device-name", "/dev/xvda", "--block-device-mappings",
                     f"DeviceName=/dev/xvda,Ebs={{SnapshotId={snapshots_of(image)[0]},VolumeSize=3}}",
                     f"DeviceName=/dev/sdf,Ebs={{SnapshotId={snapshots_of(image)[1]}}}", "DeviceName=/dev/sdb,VirtualName=ephemeral0")["ImageId"]


def test_create_with_reboot(worked, cloud, ec2, key_file, open_group):
    """The guest ends cleanly and comes back as it was; what it had only in memory is in the image, on both
    volumes. Instances start from it and from one registered of its snapshot."""
    guest, volume = worked
    before = guest.described
    boot = guest.ssh("cat /proc/sys/kernel/random/boot_id")
    # Neither is flushed by the writer.
    guest.ssh(f"sudo sh -c 'echo unflushed > /home/ec2-user/word; echo data | dd of={serial(volume)} conv=notrunc 2>/dev/null'")
    image = cloud.aws("ec2", "create-image", "--instance-id", guest.id, "--name", "worked on", "--description", "d",
                      "--tag-specifications", "ResourceType=image,Tags=[{Key=a,Value=b}]",
                      "ResourceType=snapshot,Tags=[{Key=c,Value=d}]")["ImageId"]
    made = wait_image(ec2, image, timeout=BOOT_S)
    assert made["Tags"] == [{"Key": "a", "Value": "b"}]
    assert [(m["DeviceName"], m["Ebs"]["Encrypted"]) for m in made["BlockDeviceMappings"]] == \
        [(before["RootDeviceName"], False), ("/dev/sdf", True)]
    for snapshot in snapshots_of(made):
        one = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        assert one["State"] == "completed" and one["Tags"] == [{"Key": "c", "Value": "d"}]
        assert error_of(ec2.delete_snapshot, SnapshotId=snapshot)[0] == "InvalidSnapshot.InUse"
    registered = register(cloud, made)
    # Without the image's data volume, but with a larger one of its snapshot.
    mappings = [{"DeviceName": "/dev/sdf", "NoDevice": ""},
                {"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshots_of(made)[1], "VolumeSize": 2, "DeleteOnTermination": True}}]
    copies = [launch_one(cloud, key_file, image, open_group),
              launch_one(cloud, key_file, registered, open_group, BlockDeviceMappings=mappings)]
    try:
        guest.wait_ssh()
        after = guest.described
        for member in ("State", "PublicIpAddress", "PrivateIpAddress", "LaunchTime"):
            assert after[member] == before[member]
        assert guest.ssh("cat /proc/sys/kernel/random/boot_id") != boot
        for copy in copies:
            cloud.wait_state(copy.id, "running")
            copy.wait_ready()
            assert copy.ssh("cat /home/ec2-user/word") == "unflushed\n"
        theirs = next(m["Ebs"]["VolumeId"] for m in copies[0].described["BlockDeviceMappings"] if m["DeviceName"] == "/dev/sdf")
        assert ec2.describe_volumes(VolumeIds=[theirs])["Volumes"][0]["Encrypted"]
        wait_seen(copies[0], theirs)
        assert copies[0].ssh(f"sudo head -n 1 {serial(theirs)}") == "data\n"
        assert int(copies[1].ssh("df -k / | tail -n 1").split()[1]) > 2.7 * 2 ** 20, "its file system has grown"
        devices = {m["DeviceName"]: m["Ebs"]["VolumeId"] for m in copies[1].described["BlockDeviceMappings"]}
        assert sorted(devices) == ["/dev/sdg", "/dev/xvda"]
        assert disks(copies[1]) == {devices["/dev/xvda"].replace("-", ""): 3, devices["/dev/sdg"].replace("-", ""): 2}
        assert copies[1].ssh(f"sudo head -n 1 {serial(devices['/dev/sdg'])}") == "data\n"
    finally:
        ec2.terminate_instances(InstanceIds=[c.id for c in copies])
    for copy in copies:
        cloud.wait_state(copy.id, "terminated")
    wait_volume(ec2, theirs, "available")
    ec2.delete_volume(VolumeId=theirs)  # as the volume that it is a copy of, it outlives its instance
    wait_gone(ec2, theirs)
    ec2.deregister_image(ImageId=registered)
    forget(ec2, image)


def test_create_without_reboot_and_copy(worked, cloud, ec2):
    """A running guest runs on; the image may leave volumes out; a copy in another region lives on alone."""
    guest, volume = worked
    boot = guest.ssh("cat /proc/sys/kernel/random/boot_id")
    image = ec2.create_image(InstanceId=guest.id, Name="live", NoReboot=True,
                             BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "NoDevice": ""}])["ImageId"]
    made = wait_image(ec2, image)
    assert len(made["BlockDeviceMappings"]) == 1
    assert guest.ssh("cat /proc/sys/kernel/random/boot_id") == boot
    assert error_of(ec2.create_image, InstanceId=guest.id, Name="live")[0] == "InvalidAMIName.Duplicate"
    far = cloud.client(region=OTHER_REGION)
    copies = [far.copy_image(Name=f"far {n}", SourceRegion="us-east-1", SourceImageId=source)["ImageId"]
              for n, source in enumerate((image, cloud.tiny_image()))]
    for copy in copies:
        wait_image(far, copy)
    forget(ec2, image)
    stored = {s["id"]: s for s in cloud.socket_call("storaged", "GET", "/v1/snapshots")[1]["snapshots"]}
    for copy in copies:
        (snapshot,) = snapshots_of(describe(far, copy))
        assert snapshot in stored
        size = describe(far, copy)["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"]
        v = far.create_volume(AvailabilityZone=OTHER_REGION + "a", SnapshotId=snapshot)["VolumeId"]
        wait_volume(far, v, "available")
        assert far.describe_volumes(VolumeIds=[v])["Volumes"][0]["Size"] == size
        far.delete_volume(VolumeId=v)
        wait_gone(far, v)
    forget(far, *copies)


# --- imports and exports

@pytest.fixture(scope="module")
def bucket(cloud):
    """A directory of the operator's that storaged may write to."""
    path = cloud.home / "exchange" / "disks"
    path.mkdir()
    shutil.chown(path, "minicloud-storaged")
    return path


def ended(describe_tasks, member, **ids):
    """The task once it is no longer active."""
    def reached():
        task = describe_tasks(**ids)[member][0]
        return task if task["Status"] not in ("active", "deleting") else None
    return wait_until("the task has ended", reached, BOOT_S)


def test_export_and_import(cloud, ec2, bucket, key_file, open_group):
    """The tiny image out into the operator's directory as another format, in again under a key, and it starts."""
    tiny = cloud.tiny_image()
    copy = ec2.copy_image(Name="to export", SourceRegion="us-east-1", SourceImageId=tiny)["ImageId"]
    wait_image(ec2, copy)
    task = cloud.aws("ec2", "export-image", "--image-id", copy, "--disk-image-format", "VMDK", "--s3-export-location",
                     "S3Bucket=disks,S3Prefix=out-")
    done = ended(ec2.describe_export_image_tasks, "ExportImageTasks", ExportImageTaskIds=[task["ExportImageTaskId"]])
    assert done["Status"] == "completed" and done["Progress"] == "100", done
    (path,) = bucket.iterdir()
    assert path.name == f"out-{task['ExportImageTaskId']}.vmdk"
    run("qemu-img", "compare", "-f", "vmdk", "-F", "qcow2", path, cloud.home / "images-src" / "minicloud-tiny.qcow2")
    forget(ec2, copy)
    words = ["ec2", "import-image", "--description", "there and back", "--disk-containers",
             f"Format=vmdk,UserBucket={{S3Bucket=disks,S3Key={path.name}}}", "--client-token", "once", "--encrypted"]
    task = cloud.aws(*words)["ImportTaskId"]
    assert cloud.aws(*words)["ImportTaskId"] == task
    done = ended(ec2.describe_import_image_tasks, "ImportImageTasks", ImportTaskIds=[task])
    assert done["Status"] == "completed", done
    image = wait_image(ec2, done["ImageId"])
    root = image["BlockDeviceMappings"][0]["Ebs"]
    assert image["Name"] == task and root["VolumeSize"] == 1 and root["Encrypted"]
    key = cloud.client("kms").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    assert done["Encrypted"] and done["KmsKeyId"] == key
    assert ec2.describe_snapshots(SnapshotIds=[root["SnapshotId"]])["Snapshots"][0]["KmsKeyId"] == key
    guest = launch_one(cloud, key_file, image["ImageId"], open_group)
    try:
        cloud.wait_state(guest.id, "running")
        guest.wait_ssh()
    finally:
        ec2.terminate_instances(InstanceIds=[guest.id])
    cloud.wait_state(guest.id, "terminated")
    forget(ec2, image["ImageId"])
