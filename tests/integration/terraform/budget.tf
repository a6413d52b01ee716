# Budgets, the Price List and Cost Explorer.
resource "aws_budgets_budget" "month" {
  name         = "terraform"
  budget_type  = "COST"
  limit_amount = "100"
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  tags         = { Name = "terraform" }
  cost_filter {
    name   = "Service"
    values = ["Amazon Elastic Compute Cloud - Compute"]
  }
  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = ["terraform@example.com"]
  }
}
data "aws_pricing_product" "gp3" {
  service_code = "AmazonEC2"
  filters {
    field = "volumeApiName"
    value = "gp3"
  }
  filters {
    field = "regionCode"
    value = "us-east-1"
  }
  filters {
    field = "productFamily"
    value = "Storage"
  }
  lifecycle {
    postcondition {
      condition     = strcontains(self.result, "0.0800000000")
      error_message = "A GiB of gp3 costs something else."
    }
  }
}
data "aws_ce_tags" "team" {
  time_period {
    start = "2026-01-01"
    end   = "2026-02-01"
  }
}
