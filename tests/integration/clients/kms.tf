# Keys, their names, policies and grants.
variable "change" {
  type    = bool
  default = false
}
provider "aws" {
  region                  = "us-west-2"
  skip_metadata_api_check = true
}
resource "aws_kms_key" "main" {
  description             = var.change ? "changed" : "main"
  deletion_window_in_days = 7
  enable_key_rotation     = !var.change
  tags                    = var.change ? { Name = "changed" } : { Name = "main", Team = "blue" }
}
resource "aws_kms_key" "switched" {
  deletion_window_in_days = 7
  is_enabled              = var.change
}
resource "aws_kms_alias" "main" {
  name          = "alias/terraform-main"
  target_key_id = var.change ? aws_kms_key.switched.key_id : aws_kms_key.main.key_id
}
resource "aws_kms_key_policy" "main" {
  key_id = aws_kms_key.main.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
  { Sid = var.change ? "changed" : "all", Effect = "Allow", Principal = { AWS = "*" }, Action = "kms:*", Resource = "*" }] })
}
resource "aws_kms_grant" "revoked" {
  name              = "revoked"
  key_id            = aws_kms_key.main.key_id
  grantee_principal = "arn:aws:iam::123456789012:root"
  operations        = ["Encrypt", "Decrypt"]
}
resource "aws_kms_grant" "retired" {
  name              = "retired"
  key_id            = aws_kms_key.main.key_id
  grantee_principal = "arn:aws:iam::123456789012:root"
  operations        = ["DescribeKey"]
  retire_on_delete  = true
}
resource "aws_kms_ciphertext" "word" {
  key_id    = aws_kms_key.main.key_id
  plaintext = "a word"
}
data "aws_kms_secrets" "word" {
  secret {
    name    = "word"
    payload = aws_kms_ciphertext.word.ciphertext_blob
  }
}
data "aws_kms_key" "main" {
  key_id = aws_kms_key.main.arn
}
data "aws_kms_alias" "main" {
  name       = "alias/terraform-main"
  depends_on = [aws_kms_alias.main]
}
output "same" {
  value = (data.aws_kms_key.main.arn == aws_kms_key.main.arn && data.aws_kms_alias.main.target_key_arn == aws_kms_alias.main.target_key_arn &&
  nonsensitive(data.aws_kms_secrets.word.plaintext["word"]) == "a word")
}
