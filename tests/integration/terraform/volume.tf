# Volumes, their attachments, snapshots of them. The size is changed by a second apply.
variable "data_gib" {
  default = 1
}
resource "aws_ebs_volume" "data" {
  availability_zone = aws_instance.one.availability_zone
  size              = var.data_gib
  type              = "gp3"
  tags              = { Name = "terraform-data" }
}
resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.one.id
}
resource "aws_ebs_volume" "fast" {
  availability_zone    = "us-east-1b"
  size                 = 4
  type                 = "io2"
  iops                 = 200
  multi_attach_enabled = true
}
resource "aws_ebs_volume" "secret" {
  availability_zone = "us-east-1b"
  size              = 1
  encrypted         = true
}
resource "aws_ebs_snapshot" "secret" {
  volume_id = aws_ebs_volume.secret.id
  tags      = { Name = "terraform-secret" }
}
resource "aws_ebs_volume" "restored" {
  availability_zone = "us-east-1c"
  snapshot_id       = aws_ebs_snapshot.secret.id
  size              = 2
  type              = "gp3"
}
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
