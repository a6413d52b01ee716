"""Terraform's volumes, snapshots, images, keys, policies and an account's settings, without guests: made, changed in place,
destroyed, and no difference after each. `make terraform-storage`, some two minutes; not part of `make test`."""

import pathlib
import random

import pytest

from terraforming import HEAD, Terraform

CHANGED = ("-var", "change=true")


@pytest.fixture
def terraform(pair, tmp_path):
    environment = {**pair.aws_environment(), "AWS_ENDPOINT_URL": pair.endpoint}
    return Terraform(tmp_path, environment, HEAD, pathlib.Path(__file__).parent / "storage.tf")


def disk_to_import(pair):
    """A file in a bucket, as the operator puts it there."""
    bucket = pair.home / "exchange" / "terraform"
    bucket.mkdir(parents=True)
    (bucket / "disk.raw").write_bytes(random.randbytes(1 << 20))
    (bucket / "disk.raw").chmod(0o644)


def test_storage(terraform, pair):
    disk_to_import(pair)
    terraform.apply()
    terraform.change(*CHANGED)
    terraform.destroy(*CHANGED)
    assert not pair.shown() and not pair.storaged("/v1/volumes")["volumes"]
    assert not pair.client("ec2").describe_images(Owners=["self"])["Images"]
    assert not pair.client("dlm").get_lifecycle_policies()["Policies"]
    assert not pair.client("rbin").list_rules(ResourceType="EC2_IMAGE")["Rules"]
