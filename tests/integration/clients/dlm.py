"""Data Lifecycle Manager's actions: scenes, Terraform's resources, and what AWS's answers always have."""

from steps import service

SERVICE = "dlm"
ROOMS = ("dlm",)

call, _ = service(SERVICE)
POLICY = {"PolicyId": "$policy"}
ROLE = "arn:aws:iam::123456789012:role/dlm"


def details(hours=24, count=3):
    return {"ResourceTypes": ["VOLUME"], "TargetTags": [{"Key": "walk-daily", "Value": "yes"}],
            "Schedules": [{"Name": "daily", "CopyTags": True, "CreateRule": {"Interval": hours, "IntervalUnit": "HOURS", "Times": ["23:45"]},
                           "RetainRule": {"Count": count}}]}


POLICIES = [
    call("CreateLifecyclePolicy", {"ExecutionRoleArn": ROLE, "Description": "walk", "State": "ENABLED", "PolicyDetails": details(),
                                   "Tags": {"walk": "yes"}}, policy="PolicyId"),
    call("GetLifecyclePolicy", POLICY, arn="Policy.PolicyArn", query="Policy.PolicyDetails.Schedules[].Name",
         see={"Policy.State": "ENABLED", "Policy.PolicyDetails.Schedules[0].RetainRule.Count": 3, "Policy.Tags": {"walk": "yes"}}),
    call("GetLifecyclePolicies", {"ResourceTypes": ["VOLUME"]}, see={"Policies[?PolicyId=='$policy'].Description": ["walk"]},
         query="Policies[].PolicyId"),
    call("GetLifecyclePolicies", {"TagsToAdd": ["no=such"]}, see={"Policies": []}),
    call("UpdateLifecyclePolicy", {**POLICY, "Description": "walked", "State": "DISABLED", "PolicyDetails": details(12, 5)}),
    call("GetLifecyclePolicy", POLICY, see={"Policy.State": "DISABLED", "Policy.PolicyDetails.Schedules[0].CreateRule.Interval": 12}),
    call("TagResource", {"ResourceArn": "$arn", "Tags": {"team": "blue"}}),
    call("UntagResource", {"ResourceArn": "$arn", "TagKeys": ["walk"]}),
    call("ListTagsForResource", {"ResourceArn": "$arn"}, see={"Tags": {"team": "blue"}}),
    call("CreateLifecyclePolicy", {"ExecutionRoleArn": ROLE, "Description": "walk", "State": "ENABLED", "PolicyDetails": details(5)},
         fails="InvalidRequestException"),
    call("DeleteLifecyclePolicy", POLICY),
    call("GetLifecyclePolicy", POLICY, fails="ResourceNotFoundException"),
]

SCENES = {"policies": POLICIES}
GUESTS = set()
NEWER = set()

# What AWS's answers have whatever is asked: the members in all of the examples that the AWS CLI comes with.
PRESENT = {
    "CreateLifecyclePolicyResponse": ["PolicyId"],
    "LifecyclePolicySummary": ["PolicyId", "Description", "State"],
    "LifecyclePolicy": ["PolicyId", "Description", "State", "ExecutionRoleArn", "DateCreated", "DateModified", "PolicyDetails"],
    "PolicyDetails": ["ResourceTypes", "TargetTags", "Schedules"],
    "Schedule": ["Name", "CreateRule", "RetainRule"],
}

# Which of the provider's resources, data sources (data.) or the provider itself calls it; "-": none does, and why.
TERRAFORM = {
    "CreateLifecyclePolicy": "aws_dlm_lifecycle_policy",
    "DeleteLifecyclePolicy": "aws_dlm_lifecycle_policy",
    "GetLifecyclePolicies": "-: the provider has nothing of it",
    "GetLifecyclePolicy": "aws_dlm_lifecycle_policy",
    "ListTagsForResource": "-: the provider reads them of GetLifecyclePolicy",
    "TagResource": "aws_dlm_lifecycle_policy, with other tags",
    "UntagResource": "aws_dlm_lifecycle_policy, with fewer tags",
    "UpdateLifecyclePolicy": "aws_dlm_lifecycle_policy, with another schedule",
}
FILTERED, REFUSED_FILTERS = [], {}


def before_terraform(_):
    """Nothing is there before."""


OUTPUTS = {"arn": True}
IMPORTED = {"aws_dlm_lifecycle_policy.daily": lambda it: it["id"]}
