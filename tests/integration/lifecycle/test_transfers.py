"""Imports and exports without guests, by the AWS CLI and boto3: formats, a key, several disks, cancelling, and a kill."""

import contextlib
import json
import os
import random
import signal

import pytest

from cloud import DEBIAN_AWS, error_of, run, wait_until
from daemons import WAIT_S

SIZE = 20 << 20


@pytest.fixture
def bucket(pair):
    path = pair.home / "exchange" / "disks"
    path.mkdir(parents=True)
    run("chown", "minicloud-storaged:", path)
    with open(path / "disk.raw", "wb") as f:
        f.write(random.randbytes(SIZE))
    (path / "disk.raw").chmod(0o644)
    return path


def ended(describe, member, detail=None, **ids):
    """The task when it is no longer active."""
    def look():
        task = describe(**ids)[member][0]
        return task if (task[detail] if detail else task)["Status"] not in ("active", "deleting") else None
    return wait_until("the task has ended", look, WAIT_S)


@contextlib.contextmanager
def storaged_at_rest(pair):
    pid = int(pair.launcher("pid", "storaged").stdout)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def aws(pair, *words):
    text = pair.aws(DEBIAN_AWS, "ec2", *words, "--output", "json").stdout
    return json.loads(text) if text.strip() else None


def test_there_and_back(pair, bucket):
    """A raw disk in under a key, another in clear beside it; out as VHDX, in again; the data are what they were."""
    ec2 = pair.client("ec2")
    ebs = pair.client("kms").describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    task = aws(pair, "import-image", "--encrypted", "--disk-containers", "Format=raw,Url=s3://disks/disk.raw",
               f"Format=RAW,DeviceName=/dev/sdf,Url=file://{bucket}/disk.raw")
    assert task["Status"] == "active" and task["Encrypted"] and task["KmsKeyId"] == ebs
    done = ended(ec2.describe_import_image_tasks, "ImportImageTasks", ImportTaskIds=[task["ImportTaskId"]])
    assert (done["Status"], done["Progress"]) == ("completed", "100"), done
    assert [(d["DeviceName"], d["Status"], d["Progress"]) for d in done["SnapshotDetails"]] == \
        [("/dev/sda1", "completed", "100"), ("/dev/sdf", "completed", "100")]
    wait_until("the image is there", lambda: ec2.describe_images(ImageIds=[done["ImageId"]])["Images"][0]["State"] == "available", WAIT_S)
    image = ec2.describe_images(ImageIds=[done["ImageId"]])["Images"][0]
    assert all(m["Ebs"]["Encrypted"] for m in image["BlockDeviceMappings"])
    assert error_of(ec2.export_image, ImageId=image["ImageId"], DiskImageFormat="RAW", S3ExportLocation={"S3Bucket": "disks"})[0] == \
        "InvalidParameterValue", "as in AWS, of one volume alone"
    plain = ec2.import_snapshot(DiskContainer={"Format": "raw", "UserBucket": {"S3Bucket": "disks", "S3Key": "disk.raw"}})["ImportTaskId"]
    detail = ended(ec2.describe_import_snapshot_tasks, "ImportSnapshotTasks", "SnapshotTaskDetail", ImportTaskIds=[plain])["SnapshotTaskDetail"]
    assert detail["Status"] == "completed" and not detail["Encrypted"] and detail["UserBucket"]["S3Key"] == "disk.raw"
    made = ec2.register_image(Name="plain", Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/xvda",
                              BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": detail["SnapshotId"]}}])["ImageId"]
    out = aws(pair, "export-image", "--image-id", made, "--disk-image-format", "VHDX", "--s3-export-location", "S3Bucket=disks,S3Prefix=out-")
    assert ended(ec2.describe_export_image_tasks, "ExportImageTasks", ExportImageTaskIds=[out["ExportImageTaskId"]])["Status"] == "completed"
    path = bucket / f"out-{out['ExportImageTaskId']}.vhdx"
    run("qemu-img", "compare", "-f", "raw", "-F", "vhdx", bucket / "disk.raw", path)
    again = ec2.import_snapshot(DiskContainer={"Url": f"s3://disks/{path.name}"}, Encrypted=True)["ImportTaskId"]
    detail = ended(ec2.describe_import_snapshot_tasks, "ImportSnapshotTasks", "SnapshotTaskDetail", ImportTaskIds=[again])["SnapshotTaskDetail"]
    assert detail["Status"] == "completed" and detail["KmsKeyId"] == ebs and detail["Format"] == "VHDX"
    blocks = pair.client("ebs").list_snapshot_blocks(SnapshotId=detail["SnapshotId"])["Blocks"]
    assert len(blocks) == SIZE >> 19
    block = pair.client("ebs").get_snapshot_block(SnapshotId=detail["SnapshotId"], BlockIndex=7, BlockToken=blocks[7]["BlockToken"])
    assert block["BlockData"].read() == (bucket / "disk.raw").read_bytes()[7 << 19:8 << 19]


def test_cancelled_and_killed(pair, bucket):
    """A hostile file and an absent one end with a message; both kinds are cancelled while they run and leave nothing; one that
    was interrupted by a kill goes on."""
    ec2 = pair.client("ec2")
    def begin():
        return ec2.import_snapshot(DiskContainer={"Url": "s3://disks/disk.raw"})["ImportTaskId"]
    def end_of(task):
        return ended(ec2.describe_import_snapshot_tasks, "ImportSnapshotTasks", "SnapshotTaskDetail", ImportTaskIds=[task])["SnapshotTaskDetail"]
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "/etc/hostname", "-F", "raw", bucket / "bad.qcow2", "64M")
    (bucket / "bad.qcow2").chmod(0o644)
    for name, word in (("bad.qcow2", "backing file"), ("absent.raw", "there is no")):
        done = end_of(ec2.import_snapshot(DiskContainer={"Url": f"s3://disks/{name}"})["ImportTaskId"])
        assert done["Status"] == "deleted" and done["StatusMessage"].startswith("ClientError: ") and word in done["StatusMessage"], done
    with storaged_at_rest(pair):
        task = begin()
        assert ec2.describe_import_snapshot_tasks(ImportTaskIds=[task])["ImportSnapshotTasks"][0]["SnapshotTaskDetail"]["Status"] == "active"
        assert aws(pair, "cancel-import-task", "--import-task-id", task)["PreviousState"] == "active"
    assert end_of(task)["Status"] == "deleted"
    wait_until("nothing is left of it", lambda: not pair.shown() and not pair.storaged("/v1/snapshots")["snapshots"], WAIT_S)
    with storaged_at_rest(pair):
        task = begin()
        pair.kill()
    super(type(pair), pair).start()
    ec2 = pair.client("ec2")
    done = end_of(task)
    assert (done["Status"], done["Progress"]) == ("completed", "100"), done
    image = ec2.register_image(Name="out", Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/xvda",
                               BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": done["SnapshotId"]}}])["ImageId"]
    with storaged_at_rest(pair):
        out = ec2.export_image(ImageId=image, DiskImageFormat="VMDK", S3ExportLocation={"S3Bucket": "disks"})["ExportImageTaskId"]
        aws(pair, "cancel-export-task", "--export-task-id", out)
    assert ended(ec2.describe_export_image_tasks, "ExportImageTasks", ExportImageTaskIds=[out])["Status"] == "deleted"
    assert not [p.name for p in bucket.iterdir() if p.name.startswith(".")], "nothing half-done stays"
    assert error_of(ec2.cancel_export_task, ExportTaskId=out)[0] == "IncorrectState"
