"""Budgets that act on real instances."""

from cloud import BOOT_S, SHORT_S, wait_until

ACCOUNT = "123456789012"


def act(cloud, name, what, tag):
    """A budget that is spent at once, and its action; the action's state."""
    budgets = cloud.client("budgets")
    budgets.create_budget(AccountId=ACCOUNT, Budget={"BudgetName": name, "BudgetLimit": {"Amount": "0.000001", "Unit": "USD"},
                                                     "TimeUnit": "MONTHLY", "BudgetType": "COST"})
    action = budgets.create_budget_action(
        AccountId=ACCOUNT, BudgetName=name, NotificationType="ACTUAL", ActionType="RUN_SSM_DOCUMENTS", ApprovalModel="AUTOMATIC",
        ActionThreshold={"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"},
        Definition={"SsmActionDefinition": {"ActionSubType": what, "Region": "us-east-1", "InstanceIds": [tag]}},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/budget",
        Subscribers=[{"SubscriptionType": "EMAIL", "Address": "nobody@example.com"}])["ActionId"]

    def status():
        return budgets.describe_budget_action(AccountId=ACCOUNT, BudgetName=name, ActionId=action)["Action"]["Status"]
    wait_until("the action is done", lambda: status() == "EXECUTION_SUCCESS", BOOT_S)
    budgets.delete_budget(AccountId=ACCOUNT, BudgetName=name)


def test_stopped_by_tag(cloud, pair):
    cloud.client().create_tags(Resources=[pair[1].id], Tags=[{"Key": "brake", "Value": "stop"}])
    act(cloud, "brake", "STOP_EC2_INSTANCES", "tag:brake=stop")
    cloud.wait_state(pair[1].id, "stopped")
    assert cloud.instance(pair[0].id)["State"]["Name"] == "running", "the other one has no such tag"


def test_terminated_by_tag(cloud, pair):
    volume = cloud.instance(pair[1].id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    cloud.client().create_tags(Resources=[pair[1].id], Tags=[{"Key": "brake", "Value": "end"}])
    act(cloud, "end", "TERMINATE_EC2_INSTANCES", "tag:brake=end")
    cloud.wait_state(pair[1].id, "terminated")
    wait_until("its disk is gone", lambda: volume not in cloud.volumes(), SHORT_S)
    wait_until("its domain is gone", lambda: pair[1].id not in cloud.domains(), SHORT_S)
    assert cloud.instance(pair[0].id)["State"]["Name"] == "running"
