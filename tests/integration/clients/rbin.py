"""The Recycle Bin's own actions: scenes, Terraform's resources, and what AWS's answers always have."""

from steps import service

SERVICE = "rbin"
ROOMS = ("rbin",)

call, _ = service(SERVICE)
ec2, _ = service("ec2")
sts, _ = service("sts")
RULE = {"Identifier": "$rule"}
ARN = {"ResourceArn": "arn:aws:rbin:$region:$account:rule/$rule"}
DAY = {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}

RULES = [
    ec2("DescribeAvailabilityZones", region="AvailabilityZones[0].RegionName"), sts("GetCallerIdentity", account="Account"),
    call("CreateRule", {"RetentionPeriod": DAY, "ResourceType": "EBS_SNAPSHOT", "Description": "walk", "Tags": [{"Key": "walk", "Value": "yes"}],
                        "ResourceTags": [{"ResourceTagKey": "walk-keep", "ResourceTagValue": "yes"}]},
         rule="Identifier", see={"Status": "available", "Description": "walk"}),
    call("GetRule", RULE, see={"RetentionPeriod": DAY, "ResourceTags[0].ResourceTagKey": "walk-keep"}, query="[Identifier,Status]"),
    call("ListRules", {"ResourceType": "EBS_SNAPSHOT"}, see={"Rules[?Identifier=='$rule'].Description": ["walk"]}, page=1,
         query="Rules[].Identifier"),
    call("UpdateRule", {**RULE, "Description": "walked", "RetentionPeriod": {**DAY, "RetentionPeriodValue": 2}},
         see={"Description": "walked", "RetentionPeriod.RetentionPeriodValue": 2}),
    call("TagResource", {**ARN, "Tags": [{"Key": "team", "Value": "blue"}]}),
    call("UntagResource", {**ARN, "TagKeys": ["walk"]}),
    call("ListTagsForResource", ARN, see={"Tags": [{"Key": "team", "Value": "blue"}]}),
    call("CreateRule", {"RetentionPeriod": {**DAY, "RetentionPeriodValue": 3651}, "ResourceType": "EBS_SNAPSHOT"}, fails="ValidationException"),
    call("DeleteRule", RULE),
    call("GetRule", RULE, fails="ResourceNotFoundException"),
]

# A rule locks as a whole, without tags; one that is unlocked can go after its days.
LOCK = [
    call("CreateRule", {"RetentionPeriod": DAY, "ResourceType": "EC2_IMAGE", "Description": "locked"}, rule="Identifier"),
    call("LockRule", {**RULE, "LockConfiguration": {"UnlockDelay": {"UnlockDelayValue": 7, "UnlockDelayUnit": "DAYS"}}},
         see={"LockState": "locked"}),
    call("DeleteRule", RULE, fails="ConflictException"),
    call("UnlockRule", RULE, see={"LockState": "pending_unlock"}),
    call("ListRules", {"ResourceType": "EC2_IMAGE", "LockState": "pending_unlock"}, see={"Rules[?Identifier=='$rule'].LockState": ["pending_unlock"]}),
]

SCENES = {"rules": RULES, "lock": LOCK}
GUESTS = {"lock"}  # its rule stays for a week, and keeps images of its region
NEWER = set()

# What AWS's answers have whatever is asked: the members in all of the examples that the AWS CLI comes with.
PRESENT = {
    "CreateRuleResponse": ["Identifier", "RetentionPeriod", "ResourceType", "Status"],
    "GetRuleResponse": ["Identifier", "ResourceType", "RetentionPeriod", "ResourceTags", "Status"],
    "RuleSummary": ["Identifier", "RetentionPeriod"],
    "UpdateRuleResponse": ["Identifier", "ResourceType", "RetentionPeriod", "ResourceTags", "Status"],
}

# Which of the provider's resources, data sources (data.) or the provider itself calls it; "-": none does, and why.
TERRAFORM = {
    "CreateRule": "aws_rbin_rule",
    "DeleteRule": "aws_rbin_rule",
    "GetRule": "aws_rbin_rule",
    "ListRules": "-: the provider has nothing of it",
    "ListTagsForResource": "aws_rbin_rule",
    "LockRule": "-: the provider locks a rule as it makes it, by CreateRule",
    "TagResource": "aws_rbin_rule, with other tags",
    "UnlockRule": "-: the provider has nothing of it",
    "UntagResource": "aws_rbin_rule, with fewer tags",
    "UpdateRule": "aws_rbin_rule, with another period",
}
FILTERED, REFUSED_FILTERS = [], {}


def before_terraform(_):
    """Nothing is there before."""


OUTPUTS = {"status": "available"}
IMPORTED = {"aws_rbin_rule.week": lambda it: it["id"]}
