# Data Lifecycle Manager and the Recycle Bin.
resource "aws_dlm_lifecycle_policy" "daily" {
  description        = "terraform"
  execution_role_arn = "arn:aws:iam::123456789012:role/dlm"
  state              = "ENABLED"
  tags               = { Name = "terraform" }
  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { terraform-snapshots = "true" }
    schedule {
      name      = "daily"
      copy_tags = true
      tags_to_add = {
        SnapshotCreator = "DLM"
      }
      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["23:45"]
      }
      retain_rule {
        count = 14
      }
    }
    schedule {
      name = "weekdays"
      create_rule {
        cron_expression = "cron(0 18 ? * MON-FRI *)"
      }
      retain_rule {
        interval      = 2
        interval_unit = "WEEKS"
      }
    }
  }
}
resource "aws_rbin_rule" "week" {
  description   = "terraform"
  resource_type = "EBS_SNAPSHOT"
  resource_tags {
    resource_tag_key   = "terraform-keep"
    resource_tag_value = "yes"
  }
  retention_period {
    retention_period_value = 7
    retention_period_unit  = "DAYS"
  }
  tags = { Name = "terraform" }
}
