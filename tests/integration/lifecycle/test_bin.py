"""The Recycle Bin with boto3 and the AWS CLI: what is deleted is kept, comes back, and goes in time."""

import json

from cloud import DEBIAN_AWS, error_of, wait_until
from daemons import WAIT_S

DAY = {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}


def binned(pair):
    return {s["SnapshotId"]: s for s in pair.client("ec2").list_snapshots_in_recycle_bin()["Snapshots"]}


def test_kept_restored_and_gone(pair):
    ec2, rbin = pair.client("ec2"), pair.client("rbin")
    volume = pair.volume()
    loose, kept, excluded = pair.snapshot(volume), pair.snapshot(volume, keep="yes"), pair.snapshot(volume, keep="yes", junk="x")
    rule = rbin.create_rule(RetentionPeriod=DAY, ResourceType="EBS_SNAPSHOT", Description="tagged",
                            ResourceTags=[{"ResourceTagKey": "keep", "ResourceTagValue": "yes"}],
                            Tags=[{"Key": "a", "Value": "b"}])
    assert rule["Status"] == "available" and rule["Tags"] == [{"Key": "a", "Value": "b"}] and len(rule["Identifier"]) == 11
    ec2.delete_snapshot(SnapshotId=loose)
    ec2.delete_snapshot(SnapshotId=kept)
    assert [s["SnapshotId"] for s in pair.shown()] == [excluded] and list(binned(pair)) == [kept]
    held = binned(pair)[kept]
    assert (held["RecycleBinExitTime"] - held["RecycleBinEnterTime"]).total_seconds() == 86400 and held["VolumeId"] == volume
    assert error_of(ec2.delete_snapshot, SnapshotId=kept)[0] == "InvalidSnapshot.NotFound"
    assert error_of(ec2.create_volume, AvailabilityZone="us-east-1a", SnapshotId=kept)[0] == "InvalidSnapshot.NotFound"
    pair.kill()
    super(type(pair), pair).start()
    ec2, rbin = pair.client("ec2"), pair.client("rbin")
    assert binned(pair)[kept] == held
    answer = ec2.restore_snapshot_from_recycle_bin(SnapshotId=kept)
    assert answer["State"] == "completed" and answer["VolumeId"] == volume
    assert not binned(pair) and pair.shown(kept)[0]["Tags"] == [{"Key": "keep", "Value": "yes"}]
    assert error_of(ec2.restore_snapshot_from_recycle_bin, SnapshotId=kept)[0] == "InvalidSnapshot.NotFound"
    made = ec2.create_volume(AvailabilityZone="us-east-1a", SnapshotId=kept)["VolumeId"]
    wait_until("a volume of it is there", lambda: ec2.describe_volumes(VolumeIds=[made])["Volumes"][0]["State"] == "available", WAIT_S)
    # A rule for all but some; the longest that fits counts.
    whole = rbin.create_rule(RetentionPeriod={**DAY, "RetentionPeriodValue": 7}, ResourceType="EBS_SNAPSHOT")["Identifier"]
    ec2.delete_snapshot(SnapshotId=kept)
    held = binned(pair)[kept]
    assert (held["RecycleBinExitTime"] - held["RecycleBinEnterTime"]).days == 7
    rbin.delete_rule(Identifier=whole)
    ec2.restore_snapshot_from_recycle_bin(SnapshotId=kept)
    ec2.delete_snapshot(SnapshotId=kept)
    rbin.delete_rule(Identifier=rule["Identifier"])
    ec2.delete_snapshot(SnapshotId=excluded)
    assert list(binned(pair)) == [kept]
    pair.restart(time_scale=40000)  # a day in two seconds
    wait_until("its time is over", lambda: not binned(pair) and not pair.shown(), WAIT_S)
    wait_until("storaged has none", lambda: not pair.storaged("/v1/snapshots")["snapshots"], WAIT_S)


def test_images(pair):
    """A deregistered image is kept as it was, comes back where its snapshots are there, and goes in time."""
    ec2, rbin = pair.client("ec2"), pair.client("rbin")
    snapshot = pair.snapshot(pair.volume())
    def register(name, **tags):
        made = ec2.register_image(Name=name, Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/xvda", Description="d",
                                  BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}])["ImageId"]
        ec2.create_tags(Resources=[made], Tags=[{"Key": k, "Value": v} for k, v in {"of": "test", **tags}.items()])
        return made
    def shown():  # Debian's boto3 does not know of disabled images
        return {i["ImageId"]: i for i in pair.json("describe-images", "--owners", "self", "--include-disabled")["Images"]}
    def held():
        return {i["ImageId"]: i for i in ec2.list_images_in_recycle_bin()["Images"]}
    rbin.create_rule(RetentionPeriod=DAY, ResourceType="EC2_IMAGE", ResourceTags=[{"ResourceTagKey": "keep", "ResourceTagValue": "yes"}])
    kept, off, junk = register("kept", keep="yes"), register("off", keep="yes"), register("junk", keep="no")
    pair.minicloud("disable-image", "--image-id", off)
    ec2.modify_image_attribute(ImageId=kept, LaunchPermission={"Add": [{"UserId": "210987654321"}]})
    for image in (kept, off, junk):
        ec2.deregister_image(ImageId=image)
    assert not shown() and sorted(held()) == sorted([kept, off])
    one = held()[kept]
    assert (one["Name"], one["Description"]) == ("kept", "d")
    assert (one["RecycleBinExitTime"] - one["RecycleBinEnterTime"]).total_seconds() == 86400
    assert error_of(ec2.describe_images, ImageIds=[kept])[0] == "InvalidAMIID.NotFound"
    assert error_of(ec2.run_instances, ImageId=kept, InstanceType="t3.nano", MinCount=1, MaxCount=1)[0] == "InvalidAMIID.NotFound"
    pair.kill()
    super(type(pair), pair).start()
    ec2 = pair.client("ec2")
    assert held()[kept] == one
    other = register("kept")
    assert error_of(ec2.restore_image_from_recycle_bin, ImageId=kept)[0] == "InvalidAMIName.Duplicate"
    assert error_of(ec2.restore_image_from_recycle_bin, ImageId=other)[0] == "InvalidAMIID.NotFound"
    assert error_of(ec2.delete_snapshot, SnapshotId=snapshot)[0] == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=other)
    pair.aws(DEBIAN_AWS, "ec2", "restore-image-from-recycle-bin", "--image-id", kept)
    ec2.restore_image_from_recycle_bin(ImageId=off)
    assert not held() and {i: v["State"] for i, v in shown().items()} == {kept: "available", off: "disabled"}
    assert {"Key": "keep", "Value": "yes"} in shown()[kept]["Tags"]
    assert ec2.describe_image_attribute(ImageId=kept, Attribute="launchPermission")["LaunchPermissions"] == [{"UserId": "210987654321"}]
    for image in (kept, off):
        ec2.deregister_image(ImageId=image)
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert error_of(ec2.restore_image_from_recycle_bin, ImageId=kept)[0] == "InvalidSnapshot.NotFound"
    pair.restart(time_scale=40000)
    wait_until("its time is over", lambda: not held(), WAIT_S)
    assert not shown()


def test_rules(pair):
    """By the CLI: list, change, lock, tags, and what is refused."""
    def rbin(*words):
        done = pair.aws(DEBIAN_AWS, "rbin", *words, "--output", "json").stdout
        return json.loads(done) if done.strip() else None
    tags = ["--resource-tags", "ResourceTagKey=team,ResourceTagValue=a"]
    one = rbin("create-rule", "--retention-period", "RetentionPeriodValue=3,RetentionPeriodUnit=DAYS", "--resource-type", "EBS_SNAPSHOT", *tags)
    two = rbin("create-rule", "--retention-period", "RetentionPeriodValue=5,RetentionPeriodUnit=DAYS", "--resource-type", "EBS_SNAPSHOT",
               "--description", "all")
    def listed(*words):
        return [r["Identifier"] for r in rbin("list-rules", "--resource-type", "EBS_SNAPSHOT", *words)["Rules"]]
    assert listed() == [one["Identifier"], two["Identifier"]] and listed(*tags) == [one["Identifier"]]
    client = pair.client("rbin")
    first = client.list_rules(ResourceType="EBS_SNAPSHOT", MaxResults=1)
    second = client.list_rules(ResourceType="EBS_SNAPSHOT", MaxResults=1, NextToken=first["NextToken"])
    assert [r["Identifier"] for r in first["Rules"] + second["Rules"]] == listed() and "NextToken" not in second
    assert error_of(client.list_rules, ResourceType="EBS_SNAPSHOT", NextToken="AAAA")[:2] == ("ValidationException", 400)
    name = ["--identifier", two["Identifier"]]
    changed = rbin("update-rule", *name, "--retention-period", "RetentionPeriodValue=9,RetentionPeriodUnit=DAYS")
    assert changed["RetentionPeriod"]["RetentionPeriodValue"] == 9 and changed["Description"] == "all"
    assert error_of(client.update_rule, Identifier=two["Identifier"], ResourceTags=[{"ResourceTagKey": "x"}])[0] == "ValidationException"
    delay = {"UnlockDelay": {"UnlockDelayValue": 7, "UnlockDelayUnit": "DAYS"}}
    assert client.lock_rule(Identifier=two["Identifier"], LockConfiguration=delay)["LockState"] == "locked"
    assert error_of(client.delete_rule, Identifier=two["Identifier"])[:2] == ("ConflictException", 409)
    assert error_of(client.lock_rule, Identifier=one["Identifier"], LockConfiguration=delay)[0] == "ValidationException"
    assert client.unlock_rule(Identifier=two["Identifier"])["LockState"] == "pending_unlock"
    assert error_of(client.update_rule, Identifier=two["Identifier"], Description="x")[:2] == ("ConflictException", 409)
    pair.restart(time_scale=300000)
    client = pair.client("rbin")
    wait_until("the delay is over", lambda: client.get_rule(Identifier=two["Identifier"])["LockState"] == "unlocked", WAIT_S)
    arn = f"arn:aws:rbin:us-east-1:123456789012:rule/{two['Identifier']}"
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "k", "Value": "v w/x"}, {"Key": "other", "Value": ""}])
    client.untag_resource(ResourceArn=arn, TagKeys=["other", "none"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v w/x"}]
    client.delete_rule(Identifier=two["Identifier"])
    assert error_of(client.get_rule, Identifier=two["Identifier"])[:2] == ("ResourceNotFoundException", 404)
    assert error_of(client.create_rule, RetentionPeriod={**DAY, "RetentionPeriodValue": 4000}, ResourceType="EBS_SNAPSHOT")[0] == \
        "ValidationException"
