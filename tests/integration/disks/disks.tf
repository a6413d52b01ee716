# Instances with disks of every kind, images of them, a volume that moves between them. Attached disks are changed in place.
variable "change" {
  type    = bool
  default = false
}
variable "holder" { # whose the volume is: attachments are made anew where it changes
  type    = string
  default = "two"
}
data "aws_ami" "tiny" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["minicloud-tiny*"]
  }
}
resource "aws_kms_key" "disks" {
  deletion_window_in_days = 7
}

# --- disks of a launch
resource "aws_instance" "one" {
  ami                     = data.aws_ami.tiny.id
  instance_type           = "m1.small" # has an instance-store disk
  disable_api_termination = false
  root_block_device {
    encrypted             = true
    kms_key_id            = aws_kms_key.disks.arn
    volume_size           = var.change ? 9 : 8
    volume_type           = "gp3"
    iops                  = var.change ? 3200 : 3100
    throughput            = var.change ? 140 : 130
    delete_on_termination = true
    tags                  = { Name = var.change ? "changed" : "terraform-root" }
  }
  ebs_block_device {
    device_name = "/dev/sdf"
    volume_size = 4
    volume_type = "io2"
    iops        = 100
    encrypted   = true
    kms_key_id  = aws_kms_key.disks.arn
    tags        = { Name = "terraform-io2" }
  }
  ebs_block_device {
    device_name           = "/dev/sdg"
    snapshot_id           = aws_ebs_snapshot.source.id
    volume_type           = "gp2"
    delete_on_termination = true
  }
  ephemeral_block_device {
    device_name  = "/dev/sdb"
    virtual_name = "ephemeral0"
  }
}
resource "aws_ebs_volume" "source" {
  availability_zone = "us-east-1a"
  size              = 1
}
resource "aws_ebs_snapshot" "source" {
  volume_id = aws_ebs_volume.source.id
}

# --- an image of it, shared and copied, and an instance of that
resource "aws_ami_from_instance" "all" {
  name                    = "terraform-of-instance"
  description             = var.change ? "changed" : "of all its disks"
  source_instance_id      = aws_instance.one.id
  snapshot_without_reboot = true
  tags                    = { Name = var.change ? "changed" : "terraform" }
}
resource "aws_ami_copy" "all" {
  name              = "terraform-copy"
  source_ami_id     = aws_ami_from_instance.all.id
  source_ami_region = "us-east-1"
  encrypted         = true
  kms_key_id        = aws_kms_key.disks.arn
}
resource "aws_ami_launch_permission" "source" {
  image_id   = aws_ami_copy.all.id
  account_id = "210987654321"
}
resource "aws_instance" "two" {
  ami               = aws_ami_from_instance.all.id
  instance_type     = "t3.nano"
  availability_zone = aws_instance.one.availability_zone
}

# --- volumes attached while guests run, which Terraform does not have beside disks in an instance's own block
resource "aws_instance" "three" {
  ami               = data.aws_ami.tiny.id
  instance_type     = "t3.nano"
  availability_zone = aws_instance.one.availability_zone
}
resource "aws_ebs_volume" "moved" {
  availability_zone = aws_instance.one.availability_zone
  size              = var.change ? 2 : 1
  type              = var.change ? "gp3" : "gp2"
  iops              = var.change ? 3000 : null
  throughput        = var.change ? 150 : null
  tags              = { Name = "terraform-moved" }
}
resource "aws_volume_attachment" "moved" {
  device_name                    = "/dev/sdh"
  instance_id                    = var.holder == "two" ? aws_instance.two.id : aws_instance.three.id
  volume_id                      = aws_ebs_volume.moved.id
  stop_instance_before_detaching = false
}
resource "aws_ebs_volume" "shared" {
  availability_zone    = aws_instance.one.availability_zone
  size                 = 4
  type                 = "io2"
  iops                 = 100
  multi_attach_enabled = true
}
resource "aws_volume_attachment" "shared" {
  for_each    = { two = aws_instance.two.id, three = aws_instance.three.id }
  device_name = "/dev/sdi"
  instance_id = each.value
  volume_id   = aws_ebs_volume.shared.id
}

# --- looked up
data "aws_ebs_volume" "root" {
  filter {
    name   = "attachment.instance-id"
    values = [aws_instance.one.id]
  }
  filter {
    name   = "attachment.device"
    values = ["/dev/xvda"]
  }
}
data "aws_ami" "all" {
  depends_on  = [aws_ami_from_instance.all]
  most_recent = true
  owners      = ["self"]
  filter {
    name   = "block-device-mapping.device-name"
    values = ["/dev/sdg"]
  }
  filter {
    name   = "source-instance-id"
    values = [aws_instance.one.id]
  }
}
output "looked_up" {
  value = true
  precondition {
    condition     = data.aws_ebs_volume.root.id == aws_instance.one.root_block_device[0].volume_id && data.aws_ebs_volume.root.encrypted
    error_message = "the root volume"
  }
  precondition {
    condition     = data.aws_ami.all.id == aws_ami_from_instance.all.id && length(data.aws_ami.all.block_device_mappings) == 4
    error_message = "the image"
  }
}
