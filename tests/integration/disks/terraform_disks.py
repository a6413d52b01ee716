"""Terraform's instances with several disks, images of them, and attached volumes: made, changed while guests run, moved,
destroyed, and no difference after each. `make terraform-storage`, some four minutes; not part of `make test`."""

import pathlib

import pytest

from terraforming import HEAD, Terraform

CHANGED = ("-var", "change=true")
MOVED = (*CHANGED, "-var", "holder=three")


@pytest.fixture
def terraform(cloud, tmp_path):
    environment = cloud.environment(AWS_ENDPOINT_URL=cloud.endpoint)
    return Terraform(tmp_path, environment, HEAD, pathlib.Path(__file__).parent / "disks.tf")


def by_device(cloud, ec2, device):
    """The volumes at a device of whichever instance."""
    found = ec2.describe_volumes(Filters=[{"Name": "attachment.device", "Values": [device]}])["Volumes"]
    assert all(cloud.volumes()[v["VolumeId"]]["size_gib"] == v["Size"] for v in found)
    return found


def shape(volume):
    return volume["Size"], volume["VolumeType"], volume.get("Iops"), volume["Encrypted"], volume["State"]


def test_disks(terraform, cloud, ec2):
    terraform.apply()
    roots = {(8, "gp3", 3100, True, "in-use"), (1, "gp2", 100, False, "in-use")}  # one's and its image's, and three's
    assert {shape(v) for v in by_device(cloud, ec2, "/dev/xvda")} == roots
    assert {shape(v) for v in by_device(cloud, ec2, "/dev/sdf")} == {(4, "io2", 100, True, "in-use")}
    assert {shape(v) for v in by_device(cloud, ec2, "/dev/sdg")} == {(1, "gp2", 100, False, "in-use")}
    (moved,) = by_device(cloud, ec2, "/dev/sdh")
    (shared,) = by_device(cloud, ec2, "/dev/sdi")
    assert shape(moved) == (1, "gp2", 100, False, "in-use") and len(shared["Attachments"]) == 2
    terraform.change(*CHANGED)
    (changed,) = by_device(cloud, ec2, "/dev/sdh")
    assert shape(changed) == (2, "gp3", 3000, False, "in-use") and changed["VolumeId"] == moved["VolumeId"]
    assert (9, "gp3", 3200, True, "in-use") in {shape(v) for v in by_device(cloud, ec2, "/dev/xvda")}
    terraform.apply(*MOVED)
    (there,) = by_device(cloud, ec2, "/dev/sdh")
    assert there["VolumeId"] == moved["VolumeId"] and there["Attachments"][0]["InstanceId"] != moved["Attachments"][0]["InstanceId"]
    terraform.destroy(*MOVED)
    assert not cloud.volumes() and not ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert not ec2.describe_images(Filters=[{"Name": "name", "Values": ["terraform-*"]}])["Images"]
