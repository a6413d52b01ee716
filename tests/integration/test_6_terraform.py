"""The unmodified Terraform with the AWS provider: apply, no difference, destroy.

The files of the directory terraform are part of the same configuration: all their
resources come and go at the same time."""

import os
import pathlib
import subprocess

import pytest

from cloud import SHORT_S, wait_until
from terraforming import HEAD, Terraform

CONFIGURATION = """
data "aws_ami" "tiny" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["minicloud-tiny*"]
  }
}
data "aws_ssm_parameter" "tiny" {
  name = "/aws/service/minicloud/tiny"
}
data "aws_ssm_parameter" "al2023" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}
data "aws_ssm_parameters_by_path" "debian" {
  path      = "/aws/service/debian"
  recursive = true
}
resource "aws_key_pair" "key" {
  key_name   = "terraform"
  public_key = "%s"
}
resource "aws_security_group" "ssh" {
  name        = "terraform"
  description = "SSH from everywhere"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "aws_instance" "one" {
  ami                    = data.aws_ami.tiny.id
  instance_type          = "t3.nano"
  key_name               = aws_key_pair.key.key_name
  vpc_security_group_ids = [aws_security_group.ssh.id]
  tags                   = { Name = "terraform" }
  root_block_device {
    volume_size = 3
    volume_type = "gp3"
    tags        = { Name = "terraform-root" }
  }
  lifecycle {
    precondition {
      condition     = nonsensitive(data.aws_ssm_parameter.tiny.value) == data.aws_ami.tiny.id
      error_message = "The parameter names another image."
    }
    precondition {
      condition     = nonsensitive(data.aws_ssm_parameter.al2023.value) == data.aws_ami.tiny.id
      error_message = "Amazon Linux's parameter names another image."
    }
    precondition {
      condition     = contains(nonsensitive(data.aws_ssm_parameters_by_path.debian.values), data.aws_ami.tiny.id)
      error_message = "Debian's parameters do not name the image."
    }
  }
}
"""


@pytest.fixture
def terraform(cloud, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", tmp_path / "key"], check=True)
    key = (tmp_path / "key.pub").read_text(encoding="ascii").strip()
    files = (pathlib.Path(__file__).parent / "terraform").glob("*.tf")
    return Terraform(tmp_path, cloud.environment(AWS_ENDPOINT_URL=cloud.endpoint), HEAD + CONFIGURATION % key, *files)


def described(ec2, name):
    """A volume by its name: size, type, whether it is encrypted; attached to what runs."""
    found = ec2.describe_volumes(Filters=[{"Name": "tag:Name", "Values": [f"terraform-{name}"]}])["Volumes"]
    assert len(found) == 1 and found[0]["State"] == "in-use", found
    return found[0]["Size"], found[0]["VolumeType"], found[0]["Encrypted"]


def detach_second(ec2):
    """What Terraform detaches itself it looks for twenty times, nearly three minutes long, to see it "detached" once more;
    what it finds detached by others it only forgets."""
    mine = [{"Name": "attachment.device-index", "Values": ["1"]}, {"Name": "tag:Name", "Values": ["terraform-second"]}]
    (interface,) = ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"]
    ec2.detach_network_interface(AttachmentId=interface["Attachment"]["AttachmentId"])
    wait_until("the interface is free", lambda: not ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"], SHORT_S)


def test_apply_plan_destroy(terraform, ec2):
    def named():
        answer = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["terraform"]}])
        return [i["State"]["Name"] for r in answer["Reservations"] for i in r["Instances"]]
    terraform.apply()
    assert named() == ["running"]
    volumes = {"root": (3, "gp3", False), "data": (1, "gp3", False)}
    assert {name: described(ec2, name) for name in volumes} == volumes
    terraform("apply", "-auto-approve", "-input=false", "-target=aws_ebs_volume.data", "-var=data_gib=2")
    assert described(ec2, "data") == (2, "gp3", False)
    if "MINICLOUD_LONG" not in os.environ:
        detach_second(ec2)
    terraform.destroy()
    assert named() == ["terminated"]
