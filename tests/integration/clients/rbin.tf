# Rules of the Recycle Bin, for what is tagged.
variable "change" {
  type    = bool
  default = false
}
provider "aws" {
  region                  = "us-west-2"
  skip_metadata_api_check = true
}
resource "aws_rbin_rule" "week" {
  description   = var.change ? "changed" : "terraform"
  resource_type = "EBS_SNAPSHOT"
  resource_tags {
    resource_tag_key   = "terraform-keep"
    resource_tag_value = "yes"
  }
  retention_period {
    retention_period_value = var.change ? 8 : 7
    retention_period_unit  = "DAYS"
  }
  tags = var.change ? { Name = "changed" } : { Name = "terraform", Team = "blue" }
}
resource "aws_rbin_rule" "images" {
  resource_type = "EC2_IMAGE"
  resource_tags {
    resource_tag_key = "terraform-keep"
  }
  retention_period {
    retention_period_value = 1
    retention_period_unit  = "DAYS"
  }
}
output "status" {
  value = aws_rbin_rule.week.status
}
