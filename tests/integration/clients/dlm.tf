# A policy of daily snapshots.
variable "change" {
  type    = bool
  default = false
}
provider "aws" {
  region                  = "us-west-2"
  skip_metadata_api_check = true
}
resource "aws_dlm_lifecycle_policy" "daily" {
  description        = var.change ? "changed" : "terraform"
  execution_role_arn = "arn:aws:iam::123456789012:role/dlm"
  state              = var.change ? "DISABLED" : "ENABLED"
  tags               = var.change ? { Name = "changed" } : { Name = "terraform", Team = "blue" }
  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { terraform-snapshots = "true" }
    schedule {
      name      = "daily"
      copy_tags = true
      create_rule {
        interval      = var.change ? 12 : 24
        interval_unit = "HOURS"
        times         = ["23:45"]
      }
      retain_rule {
        count = var.change ? 7 : 14
      }
    }
  }
}
output "arn" {
  value = startswith(aws_dlm_lifecycle_policy.daily.arn, "arn:aws:dlm:us-west-2:")
}
