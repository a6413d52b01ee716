"""The unmodified Terraform with the AWS provider: apply, no difference, destroy.

The files of the directory terraform are part of the same configuration: all their
resources come and go at the same time."""

import glob
import os
import pathlib
import shutil
import subprocess

import pytest

from cloud import SHORT_S, wait_until

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  skip_metadata_api_check = true
}
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


# Where Terraform and administrators keep providers for machines that reach no registry, behind what
# Terraform's own configuration says (its documentation: "Implied Local Mirror Directories").
MIRRORS = ("~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform/plugins",
           "/usr/share/terraform/plugins", "/opt/*")
PROVIDER = "registry.terraform.io/hashicorp/aws"


def init(program, directory, environment):
    """Terraform with the AWS provider of TF_PLUGIN_DIR, else of the machine's own configuration (TF_CLI_CONFIG_FILE,
    ~/.terraformrc and what it implies), else of a directory that looks like a mirror. Skips where there is none."""
    def tried(*words, **more):
        return subprocess.run([program, "init", "-input=false", "-no-color", *words], cwd=directory, timeout=300,
                              env={**environment, **more}, capture_output=True, text=True, check=False)
    given = os.environ.get("TF_PLUGIN_DIR")
    if given:
        done = tried(f"-plugin-dir={given}")
        assert done.returncode == 0, done.stdout + done.stderr
        return
    own = {name: os.environ[name] for name in ("HOME", "TF_CLI_CONFIG_FILE") if name in os.environ}
    done = tried(TF_REGISTRY_DISCOVERY_RETRY="0", **own)
    found = [path.removesuffix(PROVIDER) for mirror in MIRRORS
             for path in glob.glob(os.path.join(os.path.expanduser(mirror), PROVIDER))]
    while done.returncode != 0 and found:
        done = tried(f"-plugin-dir={found.pop(0)}")
    if done.returncode != 0:
        pytest.skip("no AWS provider for Terraform: set TF_PLUGIN_DIR to a directory that has "
                    f"{PROVIDER}, or name it in ~/.terraformrc. {' '.join(done.stderr.split())}")


@pytest.fixture
def terraform(cloud, tmp_path):
    program = shutil.which("terraform")
    if not program:
        pytest.skip("no terraform on PATH")
    environment = cloud.environment(AWS_ENDPOINT_URL=cloud.endpoint, CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1",
                                    TF_CLI_CONFIG_FILE="/dev/null", HOME=str(tmp_path))

    def run(*words, good=(0,)):
        done = subprocess.run([program, *words, "-no-color"], cwd=tmp_path, env=environment, capture_output=True,
                              text=True, timeout=300, check=False)
        assert done.returncode in good, done.stdout + done.stderr
        return done
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", tmp_path / "key"], check=True)
    key = (tmp_path / "key.pub").read_text(encoding="ascii").strip()
    (tmp_path / "main.tf").write_text(CONFIGURATION % key, encoding="ascii")
    for more in (pathlib.Path(__file__).parent / "terraform").glob("*.tf"):
        shutil.copy(more, tmp_path)
    init(program, tmp_path, environment)
    return run


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
    terraform("apply", "-auto-approve", "-input=false")
    assert named() == ["running"]
    terraform("plan", "-detailed-exitcode", "-input=false")  # 2 would be a difference
    volumes = {"root": (3, "gp3", False), "data": (1, "gp3", False)}
    assert {name: described(ec2, name) for name in volumes} == volumes
    terraform("apply", "-auto-approve", "-input=false", "-target=aws_ebs_volume.data", "-var=data_gib=2")
    assert described(ec2, "data") == (2, "gp3", False)
    if "MINICLOUD_LONG" not in os.environ:
        detach_second(ec2)
    terraform("destroy", "-auto-approve", "-input=false")
    assert named() == ["terminated"]
