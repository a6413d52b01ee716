"""Data Lifecycle Manager with boto3: snapshots on a schedule, kept by number and age,
neither doubled nor lost by kills. Hours pass in parts of a second (time_scale)."""

import json

from cloud import error_of, wait_until
from daemons import WAIT_S

ROLE = "arn:aws:iam::123456789012:role/dlm"
HOURLY = {"Interval": 1, "IntervalUnit": "HOURS", "Times": ["00:00"]}


def details(retain, create=None, **schedule):
    return {"PolicyType": "EBS_SNAPSHOT_MANAGEMENT", "ResourceTypes": ["VOLUME"], "TargetTags": [{"Key": "backup", "Value": "yes"}],
            "Schedules": [{"Name": "hourly", "CreateRule": create or HOURLY, "RetainRule": retain, **schedule}]}


def create(dlm, retain, **more):
    return dlm.create_lifecycle_policy(ExecutionRoleArn=ROLE, Description="every hour", State=more.pop("state", "ENABLED"),
                                       PolicyDetails=details(retain, **more))["PolicyId"]


def dues(pair):
    """(volume, schedule, when it was due) of each snapshot that policies took, as the database has them."""
    with pair.database() as db:
        rows = [json.loads(spec) for (spec,) in db.execute("SELECT spec FROM resource WHERE kind = 'snapshot'")]
    return [(r["volume"], r["dlm"]["schedule"], r["dlm"]["due"]) for r in rows if "dlm" in r]


def test_hours_pass(pair):
    """Tags, number and what the API says; a daemon that is killed again and again."""
    volume, other = pair.volume(backup="yes", team="a"), pair.volume(backup="no")
    pair.restart(time_scale=2400)  # an hour in one and a half seconds
    dlm = pair.client("dlm")
    policy = create(dlm, {"Count": 3}, CopyTags=True, TagsToAdd=[{"Key": "by", "Value": "dlm"}])
    wait_until("two were taken", lambda: len(pair.shown()) >= 2, WAIT_S)
    one = pair.shown()[0]
    assert one["VolumeId"] == volume != other and one["Description"] == f"Created for policy: {policy} schedule: hourly"
    tags = {t["Key"]: t["Value"] for t in one["Tags"]}
    assert tags == {"backup": "yes", "team": "a", "by": "dlm", "dlm:managed": "true", "aws:dlm:lifecycle-policy-id": policy,
                    "aws:dlm:lifecycle-schedule-name": "hourly"}
    seen = set()
    for _ in range(3):
        pair.kill()
        pair.launcher("start-one", "api")
        pair.running = True
        before = len(seen)
        def more(before=before):
            seen.update(dues(pair))
            return len(seen) > before + 1
        wait_until("it goes on", more, WAIT_S)
        found = dues(pair)
        assert len(found) == len(set(found)), "one was doubled"
    assert {v for v, _, _ in seen} == {volume}
    dlm = pair.client("dlm")
    dlm.update_lifecycle_policy(PolicyId=policy, State="DISABLED")
    wait_until("none is pending", lambda: all(s["State"] == "completed" for s in pair.shown()), WAIT_S)
    dlm.update_lifecycle_policy(PolicyId=policy, State="ENABLED")
    wait_until("three are kept", lambda: sum(s["State"] == "completed" for s in pair.shown()) == 3, WAIT_S)
    dlm.delete_lifecycle_policy(PolicyId=policy)
    wait_until("none is pending", lambda: all(s["State"] == "completed" for s in pair.shown()), WAIT_S)
    assert pair.shown(), "what was taken stays"
    assert error_of(dlm.get_lifecycle_policy, PolicyId=policy)[:2] == ("ResourceNotFoundException", 404)


def test_what_it_says(pair):
    """Policies as they are shown, searched for, tagged and refused."""
    dlm = pair.client("dlm")
    policy = create(dlm, {"Interval": 2, "IntervalUnit": "WEEKS"}, create={"CronExpression": "cron(0 18 ? * MON-FRI *)"}, state="DISABLED")
    shown = dlm.get_lifecycle_policy(PolicyId=policy)["Policy"]
    assert shown["State"] == "DISABLED" and shown["PolicyArn"] == f"arn:aws:dlm:us-east-1:123456789012:policy/{policy}"
    assert shown["DateCreated"].tzinfo and shown["PolicyDetails"]["ResourceLocations"] == ["CLOUD"]
    def found(**more):
        return [p["PolicyId"] for p in dlm.get_lifecycle_policies(**more)["Policies"]]
    assert found() == found(State="DISABLED", ResourceTypes=["VOLUME"], TargetTags=["backup=yes"]) == [policy]
    assert not found(State="ENABLED") and not found(TargetTags=["backup=no"]) and not found(ResourceTypes=["INSTANCE"])
    dlm.tag_resource(ResourceArn=shown["PolicyArn"], Tags={"k": "v", "l": "w"})
    dlm.untag_resource(ResourceArn=shown["PolicyArn"], TagKeys=["l"])
    assert dlm.list_tags_for_resource(ResourceArn=shown["PolicyArn"])["Tags"] == {"k": "v"}
    for bad in ({"create": {"Interval": 5, "IntervalUnit": "HOURS"}}, {"create": {"CronExpression": "cron(0 25 ? * MON-FRI *)"}},
                {"CrossRegionCopyRules": [{"TargetRegion": "us-east-1", "Encrypted": False}]}):
        assert error_of(create, dlm, {"Count": 1}, **bad)[:2] == ("InvalidRequestException", 400)
    assert error_of(create, dlm, {})[:2] == ("InvalidRequestException", 400)
