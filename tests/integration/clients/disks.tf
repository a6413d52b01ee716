# Volumes, snapshots, images, imports, an account's settings, key pairs; an instance that a volume is attached to and that an
# image is made of.
variable "change" {
  type    = bool
  default = false
}
provider "aws" { # where no walk has left a rule of the recycle bin
  region                  = "us-east-1"
  skip_metadata_api_check = true
}
# What is an account's in a region is set in another one.
provider "aws" {
  alias                   = "far"
  region                  = "eu-west-1"
  skip_metadata_api_check = true
}
resource "aws_kms_key" "far" {
  provider                = aws.far
  deletion_window_in_days = 7
}
resource "aws_ebs_encryption_by_default" "far" {
  provider = aws.far
  enabled  = true
}
resource "aws_ebs_default_kms_key" "far" {
  provider = aws.far
  key_arn  = aws_kms_key.far.arn
}
resource "aws_ebs_snapshot_block_public_access" "far" {
  provider = aws.far
  state    = "block-all-sharing"
}
resource "aws_ec2_image_block_public_access" "far" {
  provider = aws.far
  state    = var.change ? "unblocked" : "block-new-sharing"
}
resource "aws_key_pair" "walk" {
  key_name   = "terraform-walk"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBuZ3Q2pmgwhtNcVEnQ5t6hXZ4D1b5G0c4yD2rSXkYwq walk"
}

# --- volumes and snapshots
resource "aws_ebs_volume" "data" {
  availability_zone = "us-east-1a"
  size              = var.change ? 2 : 1
  type              = "gp3"
  throughput        = var.change ? 200 : 125
  tags              = { Name = "terraform-data" }
}
resource "aws_ebs_snapshot" "data" {
  volume_id   = aws_ebs_volume.data.id
  description = "terraform"
  tags        = { Name = var.change ? "changed" : "terraform" }
}
resource "aws_ebs_snapshot_copy" "data" {
  source_snapshot_id = aws_ebs_snapshot.data.id
  source_region      = "us-east-1"
}
resource "aws_snapshot_create_volume_permission" "other" {
  snapshot_id = aws_ebs_snapshot_import.disk.id
  account_id  = "210987654321"
}
resource "aws_ebs_snapshot_import" "disk" {
  role_name = "vmimport"
  disk_container {
    format = "RAW"
    user_bucket {
      s3_bucket = "clients"
      s3_key    = "disk.raw"
    }
  }
}

# --- images
resource "aws_ami" "data" {
  name                = "terraform-walk"
  description         = var.change ? "changed" : "terraform"
  virtualization_type = "hvm"
  architecture        = "x86_64"
  root_device_name    = "/dev/xvda"
  deprecation_time    = var.change ? null : "2036-01-01T00:00:00Z"
  ebs_block_device {
    device_name           = "/dev/xvda"
    snapshot_id           = aws_ebs_snapshot_import.disk.id
    volume_size           = 1
    volume_type           = "gp3"
    delete_on_termination = true
  }
}
resource "aws_ami_launch_permission" "other" {
  image_id   = aws_ami.data.id
  account_id = "210987654321"
}
resource "aws_ami_copy" "data" {
  name              = "terraform-walk-copy"
  source_ami_id     = aws_ami.data.id
  source_ami_region = "us-east-1"
}

# --- an instance
data "aws_ami" "tiny" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["minicloud-tiny*"]
  }
}
resource "aws_instance" "one" {
  ami               = data.aws_ami.tiny.id
  instance_type     = "t3.nano"
  availability_zone = "us-east-1a"
  root_block_device {
    volume_type = "gp3"
    volume_size = var.change ? 3 : 2
  }
}
resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdh"
  instance_id = aws_instance.one.id
  volume_id   = aws_ebs_volume.data.id
}
resource "aws_ami_from_instance" "one" {
  name                    = "terraform-walk-instance"
  source_instance_id      = aws_instance.one.id
  snapshot_without_reboot = true
}

# --- looked up
data "aws_ebs_volumes" "named" {
  depends_on = [aws_ebs_volume.data]
  tags       = { Name = "terraform-data" }
}
data "aws_ebs_snapshot_ids" "data" {
  depends_on = [aws_ebs_snapshot.data]
  owners     = ["self"]
  filter {
    name   = "description"
    values = ["terraform"]
  }
}
data "aws_ami_ids" "walk" {
  depends_on = [aws_ami.data, aws_ami_copy.data, aws_ami_from_instance.one]
  owners     = ["self"]
  filter {
    name   = "name"
    values = ["terraform-walk*"]
  }
}
data "aws_key_pair" "walk" {
  key_name   = "terraform-walk"
  depends_on = [aws_key_pair.walk]
}
output "counts" {
  value = { volumes = length(data.aws_ebs_volumes.named.ids), snapshots = length(data.aws_ebs_snapshot_ids.data.ids),
  images = length(data.aws_ami_ids.walk.ids) }
}
