# Volumes, snapshots, images and keys, without guests. What is an account's in a region is set in a region of its own.
provider "aws" {
  alias                   = "far"
  region                  = "eu-west-1"
  skip_metadata_api_check = true
}
variable "change" { # the second apply changes what can be changed
  type    = bool
  default = false
}

# --- keys
resource "aws_kms_key" "disks" {
  description             = var.change ? "of changed disks" : "of disks"
  deletion_window_in_days = 7
  tags                    = { Name = "terraform" }
}
resource "aws_kms_key" "more" {
  deletion_window_in_days = 7
  enable_key_rotation     = true
  policy = jsonencode({ Version = "2012-10-17", Id = "key", Statement = [
  { Sid = "all", Effect = "Allow", Principal = { AWS = "*" }, Action = "kms:*", Resource = "*" }] })
}
resource "aws_kms_alias" "disks" {
  name          = "alias/terraform-disks"
  target_key_id = var.change ? aws_kms_key.more.key_id : aws_kms_key.disks.key_id
}
resource "aws_kms_grant" "disks" {
  name              = "terraform"
  key_id            = aws_kms_key.disks.key_id
  grantee_principal = "arn:aws:iam::123456789012:root"
  operations        = ["Encrypt", "Decrypt", "GenerateDataKey"]
  constraints {
    encryption_context_equals = { purpose = "test" }
  }
}
resource "aws_kms_key_policy" "far" {
  provider = aws.far
  key_id   = aws_kms_key.far.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
  { Sid = var.change ? "everything" : "all", Effect = "Allow", Principal = { AWS = "*" }, Action = "kms:*", Resource = "*" }] })
}
resource "aws_kms_ciphertext" "word" {
  key_id    = aws_kms_key.disks.key_id
  plaintext = "a word"
}
resource "aws_kms_key" "far" {
  provider                = aws.far
  deletion_window_in_days = 7
}

# --- an account's settings
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
  state    = "block-new-sharing"
}

# --- volumes
resource "aws_ebs_volume" "gp3" {
  availability_zone = "us-east-1a"
  size              = var.change ? 8 : 1
  type              = "gp3"
  iops              = var.change ? 3500 : 3000
  throughput        = var.change ? 200 : 125
  tags              = { Name = "terraform" }
}
resource "aws_ebs_volume" "encrypted" {
  availability_zone = "us-east-1a"
  size              = 1
  encrypted         = true
  kms_key_id        = aws_kms_key.disks.arn
}
resource "aws_ebs_volume" "by_default" {
  availability_zone = "us-east-1c"
  size              = 2
  encrypted         = true
  type              = "gp2"
  final_snapshot    = false
}
resource "aws_ebs_volume" "shared" {
  availability_zone    = "us-east-1a"
  size                 = 4
  type                 = "io2"
  iops                 = 100
  multi_attach_enabled = true
}
resource "aws_ebs_volume" "restored" {
  availability_zone = "us-east-1b"
  snapshot_id       = aws_ebs_snapshot.encrypted.id
}
data "aws_ebs_volumes" "named" {
  depends_on = [aws_ebs_volume.gp3]
  tags       = { Name = "terraform" }
}

# --- snapshots
resource "aws_ebs_snapshot" "gp3" {
  volume_id   = aws_ebs_volume.gp3.id
  description = "terraform"
  tags        = { Name = var.change ? "changed" : "terraform" }
}
resource "aws_ebs_snapshot" "encrypted" {
  volume_id = aws_ebs_volume.encrypted.id
}
resource "aws_snapshot_create_volume_permission" "other" {
  snapshot_id = aws_ebs_snapshot.gp3.id
  account_id  = "210987654321"
}
resource "aws_ebs_snapshot_copy" "keyed" {
  source_snapshot_id = aws_ebs_snapshot.gp3.id
  source_region      = "us-east-1"
  encrypted          = true
  kms_key_id         = aws_kms_key.more.arn
}
resource "aws_ebs_snapshot_copy" "far" {
  provider           = aws.far
  source_snapshot_id = aws_ebs_snapshot.encrypted.id
  source_region      = "us-east-1"
  encrypted          = true
  kms_key_id         = aws_kms_key.far.arn
}
resource "aws_ebs_snapshot_import" "disk" {
  description = "terraform"
  encrypted   = true
  kms_key_id  = aws_kms_key.disks.arn
  role_name   = "vmimport"
  disk_container {
    format = "RAW"
    user_bucket {
      s3_bucket = "terraform"
      s3_key    = "disk.raw"
    }
  }
  tags = { Name = "terraform" }
}
# --- images
resource "aws_ami" "registered" {
  name                = "terraform-registered"
  description         = var.change ? "changed" : "of a snapshot"
  virtualization_type = "hvm"
  architecture        = "x86_64"
  root_device_name    = "/dev/xvda"
  ena_support         = true
  deprecation_time    = var.change ? "2033-01-01T00:00:00Z" : null
  ebs_block_device {
    device_name           = "/dev/xvda"
    snapshot_id           = aws_ebs_snapshot.gp3.id
    volume_size           = 3
    volume_type           = "gp3"
    delete_on_termination = true
  }
  ephemeral_block_device {
    device_name  = "/dev/sdb"
    virtual_name = "ephemeral0"
  }
  tags = { Name = "terraform" }
}
resource "aws_ami_copy" "keyed" {
  name              = "terraform-copied"
  source_ami_id     = aws_ami.registered.id
  source_ami_region = "us-east-1"
  encrypted         = true
  kms_key_id        = aws_kms_key.disks.arn
}
resource "aws_ami_launch_permission" "other" {
  image_id   = aws_ami.registered.id
  account_id = "210987654321"
}

# --- upkeep
resource "aws_rbin_rule" "images" {
  resource_type = "EC2_IMAGE"
  resource_tags {
    resource_tag_key = "terraform-keep"
  }
  retention_period {
    retention_period_value = var.change ? 2 : 1
    retention_period_unit  = "DAYS"
  }
}
resource "aws_rbin_rule" "locked_later" {
  resource_type = "EBS_SNAPSHOT"
  description   = var.change ? "changed" : "of snapshots"
  resource_tags {
    resource_tag_key   = "terraform-keep"
    resource_tag_value = "yes"
  }
  retention_period {
    retention_period_value = 7
    retention_period_unit  = "DAYS"
  }
  tags = { Name = var.change ? "changed" : "terraform" }
}
resource "aws_dlm_lifecycle_policy" "daily" {
  description        = var.change ? "changed" : "terraform"
  execution_role_arn = "arn:aws:iam::123456789012:role/dlm"
  state              = var.change ? "DISABLED" : "ENABLED"
  tags               = { Name = "terraform" }
  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { terraform-snapshots = "true" }
    schedule {
      name        = "daily"
      copy_tags   = true
      tags_to_add = { SnapshotCreator = "DLM" }
      create_rule {
        interval      = var.change ? 12 : 24
        interval_unit = "HOURS"
        times         = ["23:45"]
      }
      retain_rule {
        count = var.change ? 7 : 14
      }
      cross_region_copy_rule {
        target    = "eu-west-1"
        encrypted = true
        cmk_arn   = aws_kms_key.far.arn
        copy_tags = true
        retain_rule {
          interval      = 3
          interval_unit = "DAYS"
        }
      }
    }
  }
}

# --- looked up
data "aws_ebs_volume" "gp3" {
  depends_on = [aws_ebs_volume.gp3]
  filter {
    name   = "tag:Name"
    values = ["terraform"]
  }
  filter {
    name   = "volume-type"
    values = ["gp3"]
  }
}
data "aws_ebs_snapshot" "newest" {
  depends_on  = [aws_ebs_snapshot.gp3, aws_ebs_snapshot_copy.keyed]
  most_recent = true
  owners      = ["self"]
  filter {
    name   = "volume-id"
    values = [aws_ebs_volume.gp3.id]
  }
}
data "aws_ebs_snapshot_ids" "encrypted" {
  depends_on = [aws_ebs_snapshot.encrypted, aws_ebs_snapshot_copy.keyed, aws_ebs_snapshot_import.disk]
  owners     = ["self"]
  filter {
    name   = "encrypted"
    values = ["true"]
  }
}
data "aws_ami" "registered" {
  depends_on  = [aws_ami.registered]
  most_recent = true
  owners      = ["self"]
  filter {
    name   = "name"
    values = ["terraform-reg*"]
  }
}
data "aws_ami_ids" "mine" {
  depends_on = [aws_ami.registered, aws_ami_copy.keyed]
  owners     = ["self"]
  filter {
    name   = "root-device-type"
    values = ["ebs"]
  }
}
data "aws_kms_key" "disks" {
  key_id = aws_kms_alias.disks.name
}
data "aws_kms_alias" "disks" {
  name       = "alias/terraform-disks"
  depends_on = [aws_kms_alias.disks]
}
data "aws_kms_alias" "ebs" { # AWS's own, which the first encrypted volume of an account asks for
  name       = "alias/aws/ebs"
  depends_on = [aws_ebs_volume.by_default]
}
data "aws_kms_ciphertext" "word" {
  key_id    = aws_kms_key.disks.key_id
  plaintext = "a word"
}
data "aws_kms_secrets" "word" {
  secret {
    name    = "word"
    payload = aws_kms_ciphertext.word.ciphertext_blob
  }
}
data "aws_ebs_encryption_by_default" "far" {
  provider   = aws.far
  depends_on = [aws_ebs_encryption_by_default.far]
}
data "aws_ebs_default_kms_key" "far" {
  provider   = aws.far
  depends_on = [aws_ebs_default_kms_key.far]
}
output "looked_up" {
  value = true
  precondition {
    condition     = data.aws_ebs_volume.gp3.id == aws_ebs_volume.gp3.id && one(data.aws_ebs_volumes.named.ids) == aws_ebs_volume.gp3.id
    error_message = "volumes"
  }
  precondition {
    condition     = data.aws_ebs_snapshot.newest.id == aws_ebs_snapshot.gp3.id && length(data.aws_ebs_snapshot_ids.encrypted.ids) >= 3
    error_message = "snapshots"
  }
  precondition {
    condition     = data.aws_ami.registered.id == aws_ami.registered.id && length(data.aws_ami_ids.mine.ids) == 2
    error_message = "images"
  }
  precondition {
    condition = (data.aws_kms_key.disks.arn == aws_kms_alias.disks.target_key_arn &&
      data.aws_kms_alias.disks.target_key_id == aws_kms_alias.disks.target_key_id &&
      data.aws_kms_alias.ebs.target_key_arn == aws_ebs_volume.by_default.kms_key_id &&
    nonsensitive(data.aws_kms_secrets.word.plaintext["word"]) == "a word")
    error_message = "keys"
  }
  precondition {
    condition     = data.aws_ebs_encryption_by_default.far.enabled && data.aws_ebs_default_kms_key.far.key_arn == aws_kms_key.far.arn
    error_message = "settings"
  }
}
